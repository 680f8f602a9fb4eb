"""A one-node Kubernetes for tests, from packages only: `testbed.py up | down | load | env | …`.

Standard library only. It keeps everything in one directory; `down` removes all of it.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from binaries import ferretdb_binary, node_binary
from kubernetes_node import Node
from packages import NODE_PACKAGES, ensure_packages
from processes import TestbedError, say


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the node and load images").add_argument(
        "images", nargs="*", type=Path
    )
    commands.add_parser("load", help="load images").add_argument("images", nargs="+", type=Path)
    commands.add_parser("down", help="stop the node and remove everything")
    commands.add_parser("status", help="print whether the node runs")
    commands.add_parser("env", help="print KUBECONFIG and PATH to export")
    commands.add_parser(
        "binaries", help="print the paths of the binaries; build them if they are missing"
    )
    packages = commands.add_parser("packages", help="install missing Debian packages")
    packages.add_argument("names", nargs="*")
    packages.add_argument("--node", action="store_true", help="include those that the node needs")
    try:
        _command(parser.parse_args())
    except (TestbedError, subprocess.TimeoutExpired, OSError) as error:
        sys.exit(f"testbed: {error}")


def _command(arguments: argparse.Namespace) -> None:
    node = Node()
    match arguments.command:
        case "up":
            node.up(arguments.images)
        case "load":
            node.load(arguments.images)
        case "down":
            node.down()
            say("the node is stopped and removed")
        case "status":
            print("running" if node.is_running else "not running")
        case "env":
            for name, value in node.env().items():
                print(f"export {name}={value}")
        case "binaries":
            print("testbed", node_binary())
            print("ferretdb", ferretdb_binary())
        case "packages":
            ensure_packages([*arguments.names, *(NODE_PACKAGES if arguments.node else ())])


if __name__ == "__main__":
    main()
