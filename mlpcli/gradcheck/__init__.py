"""Gradients checked against the derivative itself, and mistakes named."""
