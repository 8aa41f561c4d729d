"""The mathematics, in NumPy alone: no disk, no clock, no screen, no hidden randomness."""
