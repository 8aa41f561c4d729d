"""What is learnt from the training rows before the network sees them, and kept in its file."""
