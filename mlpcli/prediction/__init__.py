"""From a model file and rows of any form to classes and probabilities; needs NumPy alone."""
