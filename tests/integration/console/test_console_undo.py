"""Deletes and edits of patterns in the console, and their undo."""

import json
from typing import Any

import pytest

from support import patient
from support.console import Console
from support.console_views import ROASTS, content, exported, knowledge
from support.services import ServiceProcess

LOSE_THE_FIRST_ANSWER = """
window.imports = 0;
const send = XMLHttpRequest.prototype.send;
XMLHttpRequest.prototype.send = function (body) {
  if (!window.imports++) this.onload = this.onerror;
  return send.call(this, body);
};
"""


@pytest.fixture
def session(service: ServiceProcess, taught: str) -> str:
    """The path of a session of the user, who was also taught all that patterns may have."""
    created = patient.post(f"{service.url}/v2/sessions", json={"user_id": taught}).json()
    path = f"{service.url}/v2/sessions/{created['session_id']}"
    observations = [
        {"strings": ["air-up", "smoke"], "emotives": {"calm": 0.25}, "metadata": {"n": 2**63}},
        {"strings": ["drop"], "emotives": {"calm": 1e-7, "joy": 1.0}},
    ]
    body = {"observations": observations, "learn_at_end": True}
    assert patient.post(f"{path}/observe-sequence", json=body).status_code == 200
    return path


def listed(session: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = patient.get(f"{session}/patterns").json()["patterns"]
    return found


def learn_cooling(session: str) -> None:
    """Learn the roast that was learned twice once more."""
    observations = [{"strings": event.split()} for event in ROASTS[-1][0].split(" / ")]
    body = {"observations": observations, "learn_at_end": True}
    assert patient.post(f"{session}/observe-sequence", json=body).status_code == 200


def pick(console: Console, *symbols: str) -> None:
    """Open the page of the only pattern with all *symbols*."""
    sought = json.dumps(" ".join(symbols))
    console.run(
        f"$('#find').value = {sought}; $('#find').dispatchEvent(new Event('input'));"
        f" await until(() => texts('.row').length === 1 &&"
        f" {sought}.split(' ').every(symbol => $('.row').innerText.includes(symbol)));"
        " $('.row').click();"
    )
    for symbol in symbols:
        console.read(".seqline", symbol)


def delete(console: Console) -> None:
    console.click("#delete")
    console.click("#dialog .risk")
    console.see("#undo")


def test_a_deleted_pattern_is_put_back_as_it_was_by_keyboard(
    console: Console, service: ServiceProcess, taught: str, session: str
) -> None:
    before = content(exported(service.url, taught))
    knowledge(console, taught)
    pick(console, "air-up", "smoke")
    delete(console)
    console.run("await until(() => document.activeElement.id === 'undo');")
    assert console.run("return $('#strips').role;") == "status"
    assert console.text("#strips").startswith("Deleted: air-up + smoke›drop")
    console.run("await until(() => $('.empty')?.checkVisibility());")
    assert len(listed(session)) == 4
    console.tab.press("Enter")
    console.read("#say", "Undone")
    console.read(".seqline", "air-up")
    assert content(exported(service.url, taught)) == before
    assert console.text("#strips") == ""
    assert console.run("return document.activeElement.id;") == "find"  # the list is empty


def test_an_undo_counts_once_if_it_is_pressed_twice_and_its_answer_is_lost(
    console: Console, service: ServiceProcess, taught: str, session: str
) -> None:
    before = content(exported(service.url, taught))
    knowledge(console, taught)
    pick(console, "air-up", "smoke")
    delete(console)
    console.run(f"{LOSE_THE_FIRST_ANSWER} $('#undo').click(); $('#undo').click();")
    console.read("#say", "Undone")
    assert console.run("return window.imports;") == 2
    assert content(exported(service.url, taught)) == before


def test_what_was_learned_since_a_delete_stays(console: Console, taught: str, session: str) -> None:
    knowledge(console, taught)
    pick(console, "cooling")
    delete(console)
    body = {
        "observations": [
            {"strings": [one]} for one in ["drop", "cooling", "rest", "cupping", "bright"]
        ]
    }
    patient.post(f"{session}/observe-sequence", json={**body, "learn_at_end": True})
    console.tab.press("u")
    console.read("#say", "Undone")
    (found,) = [one for one in listed(session) if ["cooling"] in one["pattern_data"]]
    assert found["frequency"] == 3


def test_deletes_are_undone_last_first_and_only_for_their_user(
    console: Console, taught: str, session: str
) -> None:
    knowledge(console, taught)
    before = len(listed(session))
    for symbol in ("cooling", "baked"):
        pick(console, symbol)
        delete(console)
        console.read("#strips", f"{symbol}" if symbol == "cooling" else "stall")
    console.user(f"{taught}-2")
    console.read(".empty", "Nothing was learned yet")
    assert console.text("#strips") == ""
    console.run(f"$('#user').value = {json.dumps(taught)};")
    console.run("$('#user').dispatchEvent(new Event('change'));")
    for symbol in ("baked", "cooling"):
        console.click("#undo")
        console.read(".seqline", symbol)
    assert len(listed(session)) == before
    assert console.text("#strips") == ""


def test_a_change_that_is_kept_is_not_offered_any_more(
    console: Console, taught: str, session: str
) -> None:
    knowledge(console, taught)
    pick(console, "cooling")
    delete(console)
    console.click("#strips [aria-label='Keep the change']")
    assert console.text("#strips") == ""
    console.tab.press("u")
    assert len(listed(session)) == 4


def edited(console: Console, frequency: int) -> None:
    console.click("#edit")
    console.run(
        f"$('#dialog input').value = {frequency};"
        " $('#dialog textarea').value = '[{\"calm\": 0.5}]';"
    )
    console.click("#dialog .first")
    console.read(".facts", f"{frequency}×")
    console.read("#strips", "Edited: ")


def test_an_edit_is_undone(console: Console, taught: str, session: str) -> None:
    before = listed(session)
    knowledge(console, taught)
    pick(console, "air-up", "smoke")
    edited(console, 17)
    assert listed(session) != before
    console.run("await until(() => document.activeElement.id === 'undo');")
    console.tab.press("Enter")
    console.read(".facts", "1×")
    assert listed(session) == before


def test_an_undo_of_an_edit_keeps_what_was_learned_since(
    console: Console, taught: str, session: str
) -> None:
    knowledge(console, taught)
    pick(console, "cooling")
    edited(console, 17)
    body = {
        "observations": [
            {"strings": [one]} for one in ["drop", "cooling", "rest", "cupping", "bright"]
        ]
    }
    patient.post(f"{session}/observe-sequence", json={**body, "learn_at_end": True})
    console.click("#undo")
    console.read("#strips", "It was learned or edited since")
    (found,) = [one for one in listed(session) if ["cooling"] in one["pattern_data"]]
    assert found["frequency"] == 18
