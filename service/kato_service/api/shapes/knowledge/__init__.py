"""Bodies of requests on what a user knows."""
