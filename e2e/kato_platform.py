"""The platform on a cluster: brought up and taken away (`make up`, `make down`, e2e).

It comes from this checkout, or with `up --dist DIR` from a release that `make dist` built.

Standard library only: it runs before anything is installed. By Helm, kubectl and HTTP, as a user
would.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chart import RELEASE, SYSTEM_NAMESPACE, install_chart, lint_chart
from clusters import TESTBED, Cluster, running_cluster, start_cluster, wants_current_cluster
from commands import ROOT, PlatformError, run_visibly, say
from instances import apply, name_in, wait_ready
from pod_programs import learn_license


def up(dist: Path | None = None) -> None:
    cluster = start_cluster(dist)
    install_chart(cluster)
    manifest = ROOT / "examples" / "minimal.yaml"
    name = name_in(manifest)
    applied = time.monotonic()
    apply(cluster, manifest)
    ready_s = wait_ready(cluster, name)
    say(f"{name} is Ready")
    status = cluster.get("katoinstance", name)["status"]
    url = status["endpoints"]["http"]
    say(f"learning the LICENSE at {url}, from a pod in the cluster")
    output = learn_license(cluster, url)
    predicted_s = time.monotonic() - applied
    print(f"\n{output}")
    say(f"after apply: Ready in {ready_s:.1f} s, predictions printed in {predicted_s:.1f} s")
    print_hints(cluster, name, url)


@contextmanager
def platform(dist: Path | None = None) -> Iterator[Cluster]:
    """A cluster with the chart installed. A test node is removed afterwards, even if it failed.

    Args:
        dist: The release to take chart and images from, instead of this checkout.

    Raises:
        PlatformError: The cluster already has KatoInstances.
    """
    if wants_current_cluster():
        _refuse_in_use(Cluster(images={}, is_test_node=False))
    try:
        cluster = start_cluster(dist)
        install_chart(cluster)
        yield cluster
    finally:
        if wants_current_cluster():
            three = str(ROOT / "examples" / "three-instances.yaml")
            running_cluster().kubectl("delete", "--ignore-not-found", "-f", three, timeout_s=180)
        down()


def _refuse_in_use(cluster: Cluster) -> None:
    """Refuse a cluster with instances: the tests would kill and delete those of common names."""
    installed = cluster.kubectl("get", "crd", "katoinstances.kato.dev", "--ignore-not-found")
    if installed and cluster.kubectl("get", "katoinstances", "-A", "-o", "name").strip():
        raise PlatformError(
            "this cluster has KatoInstances, and the tests would disturb them: use another"
            " cluster, or unset KUBECONFIG and CLUSTER to use a test node"
        )


def print_hints(cluster: Cluster, name: str, url: str) -> None:
    exports = [f"  export {key}={value}" for key, value in cluster.env.items()]
    lines = [
        "",
        f"{name} answers in the cluster at {url}",
        "To look at it, run:",
        *(line.replace(os.environ["PATH"], "$PATH") for line in exports),
        f"  kubectl get katoinstance {name} -o wide",
        f"  kubectl describe katoinstance {name}",
        f"  kubectl port-forward service/{name} 8000:8000    # then: curl localhost:8000/v2/health",
        "Next: kubectl apply -f examples/three-instances.yaml",
        "To undo all of this: make down",
    ]
    print("\n".join(lines))


def down() -> None:
    if not wants_current_cluster():
        run_visibly(sys.executable, TESTBED / "testbed.py", "down")
        say("removed the test node; images and packages stay (make clean removes .cache/)")
        return
    cluster = running_cluster()
    manifest = str(ROOT / "examples" / "minimal.yaml")
    cluster.kubectl("delete", "--ignore-not-found", "-f", manifest, timeout_s=180)
    cluster.helm("uninstall", RELEASE, "--namespace", SYSTEM_NAMESPACE, "--ignore-not-found")
    say("removed the instance and the operator; kept the CRD, volumes and credentials")
    say("to remove those, too: kubectl delete crd katoinstances.kato.dev; kubectl get pvc,secret")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="bring it up and make a first prediction")
    starting.add_argument("--dist", type=Path, help="take chart and images from this release")
    commands.add_parser("down", help="take away what `up` made")
    commands.add_parser("lint-chart", help="lint and render the chart")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    match arguments.command:
        case "up":
            up(arguments.dist)
        case "down":
            down()
        case "lint-chart":
            lint_chart()


def main() -> None:
    arguments = _arguments()
    try:
        _run(arguments)
    except PlatformError as error:
        sys.exit(f"make {arguments.command}: {error}")


if __name__ == "__main__":
    main()
