"""Clients of the stores, their pools, timeouts, health checks and circuits; made only here."""
