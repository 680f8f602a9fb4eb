"""How the console looks: every view in both themes, accessible and at once."""

import gzip
import json
from collections.abc import Iterator

import pytest

from support.axe_core import NPM, RULES, axe_core
from support.console import Console
from support.console_views import CSV, exported, knowledge, talk


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view_is_accessible_in_both_themes(
    console: Console, taught: str, theme: str, request: pytest.FixtureRequest
) -> None:
    if NPM is None:
        pytest.skip("npm, which brings axe-core, is not installed")
    script = axe_core(request.config.rootpath / "build" / "axe")
    found: dict[str, list[str]] = {}
    for name in pictured(console, taught, theme):
        console.picture(f"{name}-{theme}")
        console.tab.run(f"{script}; undefined")
        options = json.dumps({"runOnly": RULES})
        violations = console.run(
            f"return (await axe.run(document, {options})).violations.map(one =>"
            " `${one.id}: ${one.nodes.map(node => node.target + ' ' + node.failureSummary)}`);"
        )
        if violations:
            found[name] = violations
    assert found == {}


def pictured(console: Console, user: str, theme: str) -> Iterator[str]:
    """Show one view after the other."""
    console.open(theme=theme)
    yield "start"
    console.begin(user)
    for nth, event in enumerate(("charge drum-hot", "turning", "smoke", "yellow"), 1):
        console.observe(*event.split(), nth=nth)
    console.read("#p-count", "of 4 patterns")
    console.see(".next ol li")
    yield "talk"
    console.click("#why-1")
    yield "explain"
    console.tab.press("Escape")
    console.click("#compare")
    console.run("await until(() => texts('.cmp .pred').length);")
    yield "compare"
    yield from pictured_knowledge(console, user)
    console.tab.run("location.hash = '#instance'")
    console.see(".hc")
    yield "instance"
    console.tab.run("location.hash = '#teach'")
    console.click("#go")
    console.read(".stm", "coffee")
    yield "teach"
    console.tab.press("?")
    console.run("await until(() => $('#dialog').open);")
    yield "keys"
    console.tab.press("Escape")


def pictured_knowledge(console: Console, user: str) -> Iterator[str]:
    console.tab.run("location.hash = '#knowledge'")
    console.see(".graph")
    console.see("#near-0")
    yield "knowledge"
    console.drop(".list", "clicks.csv", CSV)
    console.see(".preview h3")
    yield "import"
    console.tab.press("Escape")
    console.drop(".list", "roasts.jsonl.gz", gzip.compress(exported(console.url, user)))
    console.see("#im-mode")
    yield "import-export"
    console.tab.press("Escape")
    console.click("#delete")
    console.click("#dialog .risk")
    console.run("await until(() => document.activeElement.id === 'undo');")
    console.read("#found", "3 patterns")
    yield "undo"
    console.click("#undo")
    console.read("#say", "Undone")


def test_the_first_view_is_there_at_once(console: Console, taught: str) -> None:
    talk(console, taught)
    console.tab.call("Performance.enable", timeDomain="threadTicks")
    console.open(fresh=False)
    console.see(".pred")
    measured = console.tab.call("Performance.getMetrics")["metrics"]
    used = {one["name"]: one["value"] for one in measured}
    assert used["TaskDuration"] < 1.0  # seconds of processor time of the page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_changes_and_imports_fit_a_small_screen(console: Console, taught: str, theme: str) -> None:
    knowledge(console, taught, theme=theme)
    small = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    console.tab.call("Emulation.setDeviceMetricsOverride", **small)
    console.click("#delete")
    console.click("#dialog .risk")
    console.run("await until(() => document.activeElement.id === 'undo');")
    console.picture(f"undo-small-{theme}")
    console.drop(".list", "roasts.jsonl.gz", gzip.compress(exported(console.url, taught)))
    console.see("#im-mode")
    console.picture(f"import-export-small-{theme}")
    widths = "[document.scrollingElement.scrollWidth, $('#dialog').offsetWidth]"
    assert max(console.run(f"return {widths};")) <= small["width"]
    assert console.run("return $('#dialog').scrollWidth <= $('#dialog').clientWidth;")
