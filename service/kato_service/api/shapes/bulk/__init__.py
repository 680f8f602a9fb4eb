"""What goes into a bulk learn, and what comes out."""
