"""Learning many sequences in one request (docs/design/serving.md §9)."""
