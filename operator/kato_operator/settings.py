"""The environment, read once: the operator's variables and the MongoDB agent's."""

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict


class OperatorSettings(BaseSettings):
    """Variables `KATO_OPERATOR_…` of the operator."""

    model_config = SettingsConfigDict(env_prefix="KATO_OPERATOR_", frozen=True)

    namespace: str = ""
    """The one namespace to look after; empty: all of the cluster."""

    default_images: dict[str, str] = Field(default_factory=dict)
    """JSON object component → image reference; replaces entries of the built-in image table."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important event that is logged."""

    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for eyes."""

    workers: PositiveInt = 16
    """Passes that run at once, each for another instance."""

    resync_s: PositiveFloat = 600.0
    """Seconds between two full lists; all instances get a pass, spread over this time."""

    recheck_s: PositiveFloat = 30.0
    """Seconds after which what is not watched is read again, such as Secrets of others."""

    api_requests_per_s: PositiveFloat = 50.0
    """Average limit of requests to the API server; bursts may be as large as one second's."""

    api_timeout_s: PositiveFloat = 30.0
    """Seconds that one request to the API server may take."""

    deep_checks: bool = True
    """Whether stores are asked themselves; off where pods cannot be reached from here."""

    http_port: int = Field(default=8080, ge=0, le=65535)
    """Port of /healthz, /readyz and /metrics; 0: any free one."""

    stuck_after_s: PositiveFloat = 600.0
    """Seconds that a changed instance may wait for a worker before /healthz fails."""


class AgentSettings(BaseSettings):
    """Variables `KATO_AGENT_…` of the MongoDB agent, set by the operator on each pod."""

    model_config = SettingsConfigDict(env_prefix="KATO_AGENT_", frozen=True)

    set_name: str = "rs0"
    """Name of the replica set."""

    members: PositiveInt = 1
    """Size of the StatefulSet; the other pods are asked before a set is initiated."""

    pod: str
    """Name of this pod; the number behind its last dash is its ordinal."""

    service_fqdn: str
    """Domain in which the pods' names resolve, whether they are ready or not."""

    database: str = "kato"
    """Database that the service's user may read and write."""

    recorded_set: str = ""
    """Id of the replica set that was initiated for this instance before; empty: none yet."""

    port: int = Field(default=27080, ge=0, le=65535)
    """Port of /ready and /live; 0: any free one."""

    mongodb_host: str = "127.0.0.1"
    """Where the pod's own server listens; users can be made only from localhost."""

    mongodb_port: int = Field(default=27017, ge=1, le=65535)
    """Port of every member."""

    credentials: Path = Path("/etc/kato/credentials")
    """Folder with the files `mongodb-operator-password` and `mongodb-service-password`."""

    timeout_s: PositiveFloat = 3.0
    """Seconds that the server may take to answer one question."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important event that is logged."""

    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for eyes."""

    @property
    def ordinal(self) -> int:
        """The place of this pod in its StatefulSet."""
        return int(self.pod.rpartition("-")[2])

    def address(self, ordinal: int) -> str:
        """Host and port under which members know the member with this ordinal."""
        stem = self.pod.rpartition("-")[0]
        return f"{stem}-{ordinal}.{self.service_fqdn}:{self.mongodb_port}"
