"""What requests ask of a search in addition to its predictions."""
