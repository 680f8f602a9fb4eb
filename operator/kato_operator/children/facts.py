"""What manifests are built from in addition to the spec: images, and the values of Secrets."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kato_operator import names


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is valid next to the credentials that the service uses, while some of them change.

    *others* holds, by name, the second value that a store accepts: the next one, or the one of
    before. *earlier* are passwords that the operator's user of MongoDB may still have. *user* is
    the user of MongoDB that the service logs in as. *since* is the time when all this last changed,
    empty if nothing is changing.
    """

    others: Mapping[str, str] = field(default_factory=dict)
    earlier: tuple[str, ...] = ()
    user: str = names.MONGODB_SERVICE_USER
    since: str = ""

    @property
    def other_user(self) -> str:
        """The user of MongoDB that has the other password."""
        one, other = names.MONGODB_SERVICE_USERS
        return other if self.user == one else one


@dataclass(frozen=True, slots=True)
class Facts:
    """What a pass has gathered before it builds manifests.

    *images* replace entries of the built-in table, by component. *credentials* are the values of
    the generated Secrets that are in use, *external* the values from the Secrets that the spec
    refers to; the keys of both are in `names`. *rotation* tells what else is valid. *recorded_set*
    is the id of the replica set that was initiated for this instance, empty before that.
    *pull_secrets* name Secrets, in the namespace of the instance, with credentials of registries
    that every pod may need. *ipv6* tells whether pods have IPv6 addresses by which others
    may reach them.
    """

    images: Mapping[str, str]
    credentials: Mapping[str, str]
    external: Mapping[str, str]
    operator_version: str
    recorded_set: str = ""
    pull_secrets: tuple[str, ...] = ()
    ipv6: bool = False
    rotation: Rotation = field(default_factory=Rotation)
