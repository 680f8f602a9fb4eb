"""Fixtures for all tests: real servers, processes of the service, a proxy, a token issuer."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["support.servers", "support.services", "support.proxy", "support.issuer"]

settings.register_profile(
    "machines differ", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("machines differ")
