"""The tarball of the TypeScript client, as npm takes it."""

import json
import shutil
from pathlib import Path

from client_tools import Tools
from processes import TestbedError
from sources import Sources


def build_npm_package(source: Sources, work: Path, out: Path) -> Path:
    """The tarball below *out*, from the sources in *work* `/exported`.

    Installs TypeScript and npm if they are not in build/clients. npm gives the files in a tarball a
    time of its own, always the same one.

    Raises:
        TestbedError: It cannot be built, or its version is not that of the release.
    """
    folder = work / "npm"
    shutil.copytree(work / "exported" / "client" / "typescript", folder)
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    if package["version"] != source.version:
        raise TestbedError(f"the TypeScript client has version {package['version']}")
    tools = Tools()
    try:
        tools.install()
        tools.run(tools.program("node"), tools.script("tsc"), "--project", folder)
        pack = ("pack", "--offline", "--ignore-scripts", "--loglevel=error", "--pack-destination")
        tools.run(tools.program("npm"), *pack, out, cwd=folder)
    except RuntimeError as error:
        raise TestbedError(f"the TypeScript client cannot be built: {error}") from error
    return out / f"{package['name']}-{package['version']}.tgz"
