"""What monitoring programs of other KATO versions read: figures, and a feed of events."""
