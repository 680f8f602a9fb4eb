"""The pod template of a component: labels, annotations, and the nodes on which its pods run."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kato_operator.crd.labels import (
    OF_CONTROLLERS,
    PROFILES,
    few_bytes,
    own_annotations,
    own_labels,
    reserved,
)
from kato_operator.crd.rules import (
    ATOMIC,
    QUALIFIED,
    Annotations,
    KeyText,
    Labels,
    LabelValue,
    Model,
    ObjectName,
    Rule,
)

Weight = Annotated[int, Field(ge=1, le=100)]
Values = Annotated[tuple[LabelValue, ...], Field(max_length=32, json_schema_extra=ATOMIC)]
NamespaceName = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]


class Toleration(Model):
    key: Annotated[str, Field(max_length=317, pattern=rf"^({QUALIFIED})?$")] | None = None
    """Key of the taint to tolerate; absent with operator Exists: every taint."""
    operator: Literal["Exists", "Equal"] | None = None
    """How value is compared; absent: Equal."""
    value: LabelValue | None = None
    """Value of the taint, for Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; absent: all effects."""
    toleration_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Seconds for which NoExecute is tolerated; absent: forever."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.key) && self.key != '')"
            " || (has(self.operator) && self.operator == 'Exists')",
            "operator must be Exists without a key",
            "operator",
            lambda it: bool(it.key) or it.operator == "Exists",
        ),
        Rule(
            "!(has(self.operator) && self.operator == 'Exists')"
            " || !has(self.value) || self.value == ''",
            "value must be absent with operator Exists",
            "value",
            lambda it: it.operator != "Exists" or not it.value,
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "tolerationSeconds needs the effect NoExecute",
            "tolerationSeconds",
            lambda it: it.toleration_seconds is None or it.effect == "NoExecute",
        ),
    )


def _has_fitting_values(it: Any) -> bool:
    if it.operator in ("In", "NotIn"):
        return len(it.values) > 0
    return len(it.values) == (1 if it.operator in ("Gt", "Lt") else 0)


class NodeRequirement(Model):
    key: KeyText
    """Key of the label of nodes."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """How the label is compared with values."""
    values: Values = ()
    """Values of the label: one or more for In and NotIn, one number for Gt and Lt."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.operator in ['In', 'NotIn'] ? self.values.size() > 0 :"
            " self.values.size() == (self.operator in ['Gt', 'Lt'] ? 1 : 0)",
            "values must be one or more with In and NotIn, one with Gt and Lt, none otherwise",
            "values",
            _has_fitting_values,
        ),
        Rule(
            "!(self.operator in ['Gt', 'Lt']) || self.values.all(v, v.matches('^[0-9]{1,18}$'))",
            "values must be a number with Gt and Lt",
            "values",
            lambda it: it.operator not in ("Gt", "Lt") or all(v.isdecimal() for v in it.values),
        ),
    )


class NodeTerm(Model):
    match_expressions: Annotated[
        tuple[NodeRequirement, ...], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC)
    ]
    """Requirements that a node must all meet."""


class NodeTerms(Model):
    node_selector_terms: Annotated[
        tuple[NodeTerm, ...], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC)
    ]
    """Alternatives, of which a node must meet one."""


class PreferredNodes(Model):
    weight: Weight
    """Points, 1 to 100, for a node that meets the preference."""
    preference: NodeTerm
    """What is preferred."""


class NodeAffinity(Model):
    required_during_scheduling_ignored_during_execution: NodeTerms | None = None
    """What a node must have to run the pods."""
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredNodes, ...], Field(max_length=16, json_schema_extra=ATOMIC)
    ] = ()
    """What nodes should have, if possible."""


class LabelRequirement(Model):
    key: KeyText
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label is compared with values."""
    values: Values = ()
    """Values of the label, for In and NotIn."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.operator in ['In', 'NotIn']) == (self.values.size() > 0)",
            "values must be one or more with In and NotIn, none otherwise",
            "values",
            _has_fitting_values,
        ),
    )


class LabelSelector(Model):
    match_labels: Labels = Field(default={})
    """Labels that must all be there."""
    match_expressions: Annotated[
        tuple[LabelRequirement, ...], Field(max_length=16, json_schema_extra=ATOMIC)
    ] = ()
    """Requirements that must all be met."""


class PodTerm(Model):
    topology_key: KeyText
    """Label of nodes: those with the same value count as one place."""
    label_selector: LabelSelector
    """Pods to be near, or far from; empty: all."""
    namespaces: Annotated[
        tuple[NamespaceName, ...], Field(max_length=16, json_schema_extra=ATOMIC)
    ] = ()
    """Namespaces of those pods; empty: that of the instance."""
    namespace_selector: LabelSelector | None = None
    """Namespaces of those pods, by label."""


class PreferredPods(Model):
    weight: Weight
    """Points, 1 to 100, for a node that meets the term."""
    pod_affinity_term: PodTerm
    """What is preferred."""


class PodAffinity(Model):
    required_during_scheduling_ignored_during_execution: Annotated[
        tuple[PodTerm, ...], Field(max_length=16, json_schema_extra=ATOMIC)
    ] = ()
    """Terms that a node must meet."""
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredPods, ...], Field(max_length=16, json_schema_extra=ATOMIC)
    ] = ()
    """Terms that a node should meet, if possible."""


class Affinity(Model):
    node_affinity: NodeAffinity | None = None
    """Nodes to run on, by their labels."""
    pod_affinity: PodAffinity | None = None
    """Pods to be near."""
    pod_anti_affinity: PodAffinity | None = None
    """Pods to be far from."""


class TopologySpread(Model):
    topology_key: KeyText
    """Label of nodes over whose values the pods are spread."""
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = "ScheduleAnyway"
    """Whether a pod that would break the spread waits."""
    max_skew: Annotated[int, Field(ge=1, le=1000)] = 1
    """The largest difference in the number of pods between two values."""
    min_domains: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Number of values that there should be at least, with DoNotSchedule."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.minDomains) || self.whenUnsatisfiable == 'DoNotSchedule'",
            "minDomains needs whenUnsatisfiable DoNotSchedule",
            "minDomains",
            lambda it: it.min_domains is None or it.when_unsatisfiable == "DoNotSchedule",
        ),
    )


SPREAD_KEYS: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["topologyKey", "whenUnsatisfiable"],
}


class PodTemplate(Model):
    labels: Labels = Field(default={})
    """Additional labels of the pods."""
    annotations: Annotations = Field(default={})
    """Additional annotations of the pods."""
    node_selector: Labels = Field(default={})
    """Labels that a node must have to run the pods."""
    tolerations: Annotated[
        tuple[Toleration, ...], Field(max_length=32, json_schema_extra=ATOMIC)
    ] = ()
    """Taints that the pods tolerate."""
    affinity: Affinity | None = None
    """Nodes and pods to be near or far from; absent: none."""
    topology_spread: Annotated[
        tuple[TopologySpread, ...], Field(max_length=8, json_schema_extra=SPREAD_KEYS)
    ] = ()
    """How the pods of the component are spread, instead of by spread; empty: by spread."""
    priority_class_name: ObjectName = ""
    """PriorityClass of the pods; empty: the default of the cluster."""

    rules: ClassVar[tuple[Rule, ...]] = (
        own_labels(),
        reserved(
            "labels",
            OF_CONTROLLERS,
            "labels that controllers set on pods (pod-template-hash and the like) cannot be given",
            was_accepted=True,
        ),
        own_annotations(),
        reserved(
            "annotations",
            PROFILES,
            "annotations about AppArmor and seccomp are refused: pods have the default profiles",
            was_accepted=True,
        ),
        few_bytes(),
    )
