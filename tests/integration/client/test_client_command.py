"""The command `kato` as a person runs it, on a real instance."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest

from kato_client import Kato
from kato_client.command.__main__ import main
from kato_client.command.measuring import measured

LONG_S = 120.0


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def user() -> str:
    return uuid4().hex


@pytest.fixture
def run(
    service_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """``run(*arguments, given="")``: the command, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOME": str(tmp_path), "KATO_URL": service_url, "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, given: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["kato", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


def test_a_file_is_learned_and_recalled_and_erased(run: Run, user: str, tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text("hello world again\nhello\n\nhello world again\n")
    done = run("learn", "talk.txt", "--user", user)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("3 sequences: 2 learned, 1 too short (a pattern needs two symbols)\n")
    assert f"to undo: kato erase --user {user}" in done.stderr
    assert f"try it: kato predict --user {user}" in done.stderr
    shown = run("predict", "--user", user, "hello", "world").stdout.splitlines()
    assert shown[1].split() == ["hello", "world", "again", "0.80", "3.67", "2"]
    following = json.loads(run("predict", "-u", user, "hello", "world", "--next", "--json").stdout)
    assert following["events"][0] == {
        **following["events"][0],
        "event": ["again"],
        "weight": 1.0,
    }
    assert "no symbol in common" in run("predict", "-u", user, "x", "y").stderr
    refused = run("erase", "-u", user, given="n\n")
    assert refused.returncode == 1
    assert "erase 1 patterns and 0 sessions" in refused.stderr
    erased = run("erase", "-u", user, "--yes", "--json")
    assert json.loads(erased.stdout)["erased"]["patterns"] == 1


def test_a_table_is_learned_from_standard_input_once(run: Run, user: str) -> None:
    table = "id,page\n1,home\n1,item\n2,home\n2,help\n"
    options = ("-u", user, "--form", "csv", "--group", "id", "--name", user, "--json")
    first = json.loads(run("learn", "-", *options, given=table).stdout)
    assert (first["learned"], first["repeated"]) == (2, 0)
    again = json.loads(run("learn", "-", *options, given=table).stdout)
    assert (again["learned"], again["repeated"]) == (0, 2)


def test_a_run_that_failed_in_the_middle_says_how_to_complete_it(
    run: Run, user: str, tmp_path: Path
) -> None:
    lines = "".join(f'["a", "{number}"]\n' for number in range(2500))
    (tmp_path / "many.jsonl").write_text(lines + '["b", "c"')
    failed = run("learn", "many.jsonl", "-u", user)
    assert failed.returncode == 1
    assert "line 2501 is not JSON" in failed.stderr
    name = failed.stderr.partition("run it again with --name ")[2].split()[0]
    (tmp_path / "many.jsonl").write_text(lines + '["b", "c"]')
    done = json.loads(run("learn", "many.jsonl", "-u", user, "--name", name, "--json").stdout)
    assert done["repeated"] > 0
    assert done["learned"] + done["repeated"] == 2501


def test_a_run_that_learned_nothing_is_not_to_be_completed(
    run: Run, user: str, tmp_path: Path
) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    for command in (("table.csv", "--columns", "c"), ("missing.csv",)):
        failed = run("learn", *command, "-u", user)
        assert failed.returncode == 1
        assert "--name" not in failed.stderr, failed.stderr


def test_what_cannot_be_learned_is_told(run: Run, user: str, tmp_path: Path) -> None:
    long = "x" * 1025
    refused = run("learn", "-", "-u", user, given=f"a b\n{long} y\n")
    assert refused.returncode == 1
    assert refused.stdout == "2 sequences: 1 learned, 1 refused\n"
    assert "sequence 2: " in refused.stderr
    missing = run("learn", "none.txt", "-u", user)
    assert missing.returncode == 1
    assert "none.txt cannot be read: No such file or directory" in missing.stderr
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 au lait")
    assert "latin.txt cannot be read: 'utf-8'" in run("learn", "latin.txt", "-u", user).stderr
    away = run("--url", "http://127.0.0.1:1", "--timeout", "0.3", "predict", "-u", user, "a")
    assert away.returncode == 1
    assert "http://127.0.0.1:1 did not answer" in away.stderr
    assert "gave up after attempt" in away.stderr
    assert "Traceback" not in refused.stderr + missing.stderr + away.stderr


def test_symbols_do_not_command_the_terminal(run: Run, user: str, tmp_path: Path) -> None:
    red, erasing, turned = "\x1b[31mred", "\x9b2J", "\u202etxt\u061c"
    lines = json.dumps([red, erasing, turned, "\u4fa1\u683c\u3000\u4e00\u89a7"])
    (tmp_path / "hostile.jsonl").write_text(lines, encoding="utf-8")
    assert run("learn", "hostile.jsonl", "-u", user).returncode == 0
    shown = run("predict", "-u", user, red, erasing)
    assert r"\x1b[31mred \x9b2J" in shown.stdout
    assert r"\u202etxt\u061c" in shown.stdout
    assert "\u4fa1\u683c\u3000\u4e00\u89a7" in shown.stdout
    raw = run("predict", "-u", user, red, erasing, "--json")
    assert not {"\x1b", "\x9b", "\u202e", "\u061c"} & {*shown.stdout, *raw.stdout}
    assert json.loads(raw.stdout)["predictions"][0]["future"][0] == [turned]


def test_a_talk_observes_predicts_and_learns(run: Run, user: str) -> None:
    talk = (
        "/learn\nhello world again\n/learn\nhello world\n/next\n/stm\n/clear\na+b\n/stm\n/quit\nx\n"
    )
    done = run("chat", "-u", user, given=talk)
    assert done.returncode == 0, done.stderr
    assert "observe something before you learn" in done.stderr
    assert "pattern learned: PTRN|" in done.stdout
    words = [line.split() for line in done.stdout.splitlines()]
    assert ["hello", "world", "again", "0.80", "3.67", "1"] in words
    assert ["hello", "world"] in words
    assert ["a+b"] in words
    assert "1.00" in done.stdout


def test_an_instance_is_watched_and_measured(run: Run) -> None:
    assert "KATO healthy" in run("top", "--once").stdout
    assert json.loads(run("top", "--json").stdout)["health"]["status"] == "healthy"
    done = run("bench", "--seconds", "0.5", "--clients", "2", "--json")
    assert done.returncode == 0, done.stderr
    figures = {row["operation"]: row for row in json.loads(done.stdout)}
    assert figures.keys() == {"learn", "observe", "observe 4", "predict"}
    assert figures["predict"]["calls"] > 0
    assert figures["predict"]["p50_ms"] <= figures["predict"]["p99_ms"]


@pytest.mark.parametrize("command", [("bench", "--seconds"), ("top", "--every")])
@pytest.mark.parametrize("seconds", ["nan", "inf", "-1"])
def test_a_time_that_never_ends_is_refused(
    run: Run, command: tuple[str, str], seconds: str
) -> None:
    refused = run(*command, seconds)
    assert refused.returncode == 2
    assert f"Invalid value for '{command[1]}'" in refused.stderr


def test_a_measurement_that_is_interrupted_ends_at_once_and_leaves_nothing(
    service_url: str,
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    began = monotonic()
    with Kato(service_url) as kato:
        with pytest.raises(KeyboardInterrupt):
            measured(kato, LONG_S, 2, interrupt)
        assert monotonic() - began < LONG_S
        assert not [one for one in kato.users() if str(one.user_id).startswith("kato-bench-")]


def test_without_its_packages_the_command_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('no', name='typer')")
    done = subprocess.run(
        [sys.executable, "-m", "kato_client.command"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "kato needs other packages: pip install 'kato-client[command]'\n"


def test_a_file_is_exported_and_imported_and_an_interruption_is_harmless(
    run: Run, user: str, tmp_path: Path
) -> None:
    (tmp_path / "talk.txt").write_text("hello world again\n")
    run("learn", "talk.txt", "--user", user)
    done = run("export", "kept.jsonl.gz", "--user", user)
    assert (done.returncode, done.stdout) == (0, "1 patterns, 0 vectors\n"), done.stderr
    done = run("import", "kept.jsonl.gz", "--user", f"{user}-2")
    assert (done.returncode, done.stdout) == (0, "1 of 1 parts imported\n"), done.stderr
    done = run("import", "kept.jsonl.gz", "--user", f"{user}-2", "--json")
    assert json.loads(done.stdout)["repeated"] == 1
    done = run("import", "nowhere.gz", "--user", user)
    assert done.returncode == 1
    assert "nowhere.gz cannot be used: No such file" in done.stderr
    done = run("export", "no-folder/kept.gz", "--user", user)
    assert done.returncode == 1
    assert "no-folder/kept.gz cannot be used: No such file" in done.stderr
    (tmp_path / "cut.gz").write_bytes((tmp_path / "kept.jsonl.gz").read_bytes()[:-9])
    done = run("import", "cut.gz", "--user", f"{user}-3")
    assert (done.returncode, done.stdout) == (1, "")
