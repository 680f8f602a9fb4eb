"""Clients, pools, timeouts, health checks; the only place that makes clients."""
