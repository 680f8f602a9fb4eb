"""What tests of the console share: roasts that are taught, and how a person gets to a view."""

import json
from collections.abc import Iterator
from typing import Any

from support import patient
from support.console import Console
from support.services import NewService, ServiceProcess

ROASTS = [
    ("charge drum-hot / turning / smoke / gas-down / yellow / first-crack / drop / scorched", 3),
    ("preheat / charge drum-hot / turning / drying / yellow / air-up first-crack / drop", 2),
    ("charge / turning / drying / stall / gas-up / first-crack / drop / baked", 1),
    ("drop / cooling / rest / cupping / bright", 2),
]
CSV = 'visit,page,who\n1,home,a\n1,"cart, full",a\n2,home,b\n2,help,b\n'


def started(new_service: NewService, **variables: str) -> ServiceProcess:
    service = new_service(**variables)
    service.start()
    service.await_ready()
    return service


def watched(page: Console, url: str) -> Iterator[Console]:
    """The page of *url*; whatever a test does, it asks nobody else and violates no policy."""
    page.url = url
    page.tab.open("about:blank")
    page.tab.run("1")  # takes in what the browser said about the page before
    page.tab.requested.clear()
    page.tab.complaints.clear()
    yield page
    assert page.strangers() == []
    assert page.complaints() == []


def teach(url: str, user: str, **headers: str) -> None:
    """Teach *user* a few roasts."""
    lines = [
        {"events": [event.split() for event in roast.split(" / ")], "user_id": user}
        for roast, times in ROASTS
        for _ in range(times)
    ]
    answer = patient.post(f"{url}/v2/learn", json={"sequences": lines}, headers=headers)
    assert answer.json()["summary"]["errors"] == 0


def exported(url: str, user: str, **headers: str) -> bytes:
    """What *user* has learned, as lines."""
    answer = patient.get(f"{url}/v2/users/{user}/knowledge:export", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content


def content(lines: bytes) -> list[Any]:
    """The lines of an export in any order, without what an import does not keep."""
    head, *found, trailer = map(json.loads, lines.splitlines())
    del head["revision"], head["knowledge_base"], trailer["sha256"]
    return [head, *sorted(found, key=json.dumps), trailer]


def talk(console: Console, user: str) -> str:
    """Observe the first half of a roast."""
    console.open()
    session = console.begin(user)
    for nth, event in enumerate(("charge drum-hot", "turning", "smoke", "yellow"), 1):
        console.observe(*event.split(), nth=nth)
    console.see(".pred")
    console.read("#p-count", "of 4 patterns")
    return session


def knowledge(console: Console, user: str, theme: str = "light") -> None:
    console.open("knowledge", theme=theme)
    console.user(user)
    console.see(".row.on")
    console.see(".graph")
