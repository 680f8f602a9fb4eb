"""The synchronous client: generated from `asynchronous`, except for `seam`."""
