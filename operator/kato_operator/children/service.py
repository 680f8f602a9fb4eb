"""The service's workload: Deployment, ServiceAccount, and the volume of embedded stores."""

from kato_operator import names
from kato_operator.children import (
    access,
    availability,
    connections,
    exposure,
    images,
    pods,
    settings,
    stores,
    tls,
)
from kato_operator.children.component import Component, annotated
from kato_operator.children.facts import Facts
from kato_operator.crd.instance import KatoInstance
from kato_operator.crd.service import Probes, Variable
from kato_operator.manifests import Manifest, digest

USER = 65532
PRE_STOP_S = 5
"""Seconds that a terminating pod keeps serving, until every client has stopped using it.

The hook is a command rather than the `sleep` action. With the action, the API server would refuse
a shorter grace period in a hand-edited Deployment; this way it accepts it, and the operator puts
the grace period back.
"""
GRACE_S = PRE_STOP_S + settings.SHUTDOWN_GRACE_S + 10
CA_DIR, _, CA_FILE = connections.CA_FILE.rpartition("/")
HISTORY = 3


def children(instance: KatoInstance, facts: Facts) -> tuple[Manifest, ...]:
    """All children of the service."""
    image = images.of_service(instance, facts)
    component = Component(instance, names.SERVICE, image.version)
    spec = instance.spec.service
    return (
        settings.config_map(component, facts),
        connections.secret(component, facts),
        component.manifest("ServiceAccount", automountServiceAccountToken=False),
        exposure.service(component),
        *exposure.ingress(component),
        *exposure.service_monitor(component, facts),
        *availability.budget(component, availability.min_pods(spec), spec.disruption),
        *availability.autoscaler(component),
        *_claim(component),
        _deployment(component, image, facts),
    )


def _claim(component: Component) -> tuple[Manifest, ...]:
    if not component.instance.spec.has_embedded_store:
        return ()
    name = names.embedded_data(component.instance.metadata.name)
    storage = component.instance.spec.service.embedded_storage
    spec = stores.claim_spec(storage)
    named = {} if storage.class_name is None else {names.CLASS_NAMED_ANNOTATION: "true"}
    claim = annotated(component.retained("PersistentVolumeClaim", name, spec=spec), named)
    return (stores.described(claim, storage),)


def _deployment(component: Component, image: images.ChosenImage, facts: Facts) -> Manifest:
    service = component.instance.spec.service
    scaled = {} if service.autoscaling is not None else {"replicas": service.replicas}
    return component.manifest(
        "Deployment",
        spec={
            **scaled,
            "revisionHistoryLimit": HISTORY,
            "strategy": _strategy(component.instance),
            "selector": {"matchLabels": component.selector},
            "template": _template(component, image, facts),
        },
    )


def _strategy(instance: KatoInstance) -> Manifest:
    """How pods are replaced: two pods must never open the files of an embedded store at once."""
    if instance.spec.has_embedded_store:
        return {"type": "Recreate"}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def _template(component: Component, image: images.ChosenImage, facts: Facts) -> Manifest:
    wanted = component.instance.spec.service.pod_template
    hashed = {names.CONFIG_HASH_ANNOTATION: config_hash(component.instance, facts)}
    return pods.template(component, wanted, _pod(component, image, facts), hashed)


def config_hash(instance: KatoInstance, facts: Facts) -> str:
    """What stands for the settings and secrets that pods read only when they start."""
    read = {
        **settings.variables(instance, facts),
        **_secrets_read_once(instance, facts),
        names.MONGODB_CA: facts.external.get(names.MONGODB_CA, ""),
    }
    return digest(read)


def _secrets_read_once(instance: KatoInstance, facts: Facts) -> dict[str, str]:
    """The secret variables but the API key, which the service reads again when it changes."""
    found = connections.secret_variables(instance, facts)
    return {name: value for name, value in found.items() if name != connections.API_KEY}


def _pod(component: Component, image: images.ChosenImage, facts: Facts) -> Manifest:
    service = component.instance.spec.service
    return pods.pod(
        USER,
        image,
        serviceAccountName=component.object_name,
        terminationGracePeriodSeconds=GRACE_S,
        **pods.placement(
            component,
            service.pod_template,
            spread=service.spread,
            matchLabelKeys=["pod-template-hash"],
        ),
        containers=[_server(component, image, facts)],
        volumes=[
            pods.scratch("tmp", "256Mi"),
            _data(component.instance),
            *_files(component.instance),
        ],
    )


def _data(instance: KatoInstance) -> Manifest:
    if not instance.spec.has_embedded_store:
        return pods.scratch(stores.DATA, "256Mi")
    claim = names.embedded_data(instance.metadata.name)
    return {"name": stores.DATA, "persistentVolumeClaim": {"claimName": claim}}


def _files(instance: KatoInstance) -> list[Manifest]:
    """The volumes with the secrets that the service reads from files."""
    secret, found = names.connections(instance.metadata.name), access.volumes(instance)
    found += tls.volumes(instance)
    if _has_ca(instance):
        found.append(pods.secret_files("mongodb-ca", secret, {CA_FILE: names.MONGODB_CA}))
    return found


def _mounts(instance: KatoInstance) -> list[Manifest]:
    found: list[Manifest] = [
        {"name": "tmp", "mountPath": "/tmp"},
        stores.data_volume(settings.DATA_DIR),
        *access.mounts(instance),
        *tls.mounts(instance),
    ]
    if _has_ca(instance):
        found.append({"name": "mongodb-ca", "mountPath": CA_DIR, "readOnly": True})
    return found


def _has_ca(instance: KatoInstance) -> bool:
    external = instance.spec.mongodb.external
    return external is not None and external.ca_secret_ref is not None


def _server(component: Component, image: images.ChosenImage, facts: Facts) -> Manifest:
    service = component.instance.spec.service
    return pods.container(
        "service",
        image,
        envFrom=[{"configMapRef": {"name": names.config(component.instance.metadata.name)}}],
        env=_variables(component.instance, facts),
        ports=pods.ports({tls.scheme(component.instance): service.port}),
        resources=pods.requirements(service.resources),
        **_probes(service.probes, tls.scheme(component.instance)),
        lifecycle={"preStop": {"exec": {"command": ["sleep", str(PRE_STOP_S)]}}},
        volumeMounts=_mounts(component.instance),
    )


def _variables(instance: KatoInstance, facts: Facts) -> list[Manifest]:
    """The secret variables, then those of the spec; all others come from the ConfigMap."""
    secret = names.connections(instance.metadata.name)
    return [
        *(
            pods.from_secret(name, secret, name)
            for name in sorted(_secrets_read_once(instance, facts))
        ),
        *(_variable(variable) for variable in instance.spec.service.env),
    ]


def _variable(variable: Variable) -> Manifest:
    if variable.value_from is None:
        return {"name": variable.name, "value": variable.value or ""}
    source = variable.value_from.model_dump(by_alias=True, exclude_none=True)
    return {"name": variable.name, "valueFrom": source}


def _probes(wanted: Probes, port: str) -> Manifest:
    paths = {"startup": "startup", "liveness": "live", "readiness": "ready"}
    return {
        f"{name}Probe": pods.http_probe(
            port, f"/health/{path}", **getattr(wanted, name).model_dump(by_alias=True)
        )
        for name, path in paths.items()
    }
