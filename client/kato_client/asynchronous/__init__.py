"""The asynchronous client; `synchronous` is generated from it."""
