"""Managed Redis: one server that has every acknowledged write on its volume."""

from decimal import Decimal

from kato_operator import names
from kato_operator.children import connections, images, pods, stores
from kato_operator.children.component import Component
from kato_operator.children.facts import Facts
from kato_operator.crd.instance import KatoInstance
from kato_operator.crd.rules import amount
from kato_operator.crd.stores import ManagedRedis
from kato_operator.manifests import Manifest, digest

USER = 999
CONFIG = "redis.conf"
CONFIG_DIR = "/etc/kato/redis"
AUTH_DIR = "/etc/kato/redis-auth"
AUTH_FILE = f"{AUTH_DIR}/{connections.REDIS_AUTH}"
DATA_DIR = "/data"
PORTS = stores.Ports(clients={"redis": names.REDIS_PORT}, peers={}, operator={})
FSYNC = {"Always": "always", "EverySec": "everysec"}
SNAPSHOTS = "3600 1 300 100 60 10000"

OWN_BYTES = 24 * 2**20
"""Memory that is not data: the server itself, buffers of clients, and the programs of probes."""
BYTES_PER_BYTE = Decimal("2.4")
"""Memory that a byte of data may need while the append-only file is rewritten.

The child that writes it shares all pages with the server, and each page that changes meanwhile is
copied: with writes to every page, the data is in memory twice, with what its allocator leaves
unused. Measured at full write load: 2.05 to 2.1.
"""
LEAST_BYTES = 2**20
"""Redis takes 0 for no limit at all."""

FOLLOW = "follow.sh"
START = (
    f"exec 9>>{DATA_DIR}/.lock && flock 9 && file={AUTH_FILE} && known=$(cat {AUTH_FILE})"
    f" && {{ (. {CONFIG_DIR}/{FOLLOW}) 9>&- & }} && exec redis-server {CONFIG_DIR}/{CONFIG}"
)
"""The lock keeps a pod that was deleted by force and its successor from writing at the same time.

The server replaces the shell: it inherits the lock with the open file, and receives the signals
of the kubelet itself. What it may accept is read before it starts: the kubelet may change the file
at any moment.
"""
FOLLOWING = f"""\
# Lets the running server accept the passwords in $file once they differ from those in $known.
port=${{port:-{names.REDIS_PORT}}}
passwords() {{
  printf '%s\\n' "$1" | sed -n 's/^user default .* +@all //p' | tr -d '>'
}}
commands() {{
  echo "AUTH $1"
  printf '%s\\n' "$2" | sed -n 's/^user default on /ACL SETUSER default on resetpass /p'
}}
while sleep 2; do
  wanted=$(cat "$file") && [ "$wanted" != "$known" ] || continue
  for password in $(passwords "$known") $(passwords "$wanted"); do
    answer=$(commands "$password" "$wanted" | redis-cli -p "$port" 2>&1)
    if [ "$(echo $answer)" = "OK OK" ]; then
      known=$wanted
      echo "passwords changed"
      break
    fi
  done
done
"""
"""It logs in with a password that the server accepted until now; no password is in an argument."""
PING = (
    f'test "$(printf "AUTH {connections.HEALTH_USER} -\\nPING\\n"'
    f' | redis-cli -p {names.REDIS_PORT} | tail -n 1)" = PONG'
)
"""Succeeds only on PONG: a server that is loading its data accepts connections but says LOADING."""
ANSWERS = f'test -n "$(echo PING | redis-cli -p {names.REDIS_PORT})"'
"""Succeeds on any answer.

A server that cannot save, for example on a full volume, refuses even PING; a restart would not
help.
"""


def children(instance: KatoInstance, facts: Facts) -> tuple[Manifest, ...]:
    """All children of a managed Redis."""
    image = images.of_redis(instance, facts)
    component = Component(instance, names.REDIS, image.version)
    text = configuration(instance.spec.redis.managed)
    workload = stores.Workload(
        replicas=1,
        pod=_pod(component, image),
        template=instance.spec.redis.managed.pod_template,
        storage=instance.spec.redis.managed.storage,
        digest=digest({"config": text, "follow": FOLLOWING}),
    )
    return (
        component.manifest("ConfigMap", data={CONFIG: text, FOLLOW: FOLLOWING}),
        *stores.services(component, PORTS),
        *stores.network_policies(component, PORTS),
        stores.stateful_set(component, workload),
    )


def configuration(managed: ManagedRedis) -> str:
    """The text of redis.conf; its users are in the file that it includes last."""
    options = {
        "port": str(names.REDIS_PORT),
        "dir": DATA_DIR,
        "appendonly": "yes",
        "appendfsync": FSYNC[managed.append_fsync],
        "save": SNAPSHOTS,
        "maxmemory": str(_max_memory(managed)),
        "maxmemory-policy": "noeviction",
        # a line without a value is an error
        **{name: value or '""' for name, value in managed.config.items()},
        "include": AUTH_FILE,
    }
    return "".join(f"{name} {value}\n" for name, value in options.items())


def _max_memory(managed: ManagedRedis) -> int:
    """The bytes of data that leave room for a rewrite, or fewer if the spec says so."""
    limit: Decimal = amount(managed.resources.limits["memory"])
    wanted = limit * managed.max_memory_percent / 100
    safe = (limit - OWN_BYTES) / BYTES_PER_BYTE
    return max(LEAST_BYTES, int(min(wanted, safe)))


def _pod(component: Component, image: images.ChosenImage) -> Manifest:
    instance = component.instance
    secret = names.connections(instance.metadata.name)
    auth = {connections.REDIS_AUTH: connections.REDIS_AUTH}
    return pods.pod(
        USER,
        image,
        terminationGracePeriodSeconds=stores.GRACE_S,
        **pods.placement(component, instance.spec.redis.managed.pod_template, spread="None"),
        containers=[_server(instance, image)],
        volumes=[
            {
                "name": "config",
                "configMap": {"name": names.store(instance.metadata.name, names.REDIS)},
            },
            pods.secret_files("auth", secret, auth),
        ],
    )


def _server(instance: KatoInstance, image: images.ChosenImage) -> Manifest:
    ping = {"exec": {"command": ["sh", "-c", PING]}, "timeoutSeconds": 5}
    return pods.container(
        "redis",
        image,
        command=["sh", "-c", START],
        ports=pods.ports(PORTS.all),
        resources=pods.requirements(instance.spec.redis.managed.resources),
        startupProbe={**ping, **pods.LONG_START},
        livenessProbe={
            "exec": {"command": ["sh", "-c", ANSWERS]},
            "timeoutSeconds": 5,
            "periodSeconds": 10,
            "failureThreshold": 6,
        },
        readinessProbe={**ping, "periodSeconds": 5, "failureThreshold": 3},
        volumeMounts=[
            stores.data_volume(DATA_DIR),
            {"name": "config", "mountPath": CONFIG_DIR, "readOnly": True},
            {"name": "auth", "mountPath": AUTH_DIR, "readOnly": True},
        ],
    )
