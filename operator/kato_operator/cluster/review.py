"""How a child differs from its manifest, and which field manager is behind it: pure functions."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from kato_operator.cluster.allowances import OWN_MANAGERS, is_allowed, is_bookkeeping
from kato_operator.cluster.compare import differences
from kato_operator.cluster.fields import (
    Owned,
    Ownership,
    Path,
    first_unnamed,
    is_at,
    shown,
    without,
)
from kato_operator.crd.parts import ForeignFields
from kato_operator.manifests import Manifest

UNRECORDED = ".metadata.managedFields"
"""The path of a child whose record of field managers was erased."""
ADDRESS = ("f:spec", "f:clusterIP")


@dataclass(frozen=True, slots=True)
class Difference:
    """A place in which a child differs from its manifest.

    *manager* owns the field; it is empty where a field is missing, which nobody owns. *allowed*
    fields stay. *contested* ones come back as often as they are repaired.
    """

    path: str
    manager: str = ""
    allowed: bool = False
    contested: bool = False


@dataclass(frozen=True)
class Review:
    """A child next to its manifest, and what others own of it.

    *surplus* are fields that the manifest does not name and that nobody else may own, *allowed*
    those that others may own.
    """

    live: Manifest
    wanted: Manifest
    ownership: Ownership
    chosen: ForeignFields

    @cached_property
    def surplus(self) -> tuple[Owned, ...]:
        return tuple(item for item in self._unnamed if not self._may_stay(item))

    @cached_property
    def allowed(self) -> tuple[Owned, ...]:
        return tuple(item for item in self._unnamed if self._may_stay(item))

    @cached_property
    def rest(self) -> Manifest:
        """The child without the fields of others that its manifest does not name."""
        taken = [item.path for item in self._unnamed]
        return without(self.live, taken) if taken else self.live

    @property
    def is_unmendable(self) -> bool:
        """Whether no apply can help: a Service without an address stays one, and is not refused."""
        live, wanted = (each.get("spec", {}).get("clusterIP") for each in (self.live, self.wanted))
        return bool(live == "None" != wanted)

    @property
    def additions(self) -> Iterator[Difference]:
        """What others have added, and must not own."""
        if not self.ownership.is_applied:
            yield Difference(UNRECORDED)
        if self.is_unmendable:
            owners = (item.manager for item in self.ownership.others if item.path == ADDRESS)
            yield Difference(shown(ADDRESS), next(owners, ""))
        yield from self._differences(self.surplus)

    @property
    def allowances(self) -> Iterator[Difference]:
        """What others have added, and may own."""
        known = tuple(item for item in self.allowed if not self._is_silent(item))
        yield from self._differences(known, allowed=True)

    def changes(self, wanted: Manifest) -> Iterator[Difference]:
        """Where the child does not have what a manifest names."""
        named = [item for item in self.ownership.others if item not in self._unnamed]
        for path in differences(self.rest, wanted):
            managers = (item.manager for item in named if is_at(self.rest, item.path, path))
            yield Difference(path, next(managers, ""))

    @cached_property
    def _unnamed(self) -> tuple[Owned, ...]:
        return tuple(
            item
            for item in self.ownership.others
            if first_unnamed(self.wanted, item.path) is not None
        )

    def _differences(
        self, found: tuple[Owned, ...], *, allowed: bool = False
    ) -> Iterator[Difference]:
        """One difference for every addition, whatever the number of fields in it."""
        known: dict[Path, str] = {}
        for item in found:
            known.setdefault(first_unnamed(self.wanted, item.path) or (), item.manager)
        for path, manager in known.items():
            yield Difference(shown(path), manager, allowed=allowed)

    def _may_stay(self, item: Owned) -> bool:
        return self._is_silent(item) or is_allowed(
            self.wanted, item.path, item.manager, self.chosen
        )

    def _is_silent(self, item: Owned) -> bool:
        if is_bookkeeping(self.wanted, item.path):
            return True
        is_own = item.manager in OWN_MANAGERS
        return is_own and is_allowed(self.wanted, item.path, item.manager, self.chosen)
