"""The service of a KatoInstance: pods, how they are reached, and what the service may do."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kato_operator import names
from kato_operator.crd.parts import Disruption, Image, Resources, SecretKey, Spread, Storage
from kato_operator.crd.rules import (
    BY_NAME,
    Annotations,
    Labels,
    Model,
    ObjectName,
    Rule,
    has_no_key_below,
)

Port = Annotated[int, Field(ge=1024, le=65535)]
Replicas = Annotated[int, Field(ge=0, le=1000)]
Seconds = Annotated[int, Field(ge=1, le=86400)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Fraction = Annotated[str, Field(max_length=16, pattern=r"^(0(\.[0-9]+)?|1(\.0+)?)$")]
Score = Annotated[str, Field(max_length=16, pattern=r"^-?(0(\.[0-9]+)?|1(\.0+)?)$")]
VariableName = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
OWN_PREFIXES = ("app.kubernetes.io/", "kato.dev/")


class Autoscaling(Model):
    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 2
    """Pods there always are."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = 10
    """Pods there are at most."""
    target_cpu_utilization_percentage: Annotated[
        int, Field(ge=1, le=100, alias="targetCPUUtilizationPercentage")
    ] = 70
    """Average use of the requested CPU to aim at."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.minReplicas <= self.maxReplicas",
            "minReplicas must not exceed maxReplicas (where one is absent, its default 2 or 10"
            " counts)",
            "minReplicas",
            lambda scaling: scaling.min_replicas <= scaling.max_replicas,
        ),
    )


class Ingress(Model):
    class_name: ObjectName = ""
    """IngressClass; empty: the cluster's default."""
    host: Annotated[str, Field(max_length=253, pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
    """Host name that requests must be for."""
    tls_secret_name: ObjectName = ""
    """Secret with the certificate; empty: no TLS."""


class Expose(Model):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Type of the Service."""
    session_affinity: Literal["None", "ClientIP"] = "None"
    """Any replica serves any session, so None is right."""
    annotations: Annotations = Field(default={})
    """Of Service and Ingress."""
    ingress: Ingress | None = None
    """Makes an Ingress; absent: none."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.annotations.all(k, !k.startsWith('kato.dev/'))",
            "annotations of kato.dev/ are the operator's own",
            "annotations",
            lambda expose: has_no_key_below(expose.annotations, "kato.dev/"),
        ),
    )


class Auth(Model):
    mode: Literal["None", "ApiKey"] = "None"
    """ApiKey: clients must send one."""
    api_key_secret_ref: SecretKey | None = None
    """Where the key is; absent: one is generated into the credentials Secret."""


class KeySelector(Model):
    name: Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
    """Name of the Secret or ConfigMap."""
    key: Annotated[str, Field(max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """Key of the value in it."""


class ValueSource(Model):
    secret_key_ref: KeySelector | None = None
    """A key of a Secret."""
    config_map_key_ref: KeySelector | None = None
    """A key of a ConfigMap."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.secretKeyRef) != has(self.configMapKeyRef)",
            "exactly one of secretKeyRef and configMapKeyRef is needed",
            "secretKeyRef",
            lambda it: (it.secret_key_ref is None) != (it.config_map_key_ref is None),
        ),
    )


class Variable(Model):
    name: VariableName
    """Name of the variable; those that the operator sets are refused."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """Its value; absent with valueFrom, else empty."""
    value_from: ValueSource | None = None
    """Where its value is, instead of value."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!(self.name in {list(names.OWNED_VARIABLES)})",
            "the operator sets this variable itself",
            "name",
            lambda variable: variable.name not in names.OWNED_VARIABLES,
            "'variable ' + self.name + ' is set by the operator'",
        ),
        Rule(
            "!has(self.value) || !has(self.valueFrom)",
            "value and valueFrom exclude each other",
            "value",
            lambda variable: variable.value is None or variable.value_from is None,
        ),
    )


class StartupProbe(Model):
    period_seconds: Seconds = 2
    """Seconds between two checks."""
    failure_threshold: Count = 150
    """Failed checks after which the container is started again."""


class LivenessProbe(Model):
    period_seconds: Seconds = 10
    """Seconds between two checks."""
    timeout_seconds: Seconds = 3
    """Seconds that an answer may take."""
    failure_threshold: Count = 6
    """Failed checks in a row after which the container is started again."""


class ReadinessProbe(Model):
    period_seconds: Seconds = 5
    """Seconds between two checks."""
    timeout_seconds: Seconds = 3
    """Seconds that an answer may take."""
    failure_threshold: Count = 3
    """Failed checks in a row after which the pod gets no requests."""


class Probes(Model):
    startup: StartupProbe = StartupProbe()
    """Until the service has started."""
    liveness: LivenessProbe = LivenessProbe()
    """Whether the process is stuck."""
    readiness: ReadinessProbe = ReadinessProbe()
    """Whether requests can be served."""


class Toleration(Model):
    key: Annotated[str, Field(max_length=317)] | None = None
    """Taint to tolerate; absent with operator Exists: all of them."""
    operator: Literal["Exists", "Equal"] | None = None
    """Absent: Equal."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the taint, with Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; absent: all effects."""
    toleration_seconds: Annotated[int, Field(ge=0)] | None = None
    """How long NoExecute is tolerated; absent: for ever."""


class PodTemplate(Model):
    labels: Labels = Field(default={})
    """More labels of the pods."""
    annotations: Annotations = Field(default={})
    """More annotations of the pods."""
    node_selector: Labels = Field(default={})
    """Labels that a node must have."""
    tolerations: Annotated[
        tuple[Toleration, ...],
        Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Taints that pods tolerate."""
    priority_class_name: ObjectName = ""
    """PriorityClass; empty: the cluster's default."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.labels) || self.labels.all(k,"
            " !k.startsWith('app.kubernetes.io/') && !k.startsWith('kato.dev/'))",
            "labels of app.kubernetes.io/ and kato.dev/ are the operator's own",
            "labels",
            lambda template: has_no_key_below(template.labels, *OWN_PREFIXES),
        ),
        Rule(
            "!has(self.annotations) || self.annotations.all(k, !k.startsWith('kato.dev/'))",
            "annotations of kato.dev/ are the operator's own",
            "annotations",
            lambda template: has_no_key_below(template.annotations, "kato.dev/"),
        ),
    )


class Service(Model):
    image: Image = Image()
    """The service; empty fields come from the operator's table."""
    replicas: Replicas = 1
    """Pods; not applied while autoscaling is set."""
    autoscaling: Autoscaling | None = None
    """Makes a HorizontalPodAutoscaler; absent: none."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes per pod; each has its own connection pools."""
    port: Port = 8000
    """Port of the Service and of the container, which may not bind one below 1024."""
    expose: Expose = Expose()
    """How clients reach the service."""
    auth: Auth = Auth()
    """What clients must show."""
    resources: Resources = Resources()
    """Of each pod."""
    env: Annotated[
        tuple[Variable, ...], Field(max_length=64, json_schema_extra=dict[str, Any](BY_NAME))
    ] = ()
    """More variables of the service."""
    probes: Probes = Probes()
    """How the kubelet watches the pods."""
    disruption: Disruption = Disruption()
    """Limits voluntary disruptions, with more than one pod."""
    spread: Spread = "Preferred"
    """Whether pods are kept on different nodes and zones."""
    pod_template: PodTemplate = PodTemplate()
    """More about the pods."""
    embedded_storage: Storage = Storage()
    """Volume on DATA_DIR, only when a store is Embedded."""


class Processor(Model):
    recall_threshold: Fraction = "0.1"
    """Similarity that a prediction needs, 0 to 1."""
    max_predictions: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Predictions of an answer."""
    persistence: Annotated[int, Field(ge=1, le=100)] = 5
    """Learns whose emotives a pattern keeps."""
    max_pattern_length: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Events after which the short-term memory is learned by itself; 0: never."""
    stm_mode: Literal["KeepLast", "Clear", "Rolling"] = "KeepLast"
    """What an automatic learn leaves in the short-term memory."""
    sort_symbols: bool = True
    """Whether the symbols of an event are sorted."""
    vector_neighbors: Annotated[int, Field(ge=0, le=100)] = 3
    """Known vectors whose symbols join an observed one."""
    vector_min_score: Score = "0.9"
    """Cosine that such a neighbour needs, -1 to 1."""


class Sessions(Model):
    ttl_seconds: Seconds = 3600
    """Seconds a session lives, from its creation or last extend."""
    auto_extend: bool = False
    """Whether every request on a session gives it a new lifetime."""
    max_sessions: Count = 10_000
    """Live sessions of the instance."""
    max_sessions_per_user: Count = 100
    """Live sessions of one user."""
    max_stm_events: Count = 1000
    """Events of a short-term memory; the oldest are dropped beyond."""
