"""Vectors that ``kato-service import`` takes from a deployment's Qdrant, or from a file."""

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid4, uuid5

import httpx
import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, PointStruct, VectorParams

sys.path.insert(0, str(Path(__file__).parent))
from deployed_kato import DeployedKato
from transfers import Target, done, environment, exported, pattern

from kato_service.processing.vectors.vector_names import vector_symbol

Vectors = dict[str, list[float]]


class OldQdrant:
    """A collection of a deployment, in the Qdrant at *url*."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"vectors_{uuid4().hex}"
        self._client = QdrantClient(url=url, check_compatibility=False, timeout=120)

    def fill(self, points: list[PointStruct], distance: Distance = Distance.EUCLID) -> None:
        vectors = VectorParams(size=len(points[0].vector), distance=distance)  # type: ignore[arg-type]
        self._client.create_collection(self.name, vectors_config=vectors)
        self._client.upsert(self.name, points, wait=True)

    def close(self) -> None:
        self._client.close()

    @property
    def arguments(self) -> tuple[str, ...]:
        return "--vectors", self.url, "--collection", self.name


@pytest.fixture
def old(qdrant_url: str) -> Iterator[OldQdrant]:
    with closing(OldQdrant(qdrant_url)) as made:
        yield made


@pytest.fixture(params=["embedded", "qdrant"])
def with_vectors(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """The environment of a service, with vectors in files or in Qdrant."""
    target = {"DATA_DIR": str(tmp_path / "data"), "PROCESSOR_ID": f"kato-{uuid4().hex}"}
    if request.param == "qdrant":
        target["QDRANT_URL"] = request.getfixturevalue("qdrant_url")
    return target


def old_name(vector: list[float]) -> str:
    return f"VCTR|{sha1(str(np.array(vector)).encode(), usedforsecurity=False).hexdigest()}"


def named(vector: list[float], number: int = 0) -> PointStruct:
    """A point whose payload says its name."""
    return PointStruct(id=number, vector=vector, payload={"vector_name": old_name(vector)})


def vectors_of(target: Target) -> Vectors:
    return {row["vector"]: row["components"] for row in exported(target) if "vector" in row}


def new_session(api: httpx.Client) -> str:
    """The path of a new session of the user ``me``."""
    return f"/v2/sessions/{api.post('/v2/sessions', json={'user_id': 'me'}).json()['session_id']}"


VECTOR = [0.25, -0.5, 4.0]


@pytest.mark.parametrize(
    "point",
    [
        pytest.param({"id": 7, "payload": {"vector_name": old_name(VECTOR)}}, id="payload"),
        pytest.param({"id": str(uuid5(NAMESPACE_DNS, old_name(VECTOR)))}, id="id"),
        pytest.param({"id": 7}, id="numbers"),
    ],
)
def test_a_vector_gets_the_name_that_the_patterns_use(
    old: OldQdrant, kato: DeployedKato, embedded: Target, point: dict[str, Any]
) -> None:
    old.fill([PointStruct(vector=VECTOR, **point)])
    kato.deploy("old", patterns=[pattern([old_name(VECTOR), "a"], ["b"])])
    said = done(embedded, "import", "--from", kato.url, *old.arguments)
    assert "1 vectors equal" in said
    assert "in no pattern" not in said
    assert vectors_of(embedded) == {old_name(VECTOR): VECTOR}


def test_an_id_names_a_vector_whose_numbers_say_something_else(
    old: OldQdrant, kato: DeployedKato, embedded: Target
) -> None:
    name = f"VCTR|{'0' * 40}"
    old.fill([PointStruct(id=str(uuid5(NAMESPACE_DNS, name)), vector=VECTOR)])
    kato.deploy("old", patterns=[pattern([name], ["b"])])
    done(embedded, "import", "--from", kato.url, *old.arguments)
    assert list(vectors_of(embedded)) == [name]


def test_a_vector_that_no_pattern_uses_is_named_as_the_deployment_did(
    old: OldQdrant, embedded: Target
) -> None:
    old.fill([PointStruct(id=1, vector=VECTOR)])
    said = done(embedded, "import", *old.arguments)
    assert "1 vectors are in no pattern" in said
    assert list(vectors_of(embedded)) == [old_name(VECTOR)]


def test_an_observed_vector_matches_what_the_deployment_learned(
    old: OldQdrant,
    kato: DeployedKato,
    with_vectors: Target,
    new_service: Callable[..., Any],
) -> None:
    name = old_name(VECTOR)
    old.fill([named(VECTOR), named([9.0, 1.0, 0.0], 1)])
    kato.deploy("old", patterns=[pattern([name], ["seen"], frequency=2)])
    service = new_service(**with_vectors)
    done(with_vectors, "import", "--from", kato.url, *old.arguments, "--user", "me")
    service.start()
    service.await_ready()
    with httpx.Client(base_url=service.url, timeout=60) as api:
        path = new_session(api)
        api.post(f"{path}/observe", json={"vectors": [VECTOR]})
        assert api.get(f"{path}/stm").json()["stm"] == [[name]]
        api.post(f"{path}/observe", json={"strings": ["seen"]})
        found = api.get(f"{path}/predictions").json()["predictions"]
        assert [(one["name"].removeprefix("PTRN|"), one["similarity"]) for one in found] == [
            (pattern([name], ["seen"])["name"], 1.0)
        ]
        assert api.post(f"{path}/learn").json()["frequency"] == 3
        api.post(f"{path}/observe", json={"vectors": [[0.26, -0.5, 4.0]]})
        near = api.get(f"{path}/stm").json()["stm"][0]
        assert set(near) == {vector_symbol([0.26, -0.5, 4.0]), name}
        assert api.get(f"{path}/vectors/{name}").json()["vector"] == VECTOR


def test_a_repeated_import_changes_nothing(old: OldQdrant, with_vectors: Target) -> None:
    old.fill([named([float(number), 1.0], number) for number in range(20)])
    done(with_vectors, "import", *old.arguments)
    before = exported(with_vectors)
    said = done(with_vectors, "import", *old.arguments)
    assert "20 of 20 vectors are already imported" in said
    assert "20 vectors equal" in said
    assert exported(with_vectors) == before


def test_an_import_of_vectors_killed_in_the_middle_continues(
    old: OldQdrant, with_vectors: Target
) -> None:
    count = 150
    old.fill([named([float(number), 1.0, 0.5], number) for number in range(count)])
    program = [sys.executable, "-m", "kato_service", "import", *old.arguments]
    with subprocess.Popen(
        program, env=environment(with_vectors), stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("importing"):
                break
        time.sleep(0.05)
        running.kill()  # wherever it hits, the outcome is the same
    assert f"{count} vectors equal" in done(with_vectors, "import", *old.arguments)
    assert len(vectors_of(with_vectors)) == count


def test_a_dry_run_writes_nothing(old: OldQdrant, with_vectors: Target) -> None:
    old.fill([named(VECTOR)])
    assert "1 vectors of dimension 3" in done(with_vectors, "import", *old.arguments, "--dry-run")
    assert vectors_of(with_vectors) == {}


def test_a_vector_without_direction_is_refused_with_its_point(
    old: OldQdrant, embedded: Target
) -> None:
    old.fill([named(VECTOR, 4), named([0.0, 0.0, 0.0], 5)])
    said = done(embedded, "import", *old.arguments, code=2)
    assert "point 5: vector: all components are 0" in said
    assert vectors_of(embedded) == {}
    done(embedded, "import", *old.arguments, "--skip-refused")
    assert list(vectors_of(embedded)) == [old_name(VECTOR)]


def test_vectors_of_another_dimension_are_refused(old: OldQdrant, with_vectors: Target) -> None:
    old.fill([named(VECTOR)])
    done(with_vectors, "import", *old.arguments)
    with closing(OldQdrant(old.url)) as other:
        other.fill([named([1.0, 2.0])])
        said = done(with_vectors, "import", *other.arguments, code=2)
    assert "have dimension 2, those of the knowledge base 3" in said


def test_a_name_of_another_vector_is_never_overwritten(
    old: OldQdrant, with_vectors: Target
) -> None:
    old.fill([named(VECTOR)])
    done(with_vectors, "import", *old.arguments)
    with closing(OldQdrant(old.url)) as other:
        point = PointStruct(id=9, vector=[1.0, 1.0, 1.0], payload={"name": old_name(VECTOR)})
        other.fill([point])
        said = done(with_vectors, "import", *other.arguments, code=2)
    assert f"point 9: the name {old_name(VECTOR)} belongs to another vector" in said


def test_a_cosine_collection_gives_directions_that_match_their_vectors(
    old: OldQdrant, with_vectors: Target, new_service: Callable[..., Any]
) -> None:
    direction = [component / float(np.linalg.norm(VECTOR)) for component in VECTOR]
    point = PointStruct(id=1, vector=direction, payload={"vector_name": old_name(VECTOR)})
    old.fill([point], Distance.COSINE)
    said = done(with_vectors, "import", *old.arguments, "--user", "me")
    assert "lengths are lost" in said
    service = new_service(**with_vectors)
    service.start()
    service.await_ready()
    with httpx.Client(base_url=service.url, timeout=60) as api:
        path = new_session(api)
        api.post(f"{path}/observe", json={"vectors": [VECTOR]})
        assert api.get(f"{path}/stm").json()["stm"] == [[old_name(VECTOR)]]


def test_an_unknown_collection_is_answered_with_the_known_ones(
    old: OldQdrant, embedded: Target
) -> None:
    old.fill([named(VECTOR)])
    said = done(embedded, "import", "--vectors", old.url, "--collection", "no", code=2)
    assert old.name in said


def test_a_qdrant_that_cannot_be_reached_is_reported_without_its_key(
    tmp_path: Path, embedded: Target
) -> None:
    key = tmp_path / "key"
    key.write_text("hunter2\n")
    source = ("--vectors", "http://127.0.0.1:1", "--processor", "x", "--api-key-file", key)
    said = done(embedded, "import", *source, code=3)
    assert "cannot be read" in said
    assert "hunter2" not in said


def test_vectors_move_with_their_file(old: OldQdrant, with_vectors: Target, tmp_path: Path) -> None:
    old.fill([named(VECTOR), named([1 / 3, 1e-30, 1e30], 1)])
    done(with_vectors, "import", *old.arguments)
    first, second = tmp_path / "first.gz", tmp_path / "second.gz"
    done(with_vectors, "export", "-o", first)
    there = {"DATA_DIR": str(tmp_path / "there"), "PROCESSOR_ID": with_vectors["PROCESSOR_ID"]}
    assert "2 vectors equal" in done(there, "import", first)
    done(there, "export", "-o", second)
    lines = gzip.decompress(first.read_bytes()).splitlines()
    assert json.loads(lines[0])["version"] == 2
    assert lines[1:-1] == gzip.decompress(second.read_bytes()).splitlines()[1:-1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"components": [0.0, -0.0]}, "all components are 0"),
        ({"components": []}, "not a list of numbers"),
        ({"components": [1, 2, 3]}, "has dimension 3, and those before it 2"),
        ({"components": [1, None]}, "a component is not a number"),
        ({"components": [1, True]}, "a component is not a number"),
        ({"components": [1, 10**400]}, "the number 10000000000000000000… is beyond"),
        ({"vector": ""}, "symbol: not 1 to 1024 characters"),
        ({"vector": 5}, "symbol: not a string"),
    ],
)
def test_wrong_vectors_of_a_file_are_refused_with_their_line(
    tmp_path: Path, embedded: Target, row: dict[str, Any], reason: str
) -> None:
    rows = [
        {"format": "kato-knowledge", "version": 2, "knowledge_base": "kato", "revision": 1},
        {"vector": "VCTR|a", "components": [1.0, 2.0]},
        {"vector": "VCTR|b", "components": [1.0, 3.0], **row},
    ]
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in rows)
    totals = {"total_learns": 0, "total_symbols": 0, "total_distinct_symbols": 0}
    ending = {"patterns": 0, "symbols": 0, "vectors": 2, **totals}
    digest = sha256(lines).hexdigest()
    file = tmp_path / "file.gz"
    file.write_bytes(gzip.compress(lines + json.dumps({**ending, "sha256": digest}).encode()))
    said = done(embedded, "import", file, code=2)
    assert reason in said
    assert "line 3" in said


def test_embedded_vectors_are_exported_next_to_the_service_that_uses_them(
    tmp_path: Path, new_service: Callable[..., Any], old: OldQdrant
) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    with httpx.Client(base_url=service.url, timeout=60) as api:
        vectors_and_strings = {"vectors": [VECTOR], "strings": ["a"]}
        answer = api.post(f"{new_session(api)}/observe", json=vectors_and_strings)
        assert answer.is_success, answer.text
    target = {"DATA_DIR": str(service.directory / "data")}
    done(target, "export", "--user", "me", "-o", tmp_path / "x.gz")
    lines = gzip.decompress((tmp_path / "x.gz").read_bytes()).splitlines()
    assert json.loads(lines[1]) == {"vector": vector_symbol(VECTOR), "components": VECTOR}
    old.fill([named([3.0, 2.0, 1.0])])
    said = done(target, "import", *old.arguments, "--user", "me", code=2)
    assert "stop the service, import, and start it again" in said
    service.stop()
    assert "1 vectors equal" in done(target, "import", *old.arguments, "--user", "me")


def test_vectors_are_refused_where_they_are_disabled(old: OldQdrant, embedded: Target) -> None:
    old.fill([named(VECTOR)])
    said = done({**embedded, "VECTORS": "disabled"}, "import", *old.arguments, code=2)
    assert "accepts no vectors" in said
