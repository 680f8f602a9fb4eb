"""Users as a whole: which there are, and how all that is kept of one is erased."""
