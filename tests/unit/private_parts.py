"""What the tests of other packages' private parts ask of functions and classes."""

import inspect
from collections.abc import Callable
from typing import Any


def parameters(function: Callable[..., Any]) -> list[str]:
    """The names of its parameters, apart from `self`."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


def names_of(kind: type[Any]) -> set[str]:
    """The names that a class itself defines, apart from those that Python adds to every class."""
    own = (name for name in vars(kind) if not (name.startswith("__") and name.endswith("__")))
    return {name for name in own if name not in ("_abc_impl", "_is_protocol")}
