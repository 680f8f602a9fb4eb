"""Requests as values, and how answers to them are read; nothing here sends anything."""

import json
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypedDict
from urllib.parse import quote
from uuid import uuid4

import httpx

from kato_client.errors import AnswerError, ConnectionFailedError, answer_error, coded_error

NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Request:
    """A request that may be repeated until its outcome is clear."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    lines: bytes | None = None
    """Lines of JSON, instead of a body; the answer has lines, too."""

    @property
    def content(self) -> tuple[bytes | None, dict[str, str]]:
        """The bytes to send, and the headers that describe them."""
        if self.lines is not None:
            return self.lines, {"Content-Type": NDJSON}
        if self.body is not None:
            text = json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))
            # Surrogates of broken text are sent as they are, for the instance to say where.
            return text.encode(errors="surrogatepass"), {"Content-Type": "application/json"}
        return None, {}


class AnswerOptions(TypedDict, total=False):
    """What an answer with predictions, or with what comes next, shall hold."""

    limit: int
    """How many, at most."""
    offset: int
    """How many of the best to pass over."""
    recall_threshold: float
    """Similarity that a pattern must reach, from 0 to 1; for this request only."""
    fields: Iterable[str] | str
    """Names of fields, or "all"."""
    explain: bool
    """Whether it says how it came about, and what it leaves out and why."""


def asked(options: AnswerOptions, view: str | None = None) -> dict[str, Any]:
    """The parameters of a request for such an answer."""
    found: dict[str, Any] = {**options}
    if view is not None:
        found["view"] = view
    if (fields := options.get("fields")) is not None and not isinstance(fields, str):
        found["fields"] = ",".join(fields)
    return found


def get(path: str, **query: Any) -> Request:
    """A read; parameters that are None are left out."""
    return Request("GET", path, query={k: v for k, v in query.items() if v is not None})


def post(path: str, **body: Any) -> Request:
    """A change that is the same however often it is applied; fields that are None are left out."""
    return Request("POST", path, {k: v for k, v in body.items() if v is not None})


def once(path: str, unique_id: str | None, **body: Any) -> Request:
    """A change that counts once, because all attempts carry one `unique_id`."""
    return post(path, unique_id=unique_id or uuid4().hex, **body)


def segment(name: str) -> str:
    """*name* as one segment of a path."""
    return quote(name, safe="")


def answer(status: int, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
    """The JSON of an answer.

    Raises:
        AnswerError: It is an error, or no answer of an instance.
    """
    if status == 200 and headers.get("content-type", "").partition(";")[0] == NDJSON:
        return _outcomes_in(content)
    found = _object_in(content)
    if found is not None and "components" in found:
        return found  # health, which is an answer with whatever status
    if status >= 400:
        error = found.get("error") if found is not None else None
        if not isinstance(error, dict):
            error = {}
        raise answer_error(error, status=status, retry_after_s=_seconds(headers))
    if found is None or status >= 300:
        message = "the answer is not one of KATO: is this the address of an instance?"
        raise AnswerError({"message": message}, status=status)
    return found


def _outcomes_in(content: bytes) -> dict[str, Any]:
    """The outcomes of lines, and their summary.

    Raises:
        AnswerError: Lines have to be sent again, or the answer ends early.
    """
    try:
        *outcomes, last = (json.loads(line) for line in content.splitlines())
        summary = last["summary"]
        if summary["error"] is None and not summary["complete"]:
            raise ValueError(summary)
    except (ValueError, LookupError) as exc:
        message = {"message": "the answer ends before its last line", "retryable": True}
        raise coded_error(message) from exc
    failed = [summary["error"], *(one["error"] for one in outcomes if one["error"]["retryable"])]
    for error in failed:
        if error is not None:
            raise coded_error(error)
    return {"outcomes": outcomes, "summary": summary}


def _object_in(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After, if it is a number of seconds: KATO sends no dates."""
    given = headers.get("retry-after", "")
    return float(given) if given.isascii() and given.isdigit() else None


@contextmanager
def failures_of(url: str) -> Iterator[None]:
    """Turn the exceptions of httpx into ours."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as exc:
        reason = str(exc) or type(exc).__name__
        # A wrong address or certificate stays wrong; everything else may pass.
        lasting = not isinstance(exc, httpx.TransportError) or isinstance(
            exc, httpx.UnsupportedProtocol | httpx.LocalProtocolError
        )
        retryable = not lasting and not _is_distrust(exc)
        raise ConnectionFailedError(
            f"{url} did not answer ({reason}): check the address, and that the instance is ready",
            retryable=retryable,
        ) from exc


def _is_distrust(exc: BaseException | None) -> bool:
    while exc is not None and not isinstance(exc, ssl.SSLCertVerificationError):
        exc = exc.__cause__ or exc.__context__
    return exc is not None
