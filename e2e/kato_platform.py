"""The platform on a cluster: brought up, talked to and taken away (`make up`, `make down`, e2e).

Standard library only: it runs before anything is installed. By Helm, kubectl and HTTP, as a user
would. The cluster is the one of KUBECONFIG (or of CLUSTER=current), else a test node made here.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TESTBED = ROOT / "e2e" / "testbed"
CHART = ROOT / "charts" / "kato"
IMAGES_DIR = ROOT / ".cache" / "images"
RELEASE = "kato"
SYSTEM_NAMESPACE = "kato-system"
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
STANDINS = {
    "redis": "localhost/kato-standin-redis:1",
    "mongodb": "localhost/kato-standin-mongodb:1",
    "qdrant": "localhost/kato-standin-qdrant:1",
}
STARTED = time.monotonic()


class PlatformError(Exception):
    """Something a person must see: what failed and the way out, in a few lines."""


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f}s] {text}", flush=True)


def run(
    *command: str | Path,
    timeout_s: float = 600,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run to the end and give its standard output.

    Raises:
        PlatformError: It failed or took too long; carries what it said.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=None if env is None else {**os.environ, **env},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PlatformError(
            f"{command[0]} {command[1]}: not done after {timeout_s:.0f} s"
        ) from error
    except FileNotFoundError as error:
        raise PlatformError(f"{command[0]} is not installed or not on PATH") from error
    if done.returncode:
        raise PlatformError(
            f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr.strip()}"
        )
    return done.stdout


def run_visibly(*command: str | Path) -> None:
    """Run to the end, its output shown as it comes."""
    sys.stdout.flush()
    done = subprocess.run([str(part) for part in command], check=False)
    if done.returncode:
        raise PlatformError(f"{' '.join(map(str, command))}: exit {done.returncode}")


@dataclass(frozen=True)
class Cluster:
    """Where the platform goes and with which images."""

    images: Mapping[str, str]
    """component → image: service, operator and, on the test node, the stores' stand-ins."""
    env: Mapping[str, str] = field(default_factory=dict)
    """KUBECONFIG and PATH of the test node; empty for the current cluster."""
    is_test_node: bool = True

    def tool(self, name: str) -> str:
        found = shutil.which(name, path=self.env.get("PATH"))
        if found is None:
            raise PlatformError(f"{name} is not on PATH; install it, or leave CLUSTER unset")
        return found

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout_s: float = 120) -> str:
        return run(self.tool("kubectl"), *arguments, stdin=stdin, timeout_s=timeout_s, env=self.env)

    def helm(self, *arguments: str, timeout_s: float = 180) -> str:
        return run(self.tool("helm"), *arguments, timeout_s=timeout_s, env=self.env)

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.kubectl("get", kind, name, "-n", namespace, "-o", "json")
        )
        return found


def wants_current_cluster() -> bool:
    """Whether a cluster is named, other than the test node that `up` tells to export."""
    named = os.environ.get("KUBECONFIG", "")
    is_other = bool(named) and named != test_node_env()["KUBECONFIG"]
    return is_other or os.environ.get("CLUSTER") == "current"


def test_node_env() -> dict[str, str]:
    """KUBECONFIG and PATH of the test node, as testbed.py prints them."""
    env = {}
    for line in run(sys.executable, TESTBED / "testbed.py", "env").splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        env[name] = value.strip("\"'").replace("$PATH", os.environ["PATH"])
    return env


def test_node() -> Cluster:
    """The running test node."""
    images = {"service": f"localhost/kato-service:{VERSION}"}
    images |= {"operator": f"localhost/kato-operator:{VERSION}", **STANDINS}
    return Cluster(images=images, env=test_node_env())


def start_test_node() -> Cluster:
    run_visibly(sys.executable, TESTBED / "testbed.py", "packages", "--node")
    say("building images (the first time takes minutes; cached under .cache/)")
    run_visibly(sys.executable, TESTBED / "images.py", "--out", IMAGES_DIR)
    say("starting the test node")
    tars = sorted(IMAGES_DIR.glob("*.tar"))
    run_visibly(sys.executable, TESTBED / "testbed.py", "up", *tars)
    return test_node()


def current_cluster() -> Cluster:
    """The cluster kubectl points at, with images it can reach."""
    prefix = os.environ.get("IMAGES", "").rstrip("/")
    cluster = Cluster(images={}, is_test_node=False)
    context = cluster.kubectl("config", "current-context").strip()
    say(f"using the current cluster (context {context})")
    if not prefix and not context.startswith("kind-"):
        raise PlatformError(
            "this cluster cannot see images built here: name a registry it can pull from and you\n"
            "can push to, e.g. `make up CLUSTER=current IMAGES=registry.example/team`"
        )
    images = {
        name: f"{prefix or 'localhost'}/kato-{name}:{VERSION}" for name in ("service", "operator")
    }
    for target, image in images.items():
        say(f"docker build --target {target} → {image}")
        run("docker", "build", "--target", target, "-t", image, ROOT, timeout_s=1800)
        if prefix:
            run("docker", "push", image, timeout_s=1800)
        else:
            name = context.removeprefix("kind-")
            run("kind", "load", "docker-image", image, "--name", name, timeout_s=600)
    return Cluster(images=images, is_test_node=False)


def start_cluster() -> Cluster:
    return current_cluster() if wants_current_cluster() else start_test_node()


def running_cluster() -> Cluster:
    return Cluster(images={}, is_test_node=False) if wants_current_cluster() else test_node()


def chart_values(cluster: Cluster) -> dict[str, Any]:
    repository, _, tag = cluster.images["operator"].rpartition(":")
    defaults = {k: v for k, v in cluster.images.items() if k != "operator"}
    return {
        "image": {"repository": repository, "tag": tag},
        "defaultImages": {**defaults, "agent": cluster.images["operator"]},
    }


def install_chart(cluster: Cluster) -> None:
    say(f"helm upgrade --install {RELEASE} charts/kato (namespace {SYSTEM_NAMESPACE})")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as values:
        json.dump(chart_values(cluster), values)
        values.flush()
        cluster.helm(
            *("upgrade", "--install", RELEASE, str(CHART), "--namespace", SYSTEM_NAMESPACE),
            *("--create-namespace", "-f", values.name, "--wait", "--timeout", "150s"),
        )


def apply(cluster: Cluster, manifest: Path, namespace: str = "default") -> None:
    say(f"kubectl apply -f {manifest.relative_to(ROOT)}")
    cluster.kubectl("apply", "-n", namespace, "-f", str(manifest))


def progress_of(instance: Mapping[str, Any]) -> str:
    """One line: what is ready, and what the others wait for."""
    conditions = instance.get("status", {}).get("conditions", [])
    waiting = [
        f"{c['type']}: {c.get('message') or c.get('reason', '')}"
        for c in conditions
        if c["status"] != "True" and c["type"].endswith("Ready") and c["type"] != "Ready"
    ]
    ready = [c["type"] for c in conditions if c["status"] == "True"]
    return "; ".join(waiting) or ", ".join(ready) or "not seen by the operator yet"


def is_ready(instance: Mapping[str, Any]) -> bool:
    """Ready for the generation that is there now."""
    return any(
        c["type"] == "Ready"
        and c["status"] == "True"
        and c.get("observedGeneration") == instance["metadata"]["generation"]
        for c in instance.get("status", {}).get("conditions", [])
    )


def wait_ready(
    cluster: Cluster, name: str, namespace: str = "default", timeout_s: float = 240
) -> float:
    """Wait until the instance is Ready, saying what it waits for; the seconds it took.

    Raises:
        PlatformError: Not Ready in time; carries the conditions.
    """
    started = time.monotonic()
    shown = ""
    while time.monotonic() - started < timeout_s:
        instance = cluster.get("katoinstance", name, namespace)
        if is_ready(instance):
            return time.monotonic() - started
        progress = progress_of(instance)
        if progress != shown:
            say(f"  {name}: {progress}")
            shown = progress
        time.sleep(0.5)
    raise PlatformError(
        f"{name} is not Ready after {timeout_s:.0f} s: {shown}\n"
        f"look with: kubectl -n {namespace} describe katoinstance {name}; "
        f"kubectl -n {SYSTEM_NAMESPACE} logs deployment/{RELEASE}-operator"
    )


def program_pod(name: str, image: str, arguments: list[str]) -> dict[str, Any]:
    """A pod that runs one of the examples next to the text it reads; restricted, as any pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [{"name": "program", "configMap": {"name": name}}],
            "containers": [
                {
                    "name": "program",
                    "image": image,
                    "command": ["python3", *arguments],
                    "volumeMounts": [{"name": "program", "mountPath": "/program"}],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "resources": {
                        "requests": {"cpu": "50m", "memory": "64Mi"},
                        "limits": {"memory": "256Mi"},
                    },
                }
            ],
        },
    }


@contextmanager
def program_in_cluster(
    cluster: Cluster, name: str, files: list[Path], arguments: list[str], namespace: str = "default"
) -> Iterator[None]:
    """A pod with *files* under /program running ``python3 arguments``; removed afterwards."""
    from_files = [f"--from-file={file}" for file in files]
    cluster.kubectl("delete", "pod,configmap", name, "-n", namespace, "--ignore-not-found")
    cluster.kubectl("create", "configmap", name, "-n", namespace, *from_files)
    pod = program_pod(name, cluster.images["service"], arguments)
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(pod))
    try:
        yield
    finally:
        cluster.kubectl(
            *("delete", "pod,configmap", name, "-n", namespace, "--ignore-not-found"),
            "--grace-period=0",
            "--force",
        )


def output_of_program(
    cluster: Cluster, name: str, namespace: str = "default", timeout_s: float = 180
) -> str:
    """The pod's output once it has ended well.

    Raises:
        PlatformError: It failed, or did not end in time; carries its output.
    """
    give_up_at = time.monotonic() + timeout_s
    phase = ""
    while time.monotonic() < give_up_at and phase not in {"Succeeded", "Failed"}:
        time.sleep(0.3)
        phase = cluster.get("pod", name, namespace)["status"].get("phase", "")
    if phase not in {"Succeeded", "Failed"}:
        raise PlatformError(f"pod {name} is {phase} after {timeout_s:.0f} s")
    output = cluster.kubectl("logs", name, "-n", namespace)
    if phase == "Failed":
        raise PlatformError(f"the program in pod {name} failed:\n{output}")
    return output


def learn_license(cluster: Cluster, url: str) -> str:
    """Run the example on the project's own LICENSE from a pod; what it printed."""
    files = [ROOT / "examples" / "learn_text.py", ROOT / "LICENSE"]
    arguments = ["/program/learn_text.py", url, "/program/LICENSE"]
    with program_in_cluster(cluster, "learn-text", files, arguments):
        return output_of_program(cluster, "learn-text")


def name_in(manifest: Path) -> str:
    for line in manifest.read_text().splitlines():
        key, _, value = line.partition("name:")
        if value and key.strip() in {"", "metadata: {"}:
            return value.strip(" }")
    raise PlatformError(f"{manifest} names no instance")


def up() -> None:
    cluster = start_cluster()
    install_chart(cluster)
    manifest = ROOT / "examples" / "minimal.yaml"
    name = name_in(manifest)
    applied = time.monotonic()
    apply(cluster, manifest)
    ready_s = wait_ready(cluster, name)
    say(f"{name} is Ready")
    status = cluster.get("katoinstance", name)["status"]
    url = status["endpoints"]["http"]
    say(f"a pod in the cluster learns the LICENSE at {url}")
    output = learn_license(cluster, url)
    predicted_s = time.monotonic() - applied
    print(f"\n{output}")
    say(f"apply → Ready {ready_s:.1f} s, apply → predictions printed {predicted_s:.1f} s")
    print_hints(cluster, name, url)


@contextmanager
def platform() -> Iterator[Cluster]:
    """The chart on a cluster; a test node is taken away again, also one that did not come up.

    Raises:
        PlatformError: The cluster is somebody's who uses KATO already.
    """
    if wants_current_cluster():
        _refuse_in_use(Cluster(images={}, is_test_node=False))
    try:
        cluster = start_cluster()
        install_chart(cluster)
        yield cluster
    finally:
        if wants_current_cluster():
            three = str(ROOT / "examples" / "three-instances.yaml")
            running_cluster().kubectl("delete", "--ignore-not-found", "-f", three, timeout_s=180)
        down()


def _refuse_in_use(cluster: Cluster) -> None:
    """The tests kill pods of, and delete, instances of names that people use."""
    installed = cluster.kubectl("get", "crd", "katoinstances.kato.dev", "--ignore-not-found")
    if installed and cluster.kubectl("get", "katoinstances", "-A", "-o", "name").strip():
        raise PlatformError(
            "this cluster has KatoInstances, which the tests would disturb; use another one, or"
            " none at all: the tests make a node of their own"
        )


def print_hints(cluster: Cluster, name: str, url: str) -> None:
    exports = [f"  export {key}={value}" for key, value in cluster.env.items()]
    lines = [
        "",
        f"{name} answers in the cluster at {url}",
        "To look at it:",
        *(line.replace(os.environ["PATH"], "$PATH") for line in exports),
        f"  kubectl get katoinstance {name} -o wide",
        f"  kubectl describe katoinstance {name}",
        f"  kubectl port-forward service/{name} 8000:8000    # then: curl localhost:8000/v2/health",
        "Next: kubectl apply -f examples/three-instances.yaml",
        "Undo all of this: make down",
    ]
    print("\n".join(lines))


def down() -> None:
    if not wants_current_cluster():
        run_visibly(sys.executable, TESTBED / "testbed.py", "down")
        say("the test node is gone; images and packages stay (make clean removes .cache/)")
        return
    cluster = running_cluster()
    manifest = str(ROOT / "examples" / "minimal.yaml")
    cluster.kubectl("delete", "--ignore-not-found", "-f", manifest, timeout_s=180)
    cluster.helm("uninstall", RELEASE, "--namespace", SYSTEM_NAMESPACE, "--ignore-not-found")
    say("instance and operator are gone; kept on purpose: the CRD, volumes and credentials")
    say("remove these too: kubectl delete crd katoinstances.kato.dev; kubectl get pvc,secret")


def testbed_binary() -> str:
    """The path of the test bed's binary; what is said while it is made comes before."""
    lines = run(sys.executable, TESTBED / "testbed.py", "binaries", timeout_s=3600).splitlines()
    return next(line.removeprefix("testbed ") for line in lines if line.startswith("testbed "))


def lint_chart() -> None:
    """Lint and render the chart, with the test bed's own Helm where none is on PATH."""
    helm: list[str | Path] = ["helm"]
    if shutil.which("helm") is None:
        helm = [testbed_binary(), "helm"]
    print(run(*helm, "lint", "--strict", CHART).strip())
    rendered = run(*helm, "template", RELEASE, CHART, "--namespace", SYSTEM_NAMESPACE)
    print(f"rendered {rendered.count('kind:')} objects")


COMMANDS = {"up": up, "down": down, "lint-chart": lint_chart}


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: kato_platform.py {'|'.join(COMMANDS)}")
    try:
        COMMANDS[sys.argv[1]]()
    except PlatformError as error:
        sys.exit(f"make {sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
