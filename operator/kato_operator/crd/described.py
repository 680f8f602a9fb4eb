"""Texts about fields: the string below a field of a model describes it in the CRD.

Pydantic can read these strings itself, but does so for every class when it is defined, which took a
tenth of the time in which the operator starts; only the generator of the CRD needs them.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from inspect import cleandoc, getsource
from itertools import pairwise


def field_texts(model: type) -> dict[str, str]:
    """By field of *model*, those of its bases included, the string below it, if there is one."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base.__module__.startswith(__package__):
            texts |= _texts_by_class(base.__module__).get(base.__name__, {})
    return texts


@cache
def _texts_by_class(module: str) -> dict[str, dict[str, str]]:
    """By class of the module, the strings below its fields."""
    parsed = ast.parse(getsource(sys.modules[module]))
    return {
        one.name: dict(_texts(one.body)) for one in parsed.body if isinstance(one, ast.ClassDef)
    }


def _texts(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, cleandoc(text)
