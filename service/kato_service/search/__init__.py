"""The matching engines: candidates, alignment and ranking, over the index of a fold."""
