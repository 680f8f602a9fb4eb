"""Learning many sequences in one request (docs/design/bulk.md)."""
