"""Selecting patterns by conditions, where an index has a faster way than a look at each."""
