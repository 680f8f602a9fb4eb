"""The environment of the operator and of the MongoDB agent, read once."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kato_operator import names

PositiveInt = Annotated[int, Field(gt=0, le=10_000)]
Component = Literal["service", "agent", "redis", "mongodb", "qdrant"]
Seconds = Annotated[float, Field(gt=0, le=1e8)]
"""Up to three years: timers cannot be set for much longer times."""
NamespaceName = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
SecretName = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]


class OperatorSettings(BaseSettings):
    """The variables `KATO_OPERATOR_…` of the operator."""

    model_config = SettingsConfigDict(
        env_prefix="KATO_OPERATOR_", frozen=True, env_ignore_empty=True, allow_inf_nan=False
    )

    namespace: str = ""
    """The only namespace whose instances are reconciled; empty: all namespaces."""

    excluded_namespaces: Annotated[tuple[NamespaceName, ...], Field(max_length=500)] = ()
    """Namespaces whose instances are left to other operators, a JSON list of names."""

    installation: str = Field(
        default="",
        pattern=f"^$|{names.INSTALLATION_PATTERN}",
        examples=["kato-system/kato-operator"],
    )
    """Namespace and name of the Lease that the processes of this installation share, and the name
    by which it claims instances; empty: `kato-operator` in the only namespace, or in `default`."""

    process: str = Field(default="", max_length=200)
    """A name that only this process has, and those that ran in its place before, such as that of
    its pod: it takes over from them at once. Empty: it waits until their Lease has expired."""

    lease_s: int = Field(default=15, ge=3, le=3600)
    """Seconds after which the Lease of a process that was killed may be taken."""

    take_over_after_s: Seconds = 600.0
    """Seconds after which the instances of another installation are taken over whose Lease is gone
    or no longer renewed."""

    default_images: dict[Component, str] = Field(default_factory=dict)
    """Image references by component, a JSON object; they replace entries of the built-in table."""

    pull_secrets: tuple[SecretName, ...] = ()
    """Names of Secrets with credentials of registries that every pod of an instance gets, a JSON
    list; each namespace with instances needs its own."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged."""

    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""

    workers: PositiveInt = 16
    """Passes that run at the same time, each for another instance."""

    resync_s: Seconds = 3600.0
    """Seconds between two full lists; each gives every instance a pass, spread over this time."""

    recheck_s: Seconds = 30.0
    """Seconds until a pass looks again at what no watch reports, such as an object of others that
    has the name of a child, or a kind without a CRD."""

    api_requests_per_s: Seconds = 50.0
    """Requests to the API server per second, on average; a burst may be as many at once."""

    api_timeout_s: Seconds = 30.0
    """Seconds that one request to the API server may take."""

    deep_checks: bool = True
    """Whether stores and services are asked themselves; off where their pods cannot be reached."""

    ipv6: Literal["auto", "true", "false"] = "auto"
    """Whether pods of instances listen on IPv6 addresses too; `auto`: if the API server has one."""

    checked_instances_per_s: Seconds = 15.0
    """Instances per second that are asked while they are well; with more instances than this times
    their interval, the interval gets longer."""

    http_port: int = Field(default=8080, ge=0, le=65535)
    """Port of /healthz, /readyz and /metrics; 0: any free port."""

    instance_metrics: int = Field(default=1000, ge=0, le=100_000)
    """Instances that metrics name, at most: those that are not ready come first; 0: none."""

    stuck_after_s: Seconds = 600.0
    """Seconds that a changed instance may wait for a worker before /healthz fails."""

    @field_validator("excluded_namespaces")
    @classmethod
    def _leave_something(cls, excluded: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        only = info.data.get("namespace")
        if only and excluded:
            raise ValueError(f"KATO_OPERATOR_NAMESPACE is {only!r}, so nothing can be excluded")
        return excluded

    @property
    def identity(self) -> str:
        """The own installation, as claims name it."""
        return self.installation or f"{self.namespace or 'default'}/{names.FIELD_MANAGER}"


class AgentSettings(BaseSettings):
    """The variables `KATO_AGENT_…` of the MongoDB agent, set by the operator in each pod."""

    model_config = SettingsConfigDict(
        env_prefix="KATO_AGENT_", frozen=True, env_ignore_empty=True, allow_inf_nan=False
    )

    set_name: str = "rs0"
    """Name of the replica set."""

    members: PositiveInt = 1
    """Size of the StatefulSet; the agent asks the other pods before it initiates a set."""

    pod: str = Field(pattern=r"^.+-\d+$", examples=["kato-mongodb-0"])
    """Name of this pod; the number after its last dash is its ordinal."""

    service_fqdn: str
    """Domain below which the names of all pods resolve, whether they are ready or not."""

    database: str = "kato"
    """Database that the service's user may read and write."""

    recorded_set: str = ""
    """Id of the replica set that was initiated for this instance; empty: none yet."""

    port: int = Field(default=27080, ge=0, le=65535)
    """Port of /ready and /live; 0: any free port."""

    mongodb_host: str = "127.0.0.1"
    """Host of the pod's own server; the first user can only be created from localhost."""

    mongodb_port: int = Field(default=27017, ge=1, le=65535)
    """Port of every member's server."""

    credentials: Path = Path("/etc/kato/credentials")
    """Folder with the files `mongodb-operator-password` and `mongodb-service-password`."""

    timeout_s: Seconds = 3.0
    """Seconds that the server may take to answer one command."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged."""

    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""

    @property
    def ordinal(self) -> int:
        """The number of this pod in its StatefulSet, from 0."""
        return int(self.pod.rpartition("-")[2])

    def address(self, ordinal: int) -> str:
        """Host and port under which the member with this ordinal is known to the others."""
        stem = self.pod.rpartition("-")[0]
        return f"{stem}-{ordinal}.{self.service_fqdn}:{self.mongodb_port}"
