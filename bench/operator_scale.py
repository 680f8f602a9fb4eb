"""What the operator costs with many instances, on a real API server: `make bench-operator`.

Prints one table: time to converge, writes, what happens at rest, after a restart, and how long an
edit of a Secret takes to reach a child while others are edited too. Stores, services and
controllers are fakes of this process; the operator is a process of its own, as it runs in a pod.
Nothing here passes or fails by time.
"""

import argparse
import asyncio
import base64
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "e2e" / "testbed")]

from scale_world import Api, Controllers, World  # noqa: E402

from control_plane import ControlPlane, api_server  # noqa: E402
from processes import free_port  # noqa: E402

NAMESPACE = "scale"
KATO = "apis/kato.dev/v1alpha1"
WRITES = ("APPLY", "PATCH", "POST", "PUT", "DELETE")
READS = ("GET", "LIST")
OURS = (
    *("katoinstances", "katoinstances/status", "secrets", "configmaps", "services", "events"),
    *("serviceaccounts", "persistentvolumeclaims", "deployments", "statefulsets", "pods"),
    *("poddisruptionbudgets", "ingresses", "networkpolicies", "horizontalpodautoscalers"),
)
OPERATOR = """
import runpy, socket, sys
lookup = socket.getaddrinfo
def local(host, *rest, **named):
    inside = isinstance(host, str) and host.endswith(".svc")
    return lookup("127.0.0.1" if inside else host, *rest, **named)
socket.getaddrinfo = local
profile = sys.argv[1] if len(sys.argv) > 1 else ""
if profile:
    import cProfile, signal
    profiler = cProfile.Profile()
    signal.signal(signal.SIGUSR1, lambda *_: profiler.enable())
    signal.signal(signal.SIGUSR2, lambda *_: (profiler.disable(), profiler.dump_stats(profile)))
sys.argv = ["kato-operator"]
runpy.run_module("kato_operator", run_name="__main__")
"""


class Operator:
    """The operator as a process, in which every Service is at 127.0.0.1."""

    def __init__(self, plane: ControlPlane, chosen: argparse.Namespace, log: Path) -> None:
        self._port = free_port()
        self._log = log
        self._chosen = chosen
        self._environment = {
            "KUBECONFIG": str(plane.kubeconfig),
            "KATO_OPERATOR_NAMESPACE": NAMESPACE,
            "KATO_OPERATOR_HTTP_PORT": str(self._port),
            "KATO_OPERATOR_PROCESS": "pod",  # started again, it takes over from itself at once
            "KATO_OPERATOR_LOG_LEVEL": "warning",
        }
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        environment = {**os.environ, **self._environment}
        command = [self._chosen.python, "-c", OPERATOR, self._chosen.profile]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        await until(self._leads, "the operator is ready and leads", 300)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=60)
            self.process = None

    @property
    def processor_s(self) -> float:
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory_mib(self) -> float:
        lines = dict(line.split(":", 1) for line in self._proc("status").splitlines())
        return int(lines["VmRSS"].split()[0]) / 1024

    def send(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def _proc(self, name: str) -> str:
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/{name}").read_text()

    async def _leads(self) -> bool:
        """Whether it is ready, and is the one that writes."""
        assert self.process is not None
        assert self.process.poll() is None, self._log.read_text()[-2000:]
        url = f"http://127.0.0.1:{self._port}"
        try:
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{url}/readyz") as answer:
                    is_ready = answer.status == 200
                async with session.get(f"{url}/metrics") as answer:
                    return is_ready and "kato_operator_leader 1.0" in await answer.text()
        except aiohttp.ClientError:
            return False


async def until(look: Callable[[], Awaitable[bool]], what: str, patience_s: float) -> None:
    end = time.monotonic() + patience_s
    while not await look():
        if time.monotonic() > end:
            raise SystemExit(f"not within {patience_s:g} s: {what}")
        await asyncio.sleep(0.1)


class Scale:
    """One run: the API server's client, the fakes, the operator, and the rows of the table."""

    def __init__(
        self, chosen: argparse.Namespace, api: Api, world: World, operator: Operator
    ) -> None:
        self._chosen = chosen
        self._api = api
        self._world = world
        self._operator = operator
        self._controllers = Controllers(api)
        self.rows: dict[str, Any] = {"instances": chosen.instances}

    async def measure(self) -> None:
        """Fill the rows, phase by phase."""
        await self._make_instances()
        working = asyncio.create_task(self._controllers.run())
        try:
            await self._converge()
            await self._rest("at rest")
            await self._restart()
            await self._edit()
        finally:
            working.cancel()

    async def _make_instances(self) -> None:
        numbers = iter(range(self._chosen.instances))

        async def work() -> None:
            for number in numbers:
                await self._make(f"k{number:04d}")

        await asyncio.gather(*(work() for _ in range(8)))

    async def _make(self, name: str) -> None:
        ports = self._world.ports
        urls = {
            "redis": self._redis_url(name, 0),
            "mongodb": f"mongodb://127.0.0.1:{ports['mongodb']}/?directConnection=true",
        }
        await self._api.create(
            "api/v1", "secrets", {"metadata": {"name": f"{name}-stores"}, "stringData": urls}
        )
        stores = {
            store: {
                "mode": "External",
                "external": {"urlSecretRef": {"name": f"{name}-stores", "key": store}},
            }
            for store in urls
        }
        qdrant = {"mode": "External", "external": {"url": f"http://127.0.0.1:{ports['http']}"}}
        spec = {**stores, "qdrant": qdrant, "service": {"port": ports["http"]}}
        body = {"apiVersion": "kato.dev/v1alpha1", "kind": "KatoInstance", "spec": spec}
        await self._api.create(KATO, "katoinstances", {**body, "metadata": {"name": name}})

    def _redis_url(self, name: str, edit: int) -> str:
        return f"redis://{name}:{edit}@127.0.0.1:{self._world.ports['redis']}/0"

    async def _all_ready(self) -> bool:
        return len(self._controllers.ready) == self._chosen.instances

    async def _converge(self) -> None:
        before, began = await self._api.requests(), time.monotonic()
        await self._operator.start()
        await until(self._all_ready, "every instance is Ready", self._chosen.patience)
        self.rows["converged in s"] = time.monotonic() - began
        self.rows["  its processor s"] = self._operator.processor_s
        await self._settled()
        writes = await self._since(before, WRITES)
        self.rows["  writes per instance"] = sum(writes.values()) / self._chosen.instances

    async def _settled(self) -> None:
        """Wait until two seconds pass without a write."""
        known: dict[str, int] = {}
        while True:
            counts = await self._since({}, WRITES)
            if counts == known:
                return
            known = counts
            await asyncio.sleep(2)

    async def _since(
        self, before: dict[tuple[str, str], int], verbs: tuple[str, ...]
    ) -> dict[str, int]:
        """The requests about kinds of the operator since then, by verb and resource."""
        now = await self._api.requests()
        return {
            f"{verb} {resource}": count - before.get((verb, resource), 0)
            for (verb, resource), count in sorted(now.items())
            if verb in verbs and resource in OURS and count != before.get((verb, resource), 0)
        }

    async def _rest(self, what: str) -> None:
        await asyncio.sleep(self._chosen.settle)
        before, asked = await self._api.requests(), self._world.asked
        began, used = time.monotonic(), self._operator.processor_s
        if self._chosen.profile:
            self._operator.send(10)
        await asyncio.sleep(self._chosen.rest)
        took = time.monotonic() - began
        self.rows[f"{what}: % of a core"] = 100 * (self._operator.processor_s - used) / took
        if self._chosen.profile:
            self._operator.send(12)
        self.rows["  memory MiB"] = self._operator.memory_mib
        self.rows["  checks per s"] = (self._world.asked - asked) / took
        for name, verbs in (("reads", READS), ("writes", WRITES)):
            counts = await self._since(before, verbs)
            self.rows[f"  {name} per s"] = sum(counts.values()) / took
            if counts:
                self.rows[f"  {name}"] = ", ".join(f"{k} {v}" for k, v in counts.items())

    async def _restart(self) -> None:
        self._operator.stop()
        before, began = await self._api.requests(), time.monotonic()
        await self._operator.start()
        self.rows["restarted in s"] = time.monotonic() - began
        await asyncio.sleep(self._chosen.settle)
        await self._settled()
        writes = await self._since(before, WRITES)
        self.rows["  writes"] = ", ".join(f"{k} {v}" for k, v in writes.items()) or "0"

    async def _edit(self) -> None:
        """Edit Secrets at a steady rate; each edit ends when the child has the new URL."""
        names = [f"k{number:04d}" for number in range(self._chosen.instances)]
        chosen = random.Random(1).choices(names, k=self._chosen.edits)
        delays: list[float] = []
        async with asyncio.TaskGroup() as group:
            for number, name in enumerate(dict.fromkeys(chosen)):
                group.create_task(self._edit_one(name, number + 1, delays))
                await asyncio.sleep(1 / self._chosen.edits_per_s)
        delays.sort()
        self.rows["edits"] = len(delays)
        self.rows["  edits per s"] = self._chosen.edits_per_s
        self.rows["  edit to child p50 s"] = statistics.median(delays)
        self.rows["  edit to child p95 s"] = delays[int(len(delays) * 0.95) - 1]
        self.rows["  edit to child p99 s"] = delays[int(len(delays) * 0.99) - 1]

    async def _edit_one(self, name: str, edit: int, delays: list[float]) -> None:
        url = self._redis_url(name, edit)
        encoded = base64.b64encode(url.encode()).decode()
        began = time.monotonic()
        await self._api.patch("api/v1", "secrets", f"{name}-stores", {"data": {"redis": encoded}})
        child = f"{name}-connections"

        async def changed() -> bool:
            return self._controllers.connections.get(child, (0.0, ""))[1] == encoded

        await until(changed, f"{child} has the new URL", 300)
        delays.append(self._controllers.connections[child][0] - began)


@asynccontextmanager
async def started(chosen: argparse.Namespace) -> AsyncIterator[Scale]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        with api_server(path, controller_manager=False) as plane:
            crd = REPOSITORY / "crds" / "kato.dev_katoinstances.yaml"
            plane.install_crd(crd)
            operator = Operator(plane, chosen, path / "operator.log")
            async with Api.connected(plane, NAMESPACE) as api, World().running() as world:
                try:
                    yield Scale(chosen, api, world, operator)
                finally:
                    operator.stop()
                    sys.stderr.write((path / "operator.log").read_text()[-3000:])


async def main(chosen: argparse.Namespace) -> None:
    async with started(chosen) as scale:
        try:
            await scale.measure()
        finally:
            for name, value in scale.rows.items():
                shown = f"{value:.2f}" if isinstance(value, float) else value
                print(f"{name:28} {shown}", flush=True)
            out = REPOSITORY / "build" / "bench"
            out.mkdir(parents=True, exist_ok=True)
            (out / "operator.json").write_text(json.dumps(scale.rows, indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=50)
    parser.add_argument("--rest", type=float, default=30, help="seconds of the measurement at rest")
    parser.add_argument("--settle", type=float, default=10, help="seconds to wait before it")
    parser.add_argument("--edits", type=int, default=50)
    parser.add_argument("--edits-per-s", type=float, default=4)
    parser.add_argument("--patience", type=float, default=1800, help="seconds to converge in")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the operator")
    parser.add_argument("--profile", default="", help="file for a profile of the time at rest")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(_arguments()))
