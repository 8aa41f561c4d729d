"""Data sets: read by name or from files, split, scaled, and fed a minibatch at a time."""
