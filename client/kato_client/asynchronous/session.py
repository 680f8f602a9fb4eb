"""A conversation with an instance."""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Self, Unpack

from kato_client import answers
from kato_client.asynchronous import pages
from kato_client.asynchronous.connection import AsyncConnection
from kato_client.asynchronous.subscription import subscribed
from kato_client.errors import KatoError
from kato_client.observations import Event, Observation, Strings, observations_of
from kato_client.requests import AnswerOptions, Request, asked, get, once, post, segment

log = logging.getLogger("kato_client")
DELETE_S = 5.0
"""Seconds for the delete at the end of a `with`: a session that stays ends by itself."""


class AsyncSession:
    """A session: `with` creates it and deletes it; what it learned stays.

    Methods that change it take a `unique_id`, which the client chooses if you do not. Pass your own
    to repeat a call safely after an exception, also from another process.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        session_id: str | None,
        wanted: Mapping[str, Any],
    ) -> None:
        """Use `AsyncKato.session`."""
        self._connection = connection
        self._id = session_id
        self._wanted = wanted
        self._creates = session_id is None

    @property
    def id(self) -> str:
        """The id, which grants access to the session: keep it secret.

        Raises:
            RuntimeError: The session is not created yet.
        """
        if self._id is None:
            raise RuntimeError(
                "create the session first: use it in a `with` block, or call create()"
            )
        return self._id

    @property
    def _path(self) -> str:
        return f"/v2/sessions/{segment(self.id)}"

    async def __aenter__(self) -> Self:
        self._connection.begin()
        try:
            if self._creates:
                await self.create()
        except BaseException:
            await self._connection.end(closes=True)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._creates and self._id is not None:
                await self._leave()
        finally:
            await self._connection.end(closes=True)

    async def _leave(self) -> None:
        request = Request("DELETE", self._path)
        try:
            await self._connection.call(request, timeout_s=DELETE_S)
        except KatoError as error:
            # It ends with its lifetime; an error would hide that the block succeeded, or why not.
            log.warning("session was not deleted: %s", error)

    async def create(self) -> answers.SessionInfo:
        """Create the session. `with` does it, and deletes it at the end."""
        created = await self._connection.call(post("/v2/sessions", **self._wanted))
        info = answers.SessionInfo.of(created)
        self._id = info.session_id
        return info

    async def info(self) -> answers.SessionInfo:
        return answers.SessionInfo.of(await self._connection.call(get(self._path)))

    async def exists(self) -> bool:
        """Whether it was neither deleted nor has expired; asking does not extend it."""
        found = await self._connection.call(get(f"{self._path}/exists"))
        return bool(found["exists"])

    async def set_metadata(self, metadata: Mapping[str, Any]) -> answers.SessionInfo:
        """Change metadata of the session: None removes a key, and keys that are missing stay."""
        request = Request("PATCH", self._path, {"metadata": dict(metadata)})
        return answers.SessionInfo.of(await self._connection.call(request))

    async def nearest_vectors(
        self, vector: Sequence[float], *, limit: int = 10, min_score: float | None = None
    ) -> list[answers.NearVector]:
        """The stored vectors of the session's user with the greatest cosine similarity.

        Args:
            vector: Of the dimension of those that are stored.
            limit: How many, at most; up to 1000.
            min_score: The least similarity that is listed.
        """
        path = f"{self._path}/vectors:nearest"
        request = post(path, vector=list(vector), limit=limit, min_score=min_score)
        found = await self._connection.call(request)
        return [answers.NearVector.of(one) for one in found["vectors"]]

    async def extend(self, ttl_s: int) -> None:
        """Let it live for *ttl_s* more seconds (1 to 86 400) from now on."""
        await self._connection.call(post(f"{self._path}/extend", ttl_seconds=ttl_s))

    async def delete(self) -> None:
        """Delete it; what it learned stays."""
        await self._connection.call(Request("DELETE", self._path))

    async def observe(
        self,
        strings: Strings = (),
        *,
        vectors: Sequence[Sequence[float]] = (),
        emotives: Mapping[str, float] | None = None,
        metadata: Mapping[str, Any] | None = None,
        unique_id: str | None = None,
    ) -> answers.Observed:
        """Add one event to the short-term memory: a string, or strings that belong together."""
        body = Observation(strings, vectors, emotives, metadata).as_json()
        request = once(f"{self._path}/observe", unique_id, **body)
        return answers.Observed.of(await self._connection.call(request))

    async def observe_sequence(
        self,
        events: Iterable[Event],
        *,
        learn_at_end: bool = False,
        learn_after_each: bool = False,
        clear_stm_between: bool = False,
        unique_id: str | None = None,
    ) -> answers.ObservedSequence:
        """Add many events at once, up to 1000; all of them are checked before any is applied."""
        request = once(
            f"{self._path}/observe-sequence",
            unique_id,
            observations=observations_of(events),
            learn_at_end=learn_at_end,
            learn_after_each=learn_after_each,
            clear_stm_between=clear_stm_between,
        )
        return answers.ObservedSequence.of(await self._connection.call(request))

    async def learn(self, *, unique_id: str | None = None) -> answers.Learned:
        """Turn the short-term memory into a pattern, and empty it."""
        request = once(f"{self._path}/learn", unique_id)
        return answers.Learned.of(await self._connection.call(request))

    async def clear_stm(self, *, unique_id: str | None = None) -> None:
        """Empty the short-term memory."""
        await self._connection.call(once(f"{self._path}/clear-stm", unique_id))

    async def clear_all(self, *, unique_id: str | None = None) -> None:
        """Empty the session, and drop everything that its user has learned. There is no undo."""
        await self._connection.call(once(f"{self._path}/clear-all", unique_id))

    async def stm(self) -> answers.Events:
        """The short-term memory, oldest event first."""
        found = await self._connection.call(get(f"{self._path}/stm"))
        events: answers.Events = found["stm"]
        return events

    async def predictions(self, **options: Unpack[AnswerOptions]) -> answers.Predictions:
        """What the short-term memory recalls, best first."""
        request = get(f"{self._path}/predictions", **asked(options))
        return answers.Predictions.of(await self._connection.call(request))

    async def next(self, **options: Unpack[AnswerOptions]) -> answers.Next:
        """Which events and symbols come next, and how likely."""
        request = get(f"{self._path}/predictions", **asked(options, "next"))
        return answers.Next.of(await self._connection.call(request))

    def subscribe(self, **options: Unpack[AnswerOptions]) -> AsyncIterator[answers.Predictions]:
        """Predictions as they are now, and whenever they change, whoever changes the session.

        The newest are always given; those in between may be skipped. A connection that breaks is
        opened again. Ends when the session ends. Needs the extra `subscribe`.

        Raises:
            NotFoundError: There is no such session.
            KatoError: The predictions fail for a reason that lasts, or no connection can be opened
                within the time limit of the client.
        """
        return subscribed(self._connection, f"{self._path}/ws", asked(options))

    async def genes(self) -> answers.Genes:
        """The tunables of the session that are in effect."""
        found = await self._connection.call(get(f"{self._path}/config"))
        return answers.Genes.of(found["config"])

    async def set_genes(self, **genes: Any) -> answers.Genes:
        """Change tunables from the next request on; None returns one to its default."""
        request = post(f"{self._path}/config", config=genes)
        return answers.Genes.of((await self._connection.call(request))["config"])

    def patterns(self) -> AsyncIterator[answers.Pattern]:
        """All patterns that the session's user has learned, in the order of their first learn."""
        path = f"{self._path}/patterns"
        return pages.items(self._connection, path, "patterns", answers.Pattern)

    async def pattern(self, name: str) -> answers.Pattern:
        path = f"{self._path}/patterns/{segment(name)}"
        return answers.Pattern.of(await self._connection.call(get(path)))

    async def update_pattern(
        self,
        name: str,
        *,
        frequency: int | None = None,
        emotives: Sequence[Mapping[str, float]] | None = None,
    ) -> answers.Pattern:
        """Replace what is given; the rest stays."""
        given = {"frequency": frequency, "emotives": emotives}
        body = {name: value for name, value in given.items() if value is not None}
        request = Request("PUT", f"{self._path}/patterns/{segment(name)}", body)
        return answers.Pattern.of(await self._connection.call(request))

    async def delete_pattern(self, name: str) -> str | None:
        """Delete a pattern; gives the line that `User.import_file` takes to put it back as it was.

        None if that is not known, as where the answer was lost, or the instance is older.
        """
        request = Request("DELETE", f"{self._path}/patterns/{segment(name)}")
        done = await self._connection.call(request)
        undo: str | None = done.get("undo")
        return undo
