"""Whose address a request has: that of the connection, unless trusted proxies say otherwise."""

import pytest

from kato_service.access.addresses import ClientAddresses, counted_together

PROXIES = ("10.0.0.0/8", "fd00::/8")


def address(peer: str, *forwarded: str, trusted: tuple[str, ...] = PROXIES) -> str:
    headers = [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded]
    scope = {"type": "http", "client": (peer, 1234), "headers": headers}
    return ClientAddresses(trusted).of(scope)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", ("203.0.113.9",), "192.0.2.1"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("203.0.113.9, 10.9.9.9",), "203.0.113.9"),
        ("10.0.0.1", ("1.1.1.1, 203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("1.1.1.1", "203.0.113.9"), "203.0.113.9"),
        ("10.0.0.1", ("203.0.113.9:8080",), "203.0.113.9"),
        ("10.0.0.1", ("[2001:db8::1]:8080",), "2001:db8::1"),
        ("10.0.0.1", ("2001:db8::1",), "2001:db8::1"),
        ("10.0.0.1", ("unknown",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9, evil\xff",), "10.0.0.1"),
        ("10.0.0.1", ("10.1.1.1, 10.2.2.2",), "10.1.1.1"),
        ("::ffff:10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("fd00::1", ("203.0.113.9",), "203.0.113.9"),
    ],
)
def test_forwarded_addresses_are_believed_from_trusted_proxies_only(
    peer: str, forwarded: tuple[str, ...], expected: str
) -> None:
    assert address(peer, *forwarded) == expected


def test_without_trusted_proxies_no_header_changes_the_address() -> None:
    assert address("10.0.0.1", "203.0.113.9", trusted=()) == "10.0.0.1"


def test_an_ipv4_peer_of_a_socket_for_both_families_has_its_ipv4_address() -> None:
    assert address("::ffff:192.0.2.1", trusted=()) == "192.0.2.1"
    assert address("::ffff:c000:201") == "192.0.2.1"
    assert address("::1") == "::1"


def test_a_request_without_a_peer_has_an_address_all_the_same() -> None:
    assert ClientAddresses().of({"type": "http", "client": None, "headers": []}) == "unknown"


def test_addresses_that_one_client_can_choose_from_are_counted_together() -> None:
    assert counted_together("2001:db8:1:2:3::4") == counted_together("2001:db8:1:2:ffff::9")
    assert counted_together("2001:db8:1:2::4") != counted_together("2001:db8:1:3::4")
    assert counted_together("fe80::1%eth0") == counted_together("fe80::2%eth1")
    assert counted_together("192.0.2.1") != counted_together("192.0.2.2")
    assert counted_together("::ffff:192.0.2.1") == counted_together("192.0.2.1")
    assert counted_together("unknown") == "unknown"
