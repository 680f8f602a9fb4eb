"""Knowledge moved between knowledge bases: taken over from older deployments, or as a file."""
