"""The console in Chromium: every view of an instance, by keyboard, offline, without a complaint.

Pictures of the views are written to build/console. `make browser-test` installs the browser.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support import patient, waiting
from support.access import key_line
from support.axe_core import NPM, RULES, axe_core
from support.browser import CHROMIUM, offline_tab
from support.console import Console
from support.servers import free_port
from support.services import NewService, ServiceProcess

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed; `make browser-test` installs it"
)
PREFIX = "/tools/kato"
KEY = "the-key-of-everything?>~"
ROASTS = [
    ("charge drum-hot / turning / smoke / gas-down / yellow / first-crack / drop / scorched", 3),
    ("preheat / charge drum-hot / turning / drying / yellow / air-up first-crack / drop", 2),
    ("charge / turning / drying / stall / gas-up / first-crack / drop / baked", 1),
    ("drop / cooling / rest / cupping / bright", 2),
]
HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def service(new_lasting_service: NewService) -> ServiceProcess:
    return started(new_lasting_service)


def started(new_service: NewService, **variables: str) -> ServiceProcess:
    service = new_service(**variables)
    service.start()
    service.await_ready()
    return service


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """One tab for the module: a browser takes seconds to start."""
    with offline_tab(tmp_path_factory.mktemp("chromium")) as tab:
        yield Console(tab, "")


@pytest.fixture
def console(page: Console, service: ServiceProcess) -> Iterator[Console]:
    yield from watched(page, service.url)


@pytest.fixture(scope="module")
def keyed(new_lasting_service: NewService, tmp_path_factory: pytest.TempPathFactory) -> Any:
    keys = tmp_path_factory.mktemp("keys") / "keys.jsonl"
    lines = (key_line("bound", "write", user="ann"), key_line("reader", "read", user="ann"))
    keys.write_text("\n".join((*lines, key_line("all", "admin", key=KEY))))
    return started(
        new_lasting_service, API_KEYS_FILE=str(keys), ROOT_PATH=PREFIX, VECTORS="disabled"
    )


def watched(page: Console, url: str) -> Iterator[Console]:
    """The page of *url*; whatever a test does, it asks nobody else and violates no policy."""
    page.url = url
    page.tab.open("about:blank")
    page.tab.run("1")  # takes in what the browser said about the page before
    page.tab.requested.clear()
    page.tab.complaints.clear()
    yield page
    assert page.strangers() == []
    assert [one for one in page.tab.complaints if '"source": "network"' not in one] == []


def teach(url: str, user: str, **headers: str) -> None:
    """Teach *user* a few roasts."""
    lines = [
        {"events": [event.split() for event in roast.split(" / ")], "user_id": user}
        for roast, times in ROASTS
        for _ in range(times)
    ]
    answer = patient.post(f"{url}/v2/learn", json={"sequences": lines}, headers=headers)
    assert answer.json()["summary"]["errors"] == 0


@pytest.fixture
def taught(service: ServiceProcess) -> str:
    """A user who was taught something."""
    user = f"roaster-{uuid4().hex[:6]}"
    teach(service.url, user)
    return user


def predictions(service: ServiceProcess, session: str, **query: str) -> Any:
    path = f"{service.url}/v2/sessions/{session}/predictions"
    return patient.get(path, params=query).json()


def talk(console: Console, user: str) -> str:
    """Observe the first half of a roast."""
    console.open()
    session = console.begin(user)
    for nth, event in enumerate(("charge drum-hot", "turning", "smoke", "yellow"), 1):
        console.observe(*event.split(), nth=nth)
    console.see(".pred")
    console.read("#p-count", "of 4 patterns")
    return session


# ---- Talk ---------------------------------------------------------------------------------------


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


# ---- Knowledge ----------------------------------------------------------------------------------


def knowledge(console: Console, user: str) -> None:
    console.open("knowledge")
    console.user(user)
    console.see(".row.on")
    console.see(".graph")


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


CSV = 'visit,page,who\n1,home,a\n1,"cart, full",a\n2,home,b\n2,help,b\n'
LINES = '{"events": [["x"], ["y", "z"]], "emotives": {"joy": 0.5}}\n["p", "q"]\n[["a"]]\n'


def test_files_are_learned_by_dropping_them(console: Console, service: ServiceProcess) -> None:
    console.open("knowledge")
    console.user(f"files-{uuid4().hex}")
    console.read(".empty", "Nothing was learned yet")
    console.drop(".list", "clicks.csv", CSV)
    console.run(
        "(await until(() => $('#im-group'))).value = 0;"
        " $('#im-group').dispatchEvent(new Event('change')); $('#im-c2').click();"
        " await until(() => $('.preview').innerText.includes('2 sequences'));"
    )
    console.click("#dialog .first")
    console.read("#found", "2 patterns")
    console.drop(".list", "some.jsonl", LINES)
    console.read(".preview", "3 sequences")
    console.click("#dialog .first")
    console.read("#found", "4 patterns")
    console.read("#say", "2 sequences learned, 1 had less than two symbols")
    path = f"{service.url}/v2/sessions/{console.session()}/patterns"
    found = [one["pattern_data"] for one in patient.get(path).json()["patterns"]]
    assert found == [
        *([["home"], ["cart, full"]], [["home"], ["help"]]),
        *([["x"], ["y", "z"]], [["p"], ["q"]]),
    ]


# ---- Instance and Teach -------------------------------------------------------------------------


def test_the_instance_is_shown_without_secrets(console: Console) -> None:
    console.open("instance")
    console.see(".hc")
    console.read(".inner", "all is well")
    assert len(console.texts(".hc")) == 4
    console.click("#configuration")
    console.run("await until(() => $('details').open);")
    assert "recall_threshold" in console.text(".columns")


def is_there(service: ServiceProcess) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{service.url}/health/live").status_code == 200
    return False


def test_what_is_red_says_what_to_do(page: Console, new_service: NewService) -> None:
    away = f"mongodb://127.0.0.1:{free_port()}/?directConnection=true"
    service = new_service(MONGO_BASE_URL=away, VECTORS="disabled", PROCESSOR_ID="roastery.prod")
    service.start()
    waiting.until(lambda: is_there(service), "the service")
    page.url = service.url
    page.open("instance")
    page.read(".alert", "The store of knowledge (MongoDB) does not answer")
    assert "kubectl describe katoinstance roastery -n prod" in page.text(".alert")
    page.read(".inner", "one item needs you")
    page.picture("instance-red")


def test_the_first_conversation_takes_five_steps_and_leaves_nothing(
    console: Console, service: ServiceProcess
) -> None:
    before = patient.get(f"{service.url}/v2/sessions/count").json()
    console.open("teach")
    for title in ("1.", "1.", "1.", "1.", "2.", "3.", "4.", "4."):
        console.read(".desk h1", title)
        console.run("await until(() => document.activeElement.id === 'go');")
        said = console.text(".desk")
        console.tab.press("Enter")
        console.run(f"await until(() => $('.desk').innerText !== {json.dumps(said)});")
    console.read(".desk h1", "5. Ask why")
    assert [line.split("\n")[0] for line in console.texts(".next.flat li")] == ["jam", "honey"]
    console.run("await until(() => document.activeElement.id === 'go');")
    console.tab.press("Enter")
    console.read("#drawer", "How potential adds up")
    console.picture("teach-explained")
    console.tab.press("Escape")
    console.click("#forget")
    console.read(".desk h1", "1. Observe")
    assert patient.get(f"{service.url}/v2/sessions/count").json() == before


# ---- who may, where it is, how it looks ---------------------------------------------------------


def test_a_key_is_asked_for_kept_in_the_tab_and_never_in_an_address(
    page: Console, keyed: ServiceProcess
) -> None:
    teach(keyed.url, "ann", **{"x-api-key": KEY})
    checked = watched(page, f"{keyed.url}{PREFIX}")
    console = next(checked)
    console.open()
    console.sign_in("no-such-key")
    console.read("[role=alert]", "does not know this key")
    console.sign_in(KEY)
    session = console.begin("ann")
    console.observe("charge", nth=1)
    console.observe("turning", nth=2)
    console.see(".pred")
    assert any(address.endswith(f"{session}/ws") for address in console.tab.requested)
    assert not any("the-key" in address for address in console.tab.requested)
    assert console.run("return Object.values(localStorage).join('').includes('the-key');") is False
    console.click("#leave")
    console.see("#key")
    assert console.run("return sessionStorage.length;") == 0
    assert KEY not in keyed.log
    assert list(checked) == []


def test_a_key_of_one_user_sees_that_user(page: Console, keyed: ServiceProcess) -> None:
    teach(keyed.url, "ann", **{"x-api-key": KEY})
    page.url = f"{keyed.url}{PREFIX}"
    page.open()
    page.sign_in("bound")
    page.click("#start")
    page.read("#conn", "live")
    page.observe("charge", nth=1)
    page.observe("turning", nth=2)
    page.see(".pred")
    page.tab.run("location.hash = '#knowledge'")
    page.see(".row.on")
    page.tab.run("location.hash = '#instance'")
    page.see(".hc")
    page.read(".inner", "need a key with the scope metrics")
    page.tab.run("location.hash = '#teach'")
    page.click("#go")
    page.read("#stm, .stm", "coffee")


def test_a_withdrawn_key_leads_back_to_the_sign_in(page: Console, new_service: NewService) -> None:
    service = new_service(VECTORS="disabled", API_KEY_FILE="key")
    (service.directory / "key").write_text("first-key")
    service.start()
    service.await_ready()
    page.url = service.url
    page.open()
    page.sign_in("first-key")
    page.click("#start")
    page.read("#conn", "live")
    (service.directory / "key").write_text("second-key")
    page.run(
        "await until(async () => { if (!$('#key')) { $('#in').value = 'x';"
        " $('#in').dispatchEvent(new Event('input')); $('.composer .btn').click();"
        " await new Promise(done => setTimeout(done, 300)); } return $('#key'); });"
    )
    assert page.run("return sessionStorage['kato-key'] ?? null;") is None


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
    console.tab.run("location.hash = '#knowledge'")
    console.see(".graph")
    console.see("#near-0")
    yield "knowledge"
    console.drop(".list", "clicks.csv", CSV)
    console.see(".preview h3")
    yield "import"
    console.tab.press("Escape")
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


def test_the_first_view_is_there_at_once(console: Console, taught: str) -> None:
    talk(console, taught)
    console.tab.call("Performance.enable", timeDomain="threadTicks")
    console.open(fresh=False)
    console.see(".pred")
    measured = console.tab.call("Performance.getMetrics")["metrics"]
    used = {one["name"]: one["value"] for one in measured}
    assert used["TaskDuration"] < 1.0  # seconds of processor time of the page


def test_an_instance_without_a_console_says_so(new_service: NewService) -> None:
    service = started(new_service, ENABLE_CONSOLE="false", VECTORS="disabled")
    assert httpx.get(f"{service.url}/console").status_code == 404
