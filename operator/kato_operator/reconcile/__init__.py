"""A pass over one instance: its steps, what they read, and the order in which children change."""
