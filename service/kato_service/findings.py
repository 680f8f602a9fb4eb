"""What is wrong with a request, and where: a place, a reason, and the sentence that says both."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

Part = str | int
Place = tuple[Part, ...]

REQUIRED = "is required"
MAX_SHOWN = 20
"""Findings about one request that an answer lists."""
MAX_PARTS = 32
"""Parts of a place that an answer repeats."""
MAX_NAME_CHARS = 64
"""Characters of a client's own name that an answer repeats."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PARTS = {
    "body": "{}",
    "frame": "{}",
    "line": "{}",
    "payload": "{}",
    "query": "the query parameter {}",
    "header": "the header {}",
    "path": "the path parameter {}",
    "session": "{} of the session",
}
"""How a sentence names what is at a place, by the first part of the place."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    place: Place
    """The part of the request (body, query, header or path), then fields and positions. "session"
    stands for what the session holds already. In a frame: "frame" for all of it, or its fields,
    such as "payload"."""
    reason: str
    """Continues a sentence that starts with the place; never contains a value of the client."""

    def inside(self, *outer: Part) -> "Finding":
        """The finding as one about a body in which its own body is at *outer*."""
        if self.place[0] != "body":
            return self
        return replace(self, place=("body", *outer, *self.place[1:]))

    def in_frame(self, field: str | None) -> "Finding":
        """The finding as one about a frame that is its body, or has its body in *field*."""
        if self.place[0] != "body":
            return self
        outer = () if field is None else (field,)
        return replace(self, place=(*outer, *self.place[1:]) or ("frame",))

    def in_line(self) -> "Finding":
        """The finding as one about a line of a stream that is its body."""
        return replace(self, place=("line", *self.place[1:])) if self.place[0] == "body" else self

    def content(self) -> dict[str, Any]:
        """The finding as JSON."""
        place = [_short(part) for part in self.place[:MAX_PARTS]]
        return {"location": place, "reason": self.reason}

    def sentence(self) -> str:
        """The finding in plain words: ``strings[0] of observations[5] must be text``."""
        part, rest = str(self.place[0]), self.place[1:MAX_PARTS]
        if part in _PARTS and not rest:
            required = f"a JSON {part} is required"
            return required if self.reason == REQUIRED else f"the {part} {self.reason}"
        if self.reason == REQUIRED:
            place = rest if part in _PARTS else self.place[:MAX_PARTS]
            return f"Missing required field: {spelled(place)}"
        return f"{self.subject()} {self.reason}"

    def subject(self) -> str:
        """The place in plain words: ``the header X-User-ID``."""
        place = self.place[:MAX_PARTS]
        form = _PARTS.get(str(place[0]))
        return spelled(place) if form is None else form.format(spelled(place[1:]))


def in_body(*place: Part, reason: str) -> Finding:
    return Finding(("body", *place), reason)


def summary(findings: Sequence[Finding], count: int) -> str:
    """The first finding, and how many of all *count* are left."""
    more = count - 1
    if more < 1:
        return findings[0].sentence()
    return f"{findings[0].sentence()} (and {more} more {'problem' if more == 1 else 'problems'})"


def spelled(place: Iterable[Part]) -> str:
    """A place inside a body: ``strings[0] of observations[5]``."""
    return " of ".join(reversed(list(_steps(place))))


def _steps(place: Iterable[Part]) -> Iterator[str]:
    """Every field with the positions after it: ``observations[5]``, ``strings[0]``."""
    step = ""
    for part in place:
        if isinstance(part, int):
            step += f"[{part}]"
            continue
        if step:
            yield step
        step = _named(part)
    if step:
        yield step


def _named(name: str) -> str:
    short = name[:MAX_NAME_CHARS]
    return short if _PLAIN.fullmatch(short) else json.dumps(short)


def _short(part: Part) -> Part:
    return part[:MAX_NAME_CHARS] if isinstance(part, str) else part
