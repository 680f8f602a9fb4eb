"""The Secrets that are generated once and never overwritten: credentials, MongoDB's keyfile."""

from collections.abc import Callable

from kato_operator import names
from kato_operator.children.component import Component
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest

CREDENTIALS = (
    names.REDIS_PASSWORD,
    names.MONGODB_OPERATOR_PASSWORD,
    names.MONGODB_SERVICE_PASSWORD,
    names.QDRANT_API_KEY,
    names.SERVICE_API_KEY,
)
"""All of them in every Secret, so that a retained one fits any instance that adopts it."""
KEYFILE_TOKENS = 4
AS_BASE64 = str.maketrans("-_", "+/")
"""A keyfile accepts only the characters of base64, which differ from its URL-safe alphabet."""


def generated_secrets(instance: KatoInstance, *, token: Callable[[], str]) -> tuple[Manifest, ...]:
    """The Secrets to create where there are none.

    Args:
        token: Gives a new random value, in the URL-safe alphabet, at every call.
    """
    found = [_credentials(instance, token)]
    if instance.spec.mongodb.mode == "Managed":
        found.append(_keyfile(instance, token))
    return tuple(found)


def _credentials(instance: KatoInstance, token: Callable[[], str]) -> Manifest:
    return Component(instance, names.SERVICE).retained(
        "Secret",
        names.credentials(instance.metadata.name),
        type=names.CREDENTIALS_TYPE,
        stringData={name: token() for name in CREDENTIALS},
    )


def _keyfile(instance: KatoInstance, token: Callable[[], str]) -> Manifest:
    text = "".join(token() for _ in range(KEYFILE_TOKENS))
    return Component(instance, names.MONGODB).retained(
        "Secret",
        names.keyfile(instance.metadata.name),
        type=names.CREDENTIALS_TYPE,
        immutable=True,
        stringData={names.KEYFILE: text.translate(AS_BASE64)},
    )
