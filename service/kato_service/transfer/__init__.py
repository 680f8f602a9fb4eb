"""Moving knowledge between knowledge bases: from existing deployments, or as a file."""
