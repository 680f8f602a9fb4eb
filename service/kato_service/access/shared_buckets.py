"""Token buckets in Redis, one key each: all replicas take from the same ones."""

import asyncio
import time
from collections.abc import Callable
from hashlib import sha1, sha256
from math import inf
from typing import Any

import structlog

from kato_service.access.rate_limits import Decision, Rate
from kato_service.connections.circuit import Circuit
from kato_service.connections.redis_client import RedisClient
from kato_service.connections.redis_errors import NoScriptError, RedisError

log = structlog.get_logger()

PATIENCE_S = 0.1
"""For an answer: a request never waits longer for its token."""
PAUSE_S = 1.0
"""In which nobody asks again after Redis did not answer."""

_TAKE = """
-- A bucket is the time, in microseconds, at which it is full again. ARGV: microseconds in which a
-- token comes back, and tokens of a full bucket. Answers: microseconds until a token is there (0:
-- taken), and until the bucket is full.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local period, capacity = tonumber(ARGV[1]), ARGV[1] * ARGV[2]
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
-- A time that no bucket can have: the clock was set back.
if full_at < now or full_at > now + capacity + 1 then full_at = now end
local after = full_at + period
local wait = after - capacity - now
if wait >= 1 then return {math.ceil(wait), math.ceil(full_at - now)} end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return {0, math.ceil(after - now)}
"""
_DIGEST = sha1(_TAKE.encode(), usedforsecurity=False).hexdigest()


class RedisBuckets:
    def __init__(
        self,
        client: RedisClient,
        processor_id: str,
        circuit: Circuit,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._prefix = f"kato:{processor_id}:rate:"
        self._circuit = circuit
        self._clock = clock
        self._asked_again_at = -inf

    async def take(self, bucket: str, rate: Rate) -> Decision | None:
        """Take one token; None: Redis did not answer at once, or lately."""
        if self._circuit.is_open or self._clock() < self._asked_again_at:
            return None
        key = self._prefix + sha256(bucket.encode()).hexdigest()[:32]
        try:
            async with asyncio.timeout(PATIENCE_S):
                wait_us, full_in_us = await self._run(key, rate)
        except (TimeoutError, RedisError) as exc:
            self._asked_again_at = self._clock() + PAUSE_S
            log.warning("rate limits not shared for a while", reason=type(exc).__name__)
            return None
        return Decision(rate, full_in_us / 1e6, wait_us / 1e6)

    async def _run(self, key: str, rate: Rate) -> Any:
        taken = (1, key, repr(rate.period_s * 1e6), rate.burst)
        try:
            return await self._client.call("EVALSHA", _DIGEST, *taken)
        except NoScriptError:
            return await self._client.call("EVAL", _TAKE, *taken)
