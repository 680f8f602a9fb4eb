"""Snapshot files: a fold on disk, from which a large knowledge base starts in a moment."""
