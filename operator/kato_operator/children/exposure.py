"""How clients and Prometheus reach the service: Service, Ingress, ServiceMonitor."""

from kato_operator.children.part import Part, annotated, labelled
from kato_operator.crd.service import Ingress
from kato_operator.manifests import Manifest

PORT = "http"


def service(part: Part) -> Manifest:
    wanted = part.instance.spec.service
    manifest = part.manifest(
        "Service",
        spec={
            "type": wanted.expose.type,
            "sessionAffinity": wanted.expose.session_affinity,
            "selector": part.selector,
            "ports": [{"name": PORT, "port": wanted.port, "targetPort": PORT, "protocol": "TCP"}],
        },
    )
    return annotated(manifest, dict(wanted.expose.annotations))


def ingress(part: Part) -> tuple[Manifest, ...]:
    """The Ingress, if the spec has one; every path of its host is the service's."""
    expose = part.instance.spec.service.expose
    if expose.ingress is None:
        return ()
    manifest = part.manifest("Ingress", spec=_ingress_spec(part.name, expose.ingress))
    return (annotated(manifest, dict(expose.annotations)),)


def service_monitor(part: Part) -> tuple[Manifest, ...]:
    """What the Prometheus operator has to read, if the spec wants it."""
    monitoring = part.instance.spec.monitoring
    if monitoring.service_monitor == "Disabled":
        return ()
    spec = {
        "selector": {"matchLabels": part.selector},
        "endpoints": [{"port": PORT, "path": "/metrics"}],
    }
    manifest = part.manifest("ServiceMonitor", spec=spec)
    return (labelled(manifest, dict(monitoring.labels)),)


def _ingress_spec(service: str, wanted: Ingress) -> Manifest:
    backend = {"service": {"name": service, "port": {"name": PORT}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    class_name = {"ingressClassName": wanted.class_name} if wanted.class_name else {}
    secret = wanted.tls_secret_name
    tls = {"tls": [{"hosts": [wanted.host], "secretName": secret}]} if secret else {}
    return {**class_name, "rules": [{"host": wanted.host, "http": {"paths": paths}}], **tls}
