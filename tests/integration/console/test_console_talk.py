"""Talk: events in, predictions and why, live, compared."""

import json
from typing import Any
from uuid import uuid4

import pytest

from support import patient
from support.console import Console
from support.console_views import talk
from support.services import ServiceProcess

HOSTILE = '<img src=x onerror="document.title=1">'


def predictions(service: ServiceProcess, session: str, **query: str) -> Any:
    path = f"{service.url}/v2/sessions/{session}/predictions"
    return patient.get(path, params=query).json()


def test_a_conversation_is_held_by_keyboard_alone(
    console: Console, service: ServiceProcess
) -> None:
    console.open()
    session = console.begin(f"keys-{uuid4().hex}")
    assert console.focused() == "in"
    console.observe("bread", "butter", nth=1)
    console.tab.press(text="calm=0.5")
    console.tab.press(" ")
    console.observe("jam", nth=2)
    console.tab.press("Control+Enter")
    console.read("#s-h + span", "empty")
    console.tab.press(text="bread butter")  # typed on, an input method may send it at once
    console.tab.press("Enter")
    console.run("await until(() => document.querySelectorAll('#stm li').length === 2);")
    stm = patient.get(f"{service.url}/v2/sessions/{session}/stm").json()["stm"]
    learned = patient.get(f"{service.url}/v2/sessions/{session}/patterns").json()["patterns"]
    assert [one["pattern_data"] for one in learned] == [[["bread", "butter"], ["jam"]]]
    assert learned[0]["emotives"] == [{"calm": 0.5}]
    assert stm == [["bread butter"]]


def test_predictions_are_laid_out_and_marked(
    console: Console, service: ServiceProcess, taught: str
) -> None:
    session = talk(console, taught)
    answer = predictions(service, session)
    first = answer["predictions"][0]
    row = "#preds .pred:first-child "
    assert len(console.texts("#preds .pred")) == answer["count"]
    assert console.texts(f"{row}.lane.future .ev") == ["first-crack", "drop", "scorched"]
    assert console.texts(f"{row}.lane.present .gap") == first["missing"] == ["gas-down"]
    assert console.texts(f"{row}.lane.present .hit") == first["matches"]
    numbers = console.texts(f"{row}.metric b")
    names = ("similarity", "evidence", "confidence", "potential")
    assert numbers == [f"{first[name]:.2f}" for name in names]
    second = answer["predictions"][1]
    assert console.texts("#preds .pred:nth-child(2) .x s") == second["extras"] == ["smoke"]


def test_what_comes_next_has_the_weights_of_the_service(
    console: Console, service: ServiceProcess, taught: str
) -> None:
    session = talk(console, taught)
    expected = predictions(service, session, view="next", limit="8")["symbols"]
    console.run(f"await until(() => texts('.next ol li').length === {len(expected)});")
    shown = [line.split("\n") for line in console.texts(".next ol li")]
    assert shown == [[one["symbol"], f"{one['weight']:.2f}"] for one in expected]
    console.click(".next ol button")
    assert console.texts(".composer .chip") == [f"{expected[0]['symbol']}\n×"]


def test_every_number_opens_and_adds_up(
    console: Console, service: ServiceProcess, taught: str
) -> None:
    session = talk(console, taught)
    console.run("$('#why-0').focus();")
    console.tab.press("j", "e")
    assert console.focused() == "d-close"
    answer = predictions(service, session, explain="true")
    told = answer["predictions"][1]["explanation"]
    drawn = [row.split("\t") for row in console.texts(".terms tr")]
    found = {row[0]: float(row[-1].replace("+ ", "")) for row in drawn}
    parts = {**told["factors"], **told["terms"], "potential": told["potential"]}
    assert found == pytest.approx(parts, abs=6e-4)
    size = sum(block["size"] for block in told["blocks"])
    assert len(console.texts("#drawer .wire")) == size
    assert f"Left out of {answer['explanation']['patterns']} patterns" in console.text("#drawer")
    console.tab.press("Escape")
    assert console.focused() == "why-1"
    assert console.run("return $('#drawer').hidden;")


def test_a_change_by_another_program_appears_by_itself(
    console: Console, service: ServiceProcess, taught: str
) -> None:
    session = talk(console, taught)
    before = console.text("#preds")
    path = f"{service.url}/v2/sessions/{session}/observe"
    patient.post(path, json={"strings": ["first-crack"]})
    console.read("#stm", "first-crack")
    console.run(f"await until(() => $('#preds').innerText !== {json.dumps(before)});")


def test_a_threshold_acts_at_once(console: Console, service: ServiceProcess, taught: str) -> None:
    session = talk(console, taught)
    console.run(
        "const range = $('#g-recall_threshold'); range.value = 0.7;"
        " range.dispatchEvent(new Event('change'));"
        " await until(() => texts('#preds .pred').length === 1);"
    )
    config = patient.get(f"{service.url}/v2/sessions/{session}/config").json()["config"]
    assert config["recall_threshold"] == 0.7


def test_two_thresholds_are_compared(console: Console, taught: str) -> None:
    talk(console, taught)
    console.click("#compare")
    console.run("await until(() => texts('.cmp').length === 2 && texts('.cmp .pred').length);")
    left, right = ("Left", "Right")
    rows = [console.texts(f".cmp[aria-label={side}] .pred") for side in (left, right)]
    assert len(rows[0]) > len(rows[1]) > 0
    assert "only here" in rows[0][-1]
    assert "same place" in rows[0][0]


def test_vectors_are_pasted_and_dropped(console: Console, service: ServiceProcess) -> None:
    console.open()
    session = console.begin(f"vectors-{uuid4().hex}")
    console.run(
        "const data = new DataTransfer(); data.setData('text', '[0.1, 0.2, 0.3]');"
        " $('#in').dispatchEvent(new ClipboardEvent('paste',"
        " {clipboardData: data, bubbles: true, cancelable: true}));"
    )
    console.drop(".composer", "vectors.json", "[[1, 0, 0], [0, 1, 0]]")
    console.run("await until(() => texts('.chip').length === 3);")
    console.observe("seen", nth=1)
    path = f"{service.url}/v2/sessions/{session}/percept-data"
    seen = patient.get(path).json()["percept_data"]
    assert seen["vectors"] == [[0.1, 0.2, 0.3], [1, 0, 0], [0, 1, 0]]
    assert seen["strings"] == ["seen"]


def test_what_users_taught_is_text(console: Console, service: ServiceProcess) -> None:
    user = f"hostile-{uuid4().hex}"
    lines = [{"events": [[HOSTILE], ["b"], ["c"]], "user_id": user}]
    patient.post(f"{service.url}/v2/learn", json={"sequences": lines})
    console.open()
    session = console.begin(user)
    events = {"observations": [{"strings": [HOSTILE]}, {"strings": ["b"]}]}
    patient.post(f"{service.url}/v2/sessions/{session}/observe-sequence", json=events)
    console.see(".pred")
    console.tab.run("location.hash = '#knowledge'")
    console.see(".row.on")
    console.see(".graph")
    assert console.run("return document.querySelectorAll('img').length;") == 0
    assert "KATO console" in console.run("return document.title;")


def test_why_nothing_is_predicted_is_told(console: Console, taught: str) -> None:
    console.open()
    console.begin(taught)
    console.read(".empty", "the short-term memory is empty")
    console.observe("unheard", "of", nth=1)
    console.read(".empty", "no symbol in common")
