# Generated from asynchronous/connection.py by `make client`: change that one.
"""Sends requests, repeatedly where that is safe and of use."""

import ssl
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import httpx

from kato_client import requests
from kato_client.attempts import CONNECT_S, SILENCE_S, Attempts
from kato_client.errors import ConnectionFailedError, KatoError, NotFoundError
from kato_client.requests import Request
from kato_client.synchronous.seam import sleep
from kato_client.version import VERSION

Token = str | Callable[[], str]
_TRUSTING_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For plain connections: httpx would read some 140 certificates first."""
R = TypeVar("R")


class Connection:
    """The connections to one instance: opened when needed, closed when nothing uses them."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None,
        token: Token | None,
        timeout_s: float,
        attempt_s: float,
        verify: bool | ssl.SSLContext,
    ) -> None:
        self.url = url.rstrip("/")
        self.timeout_s, self._attempt_s = timeout_s, attempt_s
        self._api_key, self._token, self._verify = api_key, token, verify
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None
        self._uses = 0
        self._closes = False

    @property
    def renews_credentials(self) -> bool:
        """Whether the next request may have a newer token."""
        return callable(self._token)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """How certificates of the other side are checked; None for plain connections."""
        if not self.url.startswith("https:"):
            return None
        return httpx.create_ssl_context(verify=self._verify)

    @property
    def headers(self) -> dict[str, str]:
        """Credentials as of now: a token may be a function, because tokens expire."""
        found = {"User-Agent": f"kato-client/{VERSION}", "Accept": "application/json"}
        if self._api_key is not None:
            found["X-API-Key"] = self._api_key
        if self._token is not None:
            token = self._token() if callable(self._token) else self._token
            found["Authorization"] = f"Bearer {token}"
        return found

    def attempts(self, timeout_s: float | None = None) -> Attempts:
        """The attempts of a call that begins now, within *timeout_s* or what the client has."""
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        return Attempts(limit_s, attempt_s=self._attempt_s)

    def begin(self) -> None:
        """Keep connections open until `end`."""
        with self._lock:
            self._uses += 1

    def end(self, *, closes: bool = False) -> None:
        """End a use. If one of the uses *closes*, the last one closes the connections."""
        with self._lock:
            self._uses -= 1
            self._closes = self._closes or closes
            if self._uses or not self._closes:
                return
            http, self._http, self._closes = self._http, None, False
        if http is not None:
            http.close()

    def call(self, request: Request, *, timeout_s: float | None = None) -> dict[str, Any]:
        """The answer to *request*, sent until the outcome is clear or the time is over.

        Returns:
            The JSON; empty if an earlier attempt had deleted what the request deletes.

        Raises:
            KatoError: The instance refused it, or no answer came in time.
        """
        return self.repeated(partial(self._attempted, request), timeout_s=timeout_s)

    def repeated(self, attempt: Callable[[Attempts], R], *, timeout_s: float | None = None) -> R:
        """What *attempt* gives, which is made until it succeeds or the time is over.

        Raises:
            KatoError: What the last attempt raised.
        """
        attempts = self.attempts(timeout_s)
        self.begin()
        try:
            while True:
                try:
                    return attempt(attempts)
                except KatoError as error:
                    pause_s = attempts.pause_s(error)
                    if pause_s is None:
                        raise
                sleep(pause_s)
        finally:
            self.end()

    def pieces(
        self,
        request: Request,
        sent: Iterator[bytes] | None = None,
        described: Mapping[str, str] | None = None,
    ) -> Generator[bytes, None]:
        """The answer to *request* piece by piece, as it arrives. It is sent once.

        Args:
            sent: A body that is made while it is sent.
            described: Headers that describe it.

        Raises:
            KatoError: The instance refused it, or did not answer, or not as fast as it has to.
        """
        self.begin()
        try:
            with requests.failures_of(self.url):
                with self._opened().stream(
                    request.method,
                    self.url + request.path,
                    params=request.query,
                    content=sent,
                    headers=self.headers | {"Accept-Encoding": "identity"} | dict(described or {}),
                    timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S),
                ) as response:
                    if response.status_code != 200:
                        content = response.read()
                        requests.answer(response.status_code, response.headers, content)
                    for piece in response.iter_bytes():
                        yield piece
        finally:
            self.end()

    def _attempted(self, request: Request, attempts: Attempts) -> dict[str, Any]:
        with requests.failures_of(self.url):
            response, content = self._received(request, attempts)
        try:
            return requests.answer(response.status_code, response.headers, content)
        except NotFoundError:
            if attempts.was_done(request):
                return {}
            raise

    def _received(self, request: Request, attempts: Attempts) -> tuple[httpx.Response, bytes]:
        left_s = attempts.left_s
        sent, described = request.content
        content = bytearray()
        with self._opened().stream(
            request.method,
            self.url + request.path,
            params=request.query,
            content=sent,
            headers=self.headers | described,
            timeout=httpx.Timeout(left_s, connect=min(left_s, CONNECT_S)),
        ) as response:
            for piece in response.iter_bytes():
                content += piece
                if attempts.is_over:
                    raise ConnectionFailedError(f"{self.url} did not finish its answer in time")
        return response, bytes(content)

    def _opened(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                self._http = httpx.Client(verify=self.tls or _TRUSTING_NOBODY)
            return self._http
