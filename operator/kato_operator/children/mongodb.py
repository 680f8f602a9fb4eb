"""Managed MongoDB: always a replica set, with our agent next to every server."""

from decimal import Decimal

from kato_operator import names
from kato_operator.children import availability, images, pods, stores
from kato_operator.children.component import Component
from kato_operator.children.facts import Facts
from kato_operator.crd.instance import KatoInstance
from kato_operator.crd.rules import amount
from kato_operator.crd.stores import ManagedMongoDB
from kato_operator.manifests import Manifest

USER = 999
DATA_DIR = "/data/db"
KEYFILE_DIR = "/etc/kato/keyfile"
OWN_KEYFILE_DIR = "/var/run/kato"
CREDENTIALS_DIR = "/etc/kato/credentials"
MEMBERS = "members"
RECORDED_SET = "recorded-set"
SMALLEST_CACHE_GIB = Decimal("0.25")
PORTS = stores.Ports(
    clients={"mongodb": names.MONGODB_PORT}, peers={}, operator={"agent": names.AGENT_PORT}
)
TMP: Manifest = {"name": "tmp", "mountPath": "/tmp"}

COPY_KEYFILE = f"install -m 0400 {KEYFILE_DIR}/{names.KEYFILE} {OWN_KEYFILE_DIR}/{names.KEYFILE}"
"""The server refuses a keyfile that its group may read, and the files of a Secret are like that."""


def children(instance: KatoInstance, facts: Facts) -> tuple[Manifest, ...]:
    """All children of a managed MongoDB."""
    image = images.of_mongodb(instance, facts)
    component = Component(instance, names.MONGODB, image.version)
    managed = instance.spec.mongodb.managed
    workload = stores.Workload(
        replicas=managed.members,
        pod=_pod(component, image, images.of_agent(instance, facts), facts),
        template=managed.pod_template,
        storage=managed.storage,
        on_delete=True,
    )
    return (
        component.manifest("ConfigMap", data=_agent_config(managed, facts)),
        *stores.services(component, PORTS),
        *stores.network_policies(component, PORTS),
        *availability.budget(component, managed.members, managed.disruption),
        stores.stateful_set(component, workload),
    )


def arguments(managed: ManagedMongoDB, *, ipv6: bool = False) -> list[str]:
    """The command-line arguments of the server, which listens on IPv6 only if told to.

    On a node without IPv6, it would not start with --ipv6.
    """
    return [
        *("--replSet", names.MONGODB_SET, "--port", str(names.MONGODB_PORT), "--bind_ip_all"),
        *("--dbpath", DATA_DIR, "--unixSocketPrefix", "/tmp"),
        *("--auth", "--keyFile", f"{OWN_KEYFILE_DIR}/{names.KEYFILE}"),
        *("--wiredTigerCacheSizeGB", str(_cache_gib(managed))),
        *("--maxConns", str(_connections(managed))),
        *(("--ipv6",) if ipv6 else ()),
    ]


def _agent_config(managed: ManagedMongoDB, facts: Facts) -> dict[str, str]:
    """What the agents read when they start.

    It is not in the pod template, because a change of it must not restart any pod.
    """
    return {MEMBERS: str(managed.members), RECORDED_SET: facts.recorded_set}


def _memory(managed: ManagedMongoDB) -> Decimal:
    limit: Decimal = amount(managed.resources.limits["memory"])
    return limit


def _cache_gib(managed: ManagedMongoDB) -> Decimal:
    wanted = _memory(managed) * managed.cache_percent / 100 / 2**30
    return max(SMALLEST_CACHE_GIB, round(wanted, 2))


def _connections(managed: ManagedMongoDB) -> int:
    """The most connections: one per MiB of the limit, which a busy connection may need."""
    return max(64, int(_memory(managed) / 2**20))


def _pod(
    component: Component, image: images.ChosenImage, agent: images.ChosenImage, facts: Facts
) -> Manifest:
    managed, name = component.instance.spec.mongodb.managed, component.instance.metadata.name
    # An agent of an older version reads the two passwords.
    read = (names.MONGODB_USERS, names.MONGODB_OPERATOR_PASSWORD, names.MONGODB_SERVICE_PASSWORD)
    return pods.pod(
        USER,
        image,
        agent,
        terminationGracePeriodSeconds=stores.GRACE_S,
        **pods.placement(component, managed.pod_template, spread=managed.spread),
        initContainers=[_keyfile(image), _agent(component, agent)],
        containers=[_server(managed, image, facts)],
        volumes=[
            pods.scratch("tmp", "64Mi"),
            pods.scratch("own-keyfile", "1Mi", medium="Memory"),
            pods.secret_files("keyfile", names.keyfile(name), {names.KEYFILE: names.KEYFILE}),
            pods.secret_files("credentials", names.connections(name), {it: it for it in read}),
        ],
    )


def _keyfile(image: images.ChosenImage) -> Manifest:
    return pods.container(
        "keyfile",
        image,
        command=["sh", "-c", COPY_KEYFILE],
        resources=pods.fixed_requirements("10m", "16Mi", "64Mi"),
        volumeMounts=[
            {"name": "keyfile", "mountPath": KEYFILE_DIR, "readOnly": True},
            {"name": "own-keyfile", "mountPath": OWN_KEYFILE_DIR},
        ],
    )


def _agent(component: Component, image: images.ChosenImage) -> Manifest:
    """The sidecar that prepares the server; the pod is ready only while the agent is."""
    return pods.container(
        "agent",
        image,
        restartPolicy="Always",
        args=["mongodb-agent"],
        env=_agent_variables(component),
        ports=pods.ports(PORTS.operator),
        resources=pods.fixed_requirements("20m", "64Mi", "192Mi"),
        startupProbe=pods.http_probe("agent", "/live", periodSeconds=1, failureThreshold=120),
        livenessProbe=pods.http_probe(
            "agent", "/live", periodSeconds=10, timeoutSeconds=5, failureThreshold=6
        ),
        readinessProbe=pods.http_probe("agent", "/ready", periodSeconds=2, timeoutSeconds=5),
        volumeMounts=[{"name": "credentials", "mountPath": CREDENTIALS_DIR, "readOnly": True}],
    )


def _agent_variables(component: Component) -> list[Manifest]:
    values = {
        "KATO_AGENT_SERVICE_FQDN": component.peers_domain,
        "KATO_AGENT_SET_NAME": names.MONGODB_SET,
        "KATO_AGENT_DATABASE": names.MONGODB_DATABASE,
        "KATO_AGENT_MONGODB_PORT": str(names.MONGODB_PORT),
        "KATO_AGENT_PORT": str(names.AGENT_PORT),
        "KATO_AGENT_CREDENTIALS": CREDENTIALS_DIR,
    }
    configured = {"KATO_AGENT_MEMBERS": MEMBERS, "KATO_AGENT_RECORDED_SET": RECORDED_SET}
    return [
        pods.pod_name("KATO_AGENT_POD"),
        *({"name": name, "value": value} for name, value in values.items()),
        *(_from_config(name, component.object_name, key) for name, key in configured.items()),
    ]


def _from_config(variable: str, config: str, key: str) -> Manifest:
    return {"name": variable, "valueFrom": {"configMapKeyRef": {"name": config, "key": key}}}


def _server(managed: ManagedMongoDB, image: images.ChosenImage, facts: Facts) -> Manifest:
    return pods.container(
        "mongodb",
        image,
        command=["mongod"],
        args=arguments(managed, ipv6=facts.ipv6),
        env=[{"name": "HOME", "value": "/tmp"}],
        ports=pods.ports(PORTS.clients),
        resources=pods.requirements(managed.resources),
        startupProbe=pods.tcp_probe("mongodb", **pods.LONG_START),
        livenessProbe=pods.tcp_probe(
            "mongodb", periodSeconds=10, timeoutSeconds=5, failureThreshold=6
        ),
        readinessProbe=pods.tcp_probe("mongodb", periodSeconds=5, timeoutSeconds=5),
        volumeMounts=[
            stores.data_volume(DATA_DIR),
            TMP,
            {"name": "own-keyfile", "mountPath": OWN_KEYFILE_DIR, "readOnly": True},
            {"name": "credentials", "mountPath": CREDENTIALS_DIR, "readOnly": True},
        ],
    )
