"""Hydra's configuration tree; every handle is a short YAML that gives code a name."""
