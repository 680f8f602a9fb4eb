"""The KatoInstances as last seen: reports of the watch, lists, and answers to our own writes."""

from collections.abc import Callable, Iterable

from kato_operator.cluster.kube import Listing
from kato_operator.cluster.packed import PackedMap
from kato_operator.manifests import Key, Manifest, namespaced_name, version


class Instances:
    """Every KatoInstance by its key; *changed* gets the key of each that needs a pass.

    Those in *excluded* namespaces are never kept.
    """

    def __init__(self, *, changed: Callable[[Key], None], excluded: Iterable[str] = ()) -> None:
        self._changed = changed
        self._excluded = frozenset(excluded)
        self._known = PackedMap[Key]()
        self._excerpts: dict[Key, Manifest] = {}

    def get(self, key: Key) -> Manifest | None:
        """The instance as last seen; None when it is deleted."""
        return self._known.get(key)

    def keys(self) -> tuple[Key, ...]:
        return tuple(self._known)

    def all(self) -> tuple[Manifest, ...]:
        """Every instance as last seen: its name, owner, phase and the conditions that are True."""
        return tuple(self._excerpts.values())

    def put(self, raw: Manifest) -> None:
        """Keep a reported instance, unless a newer version of it is known."""
        if raw["metadata"]["namespace"] in self._excluded:
            return
        known = self._known.get(_key(raw))
        if known is None or version(known) < version(raw):
            self._keep(raw)
            self._changed(_key(raw))

    def put_answer(self, sent: Manifest, wanted: Manifest, answer: Manifest) -> None:
        """Keep the answer to a write that was based on *sent*, and that wanted this status.

        The watch may have reported a newer version, or the deletion, first: then the answer is
        ignored. The answer also holds whatever others have changed since *sent*: the spec, an
        annotation, the owner in the status. The watch's own report of that will be ignored as
        older, so it causes a pass now.
        """
        known = self._known.get(_key(sent))
        if known is None or version(known) >= version(answer):
            return
        self._keep(answer)
        if _was_changed_by_others(sent, wanted, answer):
            self._changed(_key(sent))

    def remove(self, key: Key, uid: str) -> None:
        """Drop a deleted instance; a later one of the same name stays."""
        known = self._known.get(key)
        if known is not None and known["metadata"]["uid"] == uid:
            del self._known[key]
            del self._excerpts[key]
            self._changed(key)

    def replace(self, listing: Listing) -> None:
        """Keep exactly what the list holds, and what is newer than the list."""
        listed = {_key(item) for item in listing.items}
        for key in self._known.keys() - listed:
            known = self._known[key]
            if version(known) <= int(listing.resource_version):
                self.remove(key, known["metadata"]["uid"])
        for item in listing.items:
            self.put(item)

    def _keep(self, raw: Manifest) -> None:
        raw["metadata"].pop("managedFields", None)  # large, and never read
        self._known[_key(raw)] = raw
        self._excerpts[_key(raw)] = _excerpt(raw)


def _was_changed_by_others(sent: Manifest, wanted: Manifest, answer: Manifest) -> bool:
    """Whether the answer differs from *sent* in more than the status that was wanted."""
    if _metadata(sent) != _metadata(answer):
        return True
    before, after = sent.get("status") or {}, answer.get("status") or {}
    # A field that the API server does not keep is as before, and no change. If it drops only a part
    # of one, this is one pass too many: that pass is based on the answer.
    return any(
        after.get(name) not in (wanted.get(name), before.get(name)) for name in {*wanted, *after}
    )


def _metadata(raw: Manifest) -> Manifest:
    unstable = ("resourceVersion", "managedFields")
    return {name: value for name, value in raw["metadata"].items() if name not in unstable}


def _excerpt(raw: Manifest) -> Manifest:
    meta, status = raw["metadata"], raw.get("status") or {}
    found = [item for item in status.get("conditions", ()) if item["status"] == "True"]
    facts = ("type", "status", "observedGeneration")
    conditions = [{name: item[name] for name in facts if name in item} for item in found]
    known = {name: status[name] for name in ("phase", "orchestratedBy") if name in status}
    return {
        "metadata": {name: meta[name] for name in ("namespace", "name", "generation")},
        "status": {**known, "conditions": conditions},
    }


def _key(raw: Manifest) -> Key:
    return Key(*namespaced_name(raw))
