"""What is done with vectors in addition to observing them."""
