"""Deep checks against real servers, and when a failed one counts."""

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kato_operator.crd.instance import parse
from kato_operator.errors import CheckFailedError
from kato_operator.stores import probes
from kato_operator.stores.checks import (
    CheckPolicy,
    DeepChecks,
    http_answers,
    mongodb_answers,
    redis_answers,
    service_is_healthy,
)
from support import certificates
from support.services import NewService

POLICY = CheckPolicy(interval_s=5.0, timeout_s=1.0, failure_threshold=3)


class Component:
    """A component whose answer the test decides."""

    def __init__(self) -> None:
        self.asked = 0
        self.problem = ""

    async def probe(self) -> str:
        self.asked += 1
        if self.problem:
            raise CheckFailedError(self.problem)
        return "fine"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def component() -> Component:
    return Component()


@pytest.fixture
def failures(clock: Clock, component: Component) -> Callable[[], Awaitable[dict[str, str]]]:
    """Checks again, one interval later."""
    checks = DeepChecks(clock=clock)

    async def asked() -> dict[str, str]:
        clock.now += POLICY.interval_s
        return await checks.failures("uid", {"redis": component.probe}, POLICY)

    return asked


async def test_real_servers_answer(redis_url: str, mongo_url: str, qdrant_url: str) -> None:
    await redis_answers(redis_url)()
    await mongodb_answers(mongo_url)()
    await http_answers(f"{qdrant_url}/readyz")()


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        pytest.param(redis_answers("redis://127.0.0.1:1/0"), "PING failed", id="redis"),
        pytest.param(redis_answers("no-url"), "PING failed", id="redis without a URL"),
        pytest.param(http_answers("http://127.0.0.1:1/readyz"), "GET failed", id="http"),
    ],
)
async def test_a_component_that_does_not_answer_fails_with_the_command(
    probe: Callable[[], Awaitable[str]], said: str
) -> None:
    with pytest.raises(CheckFailedError, match=said):
        await probe()


@pytest.fixture
def https(new_service: NewService, tmp_path: Path) -> tuple[str, str]:
    """The URL of the health report of a service with HTTPS, and its certificate (PEM), which is
    neither an authority's nor for the address."""
    leaf = ("-addext", "basicConstraints=critical,CA:FALSE")
    certificate, key = certificates.pair(tmp_path, "elsewhere.example", *leaf)
    service = new_service(TLS_CERT_FILE=str(certificate), TLS_KEY_FILE=str(key), VECTORS="disabled")
    service.start()
    service.await_ready()
    return f"{service.url}/v2/health", certificate.read_text()


async def test_a_service_with_https_is_asked_by_the_certificate_of_its_secret(
    https: tuple[str, str], tmp_path: Path
) -> None:
    url, own = https
    other = certificates.pair(tmp_path, "other")[0].read_text()
    await service_is_healthy(url, own)()
    await service_is_healthy(url, f"{other}\n{own}")()
    for anchors in (other, ""):
        with pytest.raises(CheckFailedError, match=r"^the certificate that the service presents"):
            await service_is_healthy(url, anchors)()
    with pytest.raises(CheckFailedError, match="GET failed"):
        await service_is_healthy(url, "-----BEGIN CERTIFICATE-----")()
    with pytest.raises(CheckFailedError, match="GET failed"):
        await service_is_healthy(url.replace("https", "http"))()


async def test_an_invalid_url_is_not_repeated() -> None:
    with pytest.raises(CheckFailedError) as failed:
        await redis_answers("redis://:hunter2/more@redis.example:6379/0")()
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize("store", ["redis", "mongodb"])
async def test_a_slash_in_an_adopted_password_is_escaped_in_the_url(store: str) -> None:
    raw = {"metadata": {"name": "prod", "namespace": "no-such-place"}}
    values = dict.fromkeys(("redis-password", "mongodb-service-password"), "hun/ter2")
    with pytest.raises(CheckFailedError, match=f"prod-{store}.no-such-place.svc"):
        await probes.of(parse(raw), values, {})[store]()


async def test_a_silent_server_is_reported_in_the_same_words_every_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        probe = mongodb_answers(f"mongodb://127.0.0.1:{silent.getsockname()[1]}/")
        said = []
        for _ in range(2):
            with pytest.raises(CheckFailedError) as failed:
                await probe()
            said.append(str(failed.value))
    assert said[0] == said[1]


async def test_a_wrong_password_is_reported_without_repeating_it(mongo_url: str) -> None:
    with pytest.raises(CheckFailedError) as failed:
        await mongodb_answers(mongo_url.replace("secret", "hunter2"))()
    assert "hunter2" not in str(failed.value)


async def test_an_invalid_certificate_is_reported(mongo_url: str) -> None:
    with pytest.raises(CheckFailedError, match="hello failed"):
        await mongodb_answers(mongo_url, "no certificate")()


async def test_a_component_that_has_never_answered_fails_at_once(
    component: Component, failures: Callable[[], Awaitable[dict[str, str]]]
) -> None:
    component.problem = "no"
    assert await failures() == {"redis": "no"}


async def test_a_component_that_has_answered_fails_at_the_threshold(
    component: Component, failures: Callable[[], Awaitable[dict[str, str]]]
) -> None:
    assert await failures() == {}
    component.problem = "no"
    assert [await failures() for _ in range(3)] == [{}, {}, {"redis": "no"}]
    component.problem = ""
    assert await failures() == {}


async def test_a_component_is_asked_at_most_once_per_interval(
    clock: Clock, component: Component
) -> None:
    checks = DeepChecks(clock=clock)
    for _ in range(3):
        await checks.failures("uid", {"redis": component.probe}, POLICY)
    assert component.asked == 1
    assert checks.detail("uid", "redis") == "fine"


def test_every_component_outside_the_service_is_asked() -> None:
    raw = {"metadata": {"name": "prod", "namespace": "kato"}}
    generated = {"redis-password": "a", "mongodb-service-password": "b", "qdrant-api-key": "c"}
    assert set(probes.of(parse(raw), generated, {})) == {*("redis", "mongodb", "qdrant", "service")}
    embedded = {name: {"mode": "Embedded"} for name in ("redis", "mongodb", "qdrant")}
    assert set(probes.of(parse({**raw, "spec": embedded}), {}, {})) == {"service"}
