"""Golden traces over HTTP: scripts of observe, learn, clear, get and delete."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

_PATH = Path(__file__).parent.parent / "golden" / "traces.jsonl.gz"


def _traces() -> list[Any]:
    with gzip.open(_PATH, "rt", encoding="utf-8") as lines:
        traces = [json.loads(line) for line in lines]
    return [pytest.param(trace, id=trace["id"]) for trace in traces]


class _Player:
    """Plays a trace's steps against one session and checks each answer.

    Our decisions differ from the traces in three points (processor.md §10): a too-short learn
    keeps the STM (so it is cleared here, which forgets its emotives too), predictions are those
    of the current STM (so they are compared after an observe that did not auto-learn), and empty
    observations leave them.
    """

    def __init__(self, api: httpx.Client, session_id: str) -> None:
        self._api = api
        self._path = f"/v2/sessions/{session_id}"
        self._forgot_emotives = False

    def observe(self, step: dict[str, Any]) -> None:
        body = {"strings": step["strings"], "emotives": step["emotives"]}
        answer = self._api.post(f"{self._path}/observe", json=body).json()
        self._forgot_emotives &= not step["emotives"]
        for field in ("auto_learned_pattern", "symbols", "time"):
            assert answer[field] == step["result"][field]
        if step["op"] == "observe" and not answer["auto_learned_pattern"]:
            self._compare_predictions(step["after"]["predictions"])

    observe_empty = observe

    def learn(self, step: dict[str, Any]) -> None:
        response = self._api.post(f"{self._path}/learn")
        name = response.json()["pattern_name"] if response.status_code == 200 else ""
        assert name == step["result"]
        if not name:
            self._forgot_emotives = self._api.post(f"{self._path}/clear-stm").is_success

    def clear_stm(self, step: dict[str, Any]) -> None:
        assert self._api.post(f"{self._path}/clear-stm").status_code == 200

    def clear_all(self, step: dict[str, Any]) -> None:
        assert self._api.post(f"{self._path}/clear-all").status_code == 200

    def get_pattern(self, step: dict[str, Any]) -> None:
        response = self._api.get(f"{self._path}/patterns/{step['name']}")
        if "pattern" not in step["result"]:
            assert response.status_code == 404
            return
        expected = step["result"]["pattern"]
        for field in ("name", "frequency", "pattern_data", "length"):
            assert response.json()[field] == expected[field]

    def delete_pattern(self, step: dict[str, Any]) -> None:
        response = self._api.delete(f"{self._path}/patterns/{step['name']}")
        assert response.status_code in {200, 404}

    def compare_session(self, after: dict[str, Any]) -> None:
        assert self._api.get(f"{self._path}/stm").json()["stm"] == after["stm"]
        if self._forgot_emotives:
            return
        cognition = self._api.get(f"{self._path}/cognition-data").json()["cognition_data"]
        assert cognition["emotives"] == pytest.approx(after["current_emotives"], abs=1e-9)

    def _compare_predictions(self, expected: list[list[Any]]) -> None:
        answer = self._api.get(f"{self._path}/predictions").json()["predictions"]
        given = [(item["name"], item["similarity"], item["potential"]) for item in answer]
        assert [name for name, *_ in given] == [name for name, *_ in expected]
        for (_, *numbers), (_, *wanted) in zip(given, expected, strict=True):
            assert numbers == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("trace", _traces())
def test_the_answers_to_a_golden_trace_match(
    api: httpx.Client, new_session: Callable[..., str], trace: dict[str, Any]
) -> None:
    player = _Player(api, new_session(config=trace["config"]))
    for step in trace["ops"]:
        getattr(player, step["op"])(step)
        player.compare_session(step["after"])
