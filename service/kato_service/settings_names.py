"""The names of settings: as they were spelled, and those that look like one but are none."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from pydantic import AliasChoices, BaseModel

from kato_service.errors import SettingsError

LIKE = 0.87
"""Share of characters that a name has to have in common with a setting to be taken for it."""
SHORTEST = 6
"""Characters of a name that is compared: shorter words look like each other by chance."""
_OF_KUBERNETES = re.compile(r".*_SERVICE_(HOST|PORT)(_\w+)?|.*_PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?")
"""Variables that Kubernetes sets in pods for every Service of their namespace."""


def spellings(model: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """The variables that set each field, by the name of the field."""
    return {name: _choices(field.validation_alias) for name, field in model.model_fields.items()}


def as_set(model: type[BaseModel], variable: str, environment: Mapping[str, str]) -> str:
    """The spelling of *variable* that is set, if it has several."""
    for names in spellings(model).values():
        if variable in names:
            return next((name for name in names if environment.get(name)), variable)
    return variable


def require_one_spelling(model: type[BaseModel], environment: Mapping[str, str]) -> None:
    """Refuse two spellings of one setting with different values."""
    for names in spellings(model).values():
        given = [name for name in names if environment.get(name)]
        if len({environment[name] for name in given}) > 1:
            raise SettingsError(
                f"{given[1]}: contradicts {given[0]}, which is another name of it and also set;"
                " accepted: only one of them"
            )


def misspelled(model: type[BaseModel], environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables that look like a setting and are none, each with the nearest setting."""
    known = {name for names in spellings(model).values() for name in names}
    by_letters = {_letters(name): name for name in known}
    for name in sorted(environment.keys() - known):
        letters = _letters(name)
        if letters in by_letters:
            yield name, by_letters[letters]
        elif len(letters) >= SHORTEST and not _OF_KUBERNETES.fullmatch(name):
            for nearest in get_close_matches(letters, by_letters, 1, LIKE):
                yield name, by_letters[nearest]


def _choices(alias: object) -> tuple[str, ...]:
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (str(alias),)


def _letters(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())
