"""The vocabulary of knowledge (entries, positions, views) and the ports of stores and engines."""
