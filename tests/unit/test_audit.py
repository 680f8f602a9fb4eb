"""`make audit` tells "nothing is known" from "could not ask", and every exception has an end."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from assets import listed, recorded
from audit import Answers, Ignored, answers_of, complaints, ignored_in, result
from licences import is_accepted, unacceptable

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 11, 29)
REPORT = {
    "dependencies": [
        {"name": "fine", "version": "1.0", "vulns": []},
        {"name": "bad", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]},
        {"name": "worse", "version": "3.0", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]},
        {"name": "unknown", "skip_reason": "could not be audited"},
    ]
}


def test_a_report_tells_vulnerable_from_unasked() -> None:
    assert answers_of(REPORT) == Answers(
        vulnerable=(
            ("bad 2.0", "PYSEC-1", "upgrade to 2.1"),
            ("worse 3.0", "PYSEC-2", "no version fixes it yet"),
        ),
        unasked=("unknown",),
    )


def test_an_ignored_vulnerability_is_reported_again_when_its_entry_expires() -> None:
    answers = answers_of(REPORT)
    entry = Ignored("PYSEC-1", "not used", date(2026, 11, 30))
    assert [line.split(";")[0] for line in complaints(answers, [entry], TODAY)] == [
        "vulnerable: worse 3.0: PYSEC-2"
    ]
    later = complaints(answers, [entry], entry.expires)
    assert later[0].startswith("vulnerable: bad 2.0: PYSEC-1; upgrade to 2.1")
    assert later[-1] == "expired: PYSEC-1 in audit-ignore.toml since 2026-11-30 (not used)"


def test_an_entry_that_ignores_nothing_is_to_be_removed() -> None:
    entry = Ignored("PYSEC-9", "not used", date(2027, 1, 1))
    assert complaints(Answers(), [entry], TODAY) == [
        "of no use: PYSEC-9 in audit-ignore.toml: remove it"
    ]


@pytest.mark.parametrize(
    ("found", "unasked", "status"),
    [
        pytest.param([], [], 0, id="nothing known"),
        pytest.param(["vulnerable: …"], [], 1, id="vulnerable"),
        pytest.param([], ["unknown"], 3, id="could not ask"),
        pytest.param(["vulnerable: …"], ["unknown"], 1, id="vulnerable, and could not ask"),
    ],
)
def test_the_exit_status_says_which(found: list[str], unasked: list[str], status: int) -> None:
    assert result(found, unasked) == status


def test_an_entry_needs_a_reason_and_an_end(tmp_path: Path) -> None:
    file = tmp_path / "ignore.toml"
    file.write_text('[[ignore]]\nid = "PYSEC-1"\nreason = "x"\n', encoding="utf-8")
    with pytest.raises(TypeError, match="expires"):
        ignored_in(file)


@pytest.mark.parametrize(
    ("expression", "accepted"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("MPL-2.0 AND (Apache-2.0 OR GPL-2.0-only)", True),
        ("MPL-2.0 AND (GPL-3.0-only OR GPL-2.0-only)", False),
        ("", False),
    ],
)
def test_a_licence_is_accepted_if_one_of_its_choices_is(expression: str, accepted: bool) -> None:
    assert is_accepted(expression) == accepted


def test_all_dependencies_have_accepted_licences() -> None:
    assert unacceptable(ROOT) == []


def test_foreign_and_binary_files_are_as_recorded() -> None:
    assert listed(ROOT) == recorded(ROOT), "if this is right: release/audit.py --offline --write"


def test_without_the_vulnerability_service_the_rest_is_audited() -> None:
    command = [sys.executable, "release/audit.py", "--offline"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "vulnerabilities: NOT ASKED (--offline)" in done.stdout
