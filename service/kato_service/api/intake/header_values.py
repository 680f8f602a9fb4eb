"""Values of a request's headers, read where the server put them.

Starlette's `Headers` encodes and decodes on every look; each request is looked at several times.
"""

from starlette.types import Scope


def values_of(scope: Scope, name: bytes) -> list[str]:
    """The values of the header *name*, which is in lower case, in the order of the request."""
    return [value.decode("latin-1") for each, value in scope["headers"] if each == name]
