"""How a request becomes the call of an operation."""
