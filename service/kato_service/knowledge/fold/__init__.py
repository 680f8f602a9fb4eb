"""The fold of a log: entries in, patterns and symbol statistics out."""
