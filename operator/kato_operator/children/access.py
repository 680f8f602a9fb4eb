"""Who may call the service: the variables and files that say so.

The service reads the files again when they change, so a new key restarts no pod.
"""

from kato_operator import names
from kato_operator.children import connections, pods
from kato_operator.crd.access import RateLimit, Token
from kato_operator.crd.instance import KatoInstance
from kato_operator.crd.parts import SecretKey
from kato_operator.manifests import Manifest

MODES = {"None": "none", "ApiKey": "api_key", "Token": "token"}
CLUSTER_KEYS = "https://kubernetes.default.svc/openid/v1/jwks"
CLUSTER_CA = "kube-root-ca.crt"
"""The ConfigMap with the cluster's certificate that every namespace has."""
TOKEN_LIFETIME_S = 3600
KEY_DIR, KEY_FILE = "/etc/kato/service", "api-key"
NAMED_KEYS_DIR, NAMED_KEYS_FILE = "/etc/kato/keys", "keys.jsonl"
CLUSTER_DIR, CA_DIR = "/etc/kato/cluster", "/etc/kato/issuer"


def variables(instance: KatoInstance) -> dict[str, str]:
    """The variables about access; none of them holds a secret."""
    service = instance.spec.service
    auth, proxies = service.auth, service.expose.trusted_proxies
    found = {
        "AUTH_MODE": MODES[auth.mode],
        "API_KEY_FILE": f"{KEY_DIR}/{KEY_FILE}" if auth.takes_one_key else "",
        "API_KEYS_FILE": f"{NAMED_KEYS_DIR}/{NAMED_KEYS_FILE}" if auth.takes_named_keys else "",
        "TRUSTED_PROXIES": ",".join(proxies),
        **_rates(service.rate_limit),
        **_tokens(auth.accepted_tokens),
    }
    return {name: value for name, value in found.items() if value}


def volumes(instance: KatoInstance) -> list[Manifest]:
    """The volumes with keys and certificates."""
    auth, found = instance.spec.service.auth, []
    secret = names.connections(instance.metadata.name)
    if auth.takes_one_key:
        found.append(pods.secret_files("api-key", secret, {KEY_FILE: connections.API_KEY_LINES}))
    if auth.takes_named_keys and auth.api_keys_secret_ref is not None:
        found.append(_files("api-keys", auth.api_keys_secret_ref, NAMED_KEYS_FILE))
    token = auth.accepted_tokens
    if token is not None and token.source == "Cluster":
        found.append(_cluster_files())
    if token is not None and token.ca_secret_ref is not None:
        found.append(_files("token-ca", token.ca_secret_ref, "ca.crt"))
    return found


def mounts(instance: KatoInstance) -> list[Manifest]:
    """Where the container has them."""
    paths = {
        "api-key": KEY_DIR,
        "api-keys": NAMED_KEYS_DIR,
        "cluster": CLUSTER_DIR,
        "token-ca": CA_DIR,
    }
    return [
        {"name": volume["name"], "mountPath": paths[volume["name"]], "readOnly": True}
        for volume in volumes(instance)
    ]


def _rates(limit: RateLimit | None) -> dict[str, str]:
    if limit is None:
        return {}
    burst = {} if limit.burst is None else {"RATE_LIMIT_BURST": str(limit.burst)}
    per_s = str(limit.requests_per_second)
    return {"RATE_LIMIT_PER_S": per_s, **burst, "RATE_LIMIT_BY": limit.by.lower()}


def _tokens(token: Token | None) -> dict[str, str]:
    if token is None:
        return {}
    of_cluster = token.source == "Cluster"
    own_ca = token.ca_secret_ref is not None
    return {
        "TOKEN_ISSUER": token.issuer,
        "TOKEN_AUDIENCE": ",".join(token.audiences),
        "TOKEN_JWKS_URL": token.jwks_url or (CLUSTER_KEYS if of_cluster else ""),
        "TOKEN_CA_FILE": f"{CA_DIR if own_ca else CLUSTER_DIR}/ca.crt"
        if own_ca or of_cluster
        else "",
        "TOKEN_JWKS_BEARER_FILE": f"{CLUSTER_DIR}/token" if of_cluster else "",
        "TOKEN_USER_CLAIM": token.user_claim,
        "TOKEN_SCOPE_CLAIM": token.scope_claim,
        "TOKEN_SCOPES": ",".join(token.scopes),
        "TOKEN_ADMIN_SUBJECTS": ",".join(token.admin_subjects),
    }


def _files(name: str, source: SecretKey, file: str) -> Manifest:
    return pods.secret_files(name, source.name, {file: source.key})


def _cluster_files() -> Manifest:
    """The pod's own token, by which the API server lets it read the keys of service accounts, and
    the certificate of the API server. The token gives no other rights."""
    token = {"path": "token", "expirationSeconds": TOKEN_LIFETIME_S}
    ca = {"name": CLUSTER_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    sources = [{"serviceAccountToken": token}, {"configMap": ca}]
    return {"name": "cluster", "projected": {"sources": sources, "defaultMode": pods.SECRET_MODE}}
