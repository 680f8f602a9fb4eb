"""Knowledge in MongoDB, SQLite and Qdrant: adapters of the ports in `model`, which know no fold."""
