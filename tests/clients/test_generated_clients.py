"""Clients that two generators make from the documents of a service can talk to it.

`make client-test` installs the generators first.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from client_tools import Tools

HERE = Path(__file__).parent
KEY = "a-key-of-this-instance"
DOCUMENTS = {"current": "openapi.json", "older": "openapi-older.json"}
CONFIG = """\
post_hooks: []
content_type_overrides:
  application/x-ndjson: application/octet-stream
"""
"""The generator of Python would format what it generates, with a tool that may not be there; and it
has to be told that streams of lines are bytes."""
TYPESCRIPT = {
    "compilerOptions": {
        "strict": True,
        "noEmitOnError": True,
        "module": "commonjs",
        "target": "es2022",
        "lib": ["es2022", "dom", "dom.iterable"],
        "esModuleInterop": True,
        "outDir": "built",
        "typeRoots": [str(Tools().folder / "node_modules" / "@types")],
        "types": ["node"],
    },
    "files": ["conversation.ts"],
}


@pytest.fixture(scope="module")
def url(start_service: Callable[..., str]) -> str:
    return start_service(API_KEY=KEY, VECTORS="disabled")


def test_a_generated_python_client_holds_a_conversation(
    tools: Tools, url: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    for name, document in DOCUMENTS.items():
        tools.run(
            *(tools.program("openapi-python-client"), "generate", "--fail-on-warning"),
            *("--url", f"{url}/{document}", "--meta", "none", "--config", config),
            *("--output-path", tmp_path / f"kato_{name}"),
        )
    program = (tools.program("python"), "-W", "error", HERE / "conversation.py")
    assert tools.run(*program, url, KEY, PYTHONPATH=str(tmp_path)) == "done\n"
    types = (sys.executable, "-m", "mypy", "--config-file", "", "--strict", "conversation.py")
    shutil.copy2(HERE / "conversation.py", tmp_path)
    tools.run(*types, "--follow-imports=silent", cwd=tmp_path)


def test_a_generated_typescript_client_holds_a_conversation(
    tools: Tools, url: str, tmp_path: Path
) -> None:
    node = tools.program("node")
    for name, document in DOCUMENTS.items():
        said = tools.run(
            *(node, tools.script("openapi-ts"), "--input", f"{url}/{document}"),
            *("--output", tmp_path / name, "--client", "@hey-api/client-fetch", "--no-log-file"),
        )
        assert "warn" not in said.lower()
        assert "error" not in said.lower()
    shutil.copy2(HERE / "conversation.ts", tmp_path)
    (tmp_path / "tsconfig.json").write_text(json.dumps(TYPESCRIPT))
    tools.run(node, tools.script("tsc"), "--project", tmp_path)
    assert tools.run(node, tmp_path / "built" / "conversation.js", url, KEY) == "done\n"
