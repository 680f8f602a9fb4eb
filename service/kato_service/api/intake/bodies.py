"""How bodies are read: within bounds, and only as JSON."""

import re

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope

from kato_service.api.intake.admission import Body
from kato_service.errors import BodyTooLargeError, UnsupportedMediaTypeError

_JSON = re.compile(r"application/([\w.+-]+\+)?json")


async def read(receive: Receive, limit: int, counted: Body) -> bytes | None:
    """The whole body, of at most *limit* bytes; None if the client went away."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece = message.get("body", b"")
        if len(body) + len(piece) > limit:
            raise too_large(limit)
        counted.received(len(piece))
        body += piece
        if not message.get("more_body", False):
            return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` for the application: the body in one piece, then what the server sends."""
    unread = [body]

    async def replay() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return replay


def require_json(scope: Scope) -> None:
    """Refuse a body that is not declared as JSON, whatever the operation would do with it.

    A page may send other types to other sites without asking first. Older programs may omit the
    type on the older paths (decision 0031).
    """
    headers = MutableHeaders(scope=scope)
    given = [value for value in headers.getlist("content-type") if value]
    if not given and _is_older_program(scope):
        headers["content-type"] = "application/json"
    elif len(given) != 1 or not _JSON.fullmatch(given[0].split(";")[0].strip().lower()):
        raise UnsupportedMediaTypeError(
            "the body must be JSON; send Content-Type: application/json"
        )


def too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the body exceeds {limit} bytes (MAX_BODY_BYTES); send less at once")


def _is_older_program(scope: Scope) -> bool:
    """Whether an older path was called, and no page sent the request: pages name themselves."""
    by_page = any(
        name == b"origin" or name.startswith(b"sec-fetch-") for name, _ in scope["headers"]
    )
    return not by_page and not scope["path"].startswith("/v2/")
