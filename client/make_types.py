#!/usr/bin/env python3
"""Writes the types of the TypeScript client from the OpenAPI document: make_types.py [--check].

It starts a service for the document, and installs the generator (`client_tools.py`). `--check`
writes nothing, and fails if the types are not those of the document.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from client_tools import TYPESCRIPT, Tools

TARGET = TYPESCRIPT / "src" / "generated.ts"
NOTICE = (
    "// Generated from the OpenAPI document of the service by `make client`: change that one.\n"
)
CONFIG = """export default {
  input: "document.json",
  output: { path: "made", indexFile: false, entryFile: false, header: [] },
  plugins: ["@hey-api/typescript"],
};
"""
OF_GENERATOR = re.compile(r"export type ClientOptions = \{.*?\n\};\n", re.DOTALL)
"""What the generator adds for clients that it makes itself."""
START_S = 60.0


def written(document: Mapping[str, Any], tools: Tools) -> str:
    """The types of all schemas of *document*; operations are written by hand."""
    schemas = {"schemas": document["components"]["schemas"]}
    reduced = {**document, "paths": {}, "components": schemas}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "document.json").write_text(json.dumps(reduced), encoding="utf-8")
        (folder / "config.mjs").write_text(CONFIG, encoding="utf-8")
        generator = (tools.script("openapi-ts"), "--file", "config.mjs", "--no-log-file")
        tools.run(tools.program("node"), *generator, cwd=folder)
        text = (folder / "made" / "types.gen.ts").read_text(encoding="utf-8")
    return NOTICE + "\n" + OF_GENERATOR.sub("", text).lstrip()


def current_document() -> Any:
    """The document of a service with default settings, started for it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        settings = {"HOST": "127.0.0.1", "PORT": str(port), "DATA_DIR": folder}
        process = subprocess.Popen(
            [sys.executable, "-m", "kato_service"],
            env={"PATH": os.environ["PATH"], **settings},
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        try:
            return _read(f"http://127.0.0.1:{port}/openapi.json", process)
        finally:
            process.terminate()
            process.wait(START_S)


def _read(url: str, process: subprocess.Popen[bytes]) -> Any:
    give_up_at = time.monotonic() + START_S
    while True:
        try:
            return httpx.get(url, timeout=START_S).raise_for_status().json()
        except httpx.TransportError:
            if process.poll() is not None or time.monotonic() > give_up_at:
                sys.exit("the service did not start")
            time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    options = parser.parse_args()
    tools = Tools()
    tools.install()
    text = written(current_document(), tools)
    if not options.check:
        TARGET.write_text(text, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET.name} is not up to date; run `make client`")


if __name__ == "__main__":
    main()
