"""Plays golden cases against an instance, from inside the cluster: URL CASES.json.

Each case has its own user. The program learns the case's patterns with their emotives, observes its
STM, and compares every prediction with the expected one: names, lists and integers exactly, floats
to 1e-9.
"""

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

GENES = {
    "recall_threshold": "recall_threshold",
    "max_predictions": "max_predictions",
    "persistence": "persistence",
    "sort": "sort_symbols",
}
HEADERS = {"Content-Type": "application/json"}
"""Sent with every request; callers that import this module add credentials."""


def call(url: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, HEADERS, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def forget(url: str, case: dict[str, Any]) -> None:
    """Clear what an earlier conversation of this case learned."""
    session = (
        "/v2/sessions/" + call(url, "POST", "/v2/sessions", {"user_id": case["id"]})["session_id"]
    )
    call(url, "POST", f"{session}/clear-all", {})


def predictions_of(url: str, case: dict[str, Any]) -> list[dict[str, Any]]:
    genes = {ours: case["config"][theirs] for theirs, ours in GENES.items()}
    body = {"user_id": case["id"], "config": genes}
    session = "/v2/sessions/" + call(url, "POST", "/v2/sessions", body)["session_id"]
    for events, emotives in zip(case["learned"], case["learned_emotives"], strict=True):
        observations = [
            {"strings": strings, "emotives": felt}
            for strings, felt in zip(events, emotives, strict=True)
        ]
        body = {"observations": observations, "learn_at_end": True}
        call(url, "POST", f"{session}/observe-sequence", body)
        call(url, "POST", f"{session}/clear-stm", {})
    if case["stm"]:
        body = {"observations": [{"strings": strings} for strings in case["stm"]]}
        call(url, "POST", f"{session}/observe-sequence", body)
    found: list[dict[str, Any]] = call(url, "GET", f"{session}/predictions")["predictions"]
    return found


def same(expected: Any, found: Any) -> bool:
    if isinstance(expected, float) and isinstance(found, int | float):
        return abs(expected - found) <= 1e-9
    if isinstance(expected, dict):
        return expected.keys() == found.keys() and all(
            same(v, found[k]) for k, v in expected.items()
        )
    if isinstance(expected, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    return bool(expected == found)


def agrees(expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> bool:
    ours = [{key: p[key] for key in case} for case, p in zip(expected, found, strict=False)]
    return len(expected) == len(found) and same(expected, ours)


def main() -> None:
    url = sys.argv[1]
    cases = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    wrong = [
        case["id"] for case in cases if not agrees(case["predictions"], predictions_of(url, case))
    ]
    predicted = sum(len(case["predictions"]) for case in cases)
    print(f"{len(cases) - len(wrong)} of {len(cases)} cases agree, {predicted} predictions", *wrong)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
