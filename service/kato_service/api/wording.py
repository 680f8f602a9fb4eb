"""The findings of the validator in plain words, with the known name that is nearest."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from kato_service.errors import InvalidInputError
from kato_service.findings import MAX_NAME_CHARS, MAX_SHOWN, REQUIRED, Finding, Place

ALIKE = 0.6
"""How alike two names are, in [0, 1], for one to be taken for a slip of the other."""
MIN_PART_CHARS = 3
"""Characters of a name that is taken for a part of another."""
_Context = Mapping[str, Any]


def invalid_input(
    errors: Sequence[Mapping[str, Any]], model: Any = None, *, part: str | None = "body"
) -> InvalidInputError:
    """The validator's *errors* as findings, without any value.

    Args:
        errors: At least one, as pydantic lists them.
        model: The type that was validated; it holds the names that are known.
        part: The part of the request in which their locations are; None: the locations say it.
    """
    outer = () if part is None else (part,)
    found = [_finding((*outer, *error["loc"]), error, model) for error in errors[:MAX_SHOWN]]
    return InvalidInputError(found, len(errors))


def unknown(name: str, known: Collection[str], *, refused: str = "is not a known field") -> str:
    """Why *name* is *refused*, with the nearest of the *known* names, or all if none is near."""
    nearest = _nearest(name, known)
    if nearest is not None:
        return f"{refused}; did you mean {nearest}?"
    return f"{refused}; known: {', '.join(sorted(known))}" if known else refused


def spellings(model: type[BaseModel]) -> frozenset[str]:
    """All names of the fields of *model*, aliases included."""
    return frozenset(name for field in model.model_fields.items() for name in _names(*field))


def _finding(place: Place, error: Mapping[str, Any], model: Any) -> Finding:
    if error["type"] == "extra_forbidden":
        return Finding(place, _refused_name(place, model))
    words = _WORDS.get(error["type"], _NOT_VALID)
    return Finding(place, words(error.get("ctx") or {}))


def _refused_name(place: Place, model: Any) -> str:
    """Why a field is refused: it is unknown, or another name of a field that is given too."""
    name = str(place[-1])
    owner = _model_at(model, place[1:-1])
    if owner is None:
        return "is not a known field"
    for field in owner.model_fields.items():
        names = _names(*field)
        if name in names:
            return f"means the same as {names[0]}; send only one of them"
    return unknown(name, spellings(owner))


def _nearest(name: str, known: Collection[str]) -> str | None:
    if len(name) > MAX_NAME_CHARS:
        return None  # comparing takes long, and no name of ours is as long
    plain = {_plain(one): one for one in known}
    given = _plain(name)
    close = get_close_matches(given, plain, n=1, cutoff=ALIKE)
    if close:
        return plain[close[0]]
    parts = [
        one for one in plain if len(given) >= MIN_PART_CHARS and (given in one or one in given)
    ]
    return plain[min(parts, key=len)] if parts else None


def _plain(name: str) -> str:
    """*name* without what differs between spellings such as ``userId`` and ``user_id``."""
    return "".join(filter(str.isalnum, name)).lower()


def _names(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    others = map(str, alias.choices) if isinstance(alias, AliasChoices) else ()
    return list(dict.fromkeys((name, *others)))


def _model_at(model: Any, place: Iterable[str | int]) -> type[BaseModel] | None:
    """The model of the object at *place* in a value of the type *model*."""
    found = _bare(model)
    for part in place:
        if isinstance(part, int):
            found = _bare((get_args(found) or (None,))[0])
            continue
        fields = found.model_fields.items() if _is_model(found) else ()
        owners = (field for name, field in fields if part in _names(name, field))
        owner = next(owners, None)
        found = None if owner is None else _bare(owner.annotation)
    return found if _is_model(found) else None


def _bare(annotation: Any) -> Any:
    """*annotation* without metadata and without None."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _bare(next(one for one in get_args(annotation) if one is not type(None)))
    return annotation


def _is_model(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseModel)


def _not_short(given: _Context) -> str:
    least = given["min_length"]
    return "must not be empty" if least == 1 else f"must have at least {least} characters"


def _number(bound: Any) -> str:
    return str(int(bound)) if float(bound).is_integer() else str(bound)


def _always(words: str) -> Callable[[_Context], str]:
    return lambda _given: words


_NOT_VALID = _always("is not valid")
_WHOLE, _NUMBER = _always("must be a whole number"), _always("must be a number")
_BOOL, _OBJECT = _always("must be true or false"), _always("must be an object")


def _few(given: _Context) -> str:
    least = given["min_length"]
    return f"must have at least {least} item{'s' if least > 1 else ''}"


_WORDS: dict[str, Callable[[_Context], str]] = {
    "missing": _always(REQUIRED),
    "value_error": lambda given: str(given["error"]),
    "string_type": _always("must be text"),
    "string_unicode": _always("must be valid Unicode text, without lone surrogates"),
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _always("must be a whole number with fewer digits"),
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _always("must be a finite number"),
    "bool_type": _BOOL,
    "bool_parsing": _BOOL,
    "list_type": _always("must be an array"),
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "literal_error": lambda given: "must be " + str(given["expected"]).replace("'", ""),
    "string_too_short": _not_short,
    "string_too_long": lambda given: f"must have at most {given['max_length']} characters",
    "too_short": _few,
    "too_long": lambda given: f"must have at most {given['max_length']} items",
    "greater_than_equal": lambda given: f"must be at least {_number(given['ge'])}",
    "less_than_equal": lambda given: f"must be at most {_number(given['le'])}",
    "recursion_depth_exceeded": _always("is nested too deeply"),
}
"""By the validator's name for what is wrong: words for it, of its bounds."""
