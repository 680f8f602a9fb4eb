"""Documents and code refer to pages, sections, files and classes that exist."""

from pathlib import Path

import pytest
from references import Repository

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = "tests/unit/test_docs.py"
"""This file, which contains wrong references."""

PAGE = """# A page

## 1. First things

## 2. Other things: `code` and [a link](page.md)

### L3. Later

See §1 and [the second](#2-other-things-code-and-a-link).
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A repository whose references are correct so far."""
    (tmp_path / "docs/decisions").mkdir(parents=True)
    (tmp_path / "docs/page.md").write_text(PAGE)
    (tmp_path / "docs/decisions/0007-so-it-is.md").write_text("# So it is: `DoesIt`\n")
    (tmp_path / "code.py").write_text('"""Does it (page.md §1–2 and §L3)."""\nclass DoesIt: ...\n')
    (tmp_path / "README.md").write_text(
        "[page](docs/page.md#1-first-things), `code.py`, `DoesIt`\n"
    )
    return tmp_path


def said(root: Path) -> list[str]:
    return [str(problem) for problem in Repository.read(root).problems()]


def test_every_reference_resolves() -> None:
    assert [str(problem) for problem in Repository.read(ROOT, but=[SAMPLES]).problems()] == []


def test_the_design_pages_are_read_and_cited() -> None:
    texts = Repository.read(ROOT).texts
    assert {"1", "7", "10"} <= texts["docs/design/processor.md"].labels
    assert "processor.md §7" in texts["service/kato_service/domain/prediction_metrics.py"].content


def test_a_correct_reference_is_not_reported(broken: Path) -> None:
    assert said(broken) == []


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        pytest.param(
            "code.py",
            '"""One line.\n\nDoes it (page.md §9)."""\n',
            "code.py:3: page.md §9: there is no such section",
            id="section",
        ),
        pytest.param(
            "code.py",
            '"""Does it (page.md §1–3)."""\n',
            "code.py:1: page.md §3: there is no such section",
            id="end of a range",
        ),
        pytest.param(
            "code.h",
            "/* Does it, as page.md\n * §8 says. */\n",
            "code.h:1: page.md §8: there is no such section",
            id="section on the next line of a comment",
        ),
        pytest.param(
            "code.py",
            '"""Does it (gone.md)."""\n',
            "code.py:1: gone.md: there is no such page",
            id="page",
        ),
        pytest.param(
            "code.py",
            '"""Does it (§2)."""\n',
            "code.py:1: §2: names no page",
            id="section of no page",
        ),
        pytest.param(
            "docs/other.md",
            "# Other\n\nSee §1.\n",
            "docs/other.md:3: §1: there is no such section",
            id="section of the page itself",
        ),
        pytest.param(
            "docs/other.md",
            "# Other\n\n[page](pages/page.md)\n",
            "docs/other.md:3: pages/page.md: there is no such file",
            id="file",
        ),
        pytest.param(
            "docs/other.md",
            "# Other\n\n[page](page.md#first-things)\n",
            "docs/other.md:3: page.md#first-things: there is no such heading",
            id="heading",
        ),
        pytest.param(
            "docs/other.md",
            "# Other\n\nSee [page].\n\n[page]: page.md#gone\n",
            "docs/other.md:5: page.md#gone: there is no such heading",
            id="heading of a link that is defined apart",
        ),
        pytest.param(
            "docs/other.md",
            "# Other\n\nSee decision 0008.\n",
            "docs/other.md:3: decision 0008: there is no such decision",
            id="decision",
        ),
        pytest.param(
            "docs/other.md",
            "# Other\n\n[decision 0006](decisions/0007-so-it-is.md)\n",
            "docs/other.md:3: decisions/0007-so-it-is.md: is not decision 0006",
            id="another decision",
        ),
        pytest.param(
            "docs/other.md",
            "# Other\n\n`gone/code.py`\n",
            "docs/other.md:3: gone/code.py: there is no such path",
            id="path",
        ),
        pytest.param(
            "docs/decisions/0008-other.md",
            "# Other\n\n`DoesNothing`\n",
            "docs/decisions/0008-other.md:3: DoesNothing: is nowhere in the code",
            id="class",
        ),
    ],
)
def test_a_broken_reference_is_found_where_it_is(
    broken: Path, file: str, text: str, problem: str
) -> None:
    (broken / file).write_text(text)
    assert problem in said(broken)


def test_a_name_shared_by_two_pages_is_not_a_reference(broken: Path) -> None:
    (broken / "docs/design").mkdir()
    (broken / "docs/design/page.md").write_text(PAGE)
    assert "code.py:1: page.md: names more than one page" in said(broken)


def test_code_in_a_page_holds_no_links(broken: Path) -> None:
    (broken / "docs/other.md").write_text("# Other\n\n```\n[x](gone.txt)\n```\n\n`[y](gone.txt)`\n")
    assert said(broken) == []
