"""Where the API server is and who the operator is there: a service account or a kubeconfig."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kato_operator.api_server.kubeconfig import Context, read_kubeconfig
from kato_operator.environment import WrongEnvironmentError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DEFAULT_KUBECONFIG = Path("~/.kube/config")


@dataclass(frozen=True, slots=True)
class Login:
    """An API server and the credentials for it."""

    server: str
    """Its URL, without a slash at the end."""
    authority: str = ""
    """The certificates that it is trusted by, as PEM; empty: those that the system trusts."""
    is_verified: bool = True
    """Whether its certificate is looked at."""
    certificate: str = ""
    """The operator's own, as PEM; empty: none."""
    key: str = field(default="", repr=False)
    """The private key of the certificate, as PEM."""
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    """Holds the token, which Kubernetes renews."""
    proxy: str | None = None

    def current_token(self) -> str:
        """The bearer token of this moment, "" if there is none; raises OSError for its file."""
        return self.token_file.read_text().strip() if self.token_file else self.token


def find_login(environment: Mapping[str, str], *, service_account: Path = SERVICE_ACCOUNT) -> Login:
    """The service account of this pod; outside of pods, the current context of the kubeconfig.

    Args:
        environment: KUBECONFIG names the files; without it, there is ``~/.kube/config``.

    Raises:
        WrongEnvironmentError: There is neither, or what there is cannot be used.
    """
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "")
    if host and port and (service_account / "token").is_file():
        return _of_the_pod(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", service_account)
    named = [Path(name) for name in environment.get("KUBECONFIG", "").split(os.pathsep) if name]
    files = [file.expanduser() for file in named or [DEFAULT_KUBECONFIG]]
    if not named and not files[0].is_file():
        raise WrongEnvironmentError(
            "no API server: this process is not in a pod with a service account; set KUBECONFIG to"
            " a file with credentials"
        )
    return _of_context(read_kubeconfig(files))


def _of_the_pod(address: str, folder: Path) -> Login:
    try:
        authority = (folder / "ca.crt").read_text(encoding="ascii")
    except (OSError, ValueError) as exc:
        raise WrongEnvironmentError(f"the service account of this pod: {exc}") from exc
    return Login(f"https://{address}", authority, token_file=folder / "token")


def _of_context(context: Context) -> Login:
    token_file = context.user.get("tokenFile")
    return Login(
        context.server,
        authority=context.pem("certificate-authority"),
        is_verified=not context.cluster.get("insecure-skip-tls-verify", False),
        certificate=context.pem("client-certificate"),
        key=context.pem("client-key"),
        token=context.user.get("token", ""),
        token_file=Path(token_file) if token_file else None,
        proxy=context.cluster.get("proxy-url"),
    )
