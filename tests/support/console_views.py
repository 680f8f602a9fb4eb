"""What tests of the console share: roasts that are taught, and how a person gets to a view."""

from collections.abc import Iterator

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


def talk(console: Console, user: str) -> str:
    """Observe the first half of a roast."""
    console.open()
    session = console.begin(user)
    for nth, event in enumerate(("charge drum-hot", "turning", "smoke", "yellow"), 1):
        console.observe(*event.split(), nth=nth)
    console.see(".pred")
    console.read("#p-count", "of 4 patterns")
    return session


def knowledge(console: Console, user: str) -> None:
    console.open("knowledge")
    console.user(user)
    console.see(".row.on")
    console.see(".graph")
