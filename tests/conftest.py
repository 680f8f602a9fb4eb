"""Fixtures for all tests: real servers, processes of the service, a proxy in front of a server."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["support.servers", "support.services", "support.proxy"]

settings.register_profile(
    "machines differ", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("machines differ")
