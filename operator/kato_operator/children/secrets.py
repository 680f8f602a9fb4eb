"""The Secrets that are generated once and never overwritten: credentials and MongoDB's keyfile."""

from collections.abc import Callable

from kato_operator import names
from kato_operator.children.part import Part
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest

CREDENTIALS = (
    names.REDIS_PASSWORD,
    names.MONGODB_OPERATOR_PASSWORD,
    names.MONGODB_SERVICE_PASSWORD,
    names.QDRANT_API_KEY,
    names.SERVICE_API_KEY,
)
"""Always all of them: a Secret that is kept fits whatever instance adopts it."""
KEYFILE_TOKENS = 4
AS_BASE64 = str.maketrans("-_", "+/")
"""A keyfile may hold the characters of base64 only."""


def generated_secrets(instance: KatoInstance, *, token: Callable[[], str]) -> tuple[Manifest, ...]:
    """The Secrets to make where there are none.

    Args:
        token: Gives a new secret, in the URL-safe alphabet, at every call.
    """
    found = [_credentials(instance, token)]
    if instance.spec.mongodb.mode == "Managed":
        found.append(_keyfile(instance, token))
    return tuple(found)


def _credentials(instance: KatoInstance, token: Callable[[], str]) -> Manifest:
    return Part(instance, names.SERVICE).kept(
        "Secret",
        names.credentials(instance.metadata.name),
        type=names.CREDENTIALS_TYPE,
        stringData={name: token() for name in CREDENTIALS},
    )


def _keyfile(instance: KatoInstance, token: Callable[[], str]) -> Manifest:
    text = "".join(token() for _ in range(KEYFILE_TOKENS))
    return Part(instance, names.MONGODB).kept(
        "Secret",
        names.keyfile(instance.metadata.name),
        type=names.CREDENTIALS_TYPE,
        immutable=True,
        stringData={names.KEYFILE: text.translate(AS_BASE64)},
    )
