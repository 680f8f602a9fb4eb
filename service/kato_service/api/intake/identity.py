"""Whom a request on the older paths names, and where: query, headers and body (decision 0048).

Nothing that names a user, a session or a knowledge base is overlooked: an operation either acts on
it, or the request is refused.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pydantic import TypeAdapter, ValidationError
from starlette.types import Scope

from kato_service.access.scopes import Caller
from kato_service.api.shapes.body import UserId
from kato_service.api.wording import invalid_input
from kato_service.domain.identity import processor_id_of
from kato_service.errors import InvalidInputError
from kato_service.findings import Finding, Place

USERS, SESSIONS, BASES = "user", "session", "knowledge base"
FIELDS = {"user_id": USERS, "node_id": USERS, "session_id": SESSIONS, "processor_id": BASES}
"""By name of a field or of a query parameter, what it names."""
HEADERS = {
    b"x-user-id": ("X-User-ID", USERS),
    b"x-node-id": ("X-Node-ID", USERS),
    b"x-test-id": ("X-Test-ID", USERS),
    b"x-session-id": ("X-Session-ID", SESSIONS),
}
TEST_PREFIX = "test_"
"""What the value of X-Test-ID is prefixed with, unless it has it already."""
_ID: TypeAdapter[str] = TypeAdapter(UserId)


@dataclass(frozen=True, slots=True)
class Claim:
    """One place of a request that names somebody or something."""

    kind: str
    """USERS, SESSIONS or BASES."""
    place: Place
    value: str

    @property
    def where(self) -> str:
        """The place in words: ``the header X-User-ID``, ``node_id of the body``."""
        subject = Finding(self.place, "").subject()
        return f"{subject} of the body" if self.place[0] == "body" else subject


Claims = tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """What the claims of a request agree on; None: they name none."""

    user: Claim | None = None
    session: Claim | None = None
    base: Claim | None = None
    """A knowledge base, by its id in answers."""
    instance: str = ""
    """The ``PROCESSOR_ID`` of the instance."""

    @property
    def user_id(self) -> str | None:
        return self.user.value if self.user else None

    @property
    def session_id(self) -> str | None:
        return self.session.value if self.session else None

    @property
    def restricts_users(self) -> bool:
        """Whether not every user's session is one that the request may mean."""
        return self.user is not None or self.base is not None

    def require_user(self, user_id: str | None) -> None:
        """Refuse a session, or a knowledge base, of *user_id* if the request names others.

        Raises:
            InvalidInputError: It does.
        """
        where = "the session in the path" if self.session is None else self.session.where
        if self.user is not None and self.user.value != user_id:
            raise _refused(self.user, f"names another user than {where}; {_LEAVE}")
        self.require_base(user_id)

    def require_base(self, user_id: str | None) -> None:
        """The same for the knowledge base alone."""
        if self.base is None or self.base.value == processor_id_of(self.instance, user_id):
            return
        where = "the one of this request" if self.user is None else f"that of {self.user.where}"
        raise _refused(self.base, f"names another knowledge base than {where}; {_LEAVE}")

    def require_session(self, session_id: str) -> None:
        """Raises InvalidInputError if the request names a session other than *session_id*."""
        if self.session is not None and self.session.value != session_id:
            raise _refused(self.session, f"names another session than the path; {_LEAVE}")

    def require_no_session(self) -> None:
        """Raises InvalidInputError if the request names a session."""
        if self.session is not None:
            reason = f"names a session, but this operation acts on none; {_LEAVE}"
            raise _refused(self.session, reason)


_LEAVE = "leave it out"
UNNAMED = Identity()


def claims_outside(scope: Scope) -> Claims:
    """The claims in the query and the headers of a request.

    Raises:
        InvalidInputError: A value cannot be an id.
    """
    found = list(_in_headers(scope))
    if query := scope["query_string"]:
        given = parse_qsl(query.decode(), keep_blank_values=True)
        found += _among(given, ("query",))
    return tuple(found)


def claims_taken(body: dict[str, Any]) -> Claims:
    """The claims of a body, whose fields are removed: they say whom it is for, not what to do.

    Raises:
        InvalidInputError: A value cannot be an id.
    """
    found = list(_among(body.items(), ("body",)))
    for name in FIELDS:
        body.pop(name, None)
    items = body.get("observations")
    for number, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and not FIELDS.keys().isdisjoint(item):
            found += _among(item.items(), ("body", "observations", number))
    return tuple(found)


def claims_of_frame(frame: Any) -> Claims:
    """The claims in a frame of a WebSocket and in its payload; raises like `claims_taken`."""
    if not isinstance(frame, dict):
        return ()
    payload = frame.get("payload")
    inside = _among(payload.items(), ("payload",)) if isinstance(payload, dict) else ()
    return (*_among(frame.items(), ()), *inside)


def settled(claims: Claims, caller: Caller, instance: str) -> Identity:
    """What *claims* agree on.

    Args:
        instance: The ``PROCESSOR_ID`` of the instance.

    Raises:
        ForbiddenError: A claim names a user as whom *caller* may not act.
        InvalidInputError: Two claims contradict each other.
    """
    if not claims:
        return UNNAMED
    known = [_as_user(claim, instance) for claim in claims]
    for claim in known:
        if claim.kind == USERS:
            caller.acting_as(claim.value)
    user, session, base = (_agreed(known, kind) for kind in (USERS, SESSIONS, BASES))
    return Identity(user, session, base, instance)


def _as_user(claim: Claim, instance: str) -> Claim:
    """*claim*; a processor that is no knowledge base of this instance is a user's.

    Earlier versions called the name of a knowledge base, which their clients chose, a processor id.
    """
    of_instance = claim.value == instance or claim.value.startswith(f"{instance}~")
    if claim.kind != BASES or of_instance:
        return claim
    return Claim(USERS, claim.place, claim.value)


def _agreed(claims: Sequence[Claim], kind: str) -> Claim | None:
    found = [claim for claim in claims if claim.kind == kind]
    for other in found[1:]:
        if other.value != found[0].value:
            reason = f"names another {kind} than {found[0].where}; send only one of them"
            raise _refused(other, reason)
    return found[0] if found else None


def _in_headers(scope: Scope) -> Iterator[Claim]:
    for name, raw in scope["headers"]:
        if raw and name in HEADERS:
            header, kind = HEADERS[name]
            value = _decoded(raw)
            prefix = TEST_PREFIX if header == "X-Test-ID" else ""
            if value.startswith(prefix):
                prefix = ""
            yield _claim(kind, ("header", header), value, prefix)


def _among(given: Iterable[tuple[str, Any]], outer: Place) -> Iterator[Claim]:
    for name, value in given:
        if name in FIELDS and value is not None:
            yield _claim(FIELDS[name], (*outer, name), value)


def _claim(kind: str, place: Place, value: Any, prefix: str = "") -> Claim:
    if kind == SESSIONS and isinstance(value, str) and value:
        return Claim(kind, place, value)  # any text may be asked for: most are no session
    try:
        given = prefix + value if isinstance(value, str) else value
        return Claim(kind, place, _ID.validate_python(given, strict=True))
    except ValidationError as exc:
        found = [_of_value(error, place, prefix) for error in exc.errors(include_url=False)]
        raise invalid_input(found, part=None) from exc


def _of_value(error: Mapping[str, Any], place: Place, prefix: str) -> dict[str, Any]:
    """*error* about an id as one about the value at *place* that *prefix* was put before."""
    context = dict(error.get("ctx", {}))
    if "max_length" in context:
        context["max_length"] -= len(prefix)
    return {**error, "loc": place, "ctx": context}


def _decoded(raw: bytes) -> str:
    """The value of a header: UTF-8 if its bytes are, else Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _refused(claim: Claim, reason: str) -> InvalidInputError:
    return InvalidInputError((Finding(claim.place, reason),))
