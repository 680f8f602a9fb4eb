"""The operator finds the API server and its credentials as kubectl and pods do."""

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from kato_operator.api_server.api_server import ApiServer
from kato_operator.api_server.login import Login, find_login
from kato_operator.environment import WrongEnvironmentError

IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
SERVER = "https://api.example:6443"
PEM = "-----BEGIN CERTIFICATE-----\n"
ENCODED = base64.b64encode(PEM.encode()).decode()
TIMEOUT = aiohttp.ClientTimeout(total=30)


def kubeconfig(
    cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, name: str = "a"
) -> dict[str, Any]:
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {"server": SERVER, **(cluster or {})}}],
        "users": [{"name": name, "user": user or {}}],
    }


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], dict[str, str]]:
    """Writes kubeconfigs, and gives the environment that names them."""

    def write(*contents: Any) -> dict[str, str]:
        files = [tmp_path / f"{number}.yaml" for number in range(len(contents))]
        for file, content in zip(files, contents, strict=True):
            file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return {"KUBECONFIG": ":".join(map(str, files))}

    return write


@pytest.fixture
def service_account(tmp_path: Path) -> Path:
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("first\n")
    (folder / "ca.crt").write_text(PEM)
    return folder


def test_a_pod_logs_in_with_its_service_account(service_account: Path) -> None:
    login = find_login({**IN_A_POD, "KUBECONFIG": "none"}, service_account=service_account)
    assert (login.server, login.authority) == ("https://10.96.0.1:443", PEM)
    assert login.current_token() == "first"


def test_an_ipv6_address_of_the_api_server_is_put_in_brackets(service_account: Path) -> None:
    given = {**IN_A_POD, "KUBERNETES_SERVICE_HOST": "fd00::1"}
    assert find_login(given, service_account=service_account).server == "https://[fd00::1]:443"


def test_a_kubeconfig_gives_certificates_as_files_and_as_data(written: Any, tmp_path: Path) -> None:
    (tmp_path / "client.crt").write_text(PEM)
    (tmp_path / "client.key").write_text("key")
    user = {"client-certificate": "client.crt", "client-key": "client.key"}
    cluster = {"certificate-authority-data": ENCODED, "server": f"{SERVER}/"}
    login = find_login(written(kubeconfig(cluster, user)))
    assert login == Login(SERVER, PEM, certificate=PEM, key="key")
    other = {"client-certificate-data": ENCODED, "client-key-data": ENCODED, "token": "secret"}
    login = find_login(written(kubeconfig({"insecure-skip-tls-verify": True}, other)))
    assert login == Login(SERVER, is_verified=False, certificate=PEM, key=PEM, token="secret")
    assert "secret" not in repr(login)


def test_the_first_of_several_kubeconfigs_counts(written: Any) -> None:
    second = kubeconfig({"server": "https://other"}, {"token": "second"})
    third = kubeconfig({"server": "https://third"}, {"token": "third"}, name="third")
    login = find_login(written({"current-context": "a"}, kubeconfig(), second, third))
    assert (login.server, login.token) == (SERVER, "")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param("a: b: c", "is no kubeconfig", id="no YAML"),
        pytest.param("- a", "is no kubeconfig", id="a list"),
        pytest.param({"users": [{"user": {}}]}, "is no kubeconfig", id="no name"),
        pytest.param({}, "current-context names no context", id="empty"),
        pytest.param(
            {**kubeconfig(), "clusters": []}, "names no cluster with a server", id="no cluster"
        ),
        pytest.param(
            kubeconfig(user={"exec": {"command": "aws"}}), "exec, which is not", id="a command"
        ),
        pytest.param(
            kubeconfig({"certificate-authority-data": "?"}),
            "certificate-authority cannot be read",
            id="no base64",
        ),
        pytest.param(
            kubeconfig(user={"client-key": "missing"}), "client-key cannot be read", id="no file"
        ),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_refused(
    written: Any, content: Any, problem: str
) -> None:
    with pytest.raises(WrongEnvironmentError, match=f"^KUBECONFIG: .*{problem}"):
        find_login(written(content))


def test_a_missing_kubeconfig_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongEnvironmentError, match=r"gone\.yaml is no kubeconfig"):
        find_login({"KUBECONFIG": str(tmp_path / "gone.yaml")})


def test_without_any_credentials_the_operator_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(WrongEnvironmentError, match="set KUBECONFIG"):
        find_login({})


async def test_certificates_that_are_none_are_refused() -> None:
    with pytest.raises(WrongEnvironmentError, match="cannot be used"):
        ApiServer(Login(SERVER, PEM))


async def test_a_token_that_was_renewed_is_sent(service_account: Path) -> None:
    sent: list[str | None] = []

    async def serve(request: web.Request) -> web.Response:
        sent.append(request.headers.get("Authorization"))
        assert request.headers["User-Agent"] == "kato-operator"
        assert dict(request.query) == {"labelSelector": "a=b,c!=d+e"}
        return web.json_response(await request.json())

    application = web.Application()
    application.router.add_put("/api", serve)
    async with TestServer(application) as server:
        url = str(server.make_url("")).rstrip("/")
        api = ApiServer(Login(url, token_file=service_account / "token"))
        try:
            await _sent(api.open)
            (service_account / "token").write_text("second\n")
            await _sent(api.open)
        finally:
            await api.close()
    assert sent == ["Bearer first", "Bearer second"]


async def _sent(open_: Callable[..., Awaitable[aiohttp.ClientResponse]]) -> None:
    query, headers = [("labelSelector", "a=b,c!=d+e")], {"Content-Type": "application/json"}
    response = await open_("PUT", "/api", query, {"a": 1}, headers, timeout=TIMEOUT)
    assert await response.json() == {"a": 1}
