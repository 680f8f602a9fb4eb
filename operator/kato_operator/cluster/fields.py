"""The fields that field managers own, in the spelling of `managedFields`: pure functions.

A path is a tuple of steps: `f:name` a field, `k:{…}` the element of a list with these keys, `v:…`
an element with this value, and `.` at the end the map or element itself.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kato_operator import names
from kato_operator.manifests import Manifest

Path = tuple[str, ...]
Fields = dict[str, Any]
ITSELF = "."


@dataclass(frozen=True, slots=True)
class Owned:
    """A field, and the field manager that owns it."""

    path: Path
    manager: str


@dataclass(frozen=True, slots=True)
class Ownership:
    """What others own of an object: the fields that our last apply does not own as well.

    *is_applied* is False for an object that we never applied, or that has lost its managedFields.
    """

    others: tuple[Owned, ...] = ()
    is_applied: bool = False


NEVER_APPLIED = Ownership()
ALL_OURS = Ownership(is_applied=True)


def ownership(live: Manifest) -> Ownership:
    """The ownership that the managedFields of an object record; that of its status does not count.

    Fields that nobody owns are no one's addition: the API server, or an admission webhook, sets
    them in every write.
    """
    entries = [item for item in live["metadata"].get("managedFields", ()) if not _is_status(item)]
    ours = next((_fields(item) for item in entries if is_ours(item)), None)
    if ours is None:
        return NEVER_APPLIED
    owned = frozenset(paths(ours))
    found = tuple(
        Owned(path, item["manager"])
        for item in entries
        if not is_ours(item)
        for path in paths(_fields(item))
        if path not in owned
    )
    return Ownership(found, is_applied=True) if found else ALL_OURS


def is_ours(entry: Manifest) -> bool:
    """Whether an entry of managedFields records what we applied."""
    name, operation = entry.get("manager"), entry.get("operation")
    return (name, operation) == (names.FIELD_MANAGER, "Apply") and not entry.get("subresource")


def transferred(entries: Iterable[Manifest], taken: Iterable[Path]) -> list[Manifest]:
    """The entries of managedFields with these paths owned by our apply, and by no one else."""
    moved, found = set(taken), []
    for entry in entries:
        fields = _fields(entry)
        if is_ours(entry):
            fields = _built({*paths(fields), *moved})
        elif not _is_status(entry):
            fields = _built(set(paths(fields)) - moved)
        if fields:
            found.append({**entry, "fieldsV1": fields})
    return found


def paths(fields: Fields) -> Iterator[Path]:
    """The path of every field in an entry."""
    for step, below in fields.items():
        if not below:
            yield (step,)
        else:
            for path in paths(below):
                yield (step, *path)


def first_unnamed(manifest: Manifest, path: Path) -> Path | None:
    """The shortest beginning of a path that a manifest does not name; None if it names all of it.

    Every manifest names its maps of labels and annotations, although they may be empty.
    """
    value: Any = manifest
    for position, step in enumerate(path):
        if step == ITSELF or not isinstance(value, dict | list):
            return None  # below what the manifest has as a whole
        value = _below(value, step)
        if value is None and _is_metadata_map(path[: position + 1]):
            value = {}
        if value is None:
            return path[: position + 1]
    return None


def shown(path: Path) -> str:
    """A path as people write it: `.spec.ports['8000/TCP'].nodePort`."""
    return "".join(_shown(step) for step in path if step != ITSELF)


def plain(path: Path) -> Path:
    """The path with fields by their plain names, and without the step to the map itself."""
    return tuple(step.removeprefix("f:") for step in path if step != ITSELF)


def element(step: str) -> tuple[str, ...]:
    """The values that identify an element of a list; none for a field."""
    if step.startswith("k:"):
        return tuple(str(value) for value in json.loads(step[2:]).values())
    return (str(json.loads(step[2:])),) if step.startswith("v:") else ()


def without(live: Manifest, taken: Iterable[Path]) -> Manifest:
    """The object without the fields at these paths."""
    copy: Manifest = json.loads(json.dumps(live))
    for path in taken:
        _remove(copy, path)
    return copy


def is_at(live: Any, path: Path, position: str) -> bool:
    """Whether a path leads to this position, or above or below it, as in `.spec.ports[0].port`."""
    found = _position(live, path)
    return found.startswith(position) or position.startswith(found)


def _position(value: Any, path: Path) -> str:
    text = ""
    for step in path:
        if step == ITSELF or value is None:
            break
        if isinstance(value, list):
            index = next((at for at, item in enumerate(value) if _fits(item, step)), None)
            if index is None:
                break
            text, value = f"{text}[{index}]", value[index]
        else:
            text += _shown(step)
            value = value.get(step[2:]) if isinstance(value, dict) else None
    return text


def _remove(value: Any, path: Path) -> None:
    *above, last = [step for step in path if step != ITSELF]
    for step in above:
        value = _below(value, step)
        if value is None:
            return
    if isinstance(value, dict):
        value.pop(last[2:], None)
    elif isinstance(value, list):
        value[:] = [item for item in value if not _fits(item, last)]


def _below(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step[2:]) if step.startswith("f:") else None
    return next((item for item in value if _fits(item, step)), None)


def _fits(item: Any, step: str) -> bool:
    """Whether an element of a list is the one that a step names.

    A manifest may leave out a key that has a default.
    """
    if step.startswith("v:"):
        return bool(item == json.loads(step[2:]))
    if not step.startswith("k:") or not isinstance(item, dict):
        return False
    keys = json.loads(step[2:])
    known = {name: item[name] for name in keys if name in item}
    return bool(known) and all(value == keys[name] for name, value in known.items())


def _shown(step: str) -> str:
    if step.startswith("f:"):
        name = step[2:]
        return f".{name}" if name.replace("-", "").replace("_", "").isalnum() else f"['{name}']"
    return f"['{'/'.join(element(step))}']"


def _is_metadata_map(path: Path) -> bool:
    return path[-2:] in (("f:metadata", "f:labels"), ("f:metadata", "f:annotations"))


def _is_status(entry: Manifest) -> bool:
    return entry.get("subresource") == "status"


def _fields(entry: Manifest) -> Fields:
    found: Fields = entry.get("fieldsV1") or {}
    return found


def _built(found: Iterable[Path]) -> Fields:
    root: Fields = {}
    for path in sorted(found):
        level = root
        for step in path:
            level = level.setdefault(step, {})
    return root
