"""Who a request counts for, where one caller may hold only a part of what all share."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.types import Scope

UNKNOWN = "unknown"
"""Stands for the address of a connection that has none."""
SITE_BITS = 64
"""Bits of an IPv6 address that name a network: a client chooses the others as it likes."""


def caller_of(scope: Scope) -> str:
    """The address of the connection; for IPv6 its network, as one client has all of it."""
    client = scope.get("client")
    return _network(client[0]) if client else UNKNOWN


@lru_cache(maxsize=4096)
def _network(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address) >> SITE_BITS << SITE_BITS))
    return host
