"""How the tests of other packages' private parts look at classes and functions."""

import inspect
from collections.abc import Callable
from typing import Any


def parameters(function: Callable[..., Any]) -> list[str]:
    """The names of what it takes, apart from `self`."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


def names_of(kind: type[Any]) -> set[str]:
    """What a class itself defines, apart from what Python adds to every class."""
    own = (name for name in vars(kind) if not (name.startswith("__") and name.endswith("__")))
    return {name for name in own if name not in ("_abc_impl", "_is_protocol")}
