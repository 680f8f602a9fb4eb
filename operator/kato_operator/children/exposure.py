"""How clients and Prometheus reach the service: Service, Ingress, ServiceMonitor."""

from kato_operator import names
from kato_operator.children import connections
from kato_operator.children.component import Component, annotated, labelled
from kato_operator.crd.instance import KatoInstance
from kato_operator.crd.service import Ingress
from kato_operator.manifests import Manifest

PORT = "http"


def service(component: Component) -> Manifest:
    """The Service that clients use."""
    wanted = component.instance.spec.service
    manifest = component.manifest(
        "Service",
        spec={
            "type": wanted.expose.type,
            "sessionAffinity": wanted.expose.session_affinity,
            "selector": component.selector,
            "ports": [{"name": PORT, "port": wanted.port, "targetPort": PORT, "protocol": "TCP"}],
        },
    )
    return annotated(manifest, dict(wanted.expose.annotations))


def ingress(component: Component) -> tuple[Manifest, ...]:
    """The Ingress, if the spec has one; it sends every path of its host to the service."""
    expose = component.instance.spec.service.expose
    if expose.ingress is None:
        return ()
    manifest = component.manifest(
        "Ingress", spec=_ingress_spec(component.object_name, expose.ingress)
    )
    return (annotated(manifest, dict(expose.annotations)),)


def service_monitor(component: Component) -> tuple[Manifest, ...]:
    """The ServiceMonitor for the Prometheus operator, if the spec enables it."""
    monitoring = component.instance.spec.monitoring
    if monitoring.service_monitor == "Disabled":
        return ()
    endpoint = {"port": PORT, "path": "/metrics", **_credentials(component.instance)}
    spec = {"selector": {"matchLabels": component.selector}, "endpoints": [endpoint]}
    manifest = component.manifest("ServiceMonitor", spec=spec)
    return (labelled(manifest, dict(monitoring.labels)),)


def _credentials(instance: KatoInstance) -> Manifest:
    """What Prometheus sends: the key that the spec names for it, else the one API key."""
    wanted = instance.spec.monitoring.key_secret_ref
    if wanted is not None:
        source = {"name": wanted.name, "key": wanted.key}
    elif instance.spec.service.auth.takes_one_key:
        source = {"name": names.connections(instance.metadata.name), "key": connections.API_KEY}
    else:
        return {}
    return {"authorization": {"type": "Bearer", "credentials": source}}


def _ingress_spec(service: str, wanted: Ingress) -> Manifest:
    backend = {"service": {"name": service, "port": {"name": PORT}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    class_name = {"ingressClassName": wanted.class_name} if wanted.class_name else {}
    secret = wanted.tls_secret_name
    tls = {"tls": [{"hosts": [wanted.host], "secretName": secret}]} if secret else {}
    return {**class_name, "rules": [{"host": wanted.host, "http": {"paths": paths}}], **tls}
