"""Knowledge: patterns searched, sorted, looked into and edited; growth."""

import re

from support import patient
from support.console import Console
from support.console_views import ROASTS, knowledge
from support.services import ServiceProcess


def test_patterns_are_searched_and_sorted(console: Console, taught: str) -> None:
    knowledge(console, taught)
    console.tab.press("/", text="gas-up")
    console.read("#found", "1 of 4, parts too")  # patterns with this very symbol
    console.run("$('#find').value = 'ga'; $('#find').dispatchEvent(new Event('input'));")
    console.read("#found", "2 of 4")
    console.run("$('#find').value = 'drop gas'; $('#find').dispatchEvent(new Event('input'));")
    console.run("await until(() => texts('.row').length === 2);")
    console.run("$('#find').value = ''; $('#find').dispatchEvent(new Event('input'));")
    console.read("#found", "4 patterns")
    console.click("#by-frequency")
    console.run("await until(() => $('#by-frequency').ariaPressed === 'true');")
    last = "texts('.row').map(row => row.split('\\n').at(-1)).join()"
    console.run(f"await until(() => {last} === '3,2,2,1');")
    console.click("#by-frequency")
    console.run(f"await until(() => {last} === '1,2,2,3');")


def test_growth_is_told_interval_by_interval(
    console: Console, service: ServiceProcess, taught: str
) -> None:
    knowledge(console, taught)
    console.read("#growth-head", "4 patterns that are here now, by when first learned")
    console.run("$('#growth-plot').focus();")
    console.tab.press("Home")
    told = []
    for _ in range(console.run("return Number($('#growth-plot').ariaValueMax);")):
        told.append(console.run("return $('#growth-plot').ariaValueText;"))
        assert told[-1] == console.text(".growth-b + p")
        console.tab.press("ArrowRight")
    found = patient.get(f"{service.url}/v2/users/{taught}/growth").json()["intervals"]
    figures = [tuple(map(int, re.findall(r": (\d+) first learned, (\d+)", one)[0])) for one in told]
    assert figures == [(one["first_learned"], one["changes"]) for one in found[: len(figures)]]
    assert [sum(column) for column in zip(*figures, strict=True)] == [4, 8]
    assert told[-1].endswith("4 patterns by then")
    console.run("$('#growth-head').focus();")
    console.tab.press("Enter")
    assert console.run("return $('#growth').open;") is False


def test_growth_follows_what_is_learned_and_deleted(console: Console, taught: str) -> None:
    knowledge(console, taught)
    console.drop(".list", "one.txt", "never heard before\n")
    console.read(".preview", "1 sequence")
    console.click("#dialog .first")
    console.read("#growth-head", "5 patterns")
    console.click("#delete")
    console.click("#dialog .risk")
    console.read("#growth-head", "4 patterns")


def test_a_pattern_shows_what_surrounds_it(
    console: Console, service: ServiceProcess, taught: str
) -> None:
    knowledge(console, taught)
    console.run("$('#vt').focus();")
    console.tab.press("ArrowDown", "ArrowDown")
    console.read(".seqline", "baked")
    console.run(
        "const one = [...document.querySelectorAll('.seqline button')]"
        ".find(each => each.innerText === 'drop'); one.click();"
        " await until(() => $('.graph')?.ariaLabel.endsWith('drop'));"
    )
    labels = console.run("return [...document.querySelectorAll('.graph a')].map(a => a.ariaLabel);")
    assert "first-crack, 6 times before drop" in labels
    assert "cooling, 2 times after drop" in labels
    console.see("#near-0")
    question = {
        "user_id": taught,
        "events": [event.split() for event in ROASTS[2][0].split(" / ")],
        "config": {"rank_sort_algo": "similarity"},
    }
    answer = patient.post(f"{service.url}/v2/predict", json=question).json()
    nearest = f"{answer['predictions'][1]['similarity']:.2f}"
    assert console.text("#near-0 .num") == nearest


def test_a_pattern_is_edited_and_deleted(
    console: Console, service: ServiceProcess, taught: str
) -> None:
    knowledge(console, taught)
    console.click("#edit")
    console.run("$('#dialog input').value = 17;")
    console.click("#dialog .first")
    console.read(".facts", "17×")
    console.run("await until(() => texts('.row')[0]?.endsWith('17'));")
    console.click("#delete")
    console.click("#dialog .risk")
    console.read("#found", "3 patterns")
    path = f"{service.url}/v2/sessions/{console.session()}/patterns"
    assert len(patient.get(path).json()["patterns"]) == 3


HOLD_THE_FIRST_SESSION = """
const real = window.fetch, held = new Promise(done => { window.release = done; });
window.fetch = async (url, options) => {
  if (options.method !== 'POST' || !String(url).endsWith('v2/sessions')) return real(url, options);
  window.fetch = real;
  const answer = await real(url, options), content = await answer.json();
  window.isHeld = true;
  await held;
  setTimeout(() => { window.isReleased = true; }); // after all that needs no more answers
  return {ok: answer.ok, json: async () => content};
};
"""


def test_a_session_that_comes_too_late_does_not_take_the_place_of_another_user(
    console: Console, taught: str
) -> None:
    console.open()
    console.run(f"{HOLD_THE_FIRST_SESSION} location.hash = '#knowledge';")
    console.run("await until(() => window.isHeld);")
    console.user(taught)
    console.read("#found", "4 patterns")
    console.run("window.release(); await until(() => window.isReleased);")
    console.run("$('#find').value = 'cooling'; $('#find').dispatchEvent(new Event('input'));")
    console.read("#found", "1 of 4")
    assert console.run("return $('#user').value;") == taught
