"""Deep checks: stores and the service are asked themselves, not only their pods' status."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import NamedTemporaryFile
from typing import Any

import aiohttp
import redis.asyncio as redis
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from kato_operator.errors import CheckFailedError

Probe = Callable[[], Awaitable[str]]
"""Asks once; what else there is to know, such as who is the primary."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How often to ask, how long to wait, how many failures in a row count as one."""

    interval_s: float
    timeout_s: float
    failure_threshold: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the last questions to one component gave.

    *message* says why it failed last, *detail* what it said when it did not.
    """

    asked_at: float
    failures: int
    message: str
    was_up: bool
    detail: str = ""


class DeepChecks:
    """Asks every component of an instance at most once per interval."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._outcomes: dict[tuple[str, str], Outcome] = {}

    async def failures(self, uid: str, probes: Mapping[str, Probe], rules: Rules) -> dict[str, str]:
        """Why each failing component fails.

        A component that answered before may fail fewer times in a row than the threshold.
        """
        answers = [self._ask((uid, name), probe, rules) for name, probe in probes.items()]
        outcomes = dict(zip(probes, await asyncio.gather(*answers), strict=True))
        return {
            name: outcome.message
            for name, outcome in outcomes.items()
            if outcome.failures >= (rules.failure_threshold if outcome.was_up else 1)
        }

    def detail(self, uid: str, name: str) -> str:
        """What a component said when it was last asked; empty when it failed."""
        outcome = self._outcomes.get((uid, name))
        return "" if outcome is None else outcome.detail

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an instance that is gone."""
        for key in [key for key in self._outcomes if key[0] == uid]:
            del self._outcomes[key]

    async def _ask(self, key: tuple[str, str], probe: Probe, rules: Rules) -> Outcome:
        last = self._outcomes.get(key, Outcome(float("-inf"), 0, "", was_up=False))
        if self._clock() - last.asked_at < rules.interval_s and not last.failures:
            return last
        message, detail = await _answered(probe, rules.timeout_s)
        failures = last.failures + 1 if message else 0
        outcome = Outcome(self._clock(), failures, message, last.was_up or not message, detail)
        self._outcomes[key] = outcome
        return outcome


async def _answered(probe: Probe, timeout_s: float) -> tuple[str, str]:
    """Why it failed, and what it said."""
    try:
        async with asyncio.timeout(timeout_s):
            return "", await probe()
    except TimeoutError:
        return f"did not answer within {timeout_s:g} s", ""
    except CheckFailedError as error:
        return str(error), ""


def redis_answers(url: str) -> Probe:
    """PING over the service's own URL."""

    async def probe() -> str:
        try:
            async with redis.Redis.from_url(url) as client:
                await client.ping()
                return ""
        except ValueError as error:  # it repeats what it took for the port: part of a password
            raise CheckFailedError("PING failed: the URL cannot be used") from error
        except (redis.RedisError, OSError) as error:
            raise CheckFailedError(f"PING failed: {error}") from error

    return probe


def mongodb_answers(url: str, authority: str = "") -> Probe:
    """`hello` as the service's user, who must work; says who is the primary.

    Args:
        authority: The certificate that the server's must be signed with; empty: the system's.
    """

    async def probe() -> str:
        try:
            with _trusting(authority) as options:
                client: AsyncMongoClient[dict[str, Any]]
                async with AsyncMongoClient(
                    url, serverSelectionTimeoutMS=2000, **options
                ) as client:
                    hello = await client.admin.command("hello")
                    return str(hello.get("primary", ""))
        except (PyMongoError, OSError, ValueError) as error:
            raise CheckFailedError(f"hello failed: {_lasting(error)}") from error

    return probe


def _lasting(error: Exception) -> str:
    """What the driver says, without what is another every time, as a status must not be."""
    return str(error).partition(", full error")[0].partition(", Timeout:")[0][:200]


@contextmanager
def _trusting(authority: str) -> Iterator[dict[str, Any]]:
    """The driver's options for a server of this authority; it takes certificates from files."""
    if not authority:
        yield {}
        return
    with NamedTemporaryFile("w", suffix=".crt") as file:
        file.write(authority)
        file.flush()
        yield {"tls": True, "tlsCAFile": file.name}


def http_answers(url: str, headers: Mapping[str, str] | None = None) -> Probe:
    """A GET that ends with a status below 400."""

    async def probe() -> str:
        await answer_of(url, headers)
        return ""

    return probe


def service_is_healthy(url: str) -> Probe:
    """The body of the service's health report does not say `unhealthy`."""

    async def probe() -> str:
        body = await answer_of(url)
        if body.get("status") == "unhealthy":
            raise CheckFailedError(f"the service reports itself unhealthy: {_unhealthy(body)}")
        return ""

    return probe


async def answer_of(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON object behind a URL; empty when it is something else.

    Raises:
        CheckFailedError: No answer, or one that is an error.
    """
    try:
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            if answer.status >= 400:
                raise CheckFailedError(f"GET {answer.url.path} answered {answer.status}")
            is_json = answer.content_type == "application/json"
            body = await answer.json() if is_json else {}
            return body if isinstance(body, dict) else {}
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise CheckFailedError(f"GET failed: {error}") from error


def _unhealthy(body: Mapping[str, Any]) -> str:
    components = body.get("components") or {}
    return ", ".join(name for name, part in components.items() if part.get("status") != "healthy")
