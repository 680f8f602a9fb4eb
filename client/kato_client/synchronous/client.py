# Generated from asynchronous/client.py by `make client`: change that one.
"""The way to an instance."""

import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from kato_client import answers
from kato_client.lines import Progress
from kato_client.observations import UserSequence
from kato_client.requests import get
from kato_client.synchronous import bulk, pages
from kato_client.synchronous.connection import Connection, Token
from kato_client.synchronous.session import Session
from kato_client.synchronous.user import User


class Kato:
    """An instance of KATO.

    Every call is repeated, with pauses, while the instance cannot be reached or asks for it, until
    *timeout_s* is over. What observes, learns or clears carries a `unique_id` that its attempts
    share: it counts once. Repeating other changes sets or deletes the same again; of a new session
    whose answer is lost, a second one is made.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        token: Token | None = None,
        timeout_s: float = 60.0,
        attempt_s: float = 40.0,
        verify: bool | ssl.SSLContext = True,
    ) -> None:
        """Nothing is sent yet.

        Args:
            url: Such as ``http://prod.default.svc:8000``; it may have a path.
            token: A bearer token, or a function that returns the one that is valid now.
            timeout_s: Seconds for one call with all its attempts.
            attempt_s: Seconds that one attempt may wait for the next piece of its answer. Instances
                answer sooner, if only to say that they cannot; less may give up what is under way.
            verify: How certificates of ``https`` are checked, as in httpx.
        """
        self._connection = Connection(
            url,
            api_key=api_key,
            token=token,
            timeout_s=timeout_s,
            attempt_s=attempt_s,
            verify=verify,
        )

    def __enter__(self) -> Self:
        self._connection.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.end(closes=True)

    def close(self) -> None:
        """Close the connections; `with` does it. A later call opens new ones."""
        self._connection.begin()
        self._connection.end(closes=True)

    def session(
        self,
        *,
        user: str | None = None,
        id: str | None = None,  # noqa: A002 - it is called so everywhere else
        ttl_s: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        genes: Mapping[str, Any] | None = None,
    ) -> Session:
        """A session of *user*, which `with` creates and deletes; with *id*, an existing one.

        Args:
            user: Whose knowledge it uses; without it, knowledge that belongs to the instance.
            ttl_s: Seconds that it lives (1 to 86 400, default 3600).
            genes: Tunables, such as ``recall_threshold``.
        """
        wanted = {"user_id": user, "ttl_seconds": ttl_s, "metadata": metadata, "config": genes}
        return Session(self._connection, id, wanted)

    def sessions(self, *, user: str | None = None) -> Iterator[answers.SessionInfo]:
        """Live sessions in the order of their creation."""
        return pages.items(
            self._connection, "/v2/sessions", "sessions", answers.SessionInfo, user_id=user
        )

    def user(self, user: str | None) -> User:
        """What works without a session, on the knowledge of *user*; None: of the instance."""
        return User(self._connection, user)

    def learn(
        self,
        sequences: Iterable[UserSequence],
        *,
        unique_id: str | None = None,
        progress: Progress | None = None,
        batch_size: int = 1000,
    ) -> answers.BulkLearned:
        """Learn many sequences of many users; for one user, see `User.learn`.

        Args, results and errors are those of `User.learn`.
        """
        return bulk.learned(
            self._connection,
            sequences,
            unique_id=unique_id,
            progress=progress,
            batch_size=batch_size,
        )

    def users(self) -> Iterator[answers.UserInfo]:
        """All users with figures of their knowledge; needs the scope `admin`."""
        return pages.items(self._connection, "/v2/users", "users", answers.UserInfo)

    def session_count(self) -> int:
        found = self._connection.call(get("/v2/sessions/count"))
        return int(found["active_session_count"])

    def health(self) -> dict[str, Any]:
        """How the instance and its stores are, as JSON; an unhealthy one answers, too."""
        return self._connection.call(get("/v2/health"))

    def metrics(self) -> dict[str, Any]:
        """Figures of the process that answers, as JSON; needs the scope `metrics`."""
        return self._connection.call(get("/metrics"))
