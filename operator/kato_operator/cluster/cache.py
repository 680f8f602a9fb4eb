"""The children as last seen: lists, watches, and the answers to our own writes."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from kato_operator import names
from kato_operator.backoff import Backoff
from kato_operator.cluster.fields import NEVER_APPLIED, Ownership, ownership
from kato_operator.cluster.kube import Kube, Listing, WatchEvent
from kato_operator.cluster.ownership import is_managed
from kato_operator.cluster.packed import PackedMap
from kato_operator.errors import ExpiredError, KubeError, MissingError
from kato_operator.kinds import Kind
from kato_operator.manifests import Key, Manifest, Name, key_of, name_of, namespaced_name, version

log = structlog.get_logger()

RECONNECTS = Backoff(first_s=1.0, longest_s=30.0)
UNSERVED_S = 30.0
"""Seconds between two attempts to list a kind that the cluster does not serve."""
SHORTEST_WATCH_S = 1.0
"""Seconds between the starts of two watches: a proxy in between may end every watch at once."""


class Reported(Protocol):
    """What takes the reports of an informer."""

    def put(self, found: Manifest) -> None:
        """An object is there in this version."""

    def remove(self, gone: Manifest) -> None:
        """An object was deleted."""

    def replace(self, kind: str, listing: Listing) -> None:
        """These are all objects of a kind."""

    def drop(self, kind: str) -> None:
        """There is nothing of an optional kind any more, because its CRD is gone."""

    def appeared(self) -> None:
        """An optional kind that was not served is served now."""


class Cache:
    """Every object with our label; *changed* gets the key of the instance on every change.

    *appeared* is called when a kind is served that was not.

    Reports arrive out of order: a list, a watch and the answers to writes overtake each other. The
    resourceVersion decides which is newer, also for objects that are gone (`_gone` keeps the
    version at which each was deleted, until a list has confirmed it).
    """

    def __init__(
        self, *, changed: Callable[[Key], None], appeared: Callable[[], None] = lambda: None
    ) -> None:
        self._changed = changed
        self.appeared = appeared
        self._objects: dict[str, PackedMap[tuple[str, str]]] = {}
        self._of_instance: dict[Key, dict[Name, PackedMap[tuple[str, str]]]] = {}
        self._ownership: dict[str, dict[tuple[str, str], Ownership]] = {}
        self._gone: dict[str, dict[tuple[str, str], int]] = {}

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """An object by its name; None when the cache does not hold it."""
        known = self._objects.get(kind)
        return None if known is None else known.get((namespace, name))

    def of_instance(self, key: Key) -> tuple[Manifest, ...]:
        """All objects whose label names this instance."""
        held = self._of_instance.get(key, {})
        return tuple(objects[key.namespace, name] for (_, name), objects in held.items())

    def ownership(self, found: Manifest) -> Ownership:
        """What others own of an object in the cache."""
        known = self._ownership.get(found["kind"], {})
        return known.get(namespaced_name(found), NEVER_APPLIED)

    def put(self, found: Manifest) -> None:
        """Keep a reported object, unless the cache holds a newer version of it."""
        if not is_managed(found):
            return self.remove(found)
        known = self._known(found)
        if self._is_gone(found) or (known is not None and version(known) >= version(found)):
            return None
        self._forget(known)
        self._keep(found)
        if known is not None and key_of(known) != key_of(found):
            self._changed(key_of(known))  # the label names another instance now
        return self._changed(key_of(found))

    def remove(self, gone: Manifest) -> None:
        """Drop a deleted object, unless the cache holds a newer one of its name."""
        self._gone.setdefault(gone["kind"], {})[namespaced_name(gone)] = version(gone)
        known = self._known(gone)
        if known is not None and version(known) <= version(gone):
            self._forget(known)
            self._changed(key_of(known))

    def replace(self, kind: str, listing: Listing) -> None:
        """Keep exactly what the list of a kind holds, and what is newer than the list."""
        listed = {namespaced_name(item) for item in listing.items}
        held = self._objects.get(kind, PackedMap())
        for known in [held[name] for name in held.keys() - listed]:
            if version(known) <= int(listing.resource_version):
                self._forget(known)
                self._changed(key_of(known))
        for item in listing.items:
            self.put(item)
        self._forget_gone(kind, int(listing.resource_version))

    def drop(self, kind: str) -> None:
        """Forget a kind that the cluster no longer serves: its objects are gone with its CRD."""
        for known in tuple(self._objects.get(kind, {}).values()):
            self._forget(known)
            self._changed(key_of(known))
        self._gone.pop(kind, None)

    def _is_gone(self, found: Manifest) -> bool:
        """Whether this report is late: the object has been reported as deleted since."""
        return self._gone.get(found["kind"], {}).get(namespaced_name(found), -1) >= version(found)

    def _forget_gone(self, kind: str, listed_at: int) -> None:
        gone = self._gone.get(kind, {})
        self._gone[kind] = {name: at for name, at in gone.items() if at > listed_at}

    def _known(self, found: Manifest) -> Manifest | None:
        return self.get(found["kind"], *namespaced_name(found))

    def _keep(self, found: Manifest) -> None:
        self._ownership.setdefault(found["kind"], {})[namespaced_name(found)] = ownership(found)
        found["metadata"].pop("managedFields", None)
        objects = self._objects.setdefault(found["kind"], PackedMap())
        objects[namespaced_name(found)] = found
        self._of_instance.setdefault(key_of(found), {})[name_of(found)] = objects

    def _forget(self, known: Manifest | None) -> None:
        if known is None:
            return
        del self._objects[known["kind"]][namespaced_name(known)]
        del self._ownership[known["kind"]][namespaced_name(known)]
        siblings = self._of_instance[key_of(known)]
        del siblings[name_of(known)]
        if not siblings:
            del self._of_instance[key_of(known)]


class Informer:
    """Keeps the objects of one kind in the cache up to date while `run` runs: list, then watch.

    Args:
        cache: Gets what is reported.
        namespace: The only namespace to look at; empty: all of them.
        unserved_s: Seconds until a kind that is not served is listed again.
        reconnects: Gives the delays after failures.
    """

    def __init__(
        self,
        kube: Kube,
        kind: Kind,
        cache: Reported,
        *,
        namespace: str,
        unserved_s: float = UNSERVED_S,
        reconnects: Backoff = RECONNECTS,
    ) -> None:
        self._kube = kube
        self._kind = kind
        self._cache = cache
        self._namespace = namespace
        self._unserved_s = unserved_s
        self._selector = "" if kind.metadata_only else names.MANAGED_SELECTOR
        self._reconnects = reconnects
        self._failures = 0
        self.is_served = True
        self.is_current = False
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """List and watch until cancelled; an optional kind that is not served counts as empty."""
        while True:
            try:
                since = await self.relist()
                self.is_current = True  # not in `relist`, which a resync calls without a watch
                await self._watch(since)
            except ExpiredError:
                self.is_current = False
                log.info("watch expired", kind=self._kind.name)
                await asyncio.sleep(SHORTEST_WATCH_S)
            except KubeError as error:
                self.is_current = False
                if isinstance(error, MissingError) and self._kind.is_optional:
                    self._vanished()
                    await asyncio.sleep(self._unserved_s)
                else:
                    log.warning("watch failed", kind=self._kind.name, error=str(error))
                    await asyncio.sleep(self._reconnect_s())

    async def relist(self) -> str:
        """Replace what the cache holds of this kind; the resourceVersion to watch from."""
        listing = await self._kube.list(
            self._kind, namespace=self._namespace, selector=self._selector
        )
        self._cache.replace(self._kind.name, listing)
        self._failures = 0
        if not self.is_served:
            self.is_served = True
            log.info("kind appeared", kind=self._kind.name)
            self._cache.appeared()
        self.synced.set()
        return listing.resource_version

    def _vanished(self) -> None:
        """Note that the API server does not serve the kind, as long as its CRD is missing."""
        if self.is_served:
            self.is_served = False
            log.info("kind not served", kind=self._kind.name)
            self._cache.drop(self._kind.name)
        self.synced.set()

    async def _watch(self, since: str) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            next_start = clock() + SHORTEST_WATCH_S
            events = self._kube.watch(
                self._kind, since, namespace=self._namespace, selector=self._selector
            )
            async for event in events:
                self._handle(event)
                since = event.object["metadata"]["resourceVersion"]
            await asyncio.sleep(next_start - clock())

    def _handle(self, event: WatchEvent) -> None:
        if event.type in ("ADDED", "MODIFIED"):
            self._cache.put(event.object)
        elif event.type == "DELETED":
            self._cache.remove(event.object)

    def _reconnect_s(self) -> float:
        self._failures += 1
        return self._reconnects.delay_s(self._failures)
