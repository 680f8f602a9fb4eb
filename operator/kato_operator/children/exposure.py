"""How clients and Prometheus reach the service: Service, Ingress, ServiceMonitor."""

from kato_operator import names
from kato_operator.children import connections, tls
from kato_operator.children.component import Component, annotated, labelled
from kato_operator.children.facts import Facts
from kato_operator.crd.instance import KatoInstance
from kato_operator.crd.service import Ingress
from kato_operator.manifests import Manifest


def service(component: Component) -> Manifest:
    """The Service that clients use."""
    wanted = component.instance.spec.service
    # Pods of before a switch between HTTP and HTTPS have no port of the new name: no client reaches
    # one that speaks the other protocol.
    name = tls.scheme(component.instance)
    port = {"name": name, "port": wanted.port, "targetPort": name, "protocol": "TCP"}
    protocol = {"appProtocol": "https"} if wanted.tls is not None else {}
    manifest = component.manifest(
        "Service",
        spec={
            "type": wanted.expose.type,
            "ipFamilyPolicy": wanted.expose.ip_family_policy,
            "sessionAffinity": wanted.expose.session_affinity,
            "selector": component.selector,
            "ports": [{**port, **protocol}],
        },
    )
    return annotated(manifest, dict(wanted.expose.annotations))


def ingress(component: Component) -> tuple[Manifest, ...]:
    """The Ingress, if the spec has one; it sends every path of its host to the service."""
    expose = component.instance.spec.service.expose
    if expose.ingress is None:
        return ()
    manifest = component.manifest(
        "Ingress",
        spec=_ingress_spec(component.object_name, tls.scheme(component.instance), expose.ingress),
    )
    return (annotated(manifest, dict(expose.annotations)),)


def service_monitor(component: Component, facts: Facts) -> tuple[Manifest, ...]:
    """The ServiceMonitor for the Prometheus operator, if the spec enables it."""
    monitoring = component.instance.spec.monitoring
    if monitoring.service_monitor == "Disabled":
        return ()
    endpoint = {
        "port": tls.scheme(component.instance),
        "path": "/metrics",
        **_trust(component, facts),
        **_credentials(component.instance),
    }
    spec = {"selector": {"matchLabels": component.selector}, "endpoints": [endpoint]}
    manifest = component.manifest("ServiceMonitor", spec=spec)
    return (labelled(manifest, dict(monitoring.labels)),)


def _trust(component: Component, facts: Facts) -> Manifest:
    """How Prometheus, which calls pods by their addresses, checks the certificate."""
    wanted = component.instance.spec.service.tls
    if wanted is None:
        return {}
    known = names.TLS_CA if facts.external.get(names.TLS_CA) else names.TLS_CERTIFICATE
    ca = {"secret": {"name": wanted.secret_name, "key": names.TLS_FILES[known]}}
    return {"scheme": "https", "tlsConfig": {"ca": ca, "serverName": component.host}}


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


def _ingress_spec(service: str, port: str, wanted: Ingress) -> Manifest:
    backend = {"service": {"name": service, "port": {"name": port}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    class_name = {"ingressClassName": wanted.class_name} if wanted.class_name else {}
    secret = wanted.tls_secret_name
    ends = {"tls": [{"hosts": [wanted.host], "secretName": secret}]} if secret else {}
    return {**class_name, "rules": [{"host": wanted.host, "http": {"paths": paths}}], **ends}
