"""How long a small prediction of one user takes while others do their worst.

``python bench/fairness.py [SECONDS [TITLE …]]``: a service with embedded stores for every kind of
hostile knowledge. Hostile clients, in a process of their own, keep many connections busy with
predictions; one polite client asks for predictions of its few small patterns, one after another.
Each row is one run; in the first the polite client is alone.
"""

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import embedded
import uvloop
from engine import Row

from kato_service.domain.identity import processor_id_of
from kato_service.domain.pattern import Event, Pattern, pattern_name

SECONDS = 15.0
PAUSE_S = 0.01
"""Between two requests of the polite client."""
CONNECTIONS = 32
"""Of each hostile user."""
POLITE_PATTERNS, POLITE_SYMBOLS = 100, 8
LONG = 60_000
Words = list[list[str]]


@dataclass(frozen=True)
class Attack:
    """Patterns and a short-term memory of a hostile user."""

    patterns: Callable[[], Words]
    state: Callable[[], list[str]]
    users: int = 1
    query: str = ""


def _equal() -> Words:
    return [["a"] * (LONG - number) for number in range(12)]


def _drawn(symbols: str, size: int, seed: int) -> list[str]:
    return random.Random(seed).choices(symbols, k=size)


def _in_vain() -> Words:
    """The worst that is known: rows that promise a block at every length and never have one."""
    runs = [symbol for run in range(200, 0, -1) for symbol in ("a" * run + "b")]
    return [runs + [*["a"] * 200, f"d{number}"] * 200 for number in range(40)]


def _falling_runs() -> list[str]:
    return [symbol for run in range(200, 0, -1) for symbol in ("a" * run + "c")]


ATTACKS: dict[str, Attack | None] = {
    "nobody else": None,
    "equal symbols, long answers": Attack(_equal, lambda: ["a"] * LONG),
    "in vain": Attack(_in_vain, _falling_runs, query="?limit=1"),
    "20 000 patterns of two symbols": Attack(
        lambda: [_drawn("ab", 40, seed) for seed in range(20_000)],
        lambda: _drawn("ab", 1000, 0),
        query="?recall_threshold=0",
    ),
    "three users in vain": Attack(_in_vain, _falling_runs, users=3, query="?limit=1"),
}


def fairness_rows(seconds: float, *only: str) -> Iterator[Row]:
    """*only*: beginnings of titles; without any, all."""
    for title, attack in ATTACKS.items():
        if title.startswith(only or ("",)):
            yield _measured(title, attack, seconds)


def _measured(title: str, attack: Attack | None, seconds: float) -> Row:
    with embedded.directory() as data:
        users = [f"hostile{number}" for number in range(attack.users if attack else 0)]
        for user in users:
            assert attack is not None
            asyncio.run(_write(data, user, attack.patterns()))
        with embedded.service(data, VECTORS="disabled") as client:
            path = _polite_session(client)
            sessions = [_hostile_session(client, user, attack) for user in users]
            for session in sessions:
                client.await_loaded(session.partition("predictions")[0] + "patterns?limit=1")
            return {"hostile": title, **_beside(client, path, sessions, seconds)}


async def _write(data: Path, user: str, words: Words) -> None:
    patterns = [_pattern(word, first) for first, word in enumerate(words, start=1)]
    await embedded.write_log(data / embedded.DATABASE, processor_id_of("kato", user), patterns)


def _pattern(symbols: list[str], first: int) -> Pattern:
    """In events of up to 100 symbols."""
    events: tuple[Event, ...] = tuple(
        tuple(symbols[at : at + 100]) for at in range(0, len(symbols), 100)
    )
    return Pattern(pattern_name(events), events, first=first, revision=first)


def _polite_session(client: embedded.Client) -> str:
    session = _session(client, "polite")
    rng = random.Random(1)
    for _ in range(POLITE_PATTERNS):
        symbols = [f"s{rng.randrange(50)}" for _ in range(POLITE_SYMBOLS)]
        client.ask("POST", f"{session}/observe-sequence", _sequence(symbols, learn=True))
    client.ask("POST", f"{session}/observe-sequence", _sequence(["s1", "s2", "s3"]))
    return f"{session}/predictions"


def _hostile_session(client: embedded.Client, user: str, attack: Attack | None) -> str:
    assert attack is not None
    session = _session(client, user)
    symbols = attack.state()
    events = [symbols[at : at + 100] for at in range(0, len(symbols), 100)]
    body = {"observations": [{"strings": event} for event in events]}
    client.ask("POST", f"{session}/config", {"config": {"sort_symbols": False}})
    client.ask("POST", f"{session}/observe-sequence", body)
    return f"{session}/predictions{attack.query}"


def _session(client: embedded.Client, user: str) -> str:
    return f"/v2/sessions/{client.value('POST', '/v2/sessions', {'user_id': user})['session_id']}"


def _sequence(symbols: list[str], *, learn: bool = False) -> dict[str, Any]:
    return {"observations": [{"strings": [one]} for one in symbols], "learn_at_end": learn}


def _beside(client: embedded.Client, path: str, hostile: list[str], seconds: float) -> Row:
    process = subprocess.Popen(
        [sys.executable, __file__, "--hostile", str(CONNECTIONS), *hostile],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(1)
        times, refused = _polite_times(client, path, seconds)
    finally:
        process.terminate()
        said, _ = process.communicate()
    cut = statistics.quantiles(times, n=100)
    return {
        "requests": len(times),
        "refused": refused,
        "p50 ms": statistics.median(times),
        "p95 ms": cut[94],
        "p99 ms": cut[98],
        "max ms": max(times),
        "hostile answers": said.strip(),
    }


def _polite_times(client: embedded.Client, path: str, seconds: float) -> tuple[list[float], int]:
    """Milliseconds of every request, and how many of them were refused."""
    times, refused = [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        try:
            client.ask("GET", path)
        except embedded.RefusedError:
            refused += 1
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(PAUSE_S)
    return times, refused


async def hostile(connections: int, paths: list[str]) -> None:
    """Ask and never look at the answer, until it is ended; then say how often what was answered."""
    seen: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(15, ended.set)
    tasks = [loop.create_task(_ask(path, seen)) for path in paths for _ in range(connections)]
    await ended.wait()
    for task in tasks:
        task.cancel()
    print(json.dumps(seen))


async def _ask(path: str, seen: "Counter[str]") -> None:
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", embedded.PORT, limit=2**20)
        try:
            while True:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                left = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                while left:
                    left -= len(await reader.read(left))
                status = head.split()[1].decode()
                seen[status] += 1
                if status != "200":
                    await asyncio.sleep(0.05)
        except (OSError, asyncio.IncompleteReadError):
            seen["cut"] += 1
        finally:
            writer.close()


def main() -> None:
    if sys.argv[1:2] == ["--hostile"]:
        uvloop.run(hostile(int(sys.argv[2]), sys.argv[3:]))
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    for row in fairness_rows(seconds, *sys.argv[2:]):
        print(" | ".join(f"{name} {_shown(value)}" for name, value in row.items()), flush=True)


def _shown(value: str | int | float) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
