"""Sessions: their lifetime, exclusive access to one of them, and the stores that hold them."""
