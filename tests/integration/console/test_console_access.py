"""Keys: asked for, kept in the tab, and what one of a user may."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from support import waiting
from support.access import key_line
from support.console import Console
from support.console_views import content, exported, started, teach, watched
from support.issuer import Issuer
from support.services import NewService, ServiceProcess

PREFIX = "/tools/kato"
KEY = "the-key-of-everything?>~"


@pytest.fixture(scope="module")
def keyed(new_lasting_service: NewService, tmp_path_factory: pytest.TempPathFactory) -> Any:
    keys = tmp_path_factory.mktemp("keys") / "keys.jsonl"
    lines = (key_line("bound", "write", user="ann"), key_line("reader", "read", user="ann"))
    keys.write_text("\n".join((*lines, key_line("all", "admin", key=KEY))))
    return started(
        new_lasting_service, API_KEYS_FILE=str(keys), ROOT_PATH=PREFIX, VECTORS="disabled"
    )


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


def test_a_key_of_one_user_undoes_exports_and_imports(
    page: Console, keyed: ServiceProcess, tmp_path: Path
) -> None:
    teach(keyed.url, "ann", **{"x-api-key": KEY})
    checked = watched(page, f"{keyed.url}{PREFIX}")
    console = next(checked)
    before = exported(keyed.url, "ann", **{"x-api-key": KEY})
    console.open("knowledge")
    console.sign_in("bound")
    console.see(".row.on")
    console.click("#delete")
    console.click("#dialog .risk")
    console.click("#undo")
    console.read("#say", "Undone")
    assert content(exported(keyed.url, "ann", **{"x-api-key": KEY})) == content(before)
    folder = {"behavior": "allow", "downloadPath": str(tmp_path)}
    console.tab.call("Browser.setDownloadBehavior", **folder)
    console.click("#export")
    waiting.until((tmp_path / "ann.jsonl.gz").exists, "the download")
    console.drop(".list", "ann.jsonl.gz", gzip.compress(before))
    console.click("#dialog[open] .first")
    console.read("#strips", "ann.jsonl.gz is imported: 4 patterns")
    assert list(checked) == []


def test_a_token_as_long_as_those_of_clusters_signs_in(
    page: Console, new_service: NewService, issuer: Issuer
) -> None:
    service = started(
        new_service,
        AUTH_MODE="token",
        TOKEN_ISSUER=issuer.url,
        TOKEN_AUDIENCE="kato",
        TOKEN_SCOPE_CLAIM="scope",
    )
    checked = watched(page, service.url)
    console = next(checked)
    console.open()
    subject = "system:serviceaccount:default:visitor"
    console.sign_in(issuer.token(subject, scope="write", about="x" * 900))
    console.converse()
    assert console.texts("#preds .lane.future .ev") == ["jam"]
    console.tab.run("location.hash = '#knowledge'")
    console.read("#growth-head", "1 pattern")
    console.click("#delete")
    console.click("#dialog .risk")
    console.read(".empty", "Nothing was learned yet")
    console.click("#undo")
    console.read("#growth-head", "1 pattern")
    console.tab.run("location.hash = '#instance'")
    console.see(".hc")
    console.tab.run("location.hash = '#teach'")
    console.click("#go")
    console.read(".stm", "coffee")
    assert list(checked) == []


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
