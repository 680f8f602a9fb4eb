"""What the API server last said about our children: list, watch, and our own writes."""

import asyncio
from collections.abc import Callable

import structlog

from kato_operator import names
from kato_operator.backoff import Backoff
from kato_operator.cluster.kube import Kube, Listing, WatchEvent
from kato_operator.errors import ExpiredError, KubeError, MissingError
from kato_operator.kinds import Kind
from kato_operator.manifests import Key, Manifest, Name, key_of, namespaced_name, version

log = structlog.get_logger()

RECONNECTS = Backoff(first_s=1.0, longest_s=30.0)
UNSERVED_S = 600.0
SHORTEST_WATCH_S = 1.0
"""A watch that ends sooner is not begun again before: a proxy may end each at once."""


class Cache:
    """Objects with our label by kind and name; *changed* hears the instance of every change."""

    def __init__(self, *, changed: Callable[[Key], None]) -> None:
        self._changed = changed
        self._objects: dict[str, dict[tuple[str, str], Manifest]] = {}
        self._of_instance: dict[Key, dict[Name, Manifest]] = {}
        self._gone: dict[str, dict[tuple[str, str], int]] = {}

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        return self._objects.get(kind, {}).get((namespace, name))

    def of_instance(self, key: Key) -> tuple[Manifest, ...]:
        """All objects whose label names this instance."""
        return tuple(self._of_instance.get(key, {}).values())

    def put(self, found: Manifest) -> None:
        """Take in an answer or an event; an older one than the cache has is ignored."""
        if not _is_labelled(found):
            return self.remove(found)
        known = self._known(found)
        if self._went(found) or (known is not None and version(known) >= version(found)):
            return None
        self._forget(known)
        self._keep(found)
        if known is not None and key_of(known) != key_of(found):
            self._changed(key_of(known))  # somebody took our label away
        return self._changed(key_of(found))

    def remove(self, gone: Manifest) -> None:
        """Forget an object, unless the cache knows a newer one of its name."""
        self._gone.setdefault(gone["kind"], {})[namespaced_name(gone)] = version(gone)
        known = self._known(gone)
        if known is not None and version(known) <= version(gone):
            self._forget(known)
            self._changed(key_of(known))

    def replace(self, kind: str, listing: Listing) -> None:
        """Make the cache of a kind what the list says, apart from what we wrote since."""
        listed = {namespaced_name(item) for item in listing.items}
        for place, known in tuple(self._objects.get(kind, {}).items()):
            if place not in listed and version(known) <= int(listing.resource_version):
                self._forget(known)
                self._changed(key_of(known))
        for item in listing.items:
            self.put(item)
        self._forget_gone(kind, int(listing.resource_version))

    def _went(self, found: Manifest) -> bool:
        """Whether a list or an answer comes late: the object was reported gone since."""
        return self._gone.get(found["kind"], {}).get(namespaced_name(found), -1) >= version(found)

    def _forget_gone(self, kind: str, listed_at: int) -> None:
        gone = self._gone.get(kind, {})
        self._gone[kind] = {place: at for place, at in gone.items() if at > listed_at}

    def _known(self, found: Manifest) -> Manifest | None:
        return self._objects.get(found["kind"], {}).get(namespaced_name(found))

    def _keep(self, found: Manifest) -> None:
        found["metadata"].pop("managedFields", None)
        self._objects.setdefault(found["kind"], {})[namespaced_name(found)] = found
        name = (found["kind"], found["metadata"]["name"])
        self._of_instance.setdefault(key_of(found), {})[name] = found

    def _forget(self, known: Manifest | None) -> None:
        if known is None:
            return
        del self._objects[known["kind"]][namespaced_name(known)]
        siblings = self._of_instance[key_of(known)]
        del siblings[known["kind"], known["metadata"]["name"]]
        if not siblings:
            del self._of_instance[key_of(known)]


class Informer:
    """Keeps one kind of a cache true, for as long as `run` runs."""

    def __init__(
        self,
        kube: Kube,
        kind: Kind,
        cache: Cache,
        *,
        namespace: str,
        reconnects: Backoff = RECONNECTS,
    ) -> None:
        self._reconnects = reconnects
        self._kube = kube
        self._kind = kind
        self._cache = cache
        self._namespace = namespace
        self._failures = 0
        self.synced = asyncio.Event()

    async def run(self) -> None:
        while True:
            try:
                await self._watch(await self.relist())
            except ExpiredError:
                log.info("watch expired", kind=self._kind.name)
                await asyncio.sleep(SHORTEST_WATCH_S)
            except MissingError:
                self.synced.set()
                await asyncio.sleep(UNSERVED_S)
            except KubeError as error:
                log.warning("watch failed", kind=self._kind.name, error=str(error))
                await asyncio.sleep(self._reconnect_s())

    async def relist(self) -> str:
        """Replace the kind's part of the cache; the resourceVersion to watch from."""
        listing = await self._kube.list(
            self._kind, namespace=self._namespace, selector=names.MANAGED_SELECTOR
        )
        self._cache.replace(self._kind.name, listing)
        self._failures = 0
        self.synced.set()
        return listing.resource_version

    async def _watch(self, since: str) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            soonest_again = clock() + SHORTEST_WATCH_S
            events = self._kube.watch(
                self._kind, since, namespace=self._namespace, selector=names.MANAGED_SELECTOR
            )
            async for event in events:
                self._take_in(event)
                since = event.object["metadata"]["resourceVersion"]
            await asyncio.sleep(soonest_again - clock())

    def _take_in(self, event: WatchEvent) -> None:
        if event.type in ("ADDED", "MODIFIED"):
            self._cache.put(event.object)
        elif event.type == "DELETED":
            self._cache.remove(event.object)

    def _reconnect_s(self) -> float:
        self._failures += 1
        return self._reconnects.delay_s(self._failures)


def _is_labelled(found: Manifest) -> bool:
    labels = found["metadata"].get("labels") or {}
    return bool(labels.get(names.MANAGED_BY_LABEL) == names.MANAGED_BY)
