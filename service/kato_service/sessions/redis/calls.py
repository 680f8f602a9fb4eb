"""Commands and scripts of sessions: through the circuit, sent again where an answer got lost."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from hashlib import sha1
from itertools import count
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from kato_service.backoff import Backoff
from kato_service.connections.circuit import Circuit
from kato_service.connections.redis_client import RedisClient
from kato_service.connections.redis_pool import is_of_one_node
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.sessions.redis.errors import mapped, of_all

ATTEMPTS = 3
"""Of a call whose answer got lost; every script may run twice."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.25
FAILOVER_S = 10.0
"""For a cluster to give the slots of a node that went to another one."""
Command = Sequence[Any]


class RedisScripts:
    def __init__(self, client: RedisClient, circuit: Circuit) -> None:
        self._client = client
        self._circuit = circuit

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script, which may run twice; raises as `call`."""
        taken = (len(keys), *keys, *arguments)
        return await self._again_and_again(_by_digest(script, taken), ("EVAL", script, *taken))

    async def run_on_each(self, script: str, keys: Sequence[Sequence[str]]) -> list[Any]:
        """Run a script that takes no arguments on each of *keys*, in one round trip where that
        goes, else one after the other; raises as `call`."""
        commands = [_by_digest(script, (len(some), *some)) for some in keys]
        try:
            with self._calling():
                return await self._client.calls(commands)
        except StoreUnavailableError:
            # Not known to a server yet, or an answer got lost.
            return [await self.run(script, some, ()) for some in keys]

    async def call(self, *command: Any) -> Any:
        """Send a command that may run twice.

        Raises:
            StoreUnavailableError: It did not run.
            OutcomeUnknownError: It may have run.
        """
        return await self._again_and_again(command, command)

    async def _again_and_again(self, command: Command, in_full: Command) -> Any:
        refused: StoreUnavailableError | None = None
        unanswered: OutcomeUnknownError | None = None
        backoff = self._backoff()
        for attempt in count(1):
            try:
                return await self._asked(command, in_full)
            except OutcomeUnknownError as error:
                unanswered = refused = error
            except StoreUnavailableError as error:
                # That it is refused now says nothing of an earlier try.
                refused = unanswered or error
                if refused is error and not self._changes_hands(error):
                    raise
            if attempt >= ATTEMPTS and backoff.is_over:
                break
            await backoff.pause()
        assert refused is not None
        raise refused

    async def _asked(self, command: Command, in_full: Command) -> Any:
        try:
            with self._calling():
                return await self._client.call(*command)
        except _UnknownScriptError:
            with self._calling():
                return await self._client.call(*in_full)

    def _backoff(self) -> Backoff:
        """A cluster takes a while to heal; a single server is asked `ATTEMPTS` times only."""
        heals_in_s = FAILOVER_S if self._client.clustered else 0.0
        return Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, give_up_after_s=heals_in_s)

    def _changes_hands(self, error: StoreUnavailableError) -> bool:
        """Whether another node of a cluster may answer soon."""
        cause = error.__cause__
        return self._client.clustered is True and cause is not None and is_of_one_node(cause)

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Through the circuit, with errors of our own."""
        try:
            with self._circuit.guarding(of_all):
                yield
        except NoScriptError as exc:
            raise _UnknownScriptError("redis does not know the script yet") from exc
        except (RedisError, OSError) as exc:
            raise mapped(exc) from exc


class _UnknownScriptError(StoreUnavailableError):
    """To be sent in full: it did not run."""


def _by_digest(script: str, taken: Sequence[Any]) -> Command:
    return ("EVALSHA", _digest(script), *taken)


@cache
def _digest(script: str) -> str:
    return sha1(script.encode(), usedforsecurity=False).hexdigest()
