"""Deep checks: ask the stores and the service themselves, in addition to their pods' status."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from tempfile import NamedTemporaryFile
from typing import Any

import aiohttp

from kato_operator.errors import CheckFailedError, stable_message

_DRIVERS = ("redis.asyncio", "pymongo")
_imported: dict[str, Any] = {}
"""Drivers by name."""
Probe = Callable[[], Awaitable[str]]
"""Asks a component once; gives a detail for the status, such as MongoDB's primary, or nothing.

Raises CheckFailedError if the component does not answer as it should.
"""


@dataclass(frozen=True, slots=True)
class CheckPolicy:
    """How often to ask, how long to wait, and how many failures in a row make a component fail."""

    interval_s: float
    timeout_s: float
    failure_threshold: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of the last check of a component.

    *failures* counts the failed checks in a row. *message* is why the last one failed, empty if
    it did not; *detail* is what the component answered. *was_up* tells whether it has ever
    answered.
    """

    asked_at: float
    failures: int
    message: str
    was_up: bool
    detail: str = ""


class DeepChecks:
    """Asks the components of instances, each at most once per interval while it is well.

    Args:
        clock: Gives the time in seconds; it must never go back.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._outcomes: dict[tuple[str, str], Outcome] = {}

    async def failures(
        self, uid: str, probes: Mapping[str, Probe], policy: CheckPolicy
    ) -> dict[str, str]:
        """The components that fail, each with the reason.

        A component that has answered before may fail a few times in a row, below the threshold;
        one that never has fails at once.
        """
        answers = [self._ask((uid, name), probe, policy) for name, probe in probes.items()]
        outcomes = dict(zip(probes, await asyncio.gather(*answers), strict=True))
        return {
            name: outcome.message
            for name, outcome in outcomes.items()
            if outcome.failures >= (policy.failure_threshold if outcome.was_up else 1)
        }

    def detail(self, uid: str, name: str) -> str:
        """The detail of a component's last answer; empty if it failed or was never asked."""
        outcome = self._outcomes.get((uid, name))
        return "" if outcome is None else outcome.detail

    def forget(self, uid: str) -> None:
        """Drop the results of an instance that is deleted."""
        for key in [key for key in self._outcomes if key[0] == uid]:
            del self._outcomes[key]

    async def _ask(self, key: tuple[str, str], probe: Probe, policy: CheckPolicy) -> Outcome:
        last = self._outcomes.get(key, Outcome(float("-inf"), 0, "", was_up=False))
        if self._clock() - last.asked_at < policy.interval_s and not last.failures:
            return last
        message, detail = await answered(probe, policy.timeout_s)
        failures = last.failures + 1 if message else 0
        outcome = Outcome(self._clock(), failures, message, last.was_up or not message, detail)
        self._outcomes[key] = outcome
        return outcome


async def answered(probe: Probe, timeout_s: float) -> tuple[str, str]:
    """The message of a failure, or else the detail of the answer."""
    for name in _DRIVERS:
        await _driver(name)  # before the time starts that the component has
    try:
        async with asyncio.timeout(timeout_s):
            return "", await probe()
    except TimeoutError:
        return f"did not answer within {timeout_s:g} s", ""
    except CheckFailedError as error:
        return str(error), ""


def redis_answers(url: str) -> Probe:
    """A PING to the URL that the service uses."""

    async def probe() -> str:
        redis = await _driver("redis.asyncio")
        try:
            async with redis.Redis.from_url(url) as client:
                await client.ping()
                return ""
        except ValueError as error:  # its text may hold a part of the password, taken for the port
            raise CheckFailedError("PING failed: the URL is invalid") from error
        except (redis.RedisError, OSError) as error:
            raise CheckFailedError(f"PING failed: {error}") from error

    return probe


def mongodb_answers(url: str, ca: str = "") -> Probe:
    """A `hello` as the service's user, which checks the login too; the detail is the primary.

    Args:
        ca: The certificate of the server's authority; empty: the authorities of the system.
    """

    async def probe() -> str:
        pymongo = await _driver("pymongo")
        try:
            with _trusting(ca) as options:
                async with pymongo.AsyncMongoClient(
                    url, serverSelectionTimeoutMS=2000, **options
                ) as client:
                    hello = await client.admin.command("hello")
                    return str(hello.get("primary", ""))
        except (pymongo.errors.PyMongoError, OSError, ValueError) as error:
            raise CheckFailedError(f"hello failed: {stable_message(error)[:200]}") from error

    return probe


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


def http_answers(url: str, headers: Mapping[str, str] | None = None) -> Probe:
    """A GET that must return a status below 400."""

    async def probe() -> str:
        await answer_of(url, headers)
        return ""

    return probe


def service_is_healthy(url: str, anchors: str = "") -> Probe:
    """A GET of the service's health report, which must not say `unhealthy`.

    Args:
        anchors: With HTTPS, the certificates (PEM) to trust. The host name is not compared: many
            certificates are for the name that clients outside of the cluster use.
    """

    async def probe() -> str:
        body = await answer_of(url, anchors=anchors)
        if body.get("status") == "unhealthy":
            raise CheckFailedError(f"the service reports itself unhealthy: {_unhealthy(body)}")
        return ""

    return probe


async def body_of(url: str) -> dict[str, Any]:
    """The JSON object at a URL, whatever the status; empty for any other content.

    Raises:
        CheckFailedError: No answer.
    """
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            body = await answer.json() if answer.content_type == "application/json" else {}
            return body if isinstance(body, dict) else {}
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise CheckFailedError(str(error)) from error


async def answer_of(
    url: str, headers: Mapping[str, str] | None = None, *, anchors: str = ""
) -> dict[str, Any]:
    """The JSON object at a URL; empty for any other content.

    Args:
        anchors: Certificates (PEM) to trust instead of the system's, whatever the host's name.

    Raises:
        CheckFailedError: No answer, or a status of 400 or more.
    """
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers=headers, ssl=_accepting(anchors)) as answer,
        ):
            if answer.status >= 400:
                raise CheckFailedError(f"GET {answer.url.path} returned {answer.status}")
            is_json = answer.content_type == "application/json"
            body = await answer.json() if is_json else {}
            return body if isinstance(body, dict) else {}
    except aiohttp.ClientConnectorCertificateError as error:
        reason = getattr(error.certificate_error, "verify_message", "") or "unknown"
        raise CheckFailedError(
            f"the certificate that the service presents is not accepted ({reason}); renew the one"
            " in the Secret of service.tls, and set ca.crt there if an authority signed it"
        ) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise CheckFailedError(f"GET failed: {error}") from error


def _accepting(anchors: str) -> ssl.SSLContext | bool:
    """What aiohttp checks certificates by; True: the authorities of the system."""
    if not anchors:
        return True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # A certificate may vouch for itself although it is no authority's.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=anchors)
    return context


def _unhealthy(body: Mapping[str, Any]) -> str:
    components = body.get("components") or {}
    return ", ".join(name for name, part in components.items() if part.get("status") != "healthy")
