"""Files that are dropped on the console."""

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from support import patient, waiting
from support.console import Console
from support.console_views import CSV, content, exported, knowledge, teach
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


def other(console: Console, name: str) -> str:
    """A user who was taught nothing."""
    user = f"{name}-{uuid4().hex[:8]}"
    console.open("knowledge")
    console.user(user)
    console.read(".empty", "Nothing was learned yet")
    return user


@pytest.mark.parametrize("packed", [gzip.compress, bytes], ids=["compressed", "plain"])
def test_an_export_is_imported_by_dropping_it(
    console: Console, service: ServiceProcess, taught: str, packed: Callable[[bytes], bytes]
) -> None:
    lines = exported(service.url, taught)
    user = other(console, "importer")
    for told in ("4 patterns", "was imported here before, so nothing changed"):
        console.drop(".list", "knowledge.txt", packed(lines))
        console.read("#dialog[open]", "An export of KATO: 4 patterns.")
        console.click("#dialog[open] .first")
        console.read("#strips", told)
        console.read("#found", "4 patterns")
        assert content(exported(service.url, user)) == content(lines)


def test_an_import_replaces_what_is_there_each_time(
    console: Console, service: ServiceProcess, taught: str
) -> None:
    lines = exported(service.url, taught)
    user = other(console, "replacer")
    for _ in range(2):
        teach(service.url, user)
        console.drop(".list", "knowledge.jsonl.gz", gzip.compress(lines))
        console.see("#dialog[open] #im-mode")
        console.run("$('#im-mode').value = 'replace';")
        console.click("#dialog[open] .first")
        console.read("#strips", "what was there was dropped first")
        assert content(exported(service.url, user)) == content(lines)
        console.click("#strips [aria-label='Close']")


def test_vectors_are_imported_unless_they_are_left_out(
    console: Console, service: ServiceProcess
) -> None:
    source = f"source-{uuid4().hex[:8]}"
    observations = [{"vectors": [[0.5, number]]} for number in (1.0, 2.0)]
    line = {"user_id": source, "observations": observations}
    patient.post(f"{service.url}/v2/learn", json={"sequences": [line]})
    lines = exported(service.url, source)
    user = other(console, "vectors")
    for has_vectors in (False, True):
        console.drop(".list", "vectors.jsonl", lines)
        console.read("#dialog[open]", "1 pattern, and vectors")
        console.run(f"$('#im-vectors').checked = {json.dumps(has_vectors)};")
        console.run("$('#im-mode').value = 'replace';")
        console.click("#dialog[open] .first")
        console.read("#strips", "1 pattern, 2 vectors" if has_vectors else "1 pattern;")
    assert content(exported(service.url, user)) == content(lines)


def test_an_import_that_is_refused_says_why_and_changes_nothing(
    console: Console, service: ServiceProcess, taught: str
) -> None:
    lines = exported(service.url, taught).splitlines(keepends=True)
    wrong = [one.replace(b'"frequency":', b'"frequency":-') for one in lines[1:-1]]
    digest = hashlib.sha256(b"".join((lines[0], *wrong))).hexdigest()
    trailer = {**json.loads(lines[-1]), "sha256": digest}
    user = other(console, "refused")
    for body, words in (
        (lines[:-1], ["cut or damaged, and nothing was imported; export it again"]),
        ([*lines[:2], *lines[3:]], ["cut or damaged"]),
        ([lines[0].replace(b'"version":1', b'"version":9')], ["has version 9"]),
        ([lines[0], *wrong, json.dumps(trailer).encode()], ["line 2: frequency", "line 5"]),
    ):
        console.drop(".list", "wrong.jsonl.gz", gzip.compress(b"".join(body)))
        console.click("#dialog[open] .first")
        for said in words:
            console.read("#dialog[open] .note-b", said)
        console.tab.press("Escape")
    assert patient.get(f"{service.url}/v2/users/{user}").json()["revision"] == 0


def test_an_import_shows_how_far_it_is_and_ends_with_its_dialog(
    console: Console, service: ServiceProcess
) -> None:
    source = f"source-{uuid4().hex[:8]}"
    lines = [{"events": [[f"n{n}"], [uuid4().hex]], "user_id": source} for n in range(1000)]
    patient.post(f"{service.url}/v2/learn?answers=errors", json={"sequences": lines})
    user = other(console, "stopped")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 20_000}
    console.tab.call("Network.emulateNetworkConditions", **slow)
    try:
        console.drop(".list", "many.jsonl", exported(service.url, source))
        console.click("#dialog[open] .first")
        console.read("#dialog[open] .note-b", "MiB sent")
        console.see("#dialog[open] progress[max]")
        console.tab.press("Escape")
        console.read("#strips", "The import of many.jsonl was stopped")
    finally:
        unbounded = {**slow, "uploadThroughput": -1}
        console.tab.call("Network.emulateNetworkConditions", **unbounded)
    assert patient.get(f"{service.url}/v2/users/{user}").json()["revision"] == 0


def test_a_compressed_file_of_something_else_is_not_read(
    console: Console, service: ServiceProcess
) -> None:
    user = other(console, "archives")
    for body in (gzip.compress(b"a b c\n"), b"\x1f\x8bnothing"):
        console.drop(".list", "words.txt.gz", body)
        console.read("#dialog[open]", "has to be an export of KATO")
        console.tab.press("Escape")
    assert patient.get(f"{service.url}/v2/users/{user}").json()["revision"] == 0


def test_what_is_exported_is_what_the_service_exports(
    console: Console, service: ServiceProcess, taught: str, tmp_path: Path
) -> None:
    folder = {"behavior": "allow", "downloadPath": str(tmp_path)}
    console.tab.call("Browser.setDownloadBehavior", **folder)
    knowledge(console, taught)
    console.click("#export")
    console.read("#strips", "Everything that was learned is exported")
    file = tmp_path / f"{taught}.jsonl.gz"
    waiting.until(file.exists, "the download")
    assert gzip.decompress(file.read_bytes()) == exported(service.url, taught)


def test_an_export_that_fails_in_the_middle_leaves_no_file(
    console: Console, taught: str, tmp_path: Path
) -> None:
    folder = {"behavior": "allow", "downloadPath": str(tmp_path)}
    console.tab.call("Browser.setDownloadBehavior", **folder)
    knowledge(console, taught)
    failure = {"error": {"code": "STORE_UNAVAILABLE", "message": "mongodb does not answer"}}
    for ending, told in ((json.dumps(failure), "mongodb does not answer"), ("", "was cut off")):
        body = json.dumps(f'{{"format":"kato-knowledge"}}\n{ending}\n')
        console.run(
            f"const real = window.fetch; window.fetch = async (...given) => {{ window.fetch = real;"
            f" return new Response({body}); }}; $('#export').click();"
        )
        console.read("#strips", told)
    assert list(tmp_path.iterdir()) == []
