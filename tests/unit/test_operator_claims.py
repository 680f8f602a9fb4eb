"""Who may write: leader election against a server of Leases in memory, and other installations."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from kato_operator.claims.claims import Claims
from kato_operator.claims.leadership import Leadership
from kato_operator.claims.lease import Installation, Unchanged, installation
from kato_operator.claims.rivals import Rivals
from kato_operator.cluster.cluster import Cluster
from kato_operator.cluster.kube import Kube
from kato_operator.errors import (
    ConflictError,
    KubeError,
    MissingError,
    RefusedError,
    TransientError,
)
from kato_operator.kinds import Kind
from kato_operator.manifests import Key

PLACE = Installation("system", "kato")
PATH = "/apis/coordination.k8s.io/v1/namespaces/system/leases"
LEASE_S = 15
KEY = Key("team", "prod")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """One Lease, with the rules of the API server about versions."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.error: KubeError | None = None
        self.version = 0
        self.writes = 0

    @property
    def holder(self) -> str:
        assert self.lease is not None
        return str(self.lease["spec"]["holderIdentity"])

    async def direct(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout_s: float
    ) -> dict[str, Any]:
        assert 0 < timeout_s < LEASE_S / 3
        if self.error is not None:
            raise self.error
        if method == "GET":
            return self._found(f"{PATH}/kato", path)
        assert body is not None
        if method == "POST":
            assert path == PATH
            if self.lease is not None:
                raise ConflictError("it exists")
            return self.write(body)
        known = self._found(f"{PATH}/kato", path)
        if body["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"]:
            raise ConflictError("it has changed")
        return self.write(body)

    async def get(self, _: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        if self.error is not None:
            raise self.error
        return self.lease if (namespace, name) == ("system", "kato") else None

    def write(self, lease: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.writes += 1
        meta = {**lease["metadata"], "resourceVersion": str(self.version)}
        self.lease = {**lease, "metadata": meta}
        return self.lease

    def touch(self) -> None:
        assert self.lease is not None
        self.write(self.lease)

    def _found(self, wanted: str, path: str) -> dict[str, Any]:
        assert path == wanted
        if self.lease is None:
            raise MissingError("there is none")
        return self.lease


Process = Callable[..., Leadership]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def process(server: Server, clock: Clock) -> Process:
    def new(name: str = "") -> Leadership:
        return Leadership(cast(Kube, server), PLACE, process=name, lease_s=LEASE_S, clock=clock)

    return new


async def run(clock: Clock, seconds: float, *processes: Leadership) -> None:
    """Let the processes make their attempts for so long."""
    due = dict.fromkeys(processes, clock.now)
    ends_at = clock.now + seconds
    while min(due.values()) <= ends_at:
        one = min(due, key=due.__getitem__)
        clock.now = max(clock.now, due[one])
        due[one] = clock.now + await one.step()
    clock.now = ends_at


async def test_one_of_two_processes_writes_and_renews_three_times_in_a_lease(
    server: Server, clock: Clock, process: Process
) -> None:
    one, other = process(), process()
    await run(clock, 150, one, other)
    assert (one.is_held, other.is_held) == (True, False)
    assert server.writes == pytest.approx(30, abs=1)
    assert other.holder == one.holder == server.holder
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 0


async def test_the_lease_of_a_killed_process_is_taken_after_its_duration_and_not_before(
    server: Server, clock: Clock, process: Process
) -> None:
    await run(clock, 30, process())
    other = process()
    await run(clock, LEASE_S - 0.1, other)
    assert not other.is_held
    await run(clock, 1.5, other)
    assert other.is_held
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 1


async def test_a_lease_is_judged_by_its_changes_and_not_by_the_times_in_it(
    server: Server, clock: Clock, process: Process
) -> None:
    await run(clock, 5, process())
    assert server.lease is not None
    server.lease["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"  # its clock is wrong
    other = process()
    for _ in range(10):
        await run(clock, 5, other)
        assert not other.is_held
        server.touch()


async def test_a_released_lease_is_taken_at_the_next_attempt(
    server: Server, clock: Clock, process: Process
) -> None:
    one, other = process(), process()
    await run(clock, 10, one, other)
    await one.release()
    assert (one.is_held, server.holder) == (False, "")
    await run(clock, 1, other)
    assert other.is_held


async def test_a_process_in_the_same_pod_takes_over_at_once(
    server: Server, clock: Clock, process: Process
) -> None:
    await run(clock, 10, process("pod-1"))
    again, another = process("pod-1"), process("pod-10")
    await run(clock, 0, another)
    assert not another.is_held
    await run(clock, 0, again)
    assert again.is_held


async def test_two_processes_of_one_name_do_not_take_turns(
    server: Server, clock: Clock, process: Process
) -> None:
    one, other = process("pod"), process("pod")
    await run(clock, 10, one)
    await run(clock, 0, other)
    await run(clock, 60, other, one)
    assert (one.is_held, other.is_held) == (False, True)
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 1


async def test_a_process_stops_writing_before_others_may_take_its_lease(
    server: Server, clock: Clock, process: Process
) -> None:
    one = process()
    await run(clock, 5, one)
    renewed_at = clock.now
    server.error = TransientError("the API server cannot be reached")
    await run(clock, LEASE_S * 2 / 3 + 0.1, one)
    assert not one.is_held
    assert clock.now < renewed_at + LEASE_S
    server.error = None
    await run(clock, 1, one)
    assert one.is_held
    assert one.held_for_s <= 1


async def test_a_frozen_process_may_not_write_when_it_wakes_up(
    clock: Clock, process: Process
) -> None:
    one = process()
    await run(clock, 5, one)
    clock.now += 3600
    assert one.remaining_s < 0


async def test_a_process_whose_lease_was_taken_by_hand_stops(
    server: Server, clock: Clock, process: Process
) -> None:
    one = process()
    await run(clock, 5, one)
    assert server.lease is not None
    server.write({**server.lease, "spec": {**server.lease["spec"], "holderIdentity": "admin"}})
    await run(clock, 6.1, one)
    assert not one.is_held


async def test_a_deleted_lease_is_made_again(
    server: Server, clock: Clock, process: Process
) -> None:
    one = process()
    await run(clock, 5, one)
    server.lease = None
    await run(clock, 7, one)
    assert one.is_held
    assert server.holder == one.holder


async def test_a_holder_that_cannot_be_seen_is_not_replaced(
    server: Server, clock: Clock, process: Process
) -> None:
    await run(clock, 5, process())
    other = process()
    await run(clock, 5, other)
    server.error = TransientError("the API server cannot be reached")
    await run(clock, 300, other)
    server.error = None
    await run(clock, 5, other)
    assert not other.is_held  # the holder gets the time to renew that it had before


async def look(rivals: Rivals, clock: Clock, seconds: float, owner: str = str(PLACE)) -> bool:
    for _ in range(round(seconds)):
        await rivals.look([owner], every_s=1.0)
        clock.now += 1
    return rivals.is_gone(owner)


@pytest.fixture
def rivals(server: Server, clock: Clock) -> Rivals:
    return Rivals(cast(Kube, server), gone_after_s=60, clock=clock)


@pytest.mark.parametrize("owner", ["system/absent", "no installation", "a/b/c", "system/kato"])
async def test_an_installation_is_gone_once_its_lease_was_unchanged_for_long(
    server: Server, clock: Clock, rivals: Rivals, owner: str
) -> None:
    server.write({"metadata": {"name": "kato"}, "spec": {"holderIdentity": ""}})
    assert not await look(rivals, clock, 59, owner)
    assert await look(rivals, clock, 5, owner)


async def test_an_installation_that_renews_is_there(
    server: Server, clock: Clock, process: Process, rivals: Rivals
) -> None:
    one = process()
    for _ in range(40):
        await run(clock, 4, one)
        assert not await look(rivals, clock, 1)


async def test_an_installation_that_comes_back_is_not_gone(
    server: Server, clock: Clock, rivals: Rivals
) -> None:
    server.write({"metadata": {"name": "kato"}, "spec": {}})
    assert await look(rivals, clock, 70)
    server.touch()
    assert not await look(rivals, clock, 1)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RefusedError("leases is forbidden", status=403), id="no right to read"),
        pytest.param(TransientError("the API server cannot be reached"), id="an outage"),
    ],
)
async def test_an_installation_whose_lease_cannot_be_read_is_not_gone(
    server: Server, clock: Clock, rivals: Rivals, error: KubeError
) -> None:
    server.write({"metadata": {"name": "kato"}, "spec": {}})
    await look(rivals, clock, 50)
    server.error = error
    assert not await look(rivals, clock, 600)
    server.error = None
    assert not await look(rivals, clock, 5)


def test_time_in_which_nobody_looked_does_not_count(clock: Clock) -> None:
    unchanged = Unchanged(clock=clock, longest_s=2)
    assert unchanged.seen("1") == 0
    clock.now += 3600
    assert unchanged.seen("1") == 2
    clock.now += 1
    assert unchanged.seen("1") == 3
    assert unchanged.seen("2") == 0


@pytest.mark.parametrize("text", ["", "kato", "a/b/c", "A/b", "a/../b", "a /b", "/b", "a/"])
def test_no_other_text_names_an_installation(text: str) -> None:
    assert installation(text) is None
    assert installation("kato-system/kato.operator") == Installation("kato-system", "kato.operator")


class Api:
    """One instance, and the Events about it."""

    def __init__(self, **status: str) -> None:
        meta = {"name": "prod", "namespace": "team", "uid": "1", "generation": 1}
        self.raw: dict[str, Any] = {
            "metadata": {**meta, "resourceVersion": "7"},
            "status": {"phase": "Ready", **status},
        }
        self.prunes = False
        self.error: KubeError | None = None
        self.events: list[str] = []

    async def merge(
        self, _: Kind, __: str, ___: str, patch: dict[str, Any], *, subresource: str
    ) -> dict[str, Any]:
        meta = self.raw["metadata"]
        if patch["metadata"]["resourceVersion"] != meta["resourceVersion"]:
            raise ConflictError("it has changed")
        changes = {} if self.prunes else {subresource: {**self.raw["status"], **patch["status"]}}
        newer = str(int(meta["resourceVersion"]) + len(changes))
        self.raw = {**self.raw, **changes, "metadata": {**meta, "resourceVersion": newer}}
        return self.raw

    async def create(self, _: Kind, event: dict[str, Any]) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        if event["metadata"]["name"] in self.events:
            raise ConflictError("it exists")
        self.events.append(event["metadata"]["name"])
        return event


def claims_of(api: Api, leadership: Leadership, rivals: Rivals) -> Claims:
    cluster = Cluster(cast(Kube, api), namespace="", changed=lambda _: None)
    cluster.instances.put({**api.raw, "metadata": dict(api.raw["metadata"])})
    nobody: tuple[str, ...] = ()
    return Claims(cluster, leadership, rivals, excluded=nobody, changed=lambda _: None, every_s=1.0)


async def test_an_instance_of_nobody_is_claimed(process: Process, rivals: Rivals) -> None:
    api = Api()
    claims = claims_of(api, process(), rivals)
    assert not claims.is_ours(KEY)
    assert await claims.hold(api.raw)
    assert claims.is_ours(KEY)
    assert api.raw["status"] == {"phase": "Ready", "orchestratedBy": "system/kato"}


async def test_of_two_operators_one_gets_the_instance(process: Process, rivals: Rivals) -> None:
    api = Api()
    seen = api.raw
    claims = claims_of(api, process(), rivals)
    api.raw = {**seen, "metadata": {**seen["metadata"], "resourceVersion": "8"}}
    with pytest.raises(TransientError, match="the instance has just changed"):
        await claims.hold(seen)
    assert "orchestratedBy" not in api.raw["status"]


async def test_without_a_place_for_claims_nothing_is_orchestrated(
    process: Process, rivals: Rivals
) -> None:
    api = Api()
    api.prunes = True
    with pytest.raises(TransientError, match="apply the CRD of this release"):
        await claims_of(api, process(), rivals).hold(api.raw)


async def test_an_instance_of_another_installation_is_reported_once(
    process: Process, rivals: Rivals
) -> None:
    api = Api(orchestratedBy="other/kato")
    claims = claims_of(api, process(), rivals)
    api.error = TransientError("the API server did not answer in time")
    with pytest.raises(TransientError):
        await claims.hold(api.raw)
    api.error = None
    for one in (claims, claims, claims_of(api, process(), rivals)):  # the last after a restart
        assert not await one.hold(api.raw)
    assert len(api.events) == 1
    assert api.raw["metadata"]["resourceVersion"] == "7"


async def test_without_the_right_to_report_an_instance_is_left_alone_too(
    process: Process, rivals: Rivals
) -> None:
    api = Api(orchestratedBy="other/kato")
    api.error = RefusedError("events is forbidden", status=403)
    claims = claims_of(api, process(), rivals)
    assert not await claims.hold(api.raw)
    assert not claims.is_ours(KEY)


async def test_metrics_count_instances_only_in_the_process_that_writes(
    clock: Clock, process: Process, rivals: Rivals
) -> None:
    leader, other = process(), process()
    await run(clock, 5, leader, other)
    foreign = Api(orchestratedBy="other/kato")
    assert list(claims_of(Api(), leader, rivals).phases()) == ["Ready"]
    assert list(claims_of(foreign, leader, rivals).phases()) == ["OrchestratedElsewhere"]
    assert list(claims_of(Api(), other, rivals).phases()) == []
