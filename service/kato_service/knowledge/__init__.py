"""Knowledge bases: the log, its fold, its stores, and vectors."""
