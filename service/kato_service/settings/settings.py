"""The settings: the environment, read once in ``__main__`` and passed down (serving.md §7).

An empty variable counts as not set. The type of a field says what its value may be; what several
variables must agree on is in `rules`. The docstrings of the fields are what
``kato-service --help`` shows.
"""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from kato_service.domain.genes import Genes, RankKey, StmMode
from kato_service.errors import SettingsError
from kato_service.settings.access import AccessConfig, AddressConfig, ApiKey
from kato_service.settings.rules import (
    StoreChoice,
    chosen_store,
    half_of_memory,
    key_from_file,
    require_budget,
    require_pair,
    require_pools,
    require_shared_stores,
)
from kato_service.settings.text import refusal, require_one_spelling
from kato_service.settings.traces import TraceConfig
from kato_service.settings.values import (
    Count,
    FromEnvironment,
    MongoUrl,
    Origins,
    PositiveInt,
    QdrantUrl,
    RedisUrl,
    Seconds,
    SecondsOrNone,
)

MIN_RETENTION_S = 60.0
"""An append may take half of it, which leaves room for the time-outs of the stores."""
MAX_RETENTION_S = 1e10
"""Three centuries: the date before which entries are dropped has to exist."""
MAX_STM_BYTES = 5 * 2**20
MAX_METADATA_BYTES = 128 * 2**10
"""A learn of so many bytes, with the emotives that it may bring, fits into a document of MongoDB
(16 MiB). The intent of one that does not could never be completed: its session would be stuck, and
no log of the instance would be trimmed."""
Port = Annotated[int, Field(ge=1, le=65535)]
ProcessorId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,110}$")]
DatabaseName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,63}$")]
Host = Annotated[str, StringConstraints(pattern=r"^[^\s/@]+$")]
AnyCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)


class APIServiceConfig(FromEnvironment):
    """How HTTP is served."""

    host: Host = Field("0.0.0.0", validation_alias="HOST")
    """Address to listen on; by default all IPv4 addresses, as a container needs. :: means all
    addresses, of IPv6 and IPv4."""
    port: Port = Field(8000, validation_alias="PORT")
    """TCP port for HTTP and WebSockets."""
    workers: PositiveInt = Field(1, validation_alias="WORKERS")
    """Worker processes; each has its own connection pools and its own copy of the knowledge."""
    enable_v2_features: bool = Field(True, validation_alias="ENABLE_V2_FEATURES")
    """false serves only the older paths, health and metrics."""
    enable_console: bool = Field(True, validation_alias="ENABLE_CONSOLE")
    """false serves no page at /console. The page needs ENABLE_V2_FEATURES."""
    tls_cert_file: Path | None = Field(None, validation_alias="TLS_CERT_FILE")
    """File in PEM with the certificate, then those of its issuers: the port then speaks HTTPS only.
    It is re-read when it changes."""
    tls_key_file: Path | None = Field(None, validation_alias="TLS_KEY_FILE")
    """File in PEM with the key of the certificate, without a password; re-read likewise."""
    cors_origins: Origins = Field((), validation_alias="CORS_ORIGINS")
    """Origins whose pages may call from a browser, separated by commas; * allows all."""
    trust_forwarded_host: bool = Field(False, validation_alias="TRUST_FORWARDED_HOST")
    """true behind a proxy that replaces Host and sets X-Forwarded-Host: pages of that host count as
    pages of this instance."""
    request_timeout_s: Seconds = Field(30.0, validation_alias="REQUEST_TIMEOUT")
    """Seconds after which a request fails with 504 and changes nothing."""
    matching_budget: Seconds | None = Field(None, validation_alias="MATCHING_BUDGET_S")
    """Seconds that one prediction may compute, not counting its waits for other users; then it
    fails with 504, and a retry would too. Below REQUEST_TIMEOUT; the default is a third of it."""
    shutdown_grace_s: Seconds = Field(20.0, validation_alias="SHUTDOWN_GRACE_S")
    """Seconds that requests in progress may still take after SIGTERM."""
    max_body_bytes: PositiveInt = Field(8 * 2**20, validation_alias="MAX_BODY_BYTES")
    """Bytes of a request body or a WebSocket frame, at most."""
    max_import_bytes: PositiveInt = Field(100 * 2**20, validation_alias="MAX_IMPORT_BYTES")
    """Bytes of an import over HTTP, at most, compressed as it is kept in DATA_DIR until all of it
    has arrived; of all at once, twice as many per worker."""
    max_requests_in_flight: PositiveInt = Field(2000, validation_alias="MAX_REQUESTS_IN_FLIGHT")
    """Requests and WebSocket frames in progress per worker; half of them may wait for one session.
    More fail at once with 503 OVERLOADED."""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = Field(
        "info", validation_alias="LOG_LEVEL"
    )
    """Lowest level of the log lines that are written, in upper or lower case."""
    access_log: bool = Field(False, validation_alias="ACCESS_LOG")
    """true writes a line at level info for every request: method, route, status, milliseconds."""
    log_format: Literal["json", "console"] = Field("json", validation_alias="LOG_FORMAT")
    """json for machines, console for people."""

    @property
    def matching_budget_s(self) -> float:
        return self.matching_budget or self.request_timeout_s / 3

    @property
    def url(self) -> str:
        """Where a person on this machine reaches the service."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        scheme = "http" if self.tls_cert_file is None else "https"
        return f"{scheme}://{_in_url(host)}:{self.port}"


class Settings(AccessConfig, AddressConfig, TraceConfig, APIServiceConfig):
    """Everything that the environment can change."""

    processor_id: ProcessorId = Field("kato", validation_alias="PROCESSOR_ID")
    """Name of this instance's knowledge; instances that share stores need different ones."""
    kato_engine: Literal["auto", "c", "numpy"] = Field("auto", validation_alias="KATO_ENGINE")
    """Engine that matches patterns; auto selects the fastest that is installed."""
    data_dir: Path = Field(Path("data"), validation_alias="DATA_DIR")
    """Directory of the embedded stores; created if one of them is used."""

    session_store: Literal["auto", "embedded", "redis"] = Field(
        "auto", validation_alias="SESSION_STORE"
    )
    """Where sessions are kept; auto: in Redis if REDIS_URL is set, else in this process."""
    knowledge_store: Literal["auto", "embedded", "mongodb"] = Field(
        "auto", validation_alias="KNOWLEDGE_STORE"
    )
    """Where knowledge is kept; auto: in MongoDB if MONGO_BASE_URL is set, else in SQLite."""
    vector_store: Literal["auto", "embedded", "qdrant", "disabled"] = Field(
        "auto", validation_alias="VECTOR_STORE"
    )
    """Where vectors are kept; auto: in Qdrant if QDRANT_URL is set, else in local files."""
    vectors: Literal["enabled", "disabled"] | None = Field(None, validation_alias="VECTORS")
    """disabled refuses observations with vectors; if not set, VECTOR_STORE decides."""

    redis_url: RedisUrl | None = Field(None, validation_alias="REDIS_URL")
    """redis://[user:password@]host[:port][/database], or rediss://; of a cluster, any node."""
    redis_pool_size: PositiveInt = Field(50, validation_alias="REDIS_POOL_SIZE")
    """Connections per process and node, at most; requests share one, large ones need more."""
    redis_socket_timeout_s: Seconds = Field(2.0, validation_alias="REDIS_SOCKET_TIMEOUT_S")
    """Seconds that each command may take, connecting included."""

    mongo_base_url: MongoUrl | None = Field(None, validation_alias="MONGO_BASE_URL")
    """mongodb://[user:password@]host[:port][/?options], or mongodb+srv://."""
    mongo_database: DatabaseName = Field("kato", validation_alias="MONGO_DATABASE")
    """Database for the knowledge; instances with different processor ids may share one."""
    mongo_pool_size: PositiveInt = Field(50, validation_alias="MONGO_POOL_SIZE")
    """Connections per process and member, at most."""
    mongo_pool_min_size: Count = Field(10, validation_alias="MONGO_POOL_MIN_SIZE")
    """Connections per process and member that stay open, ready for a burst."""
    mongo_max_idle_s: Seconds = Field(60.0, validation_alias="MONGO_MAX_IDLE_S")
    """Seconds after which an idle connection beyond the minimum is closed."""
    mongo_wait_queue_timeout_s: Seconds = Field(5.0, validation_alias="MONGO_WAIT_QUEUE_TIMEOUT_S")
    """Seconds to wait for a free connection."""
    mongo_server_selection_timeout_s: Seconds = Field(
        5.0, validation_alias="MONGO_SERVER_SELECTION_TIMEOUT_S"
    )
    """Seconds to wait for a primary, as long as an election may take."""

    qdrant_url: QdrantUrl | None = Field(None, validation_alias="QDRANT_URL")
    """http://host[:port], or https://."""
    qdrant_host: Host | None = Field(None, validation_alias="QDRANT_HOST")
    """Host of Qdrant, instead of QDRANT_URL."""
    qdrant_port: Port = Field(6333, validation_alias="QDRANT_PORT")
    """HTTP port of Qdrant, with QDRANT_HOST."""
    qdrant_grpc_port: Port = Field(6334, validation_alias="QDRANT_GRPC_PORT")
    """gRPC port of Qdrant, with QDRANT_PREFER_GRPC."""
    qdrant_api_key: ApiKey | None = Field(None, validation_alias="QDRANT_API_KEY")
    """API key that Qdrant requires."""
    qdrant_pool_size: PositiveInt = Field(20, validation_alias="QDRANT_POOL_SIZE")
    """Connections per process, at most."""
    qdrant_timeout_s: Seconds = Field(10.0, validation_alias="QDRANT_TIMEOUT_S")
    """Seconds to wait for an answer."""
    qdrant_prefer_grpc: bool = Field(False, validation_alias="QDRANT_PREFER_GRPC")
    """true uses gRPC where Qdrant's client supports it."""

    health_check_interval_s: Seconds = Field(5.0, validation_alias="HEALTH_CHECK_INTERVAL")
    """Seconds between two checks of a store."""
    health_check_timeout_s: Seconds = Field(3.0, validation_alias="HEALTH_CHECK_TIMEOUT")
    """Seconds that a check may take."""
    health_check_failures: PositiveInt = Field(3, validation_alias="HEALTH_CHECK_FAILURES")
    """Calls and checks in a row without an answer after which a store counts as down: calls to it
    fail at once, until a check is answered again."""

    session_ttl_s: Annotated[int, Field(ge=1, le=86_400)] = Field(
        3600, validation_alias="SESSION_TTL"
    )
    """Seconds that a session lives from its creation or last extend."""
    session_auto_extend: bool = Field(False, validation_alias="SESSION_AUTO_EXTEND")
    """true: every request on a session extends it, as always on those made on /sessions."""
    max_sessions: PositiveInt = Field(10_000, validation_alias="MAX_SESSIONS")
    """Live sessions of the instance, at most."""
    max_sessions_per_user: PositiveInt = Field(100, validation_alias="MAX_SESSIONS_PER_USER")
    """Live sessions of one user, at most."""

    recall_threshold: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, validation_alias="RECALL_THRESHOLD"
    )
    """Similarity that a prediction must reach."""
    max_predictions: Annotated[int, Field(ge=1, le=10_000)] = Field(
        100, validation_alias="MAX_PREDICTIONS"
    )
    """Predictions in one answer, at most."""
    persistence: Annotated[int, Field(ge=1, le=100)] = Field(5, validation_alias="PERSISTENCE")
    """Learns of a pattern whose emotives it keeps."""
    max_pattern_length: Count = Field(0, validation_alias="MAX_PATTERN_LENGTH")
    """Events after which the short-term memory is learned automatically; 0: never."""
    stm_mode: StmMode = Field("KEEP_LAST", validation_alias="STM_MODE")
    """What an automatic learn leaves in the short-term memory: KEEP_LAST its last event (nothing in
    sessions made on /sessions), CLEAR nothing, ROLLING all but its oldest event."""
    sort_symbols: bool = Field(True, validation_alias=AliasChoices("SORT_SYMBOLS", "SORT"))
    """true sorts the symbols of an event; SORT is another name."""
    vector_neighbors: Annotated[int, Field(ge=0, le=100)] = Field(
        3, validation_alias="VECTOR_NEIGHBORS"
    )
    """Nearest known vectors whose symbols join that of an observed one."""
    vector_min_score: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.9, validation_alias="VECTOR_MIN_SCORE"
    )
    """Cosine similarity that such a neighbour must reach."""
    vector_absorb_similarity: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, validation_alias="VECTOR_ABSORB_SIMILARITY"
    )
    """Cosine similarity from which a new vector becomes a stored one, such as 0.995; 0: never."""
    rank_sort_algo: RankKey = Field("potential", validation_alias="RANK_SORT_ALGO")
    """Field of a prediction by which predictions are ranked, the greatest value first."""
    fuzzy_token_threshold: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, validation_alias="KATO_FUZZY_TOKEN_THRESHOLD"
    )
    """How alike two symbols have to be spelled to match, such as 0.85; 0: only equal ones match."""

    max_stm_events: PositiveInt = Field(1000, validation_alias="MAX_STM_EVENTS")
    """Events of a short-term memory; beyond that the oldest are dropped."""
    max_stm_symbols: Annotated[int, Field(ge=1, le=65_535)] = Field(
        65_535, validation_alias="MAX_STM_SYMBOLS"
    )
    """Symbols of a short-term memory, likewise; the engine counts with 16 bits."""
    max_stm_bytes: Annotated[int, Field(ge=1, le=MAX_STM_BYTES)] = Field(
        4 * 2**20, validation_alias="MAX_STM_BYTES"
    )
    """UTF-8 bytes of the symbols of a short-term memory, likewise."""
    max_pending_emotives: PositiveInt = Field(1000, validation_alias="MAX_PENDING_EMOTIVES")
    """Emotive maps that wait for a learn; beyond that the oldest are dropped."""
    max_strings_per_event: PositiveInt = Field(1024, validation_alias="MAX_STRINGS_PER_EVENT")
    """Strings of an observation, at most."""
    max_symbol_chars: PositiveInt = Field(1024, validation_alias="MAX_SYMBOL_CHARS")
    """Characters of a string, at most."""
    max_vectors_per_observation: PositiveInt = Field(
        16, validation_alias="MAX_VECTORS_PER_OBSERVATION"
    )
    """Vectors of an observation, at most."""
    max_vector_dimensions: PositiveInt = Field(4096, validation_alias="MAX_VECTOR_DIMENSIONS")
    """Components of a vector, at most."""
    max_metadata_bytes: Annotated[int, Field(ge=1, le=MAX_METADATA_BYTES)] = Field(
        16_384, validation_alias="MAX_METADATA_BYTES"
    )
    """Bytes of JSON of the metadata of a session, and of what it collects for a pattern."""

    knowledge_max_staleness_s: SecondsOrNone = Field(
        0.0, validation_alias="KNOWLEDGE_MAX_STALENESS_S"
    )
    """Seconds that predictions may lag while MongoDB does not answer; 0: they fail then."""
    knowledge_memory_bytes: PositiveInt = Field(
        default_factory=half_of_memory, validation_alias="KNOWLEDGE_MEMORY_BYTES"
    )
    """Bytes of knowledge that all workers together keep in memory; by default half of the memory
    of the container or machine. Beyond that, what was not used for longest is unloaded."""
    log_retention_s: Annotated[float, Field(ge=MIN_RETENTION_S, le=MAX_RETENTION_S)] = Field(
        172_800.0, validation_alias="LOG_RETENTION_S"
    )
    """Seconds that entries of the knowledge log are kept after they are in its views."""

    knowledge_snapshot_dir: Path | None = Field(None, validation_alias="KNOWLEDGE_SNAPSHOT_DIR")
    """Directory of snapshot files, from which large knowledge bases load faster. If not set: the
    directory `snapshots` in DATA_DIR if knowledge is embedded, else no files are written."""
    knowledge_snapshot_bytes: PositiveInt = Field(
        4 * 1024**3, validation_alias="KNOWLEDGE_SNAPSHOT_BYTES"
    )
    """Bytes of all snapshot files together; beyond that the oldest are removed."""

    @property
    def sessions_in(self) -> Literal["embedded", "redis"]:
        return "embedded" if self.redis_url is None else "redis"

    @property
    def knowledge_in(self) -> Literal["embedded", "mongodb"]:
        return "embedded" if self.mongo_base_url is None else "mongodb"

    @property
    def vectors_in(self) -> Literal["embedded", "qdrant", "disabled"]:
        if "disabled" in (self.vector_store, self.vectors):
            return "disabled"
        return "embedded" if self.qdrant_address is None else "qdrant"

    @property
    def qdrant_address(self) -> str | None:
        """The URL of Qdrant; if it has no port, Qdrant's client uses 6333."""
        if self.qdrant_url is not None:
            return self.qdrant_url.get_secret_value()
        return (
            f"http://{_in_url(self.qdrant_host)}:{self.qdrant_port}" if self.qdrant_host else None
        )

    @property
    def genes(self) -> Genes:
        """The genes of a session that overrides none."""
        return Genes(
            recall_threshold=self.recall_threshold,
            max_predictions=self.max_predictions,
            persistence=self.persistence,
            max_pattern_length=self.max_pattern_length,
            stm_mode=self.stm_mode,
            sort_symbols=self.sort_symbols,
            vector_neighbors=self.vector_neighbors,
            vector_min_score=self.vector_min_score,
            vector_absorb_similarity=self.vector_absorb_similarity,
            rank_sort_algo=self.rank_sort_algo,
            fuzzy_token_threshold=self.fuzzy_token_threshold,
        )

    @model_validator(mode="before")
    @classmethod
    def _read_key(cls, given: dict[str, object]) -> dict[str, object]:
        return key_from_file(given)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        chosen_store(StoreChoice("SESSION_STORE", self.session_store, "REDIS_URL", self.redis_url))
        chosen_store(
            StoreChoice(
                "KNOWLEDGE_STORE", self.knowledge_store, "MONGO_BASE_URL", self.mongo_base_url
            )
        )
        self._agree_on_vectors()
        require_pair(self.tls_cert_file, self.tls_key_file)
        require_budget(self.matching_budget_s, self.request_timeout_s)
        self.agree_on_access()
        of_default = "mongo_pool_min_size" not in self.model_fields_set
        require_pools(self.mongo_pool_min_size, self.mongo_pool_size, of_default=of_default)
        embedded = {
            "REDIS_URL": self.sessions_in,
            "MONGO_BASE_URL": self.knowledge_in,
            "QDRANT_URL": self.vectors_in,
        }
        require_shared_stores(self.workers, embedded)
        return self

    def _agree_on_vectors(self) -> None:
        if self.qdrant_url is not None and self.qdrant_host is not None:
            raise SettingsError(
                "QDRANT_HOST: set together with QDRANT_URL; accepted: only one of them"
            )
        if self.vectors == "disabled" and self.vector_store in ("embedded", "qdrant"):
            raise SettingsError(
                f"VECTORS: 'disabled' contradicts VECTOR_STORE={self.vector_store}; "
                "accepted: enabled, or VECTOR_STORE=disabled"
            )
        if self.vectors == "enabled" and self.vector_store == "disabled":
            raise SettingsError(
                "VECTORS: 'enabled' contradicts VECTOR_STORE=disabled; accepted: disabled"
            )
        variable = "QDRANT_URL" if self.qdrant_host is None else "QDRANT_HOST"
        url = self.qdrant_address
        chosen_store(StoreChoice("VECTOR_STORE", self.vector_store, variable, url))


def _in_url(host: str) -> str:
    """The host in the spelling of URLs: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def read_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        SettingsError: A value is wrong; one line names the variable and what is accepted.
    """
    require_one_spelling(Settings, os.environ)
    try:
        return Settings()
    except ValidationError as exc:
        raise SettingsError(refusal(Settings, exc, os.environ)) from exc
