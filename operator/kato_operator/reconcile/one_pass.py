"""The state of one pass, which its steps hand to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kato_operator import names
from kato_operator.children import Rotation
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest, Name, name_of
from kato_operator.reconcile import credentials
from kato_operator.status.causes import Warnings
from kato_operator.status.diagnosis import Verdict

NOT_YET = Verdict(None, names.REASON_PENDING, "not evaluated yet")


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over one instance, as far as it has come.

    *raw* is the instance as the API server has it. *secrets* are the generated ones, *in_use* those
    of their values that the service uses, *rotation* what else is valid, and *rotating* what is
    said of that. *external* are the values from Secrets of the user. *verdicts*, by component, are
    what is in the way; *notes* are problems that block nothing; *warnings* are what Events say of
    objects that wait. *blocker* is why not all values are known, which keeps children from being
    applied. *desired* are the manifests of the spec, *asked* those of them that the children can
    match; both hold only what is known. *applied* are manifests that were applied, with the live
    objects. *details* are what components have answered, *awaited* are those whose first answer
    is not there yet. *is_unrecorded*: MongoDB's replica set still has to be recorded.
    """

    raw: Manifest
    instance: KatoInstance
    credentials: Verdict = NOT_YET
    secrets: tuple[Manifest, ...] = ()
    in_use: Mapping[str, str] = field(default_factory=dict)
    rotation: Rotation = field(default_factory=Rotation)
    rotating: Verdict | None = None
    external: Mapping[str, str] = field(default_factory=dict)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: Warnings = field(default_factory=dict)
    blocker: Verdict | None = None
    desired: tuple[Manifest, ...] = ()
    asked: tuple[Manifest, ...] = ()
    applied: Mapping[Name, tuple[Manifest, Manifest]] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    awaited: frozenset[str] = frozenset()
    is_unrecorded: bool = False

    @property
    def values(self) -> dict[str, str]:
        """The values of the generated Secrets."""
        found: dict[str, str] = {}
        for secret in self.secrets:
            found |= credentials.values_of(secret)
        return found

    def with_applied(self, manifest: Manifest, live: Manifest) -> "Pass":
        """This pass with a manifest that the live object matches."""
        return replace(self, applied={**self.applied, name_of(manifest): (manifest, live)})

    def with_verdict(self, component: str, verdict: Verdict) -> "Pass":
        """This pass with a verdict on a component; an earlier verdict on it wins."""
        return replace(self, verdicts={component: verdict, **self.verdicts})

    def with_note(self, note: str) -> "Pass":
        """This pass with a note for the message of Progressing."""
        return replace(self, notes=(*self.notes, note))
