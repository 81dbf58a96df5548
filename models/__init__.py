"""What is learned: colour spaces, networks, pretext tasks.

A model has `taps`, `bottleneck`, `channels`, `forward(x)` and `encode(x) -> {tap: maps}`.
"""
