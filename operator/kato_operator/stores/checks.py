"""The questions to the stores and the service themselves, in addition to their pods' status."""

import asyncio
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from tempfile import NamedTemporaryFile
from typing import Any, Protocol

import aiohttp
import structlog

from kato_operator.errors import CheckFailedError, stable_message

_DRIVERS = ("redis.asyncio", "pymongo")
_imported: dict[str, Any] = {}
"""Drivers by name."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a component answered that has not failed.

    *detail* is for the status, such as MongoDB's primary. *vouched* are the other components that
    it uses itself and calls healthy. One that is not *is_well* is asked again soon.
    """

    detail: str = ""
    vouched: frozenset[str] = frozenset()
    is_well: bool = True


class Probe(Protocol):
    """Asks a component once. Probes that ask the same in the same way are equal."""

    async def __call__(self, http: aiohttp.ClientSession) -> Answer:
        """The answer; *http* is used for questions over HTTP.

        Raises:
            CheckFailedError: The component did not answer as it should.
        """


async def answered(
    probe: Probe, http: aiohttp.ClientSession, timeout_s: float
) -> tuple[str, Answer]:
    """The message of a failure, or else the answer."""
    for name in _DRIVERS:
        await _driver(name)  # before the time starts that the component has
    try:
        async with asyncio.timeout(timeout_s):
            return "", await probe(http)
    except TimeoutError:
        return f"did not answer within {timeout_s:g} s", Answer()
    except CheckFailedError as error:
        return str(error), Answer()
    except Exception as error:  # a defect that one answer brings out must not stop other checks
        log.exception("check crashed")
        return f"the check failed: {type(error).__name__}", Answer()


async def answered_once(probe: Probe, timeout_s: float) -> tuple[str, Answer]:
    """The same, over a connection of its own."""
    async with aiohttp.ClientSession() as http:
        return await answered(probe, http, timeout_s)


@dataclass(frozen=True, slots=True)
class RedisProbe:
    """A PING to the URL that the service uses."""

    url: str

    async def __call__(self, http: aiohttp.ClientSession) -> Answer:
        redis = await _driver("redis.asyncio")
        try:
            async with redis.Redis.from_url(self.url) as client:
                await client.ping()
                return Answer()
        except ValueError as error:  # its text may hold a part of the password, taken for the port
            raise CheckFailedError("PING failed: the URL is invalid") from error
        except (redis.RedisError, OSError) as error:
            raise CheckFailedError(f"PING failed: {error}") from error


@dataclass(frozen=True, slots=True)
class MongoDBProbe:
    """A `hello` as the service's user, which checks the login too; the detail is the primary.

    *ca* is the certificate of the server's authority; empty: the authorities of the system.
    """

    url: str
    ca: str = ""

    async def __call__(self, http: aiohttp.ClientSession) -> Answer:
        pymongo = await _driver("pymongo")
        try:
            with _trusting(self.ca) as options:
                async with pymongo.AsyncMongoClient(
                    self.url, serverSelectionTimeoutMS=2000, **options
                ) as client:
                    hello = await client.admin.command("hello")
                    return Answer(str(hello.get("primary", "")))
        except (pymongo.errors.PyMongoError, OSError, ValueError) as error:
            raise CheckFailedError(f"hello failed: {stable_message(error)[:200]}") from error


async def _driver(name: str) -> Any:
    """The module of a driver. The first check imports it, for 0.1 s in a thread: no start waits for
    it."""
    if name not in _imported:
        _imported[name] = await asyncio.to_thread(import_module, name)
    return _imported[name]


@contextmanager
def _trusting(ca: str) -> Iterator[dict[str, Any]]:
    """The options that make the driver trust an authority; it reads certificates from a file."""
    if not ca:
        yield {}
        return
    with NamedTemporaryFile("w", suffix=".crt") as file:
        file.write(ca)
        file.flush()
        yield {"tls": True, "tlsCAFile": file.name}


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """A GET that must return a status below 400; *api_key* is Qdrant's, or empty."""

    url: str
    api_key: str = ""

    async def __call__(self, http: aiohttp.ClientSession) -> Answer:
        headers = {"api-key": self.api_key} if self.api_key else {}
        with _mapped_errors():
            async with http.get(self.url, headers=headers) as answer:
                if answer.status >= 400:
                    raise CheckFailedError(f"GET {answer.url.path} returned {answer.status}")
        return Answer()


@dataclass(frozen=True, slots=True)
class ServiceProbe:
    """A GET of the service's health report, which must not say `unhealthy`.

    With HTTPS, *anchors* are the certificates (PEM) to trust. The host name is not compared: many
    certificates are for the name that clients outside of the cluster use.
    """

    url: str
    anchors: str = ""

    async def __call__(self, http: aiohttp.ClientSession) -> Answer:
        body = await self._report(http)
        parts: Mapping[str, Any] = body.get("components") or {}
        ill = [name for name, part in parts.items() if part.get("status") != "healthy"]
        if body.get("status") == "unhealthy":
            raise CheckFailedError(f"the service reports itself unhealthy: {', '.join(ill)}")
        return Answer(vouched=frozenset(parts) - frozenset(ill), is_well=not ill)

    async def _report(self, http: aiohttp.ClientSession) -> dict[str, Any]:
        """The report, whatever it says: the one of an unhealthy service has the status 503."""
        with _mapped_errors():
            async with http.get(self.url, ssl=_accepting(self.anchors)) as answer:
                body = await _body(answer)
                if answer.status >= 400 and "components" not in body:
                    raise CheckFailedError(f"GET {answer.url.path} returned {answer.status}")
                return body


@dataclass(frozen=True, slots=True)
class AgentProbe:
    """What the agent next to a MongoDB server says of its readiness, as JSON in the detail.

    An agent that cannot be reached says nothing: it is no reason to stop waiting for its server.
    """

    url: str

    async def __call__(self, http: aiohttp.ClientSession) -> Answer:
        try:
            body = await body_of(self.url, http)
        except CheckFailedError as error:
            log.debug("agent not asked", cause=str(error))
            return Answer(is_well=False)
        known = {name: body[name] for name in ("reason", "message") if name in body}
        return Answer(json.dumps(known, sort_keys=True), is_well=bool(body.get("ready")))


async def body_of(url: str, http: aiohttp.ClientSession) -> dict[str, Any]:
    """The JSON object at a URL, whatever the status; empty for any other content.

    Raises:
        CheckFailedError: No answer.
    """
    with _mapped_errors():
        async with http.get(url) as answer:
            return await _body(answer)


async def _body(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    body = await answer.json() if answer.content_type == "application/json" else {}
    return body if isinstance(body, dict) else {}


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        reason = getattr(error.certificate_error, "verify_message", "") or "unknown"
        raise CheckFailedError(
            f"the certificate that the service presents is not accepted ({reason}); renew the one"
            " in the Secret of service.tls, and set ca.crt there if an authority signed it"
        ) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise CheckFailedError(f"GET failed: {error}") from error


@lru_cache(maxsize=1024)
def _accepting(anchors: str) -> ssl.SSLContext | bool:
    """What certificates are checked by; True: the authorities of the system."""
    if not anchors:
        return True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # A certificate may vouch for itself although it is no authority's.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=anchors)
    return context
