"""The platform from end to end on a real node, used as users do: with Helm, kubectl and HTTP only.

The tests share one cluster and run in the order of this file.
"""

import gzip
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from clusters import Cluster
from commands import ROOT, PlatformError, say
from forwarding import RefusedError
from instances import apply, is_pod_ready, labelled, name_in, token_for, wait_ready
from pod_programs import learn_license, output_of_program, program_in_cluster

MINIMAL = ROOT / "examples" / "minimal.yaml"
THREE = ROOT / "examples" / "three-instances.yaml"
GUARDED = ROOT / "examples" / "cluster-tokens.yaml"
NAME = name_in(MINIMAL)
SELECT = f"kato.dev/instance={NAME}"
CHILDREN = "deployment,statefulset,service,configmap,secret,serviceaccount"
GOLDEN = ROOT / "tests" / "golden" / "predictions.jsonl.gz"
Connect = Callable[..., Any]
T = TypeVar("T")


def until(look: Callable[[], T | None], what: str, timeout_s: float = 120) -> T:
    """Wait until *look* returns something, and return it; a failure names *what* was awaited."""
    give_up_at = time.monotonic() + timeout_s
    while time.monotonic() < give_up_at:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    pytest.fail(f"waited {timeout_s:.0f} s in vain for: {what}")


def items(cluster: Cluster, kind: str, selector: str = SELECT) -> list[dict[str, Any]]:
    return labelled(cluster, kind, selector)


def pods(cluster: Cluster, component: str, name: str = NAME) -> list[str]:
    """Names of the component's pods that are ready and not terminating."""
    selector = f"kato.dev/instance={name},app.kubernetes.io/component={component}"
    found = labelled(cluster, "pod", selector)
    return [pod["metadata"]["name"] for pod in found if is_pod_ready(pod)]


def kill(cluster: Cluster, component: str) -> None:
    (victim,) = pods(cluster, component)
    say(f"killing {victim}")
    cluster.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
    until(lambda: pods(cluster, component), f"a new ready {component} pod")


def symbols(client: Any, session: str) -> list[str]:
    return [s for event in client.call("GET", f"{session}/stm")["stm"] for s in event]


def test_a_four_line_instance_becomes_ready_and_predicts(
    cluster: Cluster, connect: Connect
) -> None:
    applied = time.monotonic()
    apply(cluster, MINIMAL)
    ready_s = wait_ready(cluster, NAME)
    client = connect(NAME)
    session = client.session("first")
    client.learn(session, "hello world again")
    (best,) = client.predicted(session, "hello world")
    predicted_s = time.monotonic() - applied
    say(f"after apply: Ready in {ready_s:.1f} s, first prediction in {predicted_s:.1f} s")
    assert best["future"] == [["again"]]


def test_kubectl_shows_a_person_what_there_is(cluster: Cluster) -> None:
    header, row = cluster.kubectl("get", "kato", NAME).splitlines()
    assert header.split()[:4] == ["NAME", "READY", "PHASE", "REPLICAS"]
    assert row.split()[:4] == [NAME, "True", "Ready", "1"]


def test_the_example_learns_the_license_in_the_cluster(cluster: Cluster) -> None:
    url = cluster.get("katoinstance", NAME)["status"]["endpoints"]["http"]
    output = learn_license(cluster, url)
    print(output)
    assert output.count("future ") == 3


def test_a_conversation_in_the_cluster_gives_the_golden_predictions(
    cluster: Cluster, tmp_path: Path
) -> None:
    with gzip.open(GOLDEN, "rt", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    some = [c for c in cases if c["predictions"] and len(c["learned"]) < 12][:25]
    (tmp_path / "cases.json").write_text(json.dumps(some), encoding="utf-8")
    program = ROOT / "e2e" / "programs" / "golden_conversation.py"
    url = cluster.get("katoinstance", NAME)["status"]["endpoints"]["http"]
    arguments = ["/program/golden_conversation.py", url, "/program/cases.json"]
    files = [program, tmp_path / "cases.json"]
    with program_in_cluster(cluster, "golden", files, arguments):
        output = output_of_program(cluster, "golden")
    print(output)
    assert output.startswith("25 of 25 cases agree")


def test_a_steady_instance_causes_no_write(cluster: Cluster) -> None:
    def versions() -> dict[str, str]:
        kinds = f"katoinstance,{CHILDREN},pvc"
        selected = json.loads(cluster.kubectl("get", kinds, "-o", "json"))["items"]
        return {
            f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for item in selected
        }

    def settled() -> dict[str, str] | None:
        """The versions after what the tests before changed has been written."""
        first = versions()
        time.sleep(5)
        return first if versions() == first else None

    before = until(settled, "a quiet cluster")
    time.sleep(15)
    assert versions() == before


@pytest.mark.parametrize("component", ["service", "redis", "mongodb"])
def test_nothing_acknowledged_is_missing_after_a_pod_was_killed(
    cluster: Cluster, connect: Connect, component: str
) -> None:
    client = connect(NAME)
    session = client.session(f"survivor-of-{component}")
    acknowledged: list[str] = []
    learned: list[str] = []
    stop = threading.Event()

    def converse() -> None:
        talker = connect(NAME)
        while not stop.is_set():
            symbol = f"s{len(acknowledged)}"
            body = {"strings": [symbol], "unique_id": uuid.uuid4().hex}
            talker.call("POST", f"{session}/observe", body)
            acknowledged.append(symbol)
            line = f"{component} line {len(learned)}"
            other = talker.session(f"learner-of-{component}")
            talker.learn(other, line, unique_id=uuid.uuid4().hex)
            learned.append(line)

    with ThreadPoolExecutor(1) as pool:
        talk = pool.submit(converse)
        try:
            until(lambda: len(learned) >= 3 or talk.done(), "three learns before the kill")
            kill(cluster, component)
            told = len(learned)
            until(
                lambda: len(learned) >= told + 3 or talk.done(), "three more learns after the kill"
            )
        finally:
            stop.set()
        talk.result(timeout=120)
    assert symbols(client, session) == acknowledged
    page = client.call("GET", f"{client.session(f'learner-of-{component}')}/patterns?limit=1000")
    found = [(" ".join(map("".join, p["pattern_data"])), p["frequency"]) for p in page["patterns"]]
    assert found == [(line, 1) for line in learned]


def test_the_instance_is_ready_again_after_the_kills(cluster: Cluster) -> None:
    wait_ready(cluster, NAME)


def test_a_hand_edited_child_is_put_back(cluster: Cluster) -> None:
    edit = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}
    wanted = cluster.get("deployment", NAME)["spec"]["template"]["spec"]
    cluster.kubectl("patch", "deployment", NAME, "-p", json.dumps(edit))
    until(
        lambda: cluster.get("deployment", NAME)["spec"]["template"]["spec"] == wanted,
        "the operator to undo the edit",
    )


def test_a_hand_deleted_child_is_made_again(cluster: Cluster) -> None:
    uid = cluster.get("service", NAME)["metadata"]["uid"]
    cluster.kubectl("delete", "service", NAME)
    until(
        lambda: [s for s in items(cluster, "service") if s["metadata"]["name"] == NAME],
        "the operator to create the Service again",
    )
    assert cluster.get("service", NAME)["metadata"]["uid"] != uid


def test_replicas_and_a_pool_size_roll_out(cluster: Cluster) -> None:
    spec = {"service": {"replicas": 2}, "connectionPools": {"mongodb": {"maxSize": 20}}}
    patch = json.dumps({"spec": spec})
    cluster.kubectl("patch", "katoinstance", NAME, "--type=merge", "-p", patch)
    cluster.kubectl(
        "wait", "--for=condition=Ready", f"katoinstance/{NAME}", "--timeout=150s", timeout_s=160
    )
    assert len(pods(cluster, "service")) == 2
    config = items(cluster, "configmap", f"{SELECT},app.kubernetes.io/component=service")
    assert [c["data"]["MONGO_POOL_SIZE"] for c in config] == ["20"]


def test_both_replicas_answer_alike_right_after_a_learn(cluster: Cluster, connect: Connect) -> None:
    one, two = (connect(NAME, f"pod/{pod}") for pod in pods(cluster, "service"))
    # Sessions of the same user, so the same knowledge.
    learning, asking = (one.session("twins") for _ in range(2))
    for number in range(5):
        words = f"twin {number} of many"
        learner, other = (one, two) if number % 2 else (two, one)
        learner.learn(learning, words)
        told = other.predicted(asking, words)
        assert words.split() in [[s for e in p["sequence"] for s in e] for p in told]
        assert told == learner.call("GET", f"{asking}/predictions")["predictions"]


def test_a_thousand_observes_on_one_session_through_two_replicas(
    cluster: Cluster, connect: Connect
) -> None:
    replicas = [f"pod/{pod}" for pod in pods(cluster, "service")]
    session = connect(NAME).session("crowd")
    acknowledged: list[str] = []

    def observe(number: int) -> None:
        client = connect(NAME, replicas[number % 2])
        for turn in range(50):
            symbol = f"c{number}-{turn}"
            client.call("POST", f"{session}/observe", {"strings": [symbol], "unique_id": symbol})
            acknowledged.append(symbol)

    with ThreadPoolExecutor(20) as crowd:
        list(crowd.map(observe, range(20), timeout=240))
    kept = Counter(symbols(connect(NAME), session))
    assert len(acknowledged) == 1000
    assert kept == Counter(acknowledged)


def test_an_invalid_spec_names_the_field_and_touches_nothing(cluster: Cluster) -> None:
    generation = cluster.get("katoinstance", NAME)["metadata"]["generation"]
    patch = json.dumps({"spec": {"processor": {"maxPredictions": 0}}})
    with pytest.raises(PlatformError, match=r"spec\.processor\.maxPredictions"):
        cluster.kubectl("patch", "katoinstance", NAME, "--type=merge", "-p", patch)
    assert cluster.get("katoinstance", NAME)["metadata"]["generation"] == generation


def test_deleting_keeps_volumes_and_credentials_and_re_creating_finds_the_knowledge(
    cluster: Cluster, connect: Connect
) -> None:
    client = connect(NAME)
    client.learn(client.session("keeper"), "what was learned stays learned")
    claims = {c["metadata"]["uid"] for c in items(cluster, "pvc")}
    cluster.kubectl("delete", "katoinstance", NAME, "--timeout=60s")
    until(
        lambda: not items(cluster, f"{CHILDREN},pod", f"{SELECT},!kato.dev/retained"),
        "the children to go",
    )
    kept = {s["metadata"]["name"] for s in items(cluster, "secret")}
    assert kept == {f"{NAME}-credentials", f"{NAME}-mongodb-keyfile"}
    assert {c["metadata"]["uid"] for c in items(cluster, "pvc")} == claims
    apply(cluster, MINIMAL)
    wait_ready(cluster, NAME)
    again = connect(NAME)
    (best, *_) = again.predicted(again.session("keeper"), "what was learned")
    assert best["future"] == [["stays"], ["learned"]]


def test_three_instances_do_not_see_each_others_knowledge(
    cluster: Cluster, connect: Connect
) -> None:
    cluster.kubectl("delete", "katoinstance", NAME)
    apply(cluster, THREE)
    names = ["primary", "testing", "analytics"]
    for name in names:
        wait_ready(cluster, name)
    clients = {name: connect(name) for name in names}
    sessions = {name: client.session("same-user") for name, client in clients.items()}
    for name, client in clients.items():
        client.learn(sessions[name], f"only {name} knows this")
    for name, client in clients.items():
        (only,) = client.predicted(sessions[name], f"only {name}")
        assert only["future"] == [["knows"], ["this"]]


def test_programs_of_the_cluster_are_known_by_their_service_accounts(
    cluster: Cluster, connect: Connect
) -> None:
    apply(cluster, GUARDED)
    wait_ready(cluster, name_in(GUARDED))
    cluster.kubectl("create", "serviceaccount", "shop")
    try:
        client = connect(name_in(GUARDED))
        client.token = token_for(cluster, "shop", "other")
        with pytest.raises(RefusedError, match="for another audience"):
            client.call("POST", "/v2/sessions", {})
        client.token = token_for(cluster, "shop", "kato")
        session = client.call("POST", "/v2/sessions", {})
        assert session["user_id"] == "system:serviceaccount:default:shop"
        client.token = ""
        with pytest.raises(RefusedError, match="a token is required"):
            client.call("GET", f"/v2/sessions/{session['session_id']}/stm")
    finally:
        cluster.kubectl("delete", "serviceaccount", "shop")
        cluster.kubectl("delete", "katoinstance", name_in(GUARDED))
