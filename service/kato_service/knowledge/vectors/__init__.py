"""Vectors of knowledge bases: in Qdrant, or in a file of this process (knowledge.md §6)."""
