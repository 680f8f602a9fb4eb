"""Certificates for servers that tests start."""

import subprocess
from pathlib import Path


def pair(directory: Path, name: str, *more: str) -> tuple[Path, Path]:
    """A certificate for a common name, and its key; *more* are options of `openssl req`."""
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    subject = ("-subj", f"/CN={name}", "-days", "2", "-nodes")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    files = ("-keyout", str(key), "-out", str(certificate))
    command = ["openssl", "req", "-x509", *kind, *subject, *files, *more]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return certificate, key
