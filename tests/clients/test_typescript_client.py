"""The TypeScript client, from its tarball, on real instances: in Node.js and in Chromium."""

import gzip
import json
import re
import subprocess
from pathlib import Path

import httpx

from client_tools import TYPESCRIPT, Tools
from clients.conftest import KEY, readme_program
from kato_client import errors
from make_types import TARGET, written
from support.browser import Tab

MOST_BYTES = 8 * 1024
"""Of the whole client, minified and compressed."""


def test_every_operation_works_in_node(
    tools: Tools, project: Path, open_url: str, keyed_url: str
) -> None:
    node = tools.program("node")
    said = tools.run(node, "--test-reporter=dot", project / "node.js", open_url, keyed_url, KEY)
    assert "X" not in said


def test_every_operation_works_in_a_page_of_an_allowed_origin(
    page: Tab, open_url: str, keyed_url: str
) -> None:
    world = {"url": open_url, "keyedUrl": keyed_url, "key": KEY}
    done = page.run(f"suite({json.dumps(world)})")
    assert done["failed"] == {}
    assert done["count"] > 15


def test_what_sends_nothing_and_what_waits(tools: Tools, project: Path) -> None:
    tools.run(tools.program("node"), project / "values.js")


def test_a_page_of_another_origin_is_told_what_to_allow(page: Tab, service_url: str) -> None:
    script = """import("kato-client").then(async ({ Kato }) => {
      const kato = new Kato({ url: URL, timeoutMs: 200 });
      return String(await kato.sessionCount().catch((error) => error));
    })""".replace("URL", json.dumps(service_url), 1)
    said = page.run(script)
    assert "ConnectionFailedError" in said
    assert "that CORS_ORIGINS lists this page's origin" in said


def test_the_first_lines_of_the_readme_end_with_a_prediction(
    tools: Tools, project: Path, service_url: str
) -> None:
    program = readme_program()
    assert len(program.splitlines()) <= 10
    (project / "readme.mjs").write_text(program.replace("http://localhost:8000", service_url))
    assert tools.run(tools.program("node"), project / "readme.mjs") == "[ [ 'again' ] ] 0.8\n"


def test_the_types_are_those_of_the_document(tools: Tools, service_url: str) -> None:
    document = httpx.get(f"{service_url}/openapi.json", timeout=60).json()
    assert TARGET.read_text(encoding="utf-8") == written(document, tools), "run `make client`"


def test_the_package_is_small_and_depends_on_nothing(
    tools: Tools, project: Path, package: Path
) -> None:
    installed = project / "node_modules" / "kato-client"
    about = json.loads((installed / "package.json").read_text())
    assert about.keys().isdisjoint({"dependencies", "peerDependencies", "optionalDependencies"})
    names = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert {"LICENSE", "README.md", "built/index.js", "built/index.d.ts"} < names
    assert {name for name in names if name.endswith(".ts")} == {
        f"built/{path.stem}.d.ts" for path in (TYPESCRIPT / "src").glob("*.ts")
    }
    esbuild = (tools.script("esbuild"), "--bundle", "--minify", "--format=esm", "--log-level=error")
    node = tools.program("node")
    bundle = tools.run(node, *esbuild, installed / "built" / "index.js").encode()
    assert len(gzip.compress(bundle)) <= MOST_BYTES


def test_both_clients_know_the_same_fixes() -> None:
    text = (TYPESCRIPT / "src" / "errors.ts").read_text(encoding="utf-8")
    table = re.search(r"const FIXES.*?\{(.*?)\n\};", text, re.DOTALL)
    assert table is not None
    codes = set(re.findall(r"^  ([A-Z_]+):", table[1], re.MULTILINE))
    assert codes == set(errors._FIXES) | {"CROSS_ORIGIN"}


def test_the_same_files_give_the_same_tarball(tools: Tools, package: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "again"
    unpacked.mkdir()
    subprocess.run(["tar", "xzf", package, "-C", unpacked], check=True)
    pack = ("pack", "--offline", "--ignore-scripts", "--loglevel=error", "--pack-destination")
    tools.run(tools.program("npm"), *pack, tmp_path, cwd=unpacked / "package")
    assert (tmp_path / package.name).read_bytes() == package.read_bytes()
