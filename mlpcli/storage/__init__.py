"""The files of mlpcli: every one that it reads or writes."""
