"""What is run: data, splits, pretraining, latents, scoring, report.

The protocol in short: classes are divided into folds; the unseen fold never reaches pretraining.
Of each class's training images nine parts pretrain (pixels only) and one part is the labelled pool.
Encoders are frozen; probes and baselines meet the same labels; selection sees the pool only; the
choice is on disk before the official test split is read, once for a record.
"""
