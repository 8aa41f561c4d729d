"""One module for each subject of `scoring`: it scores rows in a process of its own."""
