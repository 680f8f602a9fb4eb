"""Secrets of others, which specs refer to: read by name, and read again once they have changed.

The watch brings metadata alone, so the values of a Secret that no instance names never get here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kato_operator.cluster.cache import Reported
from kato_operator.cluster.kube import Kube, Listing
from kato_operator.kinds import CHILDREN
from kato_operator.manifests import Key, Manifest, namespaced_name, version

SECRET = CHILDREN["Secret"]


@dataclass(frozen=True, slots=True)
class Held:
    """The data of a Secret as of a version; None: there was none."""

    data: Mapping[str, str] | None
    version: int


class ReferredSecrets(Reported):
    """The Secrets that instances refer to; *changed* gets the keys of the instances of each change.

    It takes the reports of an informer as the cache of children does. Nothing is kept of a Secret
    to which no instance refers.

    Args:
        is_current: Whether the informer watches. While it does not, every use is a request.
    """

    def __init__(
        self, kube: Kube, *, changed: Callable[[Key], None], is_current: Callable[[], bool]
    ) -> None:
        self._kube = kube
        self._changed = changed
        self._is_current = is_current
        self._users: dict[tuple[str, str], set[Key]] = {}
        self._names: dict[Key, frozenset[str]] = {}
        self._held: dict[tuple[str, str], Held] = {}
        self._reported: dict[tuple[str, str], int] = {}

    async def read(self, key: Key, name: str) -> Mapping[str, str] | None:
        """The data of a Secret next to an instance, encoded as it is stored; None without one.

        From now on the instance gets a pass when the Secret changes. This holds before the request
        is sent, because a report may overtake the answer.
        """
        place = (key.namespace, name)
        self._users.setdefault(place, set()).add(key)
        self._names[key] = self._names.get(key, frozenset()) | {name}
        reported = self._reported.get(place, 0)
        held = self._held.get(place)
        if held is not None and held.version >= reported and self._is_current():
            return held.data
        found = await self._kube.get(SECRET, *place)
        read = Held(None, reported) if found is None else Held(_data(found), version(found))
        return self._kept(key, place, read).data

    def keep(self, key: Key, names: Iterable[str]) -> None:
        """Drop what this instance alone referred to, except these names."""
        kept = frozenset(names)
        for name in self._names.pop(key, frozenset()) - kept:
            self._drop(key, (key.namespace, name))
        if kept:
            self._names[key] = kept

    def put(self, found: Manifest) -> None:
        """A report that a Secret has this version."""
        self._report(namespaced_name(found), version(found))

    def remove(self, gone: Manifest) -> None:
        """A report that a Secret was deleted, in this version."""
        self._report(namespaced_name(gone), version(gone))

    def replace(self, kind: str, listing: Listing) -> None:
        """A list of all Secrets: reports on those in it, and on those that are not."""
        listed = {namespaced_name(item): version(item) for item in listing.items}
        at = int(listing.resource_version)
        for place in tuple(self._users):
            held = self._held.get(place)
            if place in listed:
                self._report(place, listed[place])
            elif held is not None and held.data is not None:
                self._report(place, at)

    def drop(self, kind: str) -> None:
        """Never called: every API server serves Secrets."""

    def appeared(self) -> None:
        """Never called, for the same reason."""

    def _kept(self, key: Key, place: tuple[str, str], read: Held) -> Held:
        """The newest of what was read, for this instance or another; all others get a pass."""
        known = self._held.get(place)
        if known is not None and read.data is not None and known.version > read.version:
            return known
        if place not in self._users:
            return read
        self._held[place] = read
        if known is not None and known.data != read.data:
            is_old = read.version < self._reported.get(place, 0)
            self._tell(self._users[place] - (set() if is_old else {key}))
        return read

    def _tell(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._changed(key)

    def _report(self, place: tuple[str, str], at: int) -> None:
        held = self._held.get(place)
        if place not in self._users or at <= self._reported.get(place, 0):
            return
        self._reported[place] = at
        if held is None or held.version < at:
            self._tell(self._users[place])

    def _drop(self, key: Key, place: tuple[str, str]) -> None:
        users = self._users.get(place, set())
        users.discard(key)
        if not users:
            self._users.pop(place, None)
            self._held.pop(place, None)
            self._reported.pop(place, None)


def _data(secret: Manifest) -> Mapping[str, str]:
    return dict(secret.get("data") or {})
