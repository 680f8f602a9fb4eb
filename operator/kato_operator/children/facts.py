"""What manifests are built from in addition to the spec: images, and the values of Secrets."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """What a pass has gathered before it builds manifests.

    *images* replace entries of the built-in table, by component. *credentials* are the values of
    the generated Secrets, *external* the values from the Secrets that the spec refers to; the keys
    of both are in `names`. *recorded_set* is the id of the replica set that was initiated for this
    instance, empty before that. *pull_secrets* name Secrets, in the namespace of the instance, with
    credentials of registries that every pod may need.
    """

    images: Mapping[str, str]
    credentials: Mapping[str, str]
    external: Mapping[str, str]
    operator_version: str
    recorded_set: str = ""
    pull_secrets: tuple[str, ...] = ()
