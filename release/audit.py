"""Audits what KATO is made of: known vulnerabilities, licences, and files taken from others.

`python release/audit.py`: exit status 0: nothing is known; 1: something has to be done, and the
output says what; 3: the vulnerability service could not be asked about every dependency (all else
is fine). `--offline` does not ask; `--write` records the checksums of files changed on purpose.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from assets import listed, recorded, written
from licences import unacceptable

ROOT = Path(__file__).resolve().parents[1]
IGNORED = ROOT / "release" / "audit-ignore.toml"
NOTHING_KNOWN, SOMETHING_TO_DO, COULD_NOT_ASK = 0, 1, 3


@dataclass(frozen=True, slots=True)
class Answers:
    """What the vulnerability service said."""

    vulnerable: tuple[tuple[str, str, str], ...] = ()
    """Name and version of a distribution, id of a vulnerability, what to do."""
    unasked: tuple[str, ...] = ()
    """Distributions about which it said nothing."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A vulnerability that does not concern KATO, or not for now."""

    id: str
    reason: str
    expires: date


def answers_of(report: Mapping[str, Any]) -> Answers:
    """Read pip-audit's report, which calls distributions that it could not ask about skipped."""
    vulnerable, unasked = [], []
    for found in report["dependencies"]:
        if "skip_reason" in found:
            unasked.append(found["name"])
        for known in found.get("vulns", ()):
            fixed = ", ".join(known["fix_versions"])
            todo = f"upgrade to {fixed}" if fixed else "no version fixes it yet"
            vulnerable.append((f"{found['name']} {found['version']}", known["id"], todo))
    return Answers(tuple(vulnerable), tuple(unasked))


def ignored_in(path: Path) -> tuple[Ignored, ...]:
    """The entries of the file; each needs all three fields."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("ignore", [])
    return tuple(Ignored(**entry) for entry in entries)


def complaints(answers: Answers, ignored: Iterable[Ignored], today: date) -> list[str]:
    """What has to be done about vulnerabilities, and about entries that expired or are unused."""
    valid = {entry.id: entry for entry in ignored if entry.expires > today}
    found = [
        f"vulnerable: {name}: {known}; {todo}, or say why not in {IGNORED.name}"
        for name, known, todo in answers.vulnerable
        if known not in valid
    ]
    expired = [entry for entry in ignored if entry.id not in valid]
    found += [f"expired: {e.id} in {IGNORED.name} since {e.expires} ({e.reason})" for e in expired]
    if not answers.unasked:
        known_ids = {known for _, known, _ in answers.vulnerable}
        unused = valid.keys() - known_ids
        found += [f"of no use: {name} in {IGNORED.name}: remove it" for name in sorted(unused)]
    return found


def asked(requirements: Path) -> Answers:
    """What PyPI's vulnerability service knows about exactly these versions."""
    names = [line.partition("==")[0] for line in requirements.read_text().split()]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(requirements)),
            *("--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "15"),
            *("--format", "json", "--output", str(report)),
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if not report.exists():
            print(f"pip-audit: {done.stderr.strip().splitlines()[-1:]}")
            return Answers(unasked=tuple(names))
        return answers_of(json.loads(report.read_text(encoding="utf-8")))


def result(found: Sequence[str], unasked: Sequence[str]) -> int:
    """The exit status; prints everything that it stands for."""
    for line in found:
        print(line)
    if unasked:
        shown = ", ".join(unasked[:5]) + (", …" if len(unasked) > 5 else "")
        print(f"COULD NOT ASK about {len(unasked)} dependencies ({shown}): nothing is said of them")
    if found:
        return SOMETHING_TO_DO
    return COULD_NOT_ASK if unasked else NOTHING_KNOWN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offline", action="store_true", help="do not ask; say so and succeed")
    parser.add_argument(
        "--write", action="store_true", help="record the checksums of today's files"
    )
    parser.add_argument("--requirements", type=Path, default=ROOT / "constraints.txt")
    given = parser.parse_args()
    if given.write:
        print(f"{written(ROOT)} files recorded")
    answers = Answers() if given.offline else asked(given.requirements)
    today = datetime.now(UTC).date()
    found = complaints(answers, ignored_in(IGNORED), today) if not given.offline else []
    licences = unacceptable(ROOT)
    assets = sorted(set(listed(ROOT).items()) ^ set(recorded(ROOT).items()))
    found += [f"licence: {name}: {licence!r} is not accepted" for name, licence in licences]
    found += [f"file: {name} is not as recorded; if that is right: --write" for name, _ in assets]
    status = result(found, answers.unasked)
    if given.offline:
        print("vulnerabilities: NOT ASKED (--offline)")
    print("licences and files: " + ("as they should be" if not found else "see above"))
    sys.exit(status)


if __name__ == "__main__":
    main()
