"""Knowledge in MongoDB, SQLite and Qdrant; a store knows the words, never the fold."""
