"""Manifests kept as bytes: a tenth of the memory of maps, for objects that are seldom looked at."""

import marshal
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping, Sequence
from typing import TypeVar, overload

from kato_operator.manifests import Manifest

K = TypeVar("K")
RECENT = 64
"""Manifests per map that stay decoded: one pass looks at the same ones many times."""


class PackedMap(MutableMapping[K, Manifest]):
    """Manifests by a key. What it gives must not be changed: it may be given again, or not."""

    def __init__(self) -> None:
        self._packed: dict[K, bytes] = {}
        self._recent: OrderedDict[K, Manifest] = OrderedDict()

    def __getitem__(self, key: K) -> Manifest:
        found = self._recent.get(key)
        if found is None:
            found = marshal.loads(self._packed[key])
        return self._remember(key, found)

    def __setitem__(self, key: K, value: Manifest) -> None:
        self._packed[key] = marshal.dumps(value)
        self._remember(key, value)

    def __delitem__(self, key: K) -> None:
        del self._packed[key]
        self._recent.pop(key, None)

    def __iter__(self) -> Iterator[K]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def _remember(self, key: K, value: Manifest) -> Manifest:
        self._recent[key] = value
        self._recent.move_to_end(key)
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        return value


class PackedList(Sequence[Manifest]):
    """Manifests in order, each decoded whenever it is looked at."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []

    def append(self, value: Manifest) -> None:
        self._packed.append(marshal.dumps(value))

    @overload
    def __getitem__(self, index: int) -> Manifest: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Manifest]: ...

    def __getitem__(self, index: int | slice) -> Manifest | Sequence[Manifest]:
        if isinstance(index, slice):
            return [marshal.loads(item) for item in self._packed[index]]
        found: Manifest = marshal.loads(self._packed[index])
        return found

    def __len__(self) -> int:
        return len(self._packed)
