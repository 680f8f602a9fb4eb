"""The HTTP server around the application: bounded protocols, signals, worker processes."""
