"""Deep checks against real servers: what is asked, and what is said of the answers."""

import socket
from pathlib import Path

import aiohttp
import pytest

from kato_operator.crd.instance import parse
from kato_operator.errors import CheckFailedError
from kato_operator.stores import probes
from kato_operator.stores.checks import (
    Answer,
    HttpProbe,
    MongoDBProbe,
    Probe,
    RedisProbe,
    ServiceProbe,
)
from support import certificates
from support.services import NewService


async def asked(probe: Probe) -> Answer:
    """The answer over a connection of its own."""
    async with aiohttp.ClientSession() as http:
        return await probe(http)


async def test_real_servers_answer(redis_url: str, mongo_url: str, qdrant_url: str) -> None:
    await asked(RedisProbe(redis_url))
    await asked(MongoDBProbe(mongo_url))
    await asked(HttpProbe(f"{qdrant_url}/readyz"))


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        pytest.param(RedisProbe("redis://127.0.0.1:1/0"), "PING failed", id="redis"),
        pytest.param(RedisProbe("no-url"), "PING failed", id="redis without a URL"),
        pytest.param(HttpProbe("http://127.0.0.1:1/readyz"), "GET failed", id="http"),
    ],
)
async def test_a_component_that_does_not_answer_fails_with_the_command(
    probe: Probe, said: str
) -> None:
    with pytest.raises(CheckFailedError, match=said):
        await asked(probe)


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
    await asked(ServiceProbe(url, own))
    await asked(ServiceProbe(url, f"{other}\n{own}"))
    for anchors in (other, ""):
        with pytest.raises(CheckFailedError, match=r"^the certificate that the service presents"):
            await asked(ServiceProbe(url, anchors))
    with pytest.raises(CheckFailedError, match="GET failed"):
        await asked(ServiceProbe(url, "-----BEGIN CERTIFICATE-----"))
    with pytest.raises(CheckFailedError, match="GET failed"):
        await asked(ServiceProbe(url.replace("https", "http")))


async def test_the_report_of_a_service_vouches_for_its_healthy_stores(service_url: str) -> None:
    answer = await asked(ServiceProbe(f"{service_url}/v2/health"))
    assert answer.vouched == {"redis", "mongodb", "qdrant"}


async def test_a_path_that_a_service_does_not_have_is_no_report(service_url: str) -> None:
    with pytest.raises(CheckFailedError, match=r"^GET /nothing returned 404$"):
        await asked(ServiceProbe(f"{service_url}/nothing"))


async def test_an_invalid_url_is_not_repeated() -> None:
    with pytest.raises(CheckFailedError) as failed:
        await asked(RedisProbe("redis://:hunter2/more@redis.example:6379/0"))
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize("store", ["redis", "mongodb"])
async def test_a_slash_in_an_adopted_password_is_escaped_in_the_url(store: str) -> None:
    raw = {"metadata": {"name": "prod", "namespace": "no-such-place"}}
    values = dict.fromkeys(("redis-password", "mongodb-service-password"), "hun/ter2")
    with pytest.raises(CheckFailedError, match=f"prod-{store}.no-such-place.svc"):
        await asked(probes.of(parse(raw), values, {})[store])


async def test_a_silent_server_is_reported_in_the_same_words_every_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        probe = MongoDBProbe(f"mongodb://127.0.0.1:{silent.getsockname()[1]}/")
        said = []
        for _ in range(2):
            with pytest.raises(CheckFailedError) as failed:
                await asked(probe)
            said.append(str(failed.value))
    assert said[0] == said[1]


async def test_a_wrong_password_is_reported_without_repeating_it(mongo_url: str) -> None:
    with pytest.raises(CheckFailedError) as failed:
        await asked(MongoDBProbe(mongo_url.replace("secret", "hunter2")))
    assert "hunter2" not in str(failed.value)


async def test_an_invalid_certificate_is_reported(mongo_url: str) -> None:
    with pytest.raises(CheckFailedError, match="hello failed"):
        await asked(MongoDBProbe(mongo_url, "no certificate"))


def test_every_component_outside_the_service_is_asked() -> None:
    raw = {"metadata": {"name": "prod", "namespace": "kato"}}
    generated = {"redis-password": "a", "mongodb-service-password": "b", "qdrant-api-key": "c"}
    assert set(probes.of(parse(raw), generated, {})) == {*("redis", "mongodb", "qdrant", "service")}
    embedded = {name: {"mode": "Embedded"} for name in ("redis", "mongodb", "qdrant")}
    assert set(probes.of(parse({**raw, "spec": embedded}), {}, {})) == {"service"}
