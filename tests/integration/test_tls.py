"""HTTPS on the service's own port, and certificates that change while it runs."""

import ssl
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from kato_service.errors import SettingsError
from kato_service.settings.settings import read_settings
from support import certificates, patient
from support.raw_http import head, opened, received
from support.services import NewService, ServiceProcess
from support.waiting import until

PATIENCE_S = 60.0


@pytest.fixture
def pair(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """Makes a certificate for a common name, and its key."""

    return partial(certificates.pair, tmp_path)


def _serial(service: ServiceProcess) -> str:
    """What a new connection is shown."""
    return ssl.get_server_certificate(("127.0.0.1", service.port), timeout=PATIENCE_S)


def test_a_new_certificate_is_used_without_dropping_connections(
    new_service: NewService, pair: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    first, second = pair("first"), pair("second")
    files = tmp_path / "tls.crt", tmp_path / "tls.key"
    for source, file in zip(first, files, strict=True):
        file.write_bytes(source.read_bytes())
    service = new_service(
        TLS_CERT_FILE=str(files[0]), TLS_KEY_FILE=str(files[1]), VECTORS="disabled"
    )
    service.start()
    service.await_ready()
    with opened(service.url) as lasting:
        lasting.sendall(head("GET", "/health/live"))
        assert received(lasting).status == 200
        before = _serial(service)
        assert before == first[0].read_text()

        files[0].write_bytes(second[0].read_bytes())
        until(lambda: "certificate not used" in service.log, "the refusal of the first file")
        assert _serial(service) == before
        files[1].write_bytes(second[1].read_bytes())
        until(lambda: _serial(service) == second[0].read_text(), "the second certificate")
        files[0].write_bytes(b"")
        files[1].unlink()
        refusals = "certificate not used"
        until(lambda: service.log.count(refusals) >= 2, "the refusal of an empty file")
        assert _serial(service) == second[0].read_text()

        lasting.sendall(head("GET", "/health/live"))
        assert received(lasting).status == 200
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 20
    assert f'"url":"{service.url}"' in service.log


def test_a_tls_port_speaks_no_plain_http(
    new_service: NewService, pair: Callable[[str], tuple[Path, Path]]
) -> None:
    certificate, key = pair("only")
    service = new_service(TLS_CERT_FILE=str(certificate), TLS_KEY_FILE=str(key), VECTORS="disabled")
    service.start()
    service.await_ready()
    with pytest.raises(httpx.TransportError):
        patient.get(service.url.replace("https", "http", 1) + "/health/live")
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    answer = patient.get(f"{service.url}/health/live", verify=context)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("certificate", "key", "named"),
    [
        pytest.param("one.crt", "", "TLS_KEY_FILE: missing", id="no key"),
        pytest.param("", "one.key", "TLS_CERT_FILE: missing", id="no certificate"),
        pytest.param("one.crt", "two.key", "TLS_KEY_FILE: the file holds no key", id="other key"),
        pytest.param("one.key", "one.key", "TLS_CERT_FILE: the file holds no c", id="a key twice"),
        pytest.param(
            "one.crt", "one.crt", "TLS_KEY_FILE: the file holds no key", id="no key in it"
        ),
        pytest.param("nowhere", "one.key", "TLS_CERT_FILE: the file cannot be read", id="no file"),
        pytest.param("one.crt", ".", "TLS_KEY_FILE: the file cannot be read", id="a directory"),
    ],
)
def test_a_wrong_pair_stops_the_start_and_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
    pair: Callable[[str], tuple[Path, Path]],
    tmp_path: Path,
    certificate: str,
    key: str,
    named: str,
) -> None:
    pair("one")
    pair("two")
    for variable, file in (("TLS_CERT_FILE", certificate), ("TLS_KEY_FILE", key)):
        monkeypatch.setenv(variable, str(tmp_path / file) if file else "")
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert refused.value.message.startswith(named)
    assert "accepted" in refused.value.message
