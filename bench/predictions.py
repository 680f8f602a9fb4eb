"""Compares `GET …/predictions` of a service with 100 000 patterns with the engine alone.

Request and engine are timed in turn on the same states, each state several times; the engine's time
ends with the prediction objects. The request's extra time is HTTP, loading the session, looking up
entries of other processes, JSON of 100 full predictions, and the client. Timing starts after the
service has written the views of the knowledge base, which it does in the background.
"""

import asyncio
import random
import re
import statistics
import time

import embedded
from embedded import timed_ms
from engine import LIMIT, THRESHOLD, Row, Source

from kato_service.domain.identity import processor_id_of
from kato_service.search.pattern_searcher import PatternSearcher

PATTERNS = 100_000
STATES, TURNS = 12, 8
USER = "bench"
VIEWS_S = 120.0


def prediction_rows(seed: int, count: int = PATTERNS) -> list[Row]:
    return [_measured(kind, count, seed) for kind in ("zipf", "dense", "sparse")]


def _measured(kind: str, count: int, seed: int) -> Row:
    source = Source(kind, random.Random(seed))
    patterns = list(source.patterns(count))
    index = PatternSearcher("c").new_index()
    for pattern in patterns:
        index.put(pattern, learns=1)
    states = [state for state in (source.state() for _ in range(STATES * 3)) if len(state) > 4]
    times: dict[str, list[float]] = {"request": [], "engine": [], "beyond": [], "live": []}
    sizes: list[int] = []
    with embedded.directory() as data:
        kb = processor_id_of("kato", USER)
        asyncio.run(embedded.write_log(data / embedded.DATABASE, kb, patterns))
        with embedded.service(data, PROCESSOR_ID="kato") as client:
            created = client.value("POST", "/v2/sessions", {"user_id": USER})
            session = f"/v2/sessions/{created['session_id']}"
            client.await_loaded(f"{session}/patterns?limit=1")
            _await_views(client)
            for state in states[:STATES]:
                client.ask("POST", f"{session}/clear-stm")
                observations = [{"strings": [symbol]} for symbol in state]
                client.ask("POST", f"{session}/observe-sequence", {"observations": observations})
                client.await_loaded(f"{session}/predictions")
                sizes.append(len(client.value("GET", f"{session}/predictions")["predictions"]))
                _in_turns(times, client, f"{session}/predictions", index, state)
    figures = {f"{name} p50 ms": statistics.median(values) for name, values in times.items()}
    return {
        "patterns": f"{kind} {count}",
        "predictions": statistics.median(sizes),
        **figures,
        "beyond p95 ms": statistics.quantiles(times["beyond"], n=20)[-1],
    }


def _in_turns(times, client, path, index, state) -> None:  # type: ignore[no-untyped-def]
    for _ in range(TURNS):
        engine = timed_ms(lambda: index.best(state, threshold=THRESHOLD, limit=LIMIT))
        request = timed_ms(lambda: client.ask("GET", path))
        times["engine"].append(engine)
        times["request"].append(request)
        times["beyond"].append(request - engine)
        times["live"].append(timed_ms(lambda: client.ask("GET", "/health/live")))


def _await_views(client: embedded.Client) -> None:
    give_up_at = time.monotonic() + VIEWS_S
    while time.monotonic() < give_up_at:
        found = re.search(
            rb"^kato_knowledge_checkpoint_lag_entries(?:{.*})? (.*)$",
            client.ask("GET", "/metrics"),
            re.M,
        )
        if found is not None and float(found[1]) == 0:
            return
        time.sleep(0.5)
    raise SystemExit(f"the service did not write its views within {VIEWS_S} s")


if __name__ == "__main__":
    for row in prediction_rows(20261124):
        print(row)
