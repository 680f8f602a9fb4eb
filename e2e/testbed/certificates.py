"""A certificate authority below one directory: a server's certificate, and one for every user."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from processes import TestbedError, filled

KUBECONFIG = Path(__file__).resolve().parent / "config" / "kubeconfig.yaml"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_SERVICE_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")


@dataclass(frozen=True)
class Certificates:
    """Keys and certificates in *pki*, and next to that folder a kubeconfig for every user."""

    pki: Path
    address: str
    node: str

    def make(self, users: Mapping[str, str], server: str) -> None:
        """Make them where there are none yet; *users* are names and X.509 subjects."""
        if (self.pki / "ca.crt").exists():
            return
        self.pki.mkdir(parents=True, exist_ok=True)
        self._make_authority()
        names = ",".join(f"DNS:{name}" for name in _SERVICE_NAMES)
        addresses = f"IP:{self.address},IP:127.0.0.1,IP:10.96.0.1"
        self._certify("apiserver", "/CN=kube-apiserver", f"{addresses},{names}")
        for user, subject in users.items():
            self._certify(user, subject, f"IP:{self.address},DNS:{self.node}")
            self._write_kubeconfig(user, server)

    def _make_authority(self) -> None:
        self._openssl(
            *("req", "-x509", *_NEW_KEY, "-days", "30", "-subj", "/CN=ca"),
            *("-keyout", "ca.key", "-out", "ca.crt"),
        )
        self._openssl("genrsa", "-out", "sa.key", "2048")
        self._openssl("rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")

    def _certify(self, name: str, subject: str, alternatives: str) -> None:
        extensions = self.pki / f"{name}.ext"
        extensions.write_text(
            "keyUsage=digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n"
            f"subjectAltName={alternatives}\n"
        )
        self._openssl(
            "req", *_NEW_KEY, "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr"
        )
        self._openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", "30", "-out", f"{name}.crt", "-extfile", extensions.name),
        )

    def _write_kubeconfig(self, user: str, server: str) -> None:
        values = {"SERVER": server, "PKI": str(self.pki), "USER": user}
        file = self.pki.parent / f"{user}.kubeconfig"
        file.write_text(filled(KUBECONFIG.read_text(), values))

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(
            ["openssl", *arguments],
            cwd=self.pki,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise TestbedError(f"openssl {arguments[0]}: {done.stderr.strip()[-200:]}")
