"""One module for each subject of `epochs` and `scaling`: it trains in a process of its own."""
