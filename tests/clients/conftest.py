"""The TypeScript client as npm installs it, and where it runs: Node.js, and a page in Chromium."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import pytest

from client_tools import TYPESCRIPT, Tools
from npm_package import build_npm_package
from sources import sources
from support.browser import CHROMIUM, Tab, offline_tab
from support.services import StartService
from support.waiting import until

PROGRAMS = Path(__file__).parent / "typescript"
KEY = "a-key-of-this-instance?>~"
CONFIG = {
    "compilerOptions": {
        "target": "ES2022",
        "module": "NodeNext",
        "lib": ["ES2022", "DOM", "DOM.Iterable", "DOM.AsyncIterable", "ESNext.Disposable"],
        "strict": True,
        "exactOptionalPropertyTypes": True,
        "noUncheckedIndexedAccess": True,
        "noEmitOnError": True,
        "types": ["node"],
        "typeRoots": [str(Tools().folder / "node_modules" / "@types")],
    },
    "include": ["*.ts"],
}
PAGE = """<!doctype html><title>kato-client</title><script type="importmap">
{"imports": {"kato-client": "/node_modules/kato-client/built/index.js"}}
</script><script type="module" src="/page.js"></script>"""


class Runtime(Protocol):
    """Where JavaScript runs, with `faults` of tests/clients/typescript."""

    def run(self, script: str) -> Any:
        """The value of *script*, or of what it promises."""


class Node:
    """A process of Node.js."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, script: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(script) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]


@pytest.fixture(scope="session")
def tools() -> Tools:
    tools = Tools()
    assert tools.is_installed, "run `make client-test`, which installs the tools"
    return tools


@pytest.fixture(scope="session")
def package(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tarball of the client, built as `make dist` does."""
    work = tmp_path_factory.mktemp("npm")
    source = sources()
    source.export(work / "exported")
    return build_npm_package(source, work, work)


def readme_program() -> str:
    """The first program of the README for users of npm."""
    found = re.search(r"```js\n(.*?)```", (TYPESCRIPT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="session")
def project(tools: Tools, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with the client from its tarball, and the tests' programs, compiled."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{"type": "module"}')
    quiet = ("--offline", "--no-audit", "--no-fund", "--loglevel=error")
    tools.run(tools.program("npm"), "install", *quiet, package, cwd=folder)
    for program in PROGRAMS.glob("*.ts"):
        (folder / program.name).write_bytes(program.read_bytes())
    (folder / "readme.ts").write_text(readme_program())
    (folder / "index.html").write_text(PAGE)
    (folder / "tsconfig.json").write_text(json.dumps(CONFIG))
    tools.run(tools.program("node"), tools.script("tsc"), "--project", folder)
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture(scope="session")
def origin(project: Path) -> Iterator[str]:
    """Another origin than that of any service, which serves the project."""
    serve = partial(_Quiet, directory=str(project))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def page(origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A page of that origin, in Chromium, which has loaded the client."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed; `make client-test` installs it")
    with offline_tab(tmp_path_factory.mktemp("profile")) as tab:
        tab.open(f"{origin}/index.html")
        until(lambda: tab.run("'suite' in globalThis"), "the page has loaded the client")
        yield tab


@contextmanager
def _node(tools: Tools, project: Path) -> Iterator[Node]:
    command = [tools.program("node"), project / "driver.js"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Node(process)
        finally:
            process.kill()


@pytest.fixture(params=["node", "page"])
def runtime(request: pytest.FixtureRequest, tools: Tools, project: Path) -> Iterator[Runtime]:
    if request.param == "page":
        yield request.getfixturevalue("page")
        return
    with _node(tools, project) as node:
        yield node


@pytest.fixture(scope="module")
def service_url(start_service: StartService) -> str:
    """An instance with its defaults: pages of other origins may do nothing."""
    return start_service()


@pytest.fixture(scope="module")
def open_url(start_service: StartService, origin: str) -> str:
    """An instance without keys, which pages of the project's origin may call."""
    return start_service(CORS_ORIGINS=origin)


@pytest.fixture(scope="module")
def keyed_url(start_service: StartService, origin: str) -> str:
    return start_service(CORS_ORIGINS=origin, API_KEY=KEY, VECTORS="disabled")
