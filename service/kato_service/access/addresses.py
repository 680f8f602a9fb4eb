"""The address that a request comes from, past the proxies that an instance trusts."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

UNKNOWN = "unknown"
_HOST_BITS = 64
"""Of an IPv6 address that one customer of a provider can choose at will."""


class ClientAddresses:
    def __init__(self, trusted_proxies: Sequence[str] = ()) -> None:
        """*trusted_proxies*: networks (CIDR) whose X-Forwarded-For is believed."""
        self._trusted = tuple(ip_network(each) for each in trusted_proxies)

    def of(self, scope: Scope) -> str:
        """The address of the connection; behind trusted proxies, the last one that none of them
        has."""
        client = scope.get("client")
        address = _without_mapping(str(client[0])) if client else UNKNOWN
        if not self._trusted or not self.is_proxy(address):
            return address
        forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
        for hop in reversed(forwarded.split(",")):
            hop = _without_port(hop.strip())
            if _parsed(hop) is None:
                break
            address = hop
            if not self.is_proxy(hop):
                break
        return address

    def is_proxy(self, address: str) -> bool:
        """Whether a trusted proxy has this address."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._trusted)


@lru_cache(maxsize=4096)
def counted_together(address: str) -> str:
    """What addresses of one client have in common: an IPv4 address, 64 bits of an IPv6 one."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, _HOST_BITS), strict=False))
    return address if parsed is None else str(parsed)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed


def _without_mapping(address: str) -> str:
    """The IPv4 address of a peer on a socket of both families, which reports ::ffff:192.0.2.1."""
    return str(_parsed(address) or address) if address.startswith("::ffff:") else address


def _without_port(hop: str) -> str:
    """Some proxies add the client's port: 192.0.2.1:1234, [2001:db8::1]:1234."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
