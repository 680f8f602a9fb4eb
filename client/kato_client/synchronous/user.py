# Generated from asynchronous/user.py by `make client`: change that one.
"""What works on a user's knowledge without a session."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, Unpack
from uuid import uuid4

from kato_client import answers
from kato_client.errors import AnswerError, coded_error
from kato_client.filters import PatternFilter, as_body, as_query
from kato_client.lines import Progress as LearnProgress
from kato_client.observations import Event, UserSequence, observations_of
from kato_client.records import Record
from kato_client.requests import AnswerOptions, Request, asked, get, post, segment
from kato_client.synchronous import bulk, moving, pages
from kato_client.synchronous.connection import Connection
from kato_client.transfers import Progress

R = TypeVar("R", bound=Record)


class User:
    """A user's knowledge; without a user, that of the instance."""

    def __init__(self, connection: Connection, user: str | None) -> None:
        """Use `Kato.user`."""
        self._connection = connection
        self._user = user

    @property
    def _path(self) -> str:
        return "/v2/anonymous" if self._user is None else f"/v2/users/{segment(self._user)}"

    @property
    def _configuration(self) -> str:
        return f"{self._path}/configuration"

    def learn(
        self,
        sequences: Iterable[Iterable[Event]],
        *,
        unique_id: str | None = None,
        progress: LearnProgress | None = None,
        batch_size: int = 1000,
    ) -> answers.BulkLearned:
        """Learn many sequences: each becomes the pattern that a new session would have learned.

        Sequences are taken as they are sent, so there may be any number of them.

        Args:
            unique_id: Names them all (up to 200 characters). The same sequences with the same id,
                sent again soon after an exception, count once.
            progress: Called after each request with what became of the sequences so far.
            batch_size: Sequences in one request; long ones make it fewer.

        Returns:
            Counts, and why sequences failed: one that is refused does not stop the others.

        Raises:
            KatoError: The instance did not learn the next batch within the time limit.
        """
        return bulk.learned(
            self._connection,
            (UserSequence(self._user, events) for events in sequences),
            unique_id=unique_id,
            progress=progress,
            batch_size=batch_size,
        )

    def info(self) -> answers.UserInfo:
        """Figures of the user's knowledge. Raises NotFoundError if there is no such user."""
        return answers.UserInfo.of(self._connection.call(get(self._path)))

    def growth(self, *, intervals: int = 60) -> answers.Growth:
        """The patterns that are there now, by when they were first learned.

        Args:
            intervals: How many there are at most, 2 to 200; all have the same length.
        """
        request = get(f"{self._path}/growth", intervals=intervals)
        return answers.Growth.of(self._connection.call(request))

    def patterns(
        self, *, newest_first: bool = False, **wanted: Unpack[PatternFilter]
    ) -> Iterator[answers.Pattern]:
        """The patterns that meet all conditions, in the order of their first learn."""
        query = {**as_query(wanted), "order": "-first" if newest_first else "first"}
        path = f"{self._path}/patterns"
        return pages.items(self._connection, path, "patterns", answers.Pattern, **query)

    def delete_patterns(self, *, dry_run: bool = False, **wanted: Unpack[PatternFilter]) -> int:
        """Delete the patterns that meet all conditions, of which there is at least one.

        Returns:
            How many were deleted; with *dry_run*, how many would be.
        """
        body = {**as_body(wanted), "dry_run": dry_run}
        count, cursor = 0, None
        while True:
            request = post(f"{self._path}/patterns:delete", **body, cursor=cursor)
            done = self._connection.call(request)
            count += int(done["matched"] if dry_run else done["deleted"])
            cursor = done["next_cursor"]
            if cursor is None:
                return count

    def configuration(self) -> answers.Configuration:
        """What sessions of the user start with. Nobody's sessions have a configuration."""
        return answers.Configuration.of(self._connection.call(get(self._configuration)))

    def configure(self, genes: Mapping[str, Any]) -> answers.Configuration:
        """Set what sessions of the user start with where they set nothing themselves.

        It holds for sessions, predictions and learning that begin afterwards; those that exist stay
        as they are.

        Args:
            genes: All of it: what is missing is left to the instance.
        """
        request = Request("PUT", self._configuration, body={"config": dict(genes)})
        return answers.Configuration.of(self._connection.call(request))

    def remove_configuration(self) -> None:
        """Leave everything that sessions of the user start with to the instance again."""
        self._connection.call(Request("DELETE", self._configuration))

    def export(
        self, file: str | Path, *, vectors: bool = True, progress: Progress | None = None
    ) -> answers.Exported:
        """Write the knowledge to a file, which is there whole or not at all.

        An export that is cut off begins again, of the newest revision, until none has come further
        than those before it for as long as the time limit.

        Args:
            file: Compressed, if its name ends with ``.gz``.
            vectors: Whether vectors are part of it.
            progress: Called with every piece that arrives.

        Raises:
            KatoError: The instance refused it, or did not send all of it.
        """
        query = {} if vectors else {"vectors": "false"}
        request = Request("GET", f"{self._path}/knowledge:export", query=query)
        return moving.exported(self._connection, request, Path(file), progress)

    def import_file(
        self,
        file: str | Path,
        *,
        replace: bool = False,
        unique_id: str | None = None,
        vectors: bool = True,
        progress: Progress | None = None,
    ) -> answers.Imported:
        """Put a file that was exported into the knowledge. Nothing changes unless it is whole.

        The same file counts once, however often it is added: one that was cut off is sent again and
        continues, until it has come no further for as long as the time limit.

        Args:
            file: Compressed or not.
            replace: Drop everything that is there before; else the file is added to it.
            unique_id: A name for this import: under another one, the same file counts again. To
                replace, each call has one of its own unless you name it.
            vectors: Whether the vectors in it are imported.
            progress: Called about every second while it is put in.

        Raises:
            KatoError: The instance refused it, or did not put in all of it.
        """
        if replace and unique_id is None:
            # A replacement needs one: with the same one again, it would be a repeat.
            unique_id = uuid4().hex
        query: dict[str, Any] = {"mode": "replace" if replace else "merge"}
        query |= {} if vectors else {"vectors": "false"}
        query |= {} if unique_id is None else {"unique_id": unique_id}
        request = Request("POST", f"{self._path}/knowledge:import", query=query)
        return moving.imported(self._connection, request, Path(file), progress)

    def erase(self) -> answers.Erased:
        """Erase everything of the user: knowledge, vectors, sessions. There is no undo."""
        return answers.Erased.of(self._connection.call(Request("DELETE", self._path)))

    def predict(
        self,
        events: Iterable[Event],
        *,
        genes: Mapping[str, Any] | None = None,
        **options: Unpack[AnswerOptions],
    ) -> answers.Predictions:
        """What a session that observed *events* would predict. Nothing is stored."""
        request = post("/v2/predict", **self._question(events, genes, options))
        return answers.Predictions.of(self._connection.call(request))

    def next(
        self,
        events: Iterable[Event],
        *,
        genes: Mapping[str, Any] | None = None,
        **options: Unpack[AnswerOptions],
    ) -> answers.Next:
        """Which events and symbols come after *events*, and how likely. Nothing is stored."""
        request = post("/v2/predict", **self._question(events, genes, options, "next"))
        return answers.Next.of(self._connection.call(request))

    def predict_batch(
        self,
        sequences: Iterable[Iterable[Event]],
        *,
        genes: Mapping[str, Any] | None = None,
        **options: Unpack[AnswerOptions],
    ) -> list[answers.Predictions | AnswerError]:
        """The predictions for up to 100 sequences; an exception stands for one that failed."""
        items = [self._question(events, genes, options) for events in sequences]
        return self._batch(items, answers.Predictions)

    def next_batch(
        self,
        sequences: Iterable[Iterable[Event]],
        *,
        genes: Mapping[str, Any] | None = None,
        **options: Unpack[AnswerOptions],
    ) -> list[answers.Next | AnswerError]:
        """What comes after each of up to 100 sequences; an exception stands for one that failed."""
        items = [self._question(events, genes, options, "next") for events in sequences]
        return self._batch(items, answers.Next)

    def _batch(self, items: list[dict[str, Any]], kind: type[R]) -> list[R | AnswerError]:
        found = self._connection.call(post("/v2/predict:batch", items=items))
        return [
            kind.of(one["result"]) if "result" in one else coded_error(one["error"])
            for one in found["results"]
        ]

    def _question(
        self,
        events: Iterable[Event],
        genes: Mapping[str, Any] | None,
        options: AnswerOptions,
        view: str | None = None,
    ) -> dict[str, Any]:
        given = {"user_id": self._user, "config": genes, "observations": observations_of(events)}
        return {name: value for name, value in given.items() if value is not None} | asked(
            options, view
        )
