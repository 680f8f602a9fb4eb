"""What the service measures about itself and what happens in it, for those who watch it."""
