"""What the texts of the repository refer to: pages, sections, links, code. For test_docs.

A reference is a Markdown link, a page by its file name (with sections after a paragraph sign), a
numbered decision, or, in pages, a path or a class between backticks.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

SUFFIXES = {".py", ".pyi", ".c", ".h", ".md", ".toml", ".yaml", ".sh", ".go", ""}
LEFT_OUT = {"build", "dist", "data", "node_modules", "vendor", "__pycache__"}
"""Folders that are made, and not part of the repository."""
DESIGN = ("docs/design/", "docs/decisions/")
SEEN = {".ci"}
"""Folders that are read although their names begin with a dot."""

SIGN = "\N{SECTION SIGN}"
"""Spelled out, as this file names no sections."""
_LABEL = r"L?\d+"
_CITATION = re.compile(
    rf"(?<![\w/:-])(?P<page>[\w./-]*\w\.md)\b"
    rf"(?:[\s*#]+{SIGN}(?P<labels>{_LABEL}(?:(?:–|-|, | and ){SIGN}?{_LABEL})*))?"
)
_DECISION = re.compile(r"\bdecisions?\s+\[?(\d{4})\b")
_LINK = re.compile(r"\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)")
_DEFINITION = re.compile(r"^\[(?P<text>[^\]]+)\]:\s+(?P<target>\S+)$", re.MULTILINE)
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`[^`\n]+`")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+)$", re.MULTILINE)
_NUMBERED = re.compile(rf"^#{{2,3}} +(?P<label>{_LABEL})\. ", re.MULTILINE)
_PATH = re.compile(r"`(?:\./)?(?P<path>\w[\w./-]*(?:/|\.(?:py|c|h)))`")
_CLASS = re.compile(r"`(?P<name>[A-Z][a-z]+[A-Z]\w+)(?:\.\w+)?`")


class Problem(NamedTuple):
    """A reference to something that is not there."""

    file: str
    line: int
    target: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.target}: {self.reason}"


@dataclass(frozen=True)
class Text:
    """One file; *name* is its path below the repository."""

    name: str
    content: str

    @property
    def is_page(self) -> bool:
        return self.name.endswith(".md")

    @cached_property
    def prose(self) -> str:
        """The content of a page with its code blanked out, every character in its place."""
        return _blanked(_SPAN, _blanked(_FENCE, self.content))

    @cached_property
    def anchors(self) -> frozenset[str]:
        """The anchors that links to the page may use."""
        found: list[str] = []
        for heading in _HEADING.finditer(_blanked(_FENCE, self.content)):
            slug = _slug(heading["text"])
            again = sum(one == slug for one in found)
            found += [slug, f"{slug}-{again}"] if again else [slug]
        return frozenset(found)

    @cached_property
    def labels(self) -> frozenset[str]:
        """The numbers of its sections."""
        return frozenset(_NUMBERED.findall(_blanked(_FENCE, self.content)))

    def problem(self, at: int, target: str, reason: str) -> Problem:
        return Problem(self.name, self.content.count("\n", 0, at) + 1, target, reason)


@dataclass
class Repository:
    root: Path
    texts: dict[str, Text] = field(default_factory=dict)
    """Texts by their path below the repository."""

    @classmethod
    def read(cls, root: Path, *, but: Sequence[str] = ()) -> "Repository":
        """All texts below *root* that are not generated, without those named in *but*."""
        found = cls(root)
        for path in sorted(_files(root)):
            name = path.relative_to(root).as_posix()
            if name not in but:
                found.texts[name] = Text(name, path.read_text(encoding="utf-8"))
        return found

    def problems(self) -> list[Problem]:
        found: list[Problem] = []
        for text in self.texts.values():
            found += self._citations(text)
            found += self._bare_sections(text)
            if text.is_page:
                found += self._links(text)
                found += self._decisions(text)
                found += self._code(text)
        return sorted(set(found))

    def _citations(self, text: Text) -> Iterator[Problem]:
        for match in _CITATION.finditer(text.content):
            pages = self._pages(text, match["page"])
            if len(pages) != 1:
                reason = "names more than one page" if pages else "there is no such page"
                yield text.problem(match.start(), match["page"], reason)
                continue
            for label in _each_label(match["labels"] or ""):
                if label not in pages[0].labels:
                    target = f"{match['page']} {SIGN}{label}"
                    yield text.problem(match.start(), target, "there is no such section")

    def _bare_sections(self, text: Text) -> Iterator[Problem]:
        """Sections cited without a page: they mean the page itself, and code has none."""
        rest = _blanked(_CITATION, text.content)
        if text.is_page:
            defined = {match["text"] for match in _DEFINITION.finditer(text.content)}
            for known in defined:
                rest = rest.replace(f"[{known}]", " " * (len(known) + 2))
        for match in re.finditer(rf"{SIGN}({_LABEL})?", rest):
            if match[1] not in text.labels:
                reason = "there is no such section" if text.is_page else "names no page"
                yield text.problem(match.start(), match[0], reason)

    def _links(self, text: Text) -> Iterator[Problem]:
        found = [*_LINK.finditer(text.prose), *_DEFINITION.finditer(text.prose)]
        for match in found:
            target = match["target"]
            if "://" in target or target.startswith("mailto:"):
                continue
            reason = self._reason_against(text, target) or _misnamed(match["text"], target)
            if reason:
                yield text.problem(match.start(), target, reason)

    def _reason_against(self, text: Text, target: str) -> str:
        place, _, anchor = target.partition("#")
        path = (self.root / text.name).parent / place if place else self.root / text.name
        if not path.resolve().is_relative_to(self.root.resolve()) or not path.exists():
            return "there is no such file"
        page = self.texts.get(path.resolve().relative_to(self.root.resolve()).as_posix())
        if anchor and page is not None and anchor not in page.anchors:
            return "there is no such heading"
        return ""

    def _decisions(self, text: Text) -> Iterator[Problem]:
        for match in _DECISION.finditer(text.content):
            if not any(f"/decisions/{match[1]}-" in f"/{name}" for name in self.texts):
                yield text.problem(match.start(), match[0], "there is no such decision")

    def _code(self, text: Text) -> Iterator[Problem]:
        """Paths that a page names, but for generated ones, and classes that the design names."""
        content = _blanked(_FENCE, text.content)
        for match in _PATH.finditer(content):
            is_made = match["path"].partition("/")[0] in LEFT_OUT
            if not is_made and f"/{match['path']}" not in self._paths:
                yield text.problem(match.start(), match["path"], "there is no such path")
        is_design = text.name.startswith(DESIGN)
        for match in _CLASS.finditer(content) if is_design else ():
            if match["name"] not in self._words:
                yield text.problem(match.start(), match["name"], "is nowhere in the code")

    def _pages(self, text: Text, mention: str) -> list[Text]:
        """The pages of a reference: by path from the text or the root, otherwise by file name."""
        for base in ((self.root / text.name).parent, self.root):
            path = (base / mention).resolve()
            if path.is_relative_to(self.root.resolve()):
                known = self.texts.get(path.relative_to(self.root.resolve()).as_posix())
                if known is not None:
                    return [known]
        return [page for name, page in self.texts.items() if name.endswith(f"/{mention}")]

    @cached_property
    def _paths(self) -> frozenset[str]:
        """Every suffix of a path that starts with a whole name; folders end with a slash."""
        found: set[str] = set()
        for path in _below(self.root):
            whole = "/" + path.relative_to(self.root).as_posix() + ("/" if path.is_dir() else "")
            found.update(whole[at:] for at, letter in enumerate(whole) if letter == "/")
        return frozenset(found)

    @cached_property
    def _words(self) -> frozenset[str]:
        code = (text.content for text in self.texts.values() if not text.is_page)
        return frozenset(word for content in code for word in re.findall(r"\w+", content))


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        is_hidden = path.name.startswith(".") and path.name not in SEEN
        if is_hidden or path.name in LEFT_OUT or path.suffix == ".egg-info":
            continue
        yield path
        if path.is_dir():
            yield from _below(path)


def _files(root: Path) -> Iterator[Path]:
    return (path for path in _below(root) if path.is_file() and path.suffix in SUFFIXES)


def _blanked(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _slug(heading: str) -> str:
    """The anchor that GitHub makes from a heading."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")


def _each_label(labels: str) -> list[str]:
    """The labels that are named, including those within a range."""
    found = re.findall(_LABEL, labels)
    for first, last in re.findall(rf"({_LABEL})[–-]{SIGN}?({_LABEL})", labels):
        mark = first.rstrip("0123456789")
        begin, end = int(first.removeprefix(mark)), int(last.removeprefix(mark))
        found += [f"{mark}{number}" for number in range(begin, end)]
    return found


def _misnamed(text: str, target: str) -> str:
    """Whether the text of a link names another decision than its target."""
    number = re.fullmatch(r"(?:decision\s+)?(\d{4})", text)
    if number and not target.rpartition("/")[2].startswith(f"{number[1]}-"):
        return f"is not decision {number[1]}"
    return ""
