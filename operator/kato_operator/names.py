"""Every name and port that users rely on: kind, labels, conditions, reasons, children."""

GROUP = "kato.dev"
VERSION = "v1alpha1"
KIND = "KatoInstance"
PLURAL = "katoinstances"
SINGULAR = "katoinstance"
SHORT_NAMES = ("kato", "ki")
CATEGORY = "kato"
FIELD_MANAGER = "kato-operator"
INSTALLATION_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
"""Namespace and name of the Lease of an installation of the operator."""
REPLICAS_MANAGER = "kato-operator-replicas"
"""The field manager that owns the `replicas` of a Deployment once an autoscaler sets them."""
TEMPLATE_REVISION = 1

NAME_LABEL = "app.kubernetes.io/name"
APP_INSTANCE_LABEL = "app.kubernetes.io/instance"
COMPONENT_LABEL = "app.kubernetes.io/component"
PART_OF_LABEL = "app.kubernetes.io/part-of"
VERSION_LABEL = "app.kubernetes.io/version"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
INSTANCE_LABEL = "kato.dev/instance"
RETAINED_LABEL = "kato.dev/retained"
"""On every object that outlives its instance, except the claims of StatefulSets."""
PART_OF = "kato"
MANAGED_BY = "kato-operator"
MANAGED_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"

APPLIED_ANNOTATION = "kato.dev/applied"
"""On every child: the digest of its manifest as last applied."""
MONGODB_SET_ANNOTATION = "kato.dev/mongodb-set"
"""On the keyfile Secret, which is retained: the id of the replica set that was initiated."""
CONFIG_HASH_ANNOTATION = "kato.dev/config-hash"
"""On pod templates: a digest of settings and connections, whose change restarts the pods."""
CLASS_NAMED_ANNOTATION = "kato.dev/storage-class-named"
"""On the claim of embedded stores: the spec names its class, which is not the cluster's default."""
CLASS_CHANGES_ANNOTATION = "kato.dev/storage-class-changes"
"""On unbound claims of a StatefulSet that is deleted to get another class: they are, too."""
ROTATING_SINCE_ANNOTATION = "kato.dev/rotating-since"
"""On the connections Secret while credentials change: when the present step began."""
GIVEN_ANNOTATION = "kato.dev/given"
"""On claims of StatefulSets: the keys of the labels and annotations that the spec gave them."""
CREDENTIALS_TYPE = "kato.dev/credentials"

READY = "Ready"
SPEC_VALID = "SpecValid"
CREDENTIALS_READY = "CredentialsReady"
REDIS_READY = "RedisReady"
MONGODB_READY = "MongoDBReady"
QDRANT_READY = "QdrantReady"
SERVICE_READY = "ServiceReady"
PROGRESSING = "Progressing"
STALLED = "Stalled"
ORCHESTRATION_PAUSED = "OrchestrationPaused"
CONNECTION_BUDGET_EXCEEDED = "ConnectionBudgetExceeded"

REASON_ACTIVE = "Active"
REASON_BUDGET_EXCEEDED = "BudgetExceeded"
REASON_CONFIG_ERROR = "ConfigError"
REASON_CRASH_LOOP = "CrashLoop"
REASON_CONTESTED = "Contested"
REASON_CREATING = "Creating"
REASON_CREDENTIALS_INVALID = "CredentialsInvalid"
REASON_CREDENTIALS_LOST = "CredentialsLost"
REASON_CREDENTIALS_PRESENT = "CredentialsPresent"
REASON_CREDENTIALS_ROTATING = "CredentialsRotating"
REASON_DATA_LOST = "DataLost"
REASON_DELETING = "Deleting"
REASON_EXPANDING = "Expanding"
REASON_HIBERNATED = "Hibernated"
REASON_HIBERNATING = "Hibernating"
REASON_IMAGE_UNAVAILABLE = "ImageUnavailable"
REASON_INVALID_SPEC = "InvalidSpec"
REASON_MISSING_SECRET = "MissingSecret"
REASON_NAME_CONFLICT = "NameConflict"
REASON_OOM_KILLED = "OOMKilled"
REASON_ORCHESTRATED_ELSEWHERE = "OrchestratedElsewhere"
REASON_PAUSED = "Paused"
REASON_PENDING = "Pending"
REASON_PODS_REFUSED = "PodsRefused"
REASON_PROGRESSING = "Progressing"
REASON_READY = "Ready"
REASON_REFUSED = "Refused"
REASON_ROLLING_OUT = "RollingOut"
REASON_ROTATION_STUCK = "RotationStuck"
REASON_SANDBOX_FAILED = "SandboxFailed"
REASON_STABLE = "Stable"
REASON_UNBLOCKED = "Unblocked"
REASON_UNHEALTHY = "Unhealthy"
REASON_UNSCHEDULABLE = "Unschedulable"
REASON_VALID = "Valid"
REASON_VOLUME_PENDING = "VolumePending"
REASON_WITHIN_BUDGET = "WithinBudget"

DRIFT_PENDING = "Pending"
DRIFT_REPAIRING = "Repairing"
DRIFT_CONTESTED = "Contested"
DRIFT_ALLOWED = "Allowed"

PHASE_PENDING = "Pending"
PHASE_PROGRESSING = "Progressing"
PHASE_READY = "Ready"
PHASE_DEGRADED = "Degraded"
PHASE_PAUSED = "Paused"
PHASE_HIBERNATING = "Hibernating"
PHASE_HIBERNATED = "Hibernated"
PHASE_INVALID = "Invalid"
PHASE_DELETING = "Deleting"
PHASES = (
    PHASE_PENDING,
    PHASE_PROGRESSING,
    PHASE_READY,
    PHASE_DEGRADED,
    PHASE_PAUSED,
    PHASE_HIBERNATING,
    PHASE_HIBERNATED,
    PHASE_INVALID,
    PHASE_DELETING,
)

SERVICE = "service"
REDIS = "redis"
MONGODB = "mongodb"
QDRANT = "qdrant"
STORES = (REDIS, MONGODB, QDRANT)

REDIS_PASSWORD = "redis-password"
MONGODB_OPERATOR_PASSWORD = "mongodb-operator-password"
MONGODB_SERVICE_PASSWORD = "mongodb-service-password"
QDRANT_API_KEY = "qdrant-api-key"
SERVICE_API_KEY = "service-api-key"
SERVICE_API_KEYS = "service-api-keys"
TOKEN_CA = "token-ca"
TLS_CERTIFICATE = "tls-certificate"
TLS_KEY = "tls-key"
TLS_CA = "tls-ca"
TLS_FILES = {TLS_CERTIFICATE: "tls.crt", TLS_KEY: "tls.key", TLS_CA: "ca.crt"}
"""The keys of a Secret of the type kubernetes.io/tls; cert-manager adds the last one."""
KEYFILE = "keyfile"
REDIS_URL = "redis-url"
MONGODB_URL = "mongodb-url"
MONGODB_CA = "mongodb-ca"
MONGODB_OPERATOR_USER = "kato-operator"
MONGODB_SERVICE_USER = "kato-service"
MONGODB_SERVICE_USERS = (MONGODB_SERVICE_USER, f"{MONGODB_SERVICE_USER}-2")
"""The users of the service: two, because a user has only one password, which may have to change."""
MONGODB_USERS = "mongodb-users.json"
"""The file that tells the agents of MongoDB which users there must be."""
MONGODB_SET = "rs0"
MONGODB_DATABASE = "kato"

REDIS_PORT = 6379
MONGODB_PORT = 27017
AGENT_PORT = 27080
QDRANT_PORT = 6333
QDRANT_GRPC_PORT = 6334
QDRANT_PEER_PORT = 6335

OWNED_VARIABLES = (
    *("PROCESSOR_ID", "HOST", "PORT", "WORKERS", "DATA_DIR", "METRICS_JSON"),
    *("ENABLE_CONSOLE", "API_KEY", "API_KEY_FILE"),
    *("AUTH_MODE", "API_KEYS_FILE", "TOKEN_ISSUER", "TOKEN_AUDIENCE", "TOKEN_JWKS_URL"),
    *("TOKEN_CA_FILE", "TOKEN_JWKS_BEARER_FILE", "TOKEN_USER_CLAIM", "TOKEN_SCOPE_CLAIM"),
    *("TOKEN_SCOPES", "TOKEN_ADMIN_SUBJECTS", "TRUSTED_PROXIES"),
    *("RATE_LIMIT_PER_S", "RATE_LIMIT_BURST", "RATE_LIMIT_BY", "TLS_CERT_FILE", "TLS_KEY_FILE"),
    *("SESSION_STORE", "KNOWLEDGE_STORE", "VECTOR_STORE", "VECTORS", "SHUTDOWN_GRACE_S"),
    *("REDIS_URL", "REDIS_POOL_SIZE", "REDIS_SOCKET_TIMEOUT_S"),
    *("MONGO_BASE_URL", "MONGO_DATABASE", "MONGO_POOL_SIZE", "MONGO_POOL_MIN_SIZE"),
    *("MONGO_MAX_IDLE_S", "MONGO_WAIT_QUEUE_TIMEOUT_S", "MONGO_SERVER_SELECTION_TIMEOUT_S"),
    *("QDRANT_URL", "QDRANT_HOST", "QDRANT_PORT", "QDRANT_GRPC_PORT", "QDRANT_API_KEY"),
    *("QDRANT_POOL_SIZE", "QDRANT_TIMEOUT_S", "QDRANT_PREFER_GRPC"),
    *("HEALTH_CHECK_INTERVAL", "HEALTH_CHECK_TIMEOUT", "HEALTH_CHECK_FAILURES"),
    *("RECALL_THRESHOLD", "MAX_PREDICTIONS", "PERSISTENCE", "MAX_PATTERN_LENGTH", "STM_MODE"),
    *("SORT", "SORT_SYMBOLS", "VECTOR_NEIGHBORS", "VECTOR_MIN_SCORE"),
    *("SESSION_TTL", "SESSION_AUTO_EXTEND"),
    *("MAX_SESSIONS", "MAX_SESSIONS_PER_USER", "MAX_STM_EVENTS"),
)
"""Variables of the service that the operator sets from the spec; `service.env` must not."""


def service(instance: str) -> str:
    """Name of Deployment, Service and ServiceAccount: clients call the instance by its own name."""
    return instance


def store(instance: str, component: str) -> str:
    """Name of the StatefulSet, the ConfigMap and the client Service of a store."""
    return f"{instance}-{component}"


def store_peers(instance: str, component: str) -> str:
    """Name of the headless Service of a store."""
    return f"{instance}-{component}-peers"


def host(service: str, namespace: str) -> str:
    """DNS name of a Service, valid in a cluster of any domain."""
    return f"{service}.{namespace}.svc"


def config(instance: str) -> str:
    """Name of the ConfigMap with the plain settings of the service."""
    return f"{instance}-config"


def connections(instance: str) -> str:
    """Name of the Secret with the URLs of the stores, and a copy of the credentials."""
    return f"{instance}-connections"


def credentials(instance: str) -> str:
    """Name of the Secret with the generated credentials."""
    return f"{instance}-credentials"


def keyfile(instance: str) -> str:
    """Name of the Secret with the keyfile of MongoDB's replica set."""
    return f"{instance}-mongodb-keyfile"


def embedded_data(instance: str) -> str:
    """Name of the claim for the data of embedded stores."""
    return f"{instance}-data"
