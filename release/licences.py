"""The licences of all dependencies, and which of them KATO accepts."""

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ACCEPTED = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0"),
    *("MPL-2.0", "PSF-2.0", "Zlib"),
}
"""Permissive ones, and the MPL, whose conditions end at the files that it covers."""
SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "CC0-1.0",
}
"""How distributions without an SPDX expression call these."""


def unacceptable(root: Path) -> list[tuple[str, str]]:
    """Distributions of constraints.txt that are installed, with a licence that is not accepted."""
    found = ((one.name, licence_of(one)) for one in _installed(root / "constraints.txt"))
    return [(name, licence) for name, licence in found if not is_accepted(licence)]


def licence_of(one: Distribution) -> str:
    """Its SPDX expression, else its classifiers joined with AND, else its free text."""
    expression = one.metadata.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = one.metadata.get_all("Classifier") or ()
    names = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: ")]
    if names:
        return " AND ".join(SPELLINGS.get(name, name) for name in names)
    text = str(one.metadata.get("License") or "").strip().partition("\n")[0]
    return SPELLINGS.get(text, text)


def is_accepted(expression: str) -> bool:
    """Whether one of the alternatives of an SPDX expression consists of accepted licences."""
    inner = re.fullmatch(r"(.*)\(([^()]*)\)(.*)", expression)
    if inner:
        before, group, after = inner.groups()
        return any(is_accepted(f"{before}{choice}{after}") for choice in group.split(" OR "))
    choices = (choice.split(" AND ") for choice in expression.split(" OR "))
    return any(all(name.strip() in ACCEPTED for name in names) for names in choices)


def _installed(constraints: Path) -> Iterator[Distribution]:
    for line in constraints.read_text(encoding="utf-8").split():
        try:
            yield distribution(line.partition("==")[0])
        except PackageNotFoundError:
            continue  # for another version of Python, or another system
