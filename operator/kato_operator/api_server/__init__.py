"""The way to the API server: who the operator is there, and how its requests are sent."""
