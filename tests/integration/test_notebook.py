"""The notebook in `examples/` runs from top to bottom, and shows what a run gives."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from kato_client import Kato, NotFoundError

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE_S = 300


@pytest.fixture
def notebook() -> NotebookNode:
    return nbformat.read(EXAMPLES / "next_click.ipynb", as_version=4)


@pytest.fixture
def url(service_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A service, where the notebook and its kernel find it; their files are in an empty folder."""
    for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("KATO_URL", service_url)
    return service_url


def texts(notebook: NotebookNode) -> Iterator[str]:
    """What each cell of code printed."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            yield "".join(output.get("text", output.output_type) for output in cell.outputs)


def test_the_notebook_shows_what_a_run_gives(notebook: NotebookNode, url: str) -> None:
    shown = [*texts(notebook)]
    assert sum(map(bool, shown)) > 5
    client = NotebookClient(
        notebook,
        timeout=PATIENCE_S,
        resources={"metadata": {"path": str(EXAMPLES)}},
        startup_timeout=PATIENCE_S,
        coalesce_streams=True,
    )
    client.execute()
    assert [*texts(notebook)] == shown
    with Kato(url) as kato, pytest.raises(NotFoundError):
        kato.user("notebook-next-click").info()
