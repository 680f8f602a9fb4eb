"""The Kubernetes API as the operator uses it: verbs, caches, comparison, writes."""
