"""Managed Qdrant: a cluster from the start, so that one node can become several."""

from kato_operator import names
from kato_operator.children import connections, images, pods, stores
from kato_operator.children.component import Component
from kato_operator.children.facts import Facts
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest, digest

USER = 1000
CONFIG_DIR = "/etc/kato/qdrant"
DATA_DIR = "/data"
SCRIPT = "start.sh"
PORTS = stores.Ports(
    clients={"http": names.QDRANT_PORT, "grpc": names.QDRANT_GRPC_PORT},
    peers={"p2p": names.QDRANT_PEER_PORT},
    operator={},
)

START = f"""\
# The first pod founds the cluster; the others join it there.
set -eu
uri="http://$POD.$PEERS:{names.QDRANT_PEER_PORT}"
first="http://${{POD%-*}}-0.$PEERS:{names.QDRANT_PEER_PORT}"
if [ "$uri" = "$first" ]; then
  exec ./entrypoint.sh --uri "$uri"
fi
exec ./entrypoint.sh --bootstrap "$first" --uri "$uri"
"""


def children(instance: KatoInstance, facts: Facts) -> tuple[Manifest, ...]:
    """All children of a managed Qdrant."""
    image = images.of_qdrant(instance, facts)
    component = Component(instance, names.QDRANT, image.version)
    managed = instance.spec.qdrant.managed
    workload = stores.Workload(
        replicas=managed.replicas,
        pod=_pod(component, image, facts),
        template=managed.pod_template,
        storage=managed.storage,
        digest=config_hash(facts),
    )
    return (
        component.manifest("ConfigMap", data={SCRIPT: START}),
        *stores.services(component, PORTS),
        *stores.network_policies(component, PORTS),
        stores.stateful_set(component, workload),
    )


def config_hash(facts: Facts) -> str:
    """What stands for the keys that the server accepts, whichever of them the service uses."""
    return digest(
        {"start": START, "keys": sorted(connections.accepted(names.QDRANT_API_KEY, facts))}
    )


def _pod(component: Component, image: images.ChosenImage, facts: Facts) -> Manifest:
    template = component.instance.spec.qdrant.managed.pod_template
    return pods.pod(
        USER,
        image,
        terminationGracePeriodSeconds=stores.GRACE_S,
        **pods.placement(component, template, spread="Preferred"),
        containers=[_server(component, image, facts)],
        volumes=[
            pods.scratch("tmp", "64Mi"),
            {"name": "config", "configMap": {"name": component.object_name}},
        ],
    )


def _server(component: Component, image: images.ChosenImage, facts: Facts) -> Manifest:
    """The container of the server.

    Its health paths need no API key. The liveness probe is patient: a server that is busy with
    its index must not be restarted.
    """
    return pods.container(
        "qdrant",
        image,
        command=["sh", f"{CONFIG_DIR}/{SCRIPT}"],
        env=_variables(component, facts),
        ports=pods.ports(PORTS.all),
        resources=pods.requirements(component.instance.spec.qdrant.managed.resources),
        startupProbe=pods.http_probe("http", "/livez", **pods.LONG_START),
        livenessProbe=pods.http_probe(
            "http", "/livez", periodSeconds=30, timeoutSeconds=10, failureThreshold=10
        ),
        readinessProbe=pods.http_probe("http", "/readyz", periodSeconds=5, timeoutSeconds=5),
        volumeMounts=[
            stores.data_volume(DATA_DIR),
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "config", "mountPath": CONFIG_DIR, "readOnly": True},
        ],
    )


def _variables(component: Component, facts: Facts) -> list[Manifest]:
    values = {
        # Only where it is needed: a new variable restarts the pods of every instance.
        **({"QDRANT__SERVICE__HOST": "::"} if facts.ipv6 else {}),
        "PEERS": component.peers_domain,
        "QDRANT__CLUSTER__ENABLED": "true",
        "QDRANT__CLUSTER__P2P__PORT": str(names.QDRANT_PEER_PORT),
        "QDRANT__STORAGE__STORAGE_PATH": f"{DATA_DIR}/storage",
        "QDRANT__STORAGE__SNAPSHOTS_PATH": f"{DATA_DIR}/snapshots",
        "QDRANT__TELEMETRY_DISABLED": "true",
        "QDRANT_INIT_FILE_PATH": "/tmp/.qdrant-initialized",
    }
    secret, key = names.connections(component.instance.metadata.name), names.QDRANT_API_KEY
    keys = {"QDRANT__SERVICE__API_KEY": key}
    if key in facts.rotation.others:
        keys["QDRANT__SERVICE__ALT_API_KEY"] = f"{key}{connections.OTHER}"
    return [
        pods.pod_name("POD"),
        *({"name": name, "value": value} for name, value in values.items()),
        *(pods.from_secret(name, secret, value) for name, value in keys.items()),
    ]
