"""The service of a KatoInstance: its pods, how clients reach them, its defaults and limits."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kato_operator import names
from kato_operator.crd.access import Auth, Network, RateLimit
from kato_operator.crd.labels import few_bytes, own_annotations
from kato_operator.crd.parts import Disruption, Image, Resources, Spread, Storage, Tls
from kato_operator.crd.placement import PodTemplate
from kato_operator.crd.rules import (
    ATOMIC,
    BY_NAME,
    SUBDOMAIN,
    Annotations,
    DataKey,
    Model,
    Name,
    ObjectName,
    Rule,
)

Port = Annotated[int, Field(ge=1024, le=65535)]
Replicas = Annotated[int, Field(ge=0, le=1000)]
Seconds = Annotated[int, Field(ge=1, le=86400)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Fraction = Annotated[str, Field(max_length=16, pattern=r"^(0(\.[0-9]+)?|1(\.0+)?)$")]
Score = Annotated[str, Field(max_length=16, pattern=r"^-?(0(\.[0-9]+)?|1(\.0+)?)$")]
VariableName = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Autoscaling(Model):
    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 2
    """Minimum number of pods."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = 10
    """Maximum number of pods."""
    target_cpu_utilization_percentage: Annotated[
        int, Field(ge=1, le=100, alias="targetCPUUtilizationPercentage")
    ] = 70
    """Average use of the requested CPU, in percent, that the autoscaler aims at."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.minReplicas <= self.maxReplicas",
            "minReplicas must not exceed maxReplicas (defaults: 2 and 10)",
            "minReplicas",
            lambda scaling: scaling.min_replicas <= scaling.max_replicas,
        ),
    )


class Ingress(Model):
    class_name: ObjectName = ""
    """IngressClass; empty: the default class of the cluster."""
    host: Annotated[str, Field(max_length=253, pattern=rf"^(\*\.)?{SUBDOMAIN}$")]
    """Host name of the requests that reach the service."""
    tls_secret_name: ObjectName = ""
    """Secret with the TLS certificate; empty: no TLS."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!self.host.matches('^[0-9.]+$')",
            "host must be a name, not an address",
            "host",
            lambda ingress: re.fullmatch("[0-9.]+", ingress.host) is None,
        ),
    )


class Expose(Model):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Type of the Service."""
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] = "SingleStack"
    """Whether the Service has an IPv4 and an IPv6 address, where the cluster has both."""
    session_affinity: Literal["None", "ClientIP"] = "None"
    """Whether a client stays on one pod; not needed, because any pod serves any session."""
    annotations: Annotations = Field(default={})
    """Annotations of Service and Ingress."""
    ingress: Ingress | None = None
    """Creates an Ingress; absent: none."""
    trusted_proxies: Annotated[
        tuple[Network, ...], Field(max_length=64, json_schema_extra=ATOMIC)
    ] = ()
    """Networks (CIDR) of proxies whose X-Forwarded-For is believed."""

    rules: ClassVar[tuple[Rule, ...]] = (own_annotations(), few_bytes())


class KeySelector(Model):
    name: Name
    """Name of the Secret or ConfigMap."""
    key: DataKey
    """Key of the value in the Secret or ConfigMap."""


class ValueSource(Model):
    secret_key_ref: KeySelector | None = None
    """A key of a Secret."""
    config_map_key_ref: KeySelector | None = None
    """A key of a ConfigMap."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.secretKeyRef) != has(self.configMapKeyRef)",
            "set exactly one of secretKeyRef and configMapKeyRef",
            "secretKeyRef",
            lambda it: (it.secret_key_ref is None) != (it.config_map_key_ref is None),
        ),
    )


class Variable(Model):
    name: VariableName
    """Name of the variable; one that the operator sets itself is refused."""
    value: Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")] | None = None
    """Value of the variable; absent without valueFrom: empty."""
    value_from: ValueSource | None = None
    """Source of the value, instead of value."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!(self.name in {list(names.OWNED_VARIABLES)})",
            "the operator sets this variable; remove it",
            "name",
            lambda variable: variable.name not in names.OWNED_VARIABLES,
            "'the operator sets ' + self.name + '; remove it'",
        ),
        Rule(
            "!has(self.value) || !has(self.valueFrom)",
            "set value or valueFrom, not both",
            "value",
            lambda variable: variable.value is None or variable.value_from is None,
        ),
    )


class StartupProbe(Model):
    period_seconds: Seconds = 2
    """Seconds between two probes."""
    failure_threshold: Count = 150
    """Failed probes after which the container is restarted."""


class LivenessProbe(Model):
    period_seconds: Seconds = 10
    """Seconds between two probes."""
    timeout_seconds: Seconds = 3
    """Seconds that a response may take."""
    failure_threshold: Count = 6
    """Failed probes in a row after which the container is restarted."""


class ReadinessProbe(Model):
    period_seconds: Seconds = 5
    """Seconds between two probes."""
    timeout_seconds: Seconds = 3
    """Seconds that a response may take."""
    failure_threshold: Count = 3
    """Failed probes in a row after which the pod receives no requests."""


class Probes(Model):
    startup: StartupProbe = StartupProbe()
    """Asks whether the service has started."""
    liveness: LivenessProbe = LivenessProbe()
    """Asks whether the process is alive."""
    readiness: ReadinessProbe = ReadinessProbe()
    """Asks whether the service can handle requests."""


class Service(Model):
    image: Image = Image()
    """Image of the service; empty fields come from the operator's table of default images."""
    replicas: Replicas = 1
    """Number of pods; ignored while autoscaling is set."""
    autoscaling: Autoscaling | None = None
    """Creates a HorizontalPodAutoscaler; absent: none."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Worker processes per pod; each has its own connection pools."""
    port: Port = 8000
    """Port of the Service and of the container, which may not use ports below 1024."""
    expose: Expose = Expose()
    """How clients reach the service."""
    tls: Tls | None = None
    """Makes the service speak HTTPS on its port; absent: HTTP."""
    auth: Auth = Auth()
    """How clients authenticate."""
    rate_limit: RateLimit | None = None
    """How often callers may come; absent: as often as they like."""
    console: bool = True
    """Whether the service has a page at /console to talk to the instance and look into it."""
    legacy_metrics_json: bool = False
    """Whether /metrics answers with JSON, as other KATO versions do, where a request accepts any
    form; Prometheus gets its own form either way."""
    resources: Resources = Resources()
    """Resources of each pod."""
    env: Annotated[
        tuple[Variable, ...], Field(max_length=64, json_schema_extra=dict[str, Any](BY_NAME))
    ] = ()
    """Additional environment variables of the service."""
    probes: Probes = Probes()
    """How the kubelet probes the pods."""
    disruption: Disruption = Disruption()
    """Limits voluntary disruptions while there is more than one pod."""
    spread: Spread = "Preferred"
    """Whether pods are spread over nodes and zones; zones are only preferred."""
    pod_template: PodTemplate = PodTemplate()
    """Labels, annotations and placement of the pods."""
    embedded_storage: Storage = Storage()
    """Volume with the data of embedded stores; used only while a store is Embedded."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.disruption.maxUnavailable > 0"
            " || (has(self.autoscaling) ? self.autoscaling.minReplicas > 1 : self.replicas != 1)",
            "maxUnavailable 0 protects nothing with one pod: there is no disruption budget",
            "disruption.maxUnavailable",
        ),
    )


class Processor(Model):
    recall_threshold: Fraction = "0.1"
    """Minimum similarity of a prediction, 0 to 1."""
    max_predictions: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Maximum number of predictions in a response."""
    persistence: Annotated[int, Field(ge=1, le=100)] = 5
    """Number of learns whose emotives a pattern keeps."""
    max_pattern_length: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Events after which the short-term memory is learned automatically; 0: never."""
    stm_mode: Literal["KeepLast", "Clear", "Rolling"] = "KeepLast"
    """What an automatic learn leaves in the short-term memory."""
    sort_symbols: bool = True
    """Whether the symbols of an event are sorted."""
    vector_neighbors: Annotated[int, Field(ge=0, le=100)] = 3
    """Number of similar known vectors whose symbols are added to an observed vector's event."""
    vector_min_score: Score = "0.9"
    """Minimum cosine similarity of such a vector, -1 to 1."""


class Sessions(Model):
    ttl_seconds: Seconds = 3600
    """Seconds that a session lasts, from its creation or last extension."""
    auto_extend: bool = False
    """Whether every request on a session extends it."""
    max_sessions: Count = 10_000
    """Maximum number of live sessions of the instance."""
    max_sessions_per_user: Count = 100
    """Maximum number of live sessions of one user."""
    max_stm_events: Count = 1000
    """Maximum number of events in a short-term memory; the oldest are dropped."""
