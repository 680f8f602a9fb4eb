"""What impatient people do: they type on, press twice, and try again after a failure."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from support import patient
from support.console import Console
from support.services import ServiceProcess

SLOW_MS = 500


@contextmanager
def slow(console: Console) -> Iterator[None]:
    """Each answer takes longer than a person who types on."""
    bounds = {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
    console.tab.call("Network.emulateNetworkConditions", latency=SLOW_MS, **bounds)
    try:
        yield
    finally:
        console.tab.call("Network.emulateNetworkConditions", latency=0, **bounds)


def failing(console: Console, path: str, *nth: int) -> None:
    """The *nth* requests of *path* from now on get no answer; the instance does not see them."""
    console.run(
        f"const real = window.fetch, away = {list(nth)}; let count = 0;"
        " window.fetch = async (address, ...more) => {"
        f"  if (String(address).includes('{path}') && away.includes(++count)) throw Error();"
        "  return real(address, ...more);"
        " };"
    )


def asked(service: ServiceProcess, session: str, rest: str) -> Any:
    return patient.get(f"{service.url}/v2/sessions/{session}/{rest}").json()


def taught(service: ServiceProcess, session: str) -> list[tuple[Any, int]]:
    patterns = asked(service, session, "patterns")["patterns"]
    return [(one["pattern_data"], one["frequency"]) for one in patterns]


def events(console: Console, count: int) -> None:
    """Wait until the short-term memory has *count* events."""
    console.run(f"await until(() => document.querySelectorAll('#stm li').length === {count} + 1);")


def nobody(console: Console) -> None:
    """Look at what a user knows who was taught nothing."""
    console.open("knowledge")
    console.user(f"impatient-{uuid4().hex[:8]}")
    console.read(".empty", "Nothing was learned yet")


def test_events_typed_faster_than_answers_are_observed_once_and_in_order(
    console: Console, service: ServiceProcess
) -> None:
    console.open()
    session = console.begin(f"fast-{uuid4().hex}")
    with slow(console):
        for symbol in "abc":
            console.tab.press(text=symbol)
            console.tab.press("Enter", "Enter")
        console.tab.press("Control+Enter", "Control+Enter")
        console.tab.press(text="d")
        console.tab.press(" ")
        console.tab.press(text="e")
        console.read("#say", "Nothing to learn yet")
    assert taught(service, session) == [([["a"], ["b"], ["c"]], 1)]
    assert asked(service, session, "stm")["stm"] == []
    assert console.texts(".composer .chip") == ["d\n×"]
    assert console.run("return $('#in').value;") == "e"
    assert console.texts(".alert") == []


def test_the_first_event_makes_one_session_however_fast_the_next_follows(
    console: Console, service: ServiceProcess
) -> None:
    console.open()
    user = f"first-{uuid4().hex}"
    console.user(user)
    console.see("#start")
    with slow(console):
        console.run("$('#start').click(); $('#start').click(); $('#in').focus();")
        for symbol in "ab":
            console.tab.press(text=symbol)
            console.tab.press("Enter")
        events(console, 2)
    sessions = patient.get(f"{service.url}/v2/sessions", params={"user_id": user}).json()
    assert len(sessions["sessions"]) == 1
    assert asked(service, console.session(), "stm")["stm"] == [["a"], ["b"]]


def test_events_that_fail_come_back_one_by_one_in_their_order(
    console: Console, service: ServiceProcess
) -> None:
    console.open()
    session = console.begin(f"failing-{uuid4().hex}")
    failing(console, "/observe", 1, 2, 3)
    for symbol in "cb":
        console.tab.press(text=symbol)
        console.tab.press("Enter")
    console.tab.press(text="a")  # is not entered yet
    console.read(".alert", "The instance does not answer")
    for place, symbol in enumerate("cba"):
        chip = json.dumps(f"{symbol}\n×")
        console.run(f"await until(() => texts('.chip').join() === {chip});")
        assert asked(service, session, "stm")["stm"] == [[one] for one in "cba"[:place]]
        console.tab.press("Enter")
        events(console, place + 1)
    assert console.texts(".chip") == []
    assert asked(service, session, "stm")["stm"] == [["c"], ["b"], ["a"]]


def test_an_event_that_fails_does_not_come_back_into_another_session(
    console: Console,
) -> None:
    console.open()
    console.begin(f"failing-{uuid4().hex}")
    console.run(
        "const real = window.fetch; window.fetch = async (address, ...more) => {"
        " if (!String(address).includes('/observe')) return real(address, ...more);"
        " await new Promise(done => { window.giveUp = done; }); throw Error(); };"
    )
    console.tab.press(text="late")
    console.tab.press("Enter")
    console.run("await until(() => window.giveUp);")
    console.user(f"other-{uuid4().hex}")
    console.see("#start")
    console.run(
        "for (let n = 0; n < 100; n++) { giveUp(); await new Promise(requestAnimationFrame); }"
    )
    assert console.texts(".chip") == []


def test_an_import_that_is_confirmed_twice_counts_once(
    console: Console, service: ServiceProcess
) -> None:
    nobody(console)
    console.drop(".list", "words.txt", "a b c\nd e f\n")
    console.read(".preview", "2 sequences")
    with slow(console):
        console.run("const learn = $('#dialog .first'); learn.click(); learn.click();")
        console.read("#found", "2 patterns")
    found = taught(service, console.session())
    assert found == [([["a"], ["b"], ["c"]], 1), ([["d"], ["e"], ["f"]], 1)]


def test_an_import_that_failed_in_the_middle_is_completed_by_pressing_again(
    console: Console, service: ServiceProcess
) -> None:
    nobody(console)
    console.drop(".list", "words.txt", "".join(f"n{number} b c\n" for number in range(600)))
    console.read(".preview", "600 sequences")
    failing(console, "v2/learn", 2, 3, 4, 5)
    console.click("#dialog .first")
    console.read("#dialog", "The instance does not answer")
    console.click("#dialog .first")
    console.read("#found", "600 patterns")
    user = patient.get(f"{service.url}/v2/sessions/{console.session()}").json()["user_id"]
    lines = patient.get(f"{service.url}/v2/users/{user}/knowledge:export").text.splitlines()
    assert len(lines) == 602
    assert all('"frequency":1,' in line for line in lines[1:-1])


def test_several_files_at_once_are_refused(console: Console) -> None:
    nobody(console)
    console.run(
        "const data = new DataTransfer();"
        " for (const name of ['a', 'b']) data.items.add(new File(['a b'], name));"
        " $('.list').dispatchEvent("
        "new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));"
    )
    console.read("#strips", "Nothing was imported: drop one file at a time")
    assert not console.run("return $('#dialog').open;")


def test_a_folder_is_refused(console: Console, tmp_path: Any) -> None:
    nobody(console)
    place = console.run("const at = $('.list').getBoundingClientRect(); return [at.left, at.top];")
    dropped = {"items": [], "files": [str(tmp_path)], "dragOperationsMask": 1}
    for step in ("dragEnter", "dragOver", "drop"):
        where = {"type": step, "x": place[0] + 50, "y": place[1] + 50}
        console.tab.call("Input.dispatchDragEvent", data=dropped, **where)
    console.read("#dialog[open]", "This file cannot be read")
    console.tab.press("Escape")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('["a", "b"]\n\n["c"', "Line 3 is not JSON."),
        ('["a", "b"]\nnull', "Line 2 is neither a list of events nor an object"),
        ('{"strings": "abc"}', "Line 1 is neither"),
        ('[{"strings": ["a"]}, {"strings": ["b"]}]', "Line 1 is neither"),
        ('[["a", "b"], [["c"], {}]]', "Sequence 2 is neither"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_learned(
    console: Console, service: ServiceProcess, text: str, words: str
) -> None:
    nobody(console)
    console.drop(".list", "wrong.jsonl", text)
    console.read(".preview", words)
    console.click("#dialog .first")
    console.read("#dialog .note-b, #dialog [role='status']", words)
    console.tab.press("Escape")
    assert taught(service, console.session()) == []


def test_an_answer_that_is_cut_off_is_no_answer(console: Console, service: ServiceProcess) -> None:
    console.open()
    session = console.begin(f"cut-{uuid4().hex}")
    console.run(
        "const real = window.fetch; window.fetch = async (...given) => {"
        " window.fetch = real; await real(...given); return new Response('{\"stm_le'); };"
    )
    console.observe("a", nth=1)
    console.read("#say", "Event 1 observed")
    assert asked(service, session, "stm")["stm"] == [["a"]]


def test_what_cannot_be_ended_is_told_in_the_dialog(console: Console) -> None:
    console.open()
    console.begin(f"ending-{uuid4().hex}")
    failing(console, "v2/sessions/", 1)
    console.click("#end-session")
    console.click("#dialog .risk")
    console.read("#dialog[open]", "The instance does not answer.")
    console.click("#dialog .risk")
    console.see("#start")
