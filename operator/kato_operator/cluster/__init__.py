"""The Kubernetes API as the operator sees it: client, caches, comparison, writes."""
