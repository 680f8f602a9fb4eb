"""Files that are dropped on the console."""

from uuid import uuid4

from support import patient
from support.console import Console
from support.console_views import CSV
from support.services import ServiceProcess

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
