"""A client that opens as many connections as it can leaves some to the others."""

import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from websockets.sync.client import connect

from kato_service.server import open_connections
from support.raw_http import RawAnswer, head, received
from support.services import NewService, ServiceProcess
from support.waiting import until

FILES = 120
MOST = FILES - FILES // 4
OF_ONE = 81
"""Nine tenths of them."""


@contextmanager
def few_files() -> Iterator[None]:
    """Processes that are started meanwhile may open few files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def started(new_service: NewService) -> Callable[..., ServiceProcess]:
    def start(**variables: str) -> ServiceProcess:
        service = new_service(VECTORS="disabled", **variables)
        with few_files():
            service.start()
        service.await_ready()
        return service

    return start


def opened(service: ServiceProcess, address: str = "127.0.0.1") -> socket.socket:
    place = ("127.0.0.1", service.port)
    return socket.create_connection(place, timeout=20, source_address=(address, 0))


def asked(connection: socket.socket, path: str) -> RawAnswer:
    connection.sendall(head("GET", path))
    return received(connection)


def answered(connection: socket.socket) -> RawAnswer:
    return asked(connection, "/health/live")


def test_one_address_leaves_a_tenth_of_the_connections_to_others(
    started: Callable[..., ServiceProcess],
) -> None:
    service = started()
    with ExitStack() as held:
        idle = [held.enter_context(opened(service)) for _ in range(OF_ONE)]
        assert answered(idle[-1]).status == 200
        with opened(service) as surplus:
            refused = received(surplus)
            assert (refused.status, refused.code) == (503, "OVERLOADED")
            assert refused.envelope["error"]["message"] == (
                "81 connections of this client address are open, as many as one may have; close"
                " some, or retry later"
            )
            assert int(refused.headers["retry-after"]) > 0
            assert surplus.recv(1) == b""
        others = [held.enter_context(opened(service, "127.0.0.2")) for _ in range(MOST - OF_ONE)]
        assert answered(others[-1]).status == 200
        with opened(service, "127.0.0.3") as surplus:
            message = received(surplus).envelope["error"]["message"]
            assert message.startswith("90 connections are open, as many as this process allows")
        for one in idle[:2]:
            one.close()
        refusals = 'kato_requests_shed_total{limit="connections"} 2.0'
        assert refusals in asked(others[-1], "/metrics").body.decode()
        await_answer(service)


def await_answer(service: ServiceProcess) -> None:
    """Wait for a request that is answered: the end of earlier connections was noticed."""

    def is_answered() -> bool:
        with opened(service) as connection:
            return answered(connection).status == 200

    until(is_answered, "an answer")


def test_websockets_are_connections_too_and_give_their_places_back(
    started: Callable[..., ServiceProcess],
) -> None:
    service = started()
    url = service.url.replace("http", "ws")
    for _ in range(3):
        with ExitStack() as held:
            for _ in range(40):
                held.enter_context(connect(f"{url}/ws"))
            for _ in range(OF_ONE - 40):
                held.enter_context(opened(service))
            with opened(service) as surplus:
                assert received(surplus).status == 503
        await_answer(service)


def test_a_trusted_proxy_may_have_all_connections(
    started: Callable[..., ServiceProcess],
) -> None:
    service = started(TRUSTED_PROXIES="127.0.0.0/8")
    with ExitStack() as held:
        idle = [held.enter_context(opened(service)) for _ in range(OF_ONE + 3)]
        assert answered(idle[-1]).status == 200


def test_files_are_left_for_the_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in (
        (resource.RLIM_INFINITY, 20_000),
        (1_048_576, 20_000),
        (1024, 768),
        (4, 3),
        (1, 1),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert open_connections.most_connections() == most
