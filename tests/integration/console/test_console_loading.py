"""What the page says while it is not there yet, and when it cannot come."""

from collections.abc import Iterator
from contextlib import contextmanager

from support.console import Console


@contextmanager
def held(console: Console, pattern: str) -> Iterator[None]:
    """Requests of addresses like *pattern* get no answer until the end."""
    console.tab.call("Fetch.enable", patterns=[{"urlPattern": pattern}])
    try:
        yield
    finally:
        console.tab.call("Fetch.disable")


@contextmanager
def lost(console: Console, pattern: str) -> Iterator[None]:
    """Requests of addresses like *pattern* fail."""
    console.tab.call("Network.setBlockedURLs", urls=[pattern])
    try:
        yield
    finally:
        console.tab.call("Network.setBlockedURLs", urls=[])


def test_a_page_that_lost_a_script_tells_to_load_it_again(console: Console) -> None:
    with lost(console, "*/console/lanes.js"):
        console.load()
        console.read("main", "If it does not appear, reload the page.")
        assert console.run("return $('#loading').getBoundingClientRect().height") > 0
    console.tab.call("Page.reload")
    console.see("main #start")


def test_a_page_tells_that_it_waits_for_the_instance(console: Console) -> None:
    with held(console, "*/v2/health"):
        console.load()
        console.read("main", "Waiting for the instance…")
    console.see("main #start")
