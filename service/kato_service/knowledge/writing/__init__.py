"""What is written: the log, the views of what changed, and what may be trimmed."""
