"""Users as resources: which there are, what they know, and how it is erased (http-api.md §6)."""
