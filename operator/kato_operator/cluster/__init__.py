"""The Kubernetes API as the operator uses it: client, caches, comparison, writes."""
