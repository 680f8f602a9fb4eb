"""Many sequences as the lines of bulk learns, and what became of them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from kato_client.answers import BulkLearned
from kato_client.observations import Event, Observation, UserSequence, observations_of

PART_BYTES = 2**20
"""Of one request: its answer arrives within seconds, so that progress is seen."""
MAX_FAILURES = 1000
Progress = Callable[[BulkLearned], None]


def parts_of(sequences: Iterable[UserSequence], unique_id: str, most: int) -> Iterator[bytes]:
    """Lines of *sequences*, at most *most* a request. Each has an id from *unique_id*."""
    part, size = list[bytes](), 0
    for number, sequence in enumerate(sequences, 1):
        line = _line(sequence.events, sequence.user, f"{unique_id}-{number}")
        if part and (len(part) >= most or size + len(line) > PART_BYTES):
            yield b"".join(part)
            part, size = [], 0
        part.append(line)
        size += len(line)
    if part:
        yield b"".join(part)


def _line(events: Iterable[Event], user: str | None, unique_id: str) -> bytes:
    if not isinstance(events, str):
        events = list(events)
    line: dict[str, Any] = {"unique_id": unique_id}
    if user is not None:
        line["user_id"] = user
    if any(isinstance(event, Observation) for event in events):
        line["observations"] = observations_of(events)
    else:
        line["events"] = [one["strings"] for one in observations_of(events)]
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="surrogatepass") + b"\n"


class Tally:
    """What became of all sequences so far."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(
            ("lines", "learned", "repeated", "insufficient_data", "errors"), 0
        )
        self._failures = list[dict[str, Any]]()

    def add(self, answer: Mapping[str, Any]) -> BulkLearned:
        """Count the outcomes of one more request, which is complete."""
        before = self._counts["lines"]
        for name in self._counts:
            self._counts[name] += answer["summary"][name]
        for outcome in answer["outcomes"][: MAX_FAILURES - len(self._failures)]:
            self._failures.append({**outcome["error"], "line": before + outcome["line"]})
        return self.so_far()

    def so_far(self) -> BulkLearned:
        return BulkLearned.of({**self._counts, "failures": [*self._failures]})
