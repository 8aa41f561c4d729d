"""Epochs and minibatches, in one process or several."""
