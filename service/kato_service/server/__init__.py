"""The HTTP server around the application: protocols with bounds, signals, worker processes."""
