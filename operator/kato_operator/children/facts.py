"""What manifests are made of beside the spec: images, and the values of Secrets."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """What a pass has found out.

    *images* replace entries of the built-in table, by component. *credentials* are the values of
    the generated Secrets, *external* those that the spec takes from other Secrets, both by the
    names in `names`. *recorded_set* is the id of the replica set that was initiated, if any.
    """

    images: Mapping[str, str]
    credentials: Mapping[str, str]
    external: Mapping[str, str]
    operator_version: str
    recorded_set: str = ""
