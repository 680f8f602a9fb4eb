"""HTTPS on the service's own port: its certificate as files, which the service re-reads."""

from kato_operator import names
from kato_operator.children import pods
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest

DIR = "/etc/kato/tls"
CERTIFICATE, KEY = names.TLS_FILES[names.TLS_CERTIFICATE], names.TLS_FILES[names.TLS_KEY]


def scheme(instance: KatoInstance) -> str:
    """The scheme of the service's URLs; also the name of its port."""
    return "http" if instance.spec.service.tls is None else "https"


def variables(instance: KatoInstance) -> dict[str, str]:
    """The variables that name the files; a new certificate changes none of them."""
    if instance.spec.service.tls is None:
        return {}
    return {"TLS_CERT_FILE": f"{DIR}/{CERTIFICATE}", "TLS_KEY_FILE": f"{DIR}/{KEY}"}


def volumes(instance: KatoInstance) -> list[Manifest]:
    """The volume with certificate and key."""
    wanted = instance.spec.service.tls
    if wanted is None:
        return []
    return [pods.secret_files("tls", wanted.secret_name, {CERTIFICATE: CERTIFICATE, KEY: KEY})]


def mounts(instance: KatoInstance) -> list[Manifest]:
    """Where the container has them."""
    return [
        {"name": volume["name"], "mountPath": DIR, "readOnly": True} for volume in volumes(instance)
    ]
