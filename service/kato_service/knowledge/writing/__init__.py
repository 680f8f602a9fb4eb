"""What is written: the log, the views of what it touched, and what may be trimmed."""
