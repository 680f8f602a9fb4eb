#!/usr/bin/env python3
"""Learn a text line by line, then continue half-lines: learn_text.py URL FILE [HALF-LINE ...]

Each word is an event, each line a pattern; each user has a knowledge base.
Without half-lines, the program continues three lines of the text.

It needs nothing but Python, so that it runs wherever Python does, such as in a pod of any image.
Where packages can be installed, use the client (docs/python-client.md), as `recipes/` does: it has
what the class `Kato` does here, and more.
"""

import argparse
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0
LINES_AT_ONCE = 500


class Kato:
    """The few calls of the HTTP API that this example needs."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request, and repeat it while the service says that a repeat may succeed.

        Requests that observe or learn carry a ``unique_id``, so a repeat never counts twice.
        """
        data = None if body is None else json.dumps(body).encode()
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            request = urllib.request.Request(
                self.url + path, data, {"Content-Type": "application/json"}, method=method
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                problem = json.load(error)["error"]
                if not problem["retryable"] or time.monotonic() > give_up_at:
                    raise SystemExit(f"{method} {path}: {problem['message']}") from error
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
                if time.monotonic() > give_up_at:
                    raise SystemExit(
                        f"{self.url} does not answer ({error}); is the instance ready?"
                    ) from error
            time.sleep(0.5)

    def session(self, user: str) -> str:
        session: str = self.call("POST", "/v2/sessions", {"user_id": user})["session_id"]
        return f"/v2/sessions/{session}"

    def learn(self, user: str, lines: list[list[str]]) -> None:
        """Learn up to 1000 lines in one request, each once however often it has to be repeated."""
        path = f"/v2/learn?answers=errors&unique_id={uuid.uuid4().hex}"
        sequences = [{"user_id": user, "events": [[word] for word in words]} for words in lines]
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            answer = self.call("POST", path, {"sequences": sequences})
            if answer["summary"]["durable_through"] == len(lines):
                break
            if time.monotonic() > give_up_at:
                raise SystemExit(f"not learned: {answer['results'][0]['error']['message']}")
            time.sleep(0.5)
        for refused in answer["results"]:
            print(f"not learned: {refused['error']['message']}")

    def observe(self, session: str, words: list[str]) -> dict[str, Any]:
        body = {"observations": [{"strings": [word]} for word in words]}
        return self.call(
            "POST", f"{session}/observe-sequence", body | {"unique_id": uuid.uuid4().hex}
        )


def lines_of(file: Path) -> list[list[str]]:
    """The file's lines as words, without lines of one word, which cannot be continued."""
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    return [words for words in lines if len(words) > 1]


def learn(kato: Kato, user: str, lines: list[list[str]]) -> None:
    started = time.monotonic()
    for first in range(0, len(lines), LINES_AT_ONCE):
        some = lines[first : first + LINES_AT_ONCE]
        kato.learn(user, some)
        done, took_s = first + len(some), time.monotonic() - started
        print(f"learned {done} of {len(lines)} lines, {took_s:.1f} s")


def continue_line(kato: Kato, session: str, half: list[str]) -> bool:
    """Print the best prediction for *half*. Returns whether there was one."""
    kato.call("POST", f"{session}/clear-stm", {})
    kato.observe(session, half)
    predictions = kato.call("GET", f"{session}/predictions?limit=1")["predictions"]
    print(f"\n» {' '.join(half)} …")
    if not predictions:
        print("  no learned line resembles this")
        return False
    best = predictions[0]
    for part in ("past", "present", "future"):
        print(f"  {part:<8} {' '.join(word for event in best[part] for word in event) or '-'}")
    print(f"  missing  {' '.join(best['missing']) or '-'}")
    print(
        f"  extras   {' '.join(best['extras']) or '-'}\n"
        f"  learned {best['frequency']} times, similarity {best['similarity']:.2f},"
        f" {best['pattern_name']}"
    )
    return True


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Learn a text line by line, then continue half-lines."
    )
    parser.add_argument("url", help="address of the instance, e.g. http://prod.default.svc:8000")
    parser.add_argument("file", type=Path, help="UTF-8 text file to learn")
    parser.add_argument(
        "half_lines", metavar="half-line", nargs="*", help="beginnings of lines to continue"
    )
    parser.add_argument(
        "--user",
        default="reader",
        help="user whose knowledge base learns the text (default: reader)",
    )
    arguments = parser.parse_args()
    if not arguments.file.is_file():
        parser.error(f"{arguments.file}: no such file")
    lines = lines_of(arguments.file)
    kato = Kato(arguments.url)
    learn(kato, arguments.user, lines)
    session = kato.session(arguments.user)
    sample = lines[len(lines) // 4 :: max(1, len(lines) // 4)][:3]
    halves = [half.split() for half in arguments.half_lines] or [
        words[: max(2, len(words) // 2)] for words in sample
    ]
    predicted = [continue_line(kato, session, half) for half in halves]
    kato.call("DELETE", session)
    sys.exit(0 if all(predicted) else 1)


if __name__ == "__main__":
    main()
