"""Requests to one API server, as they are sent: over kept connections, with credentials."""

import json
import ssl
import tempfile
from collections.abc import Mapping, Sequence

import aiohttp

from kato_operator import names
from kato_operator.api_server.login import Login
from kato_operator.environment import WrongEnvironmentError
from kato_operator.manifests import Manifest

CONNECTIONS = 100
READ_BYTES = 2 * 2**20
"""Bytes of an answer that wait for their reader: objects of more than a megabyte exist."""


class ApiServer:
    """Sends requests to the API server of a login.

    Raises:
        WrongEnvironmentError: The certificates of the login are none.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=_trust(login)),
            headers={"User-Agent": names.FIELD_MANAGER},
            proxy=login.proxy,
            read_bufsize=READ_BYTES,
            trust_env=True,
        )

    @property
    def url(self) -> str:
        return self._login.server

    async def open(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: Manifest | None,
        headers: Mapping[str, str],
        *,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own, per phase
    ) -> aiohttp.ClientResponse:
        """Send a request; the response has its status and headers, its body is yet to be read.

        Raises:
            aiohttp.ClientError, OSError, TimeoutError: Nobody answered, or there is no token.
        """
        return await self._session.request(
            method,
            self.url + path,
            params=query,
            data=None if body is None else json.dumps(body),
            headers={**headers, **self._authorization()},
            timeout=timeout,
        )

    async def close(self) -> None:
        await self._session.close()

    def _authorization(self) -> dict[str, str]:
        token = self._login.current_token()
        return {"Authorization": f"Bearer {token}"} if token else {}


def _trust(login: Login) -> ssl.SSLContext:
    """Whom the operator trusts as the API server, and how it shows who it is."""
    try:
        context = ssl.create_default_context(cadata=login.authority or None)
        if login.certificate:
            with tempfile.NamedTemporaryFile("w") as file:  # ssl reads certificates of files only
                file.write(f"{login.certificate}\n{login.key}")
                file.flush()
                context.load_cert_chain(file.name)
    except OSError as exc:
        raise WrongEnvironmentError(
            f"the certificates for the API server {login.server} cannot be used ({exc})"
        ) from exc
    if not login.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
