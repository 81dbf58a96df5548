"""One file an objective: `inputs`, channel counts, `losses(model, images, draws)`, `decode`."""
