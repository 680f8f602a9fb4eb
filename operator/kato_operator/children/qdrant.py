"""Managed Qdrant: a cluster from the start, however small."""

from kato_operator import names
from kato_operator.children import images, pods, stores
from kato_operator.children.facts import Facts
from kato_operator.children.part import Part
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest, digest

USER = 1000
CONFIG_DIR = "/etc/kato/qdrant"
DATA_DIR = "/data"
SCRIPT = "start.sh"
DOORS = stores.Doors(
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
    """Everything of a managed Qdrant."""
    image = images.of_qdrant(instance, facts)
    part = Part(instance, names.QDRANT, image.version)
    managed = instance.spec.qdrant.managed
    workload = stores.Workload(
        replicas=managed.replicas,
        pod=_pod(part, image),
        storage=managed.storage,
        digest=digest({"start": START, "key": facts.credentials[names.QDRANT_API_KEY]}),
    )
    return (
        part.manifest("ConfigMap", data={SCRIPT: START}),
        *stores.services(part, DOORS),
        *stores.network_policies(part, DOORS),
        stores.stateful_set(part, workload),
    )


def _pod(part: Part, image: images.ChosenImage) -> Manifest:
    return pods.pod(
        USER,
        image,
        terminationGracePeriodSeconds=stores.GRACE_S,
        **pods.spread(part, "Preferred"),
        containers=[_server(part, image)],
        volumes=[
            pods.scratch("tmp", "64Mi"),
            {"name": "config", "configMap": {"name": part.name}},
        ],
    )


def _server(part: Part, image: images.ChosenImage) -> Manifest:
    """Health paths need no key; a server that is busy with its index must not be restarted."""
    return pods.container(
        "qdrant",
        image,
        command=["sh", f"{CONFIG_DIR}/{SCRIPT}"],
        env=_variables(part),
        ports=pods.ports(DOORS.all),
        resources=pods.asked_for(part.instance.spec.qdrant.managed.resources),
        startupProbe=pods.answers("http", "/livez", **pods.LONG_START),
        livenessProbe=pods.answers(
            "http", "/livez", periodSeconds=30, timeoutSeconds=10, failureThreshold=10
        ),
        readinessProbe=pods.answers("http", "/readyz", periodSeconds=5, timeoutSeconds=5),
        volumeMounts=[
            stores.data_volume(DATA_DIR),
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "config", "mountPath": CONFIG_DIR, "readOnly": True},
        ],
    )


def _variables(part: Part) -> list[Manifest]:
    values = {
        "PEERS": part.peers_domain,
        "QDRANT__CLUSTER__ENABLED": "true",
        "QDRANT__CLUSTER__P2P__PORT": str(names.QDRANT_PEER_PORT),
        "QDRANT__STORAGE__STORAGE_PATH": f"{DATA_DIR}/storage",
        "QDRANT__STORAGE__SNAPSHOTS_PATH": f"{DATA_DIR}/snapshots",
        "QDRANT__TELEMETRY_DISABLED": "true",
        "QDRANT_INIT_FILE_PATH": "/tmp/.qdrant-initialized",
    }
    credentials = names.credentials(part.instance.metadata.name)
    return [
        pods.own_name("POD"),
        *({"name": name, "value": value} for name, value in values.items()),
        pods.from_secret("QDRANT__SERVICE__API_KEY", credentials, names.QDRANT_API_KEY),
    ]
