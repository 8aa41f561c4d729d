"""One script for each library that trains MNIST to 98 %, as its user would write it."""
