"""Candidates, alignment, ranking: the matching engine and its index."""
