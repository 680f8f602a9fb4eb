"""Commands and scripts of sessions: sent through the circuit, and again if an answer got lost.

Only this module repeats calls. It may, because every script and command of sessions has the same
effect if it runs twice.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from functools import cache
from hashlib import sha1
from itertools import count
from typing import Any

from kato_service.backoff import Backoff
from kato_service.connections.circuit import Circuit
from kato_service.connections.redis_address import Command
from kato_service.connections.redis_client import RedisClient
from kato_service.connections.redis_errors import NoScriptError, RedisError
from kato_service.connections.redis_pool import is_failure, is_of_one_node, is_worth_repeating
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.sessions.redis.errors import mapped

ATTEMPTS = 3
"""Times that a call is sent to a single server before it fails."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.25
"""Back-off between two attempts."""
FAILOVER_S = 10.0
"""Seconds that a cluster may need until a replica has taken over the slots of a dead node."""


class RedisScripts:
    def __init__(self, client: RedisClient, circuit: Circuit) -> None:
        self._client = client
        self._circuit = circuit

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """The answer of a script, which may run twice; raises what `call` raises."""
        given = (len(keys), *keys, *arguments)
        try:
            return await self._through(self._client.call("EVALSHA", _digest(script), *given))
        except StoreUnavailableError as error:
            in_full = ("EVAL", script, *given)
            return await self._again(_by_digest(script, given), in_full, error)

    async def run_on_each(
        self, script: str, keys: Sequence[Sequence[str]], *, at_once: int
    ) -> list[Any]:
        """The answers of a script without arguments on each of *keys*.

        One round trip for *at_once* of them if all goes well, else one call after the other; raises
        what `call` raises.
        """
        answers: list[Any] = []
        for first in range(0, len(keys), at_once):
            answers += await self._run_on_some(script, keys[first : first + at_once])
            await asyncio.sleep(0)
        return answers

    async def _run_on_some(self, script: str, keys: Sequence[Sequence[str]]) -> list[Any]:
        commands = [_by_digest(script, (len(some), *some)) for some in keys]
        try:
            return list(await self._through(self._client.calls(commands)))
        except StoreUnavailableError:
            # A server does not have the script yet, or an answer got lost.
            return [await self.run(script, some, ()) for some in keys]

    async def call(self, *command: Any) -> Any:
        """The answer to a command, which may run twice.

        Raises:
            StoreUnavailableError: It did not run.
            OutcomeUnknownError: It may have run.
        """
        try:
            return await self._through(self._client.call(*command))
        except StoreUnavailableError as error:
            return await self._again(command, command, error)

    async def _again(
        self, command: Command, in_full: Command, refused: StoreUnavailableError
    ) -> Any:
        """The answer after a first attempt that was refused, or whose answer got lost.

        *in_full*: the command that needs nothing that the server may lack.
        """
        if isinstance(refused, _UnknownScriptError):
            try:
                return await self._through(self._client.call(*in_full))
            except StoreUnavailableError as error:
                refused = error
        unanswered: OutcomeUnknownError | None = None
        backoff = self._backoff()
        for attempt in count(2):
            if isinstance(refused, OutcomeUnknownError):
                unanswered = refused
            elif unanswered is None and not self._is_passing(refused):
                raise refused
            if attempt > ATTEMPTS and backoff.is_over:
                break
            await backoff.pause()
            try:
                # What was on a connection that broke may have broken it: it is repeated apart.
                return await self._asked(command, in_full, apart=unanswered is not None)
            except StoreUnavailableError as error:
                refused = error
        # A refusal of the last attempt says nothing about an earlier one without an answer.
        raise unanswered or refused

    async def _asked(self, command: Command, in_full: Command, *, apart: bool) -> Any:
        try:
            return await self._through(self._client.call(*command, apart=apart))
        except _UnknownScriptError:
            return await self._through(self._client.call(*in_full, apart=apart))

    async def _through(self, call: Coroutine[Any, Any, Any]) -> Any:
        """The answer to *call*, through the circuit, with errors mapped to ours."""
        try:
            with self._circuit.guarding(is_failure):
                return await call
        except NoScriptError as exc:
            raise _UnknownScriptError("redis does not have the script yet") from exc
        except RedisError as exc:
            raise mapped(exc) from exc
        finally:
            call.close()  # if the circuit was open

    def _backoff(self) -> Backoff:
        """A cluster is asked until it had time to heal; a single server only `ATTEMPTS` times."""
        heals_in_s = FAILOVER_S if self._client.clustered else 0.0
        return Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, give_up_after_s=heals_in_s)

    def _is_passing(self, error: StoreUnavailableError) -> bool:
        """Whether Redis, or another node of the cluster, may answer soon."""
        cause = error.__cause__
        if cause is None:
            return False
        failing_over = self._client.clustered is True and is_of_one_node(cause)
        return failing_over or is_worth_repeating(cause)


class _UnknownScriptError(StoreUnavailableError):
    """The server does not have the script: it did not run, and is sent in full next."""


def _by_digest(script: str, given: Sequence[Any]) -> Command:
    return ("EVALSHA", _digest(script), *given)


@cache
def _digest(script: str) -> str:
    return sha1(script.encode(), usedforsecurity=False).hexdigest()
