"""Exactly-once appends while the store dies, hangs, or loses replies."""

import asyncio
import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from itertools import chain
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.entries import Entry, Learn
from kato_service.knowledge.stores.mongo_log import MongoKnowledgeLog
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase

INSERT = b"\x02insert\x00"
"""How an insert command starts on the wire."""
EVENTS = (("a",), ("b",))
NAME = pattern_name(EVENTS)


class Server(Protocol):
    url: str
    port: int

    def start(self) -> None: ...
    def kill9(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


class Proxy(Protocol):
    port: int
    lost: int

    @property
    def held(self) -> int: ...

    def lose_replies(self, marker: bytes, times: int = 1) -> None: ...
    def hold_request(self, marker: bytes) -> None: ...
    async def release(self) -> None: ...


NewProxy = Callable[[int], Awaitable[Proxy]]


def learn() -> Learn:
    return Learn(uuid4().hex, NAME, EVENTS, None, 5)


def soon(seconds: float = 30) -> Deadline:
    return Deadline.after(seconds)


async def frequency(kb: SuperKnowledgeBase) -> int:
    async with kb.reading(deadline=soon()) as reading:
        return reading.patterns[NAME].frequency if NAME in reading.patterns else 0


async def appended(kb: SuperKnowledgeBase, entry: Entry) -> int:
    """Retry the append until the store is back, as a replica that completes an intent does."""
    lookup = False
    while True:
        try:
            return (await kb.append([entry], since=0, lookup=lookup))[0].revision
        except StoreUnavailableError:
            lookup = True
            await asyncio.sleep(0.05)


@asynccontextmanager
async def over_mongo(
    url: str, port: int, database: str, limits: KnowledgeLimits = DEFAULT_LIMITS, **options: Any
) -> AsyncIterator[KnowledgeBases]:
    """A replica of the service, as far as knowledge is concerned, with its own client."""
    timeout_s = options.pop("timeout_s", 5.0)
    address = f"mongodb://kato:secret@127.0.0.1:{port}/?directConnection=true"
    settings = {"serverSelectionTimeoutMS": 2000, "tz_aware": True, **options}
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(address, **settings)
    log = MongoKnowledgeLog(client[database], timeout_s=timeout_s)
    bases = KnowledgeBases(log, PlainPatterns, limits=limits)
    await bases.start()
    try:
        yield bases
    finally:
        await bases.close()
        await client.close()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].split("/")[0])


@pytest.mark.parametrize("retry_writes", [True, False], ids=["driver repeats", "driver does not"])
@pytest.mark.parametrize("losses", [1, 3])
async def test_an_append_whose_reply_is_lost_counts_once(
    mongo_url: str, faulty_proxy: NewProxy, retry_writes: bool, losses: int
) -> None:
    port = port_of(mongo_url)
    proxy = await faulty_proxy(port)
    database = f"test_{uuid4().hex}"
    async with (
        over_mongo(mongo_url, proxy.port, database, retryWrites=retry_writes) as here,
        over_mongo(mongo_url, port, database) as there,
    ):
        await appended(here.get("kato"), learn())
        proxy.lose_replies(INSERT, losses)
        entries = [learn() for _ in range(5)]
        applied = await here.get("kato").append(entries, since=1)
        assert proxy.lost == losses
        assert [(each.revision, each.frequency) for each in applied] == [
            (n, n) for n in range(2, 7)
        ]
        assert await frequency(there.get("kato")) == 6


async def test_a_lost_reply_while_another_replica_appends_counts_once(
    mongo_url: str, faulty_proxy: NewProxy
) -> None:
    port = port_of(mongo_url)
    proxy = await faulty_proxy(port)
    database = f"test_{uuid4().hex}"
    async with (
        over_mongo(mongo_url, proxy.port, database, retryWrites=False) as here,
        over_mongo(mongo_url, port, database) as there,
    ):

        async def learned(bases: KnowledgeBases) -> list[int]:
            return [await appended(bases.get("kato"), learn()) for _ in range(15)]

        proxy.lose_replies(INSERT, 5)
        revisions = await asyncio.gather(learned(here), learned(there), learned(here))
        assert proxy.lost == 5
        assert sorted(chain.from_iterable(revisions)) == list(range(1, 46))
        assert await frequency(here.get("kato")) == await frequency(there.get("kato")) == 45


async def test_an_insert_that_arrives_long_after_its_repeat_finds_its_revision_taken(
    mongo_url: str, faulty_proxy: NewProxy
) -> None:
    port = port_of(mongo_url)
    proxy = await faulty_proxy(port)
    database = f"test_{uuid4().hex}"
    async with (
        over_mongo(mongo_url, proxy.port, database, retryWrites=False) as here,
        over_mongo(mongo_url, port, database) as there,
    ):
        await appended(there.get("kato"), learn())
        await frequency(here.get("kato"))
        proxy.hold_request(INSERT)
        await here.get("kato").append([learn(), learn()], since=1)
        await appended(there.get("kato"), learn())
        await proxy.release()
        await appended(here.get("kato"), learn())
        assert await frequency(here.get("kato")) == await frequency(there.get("kato")) == 5


async def test_a_held_insert_and_a_roll_forward_elsewhere_count_once(
    mongo_url: str, faulty_proxy: NewProxy
) -> None:
    port = port_of(mongo_url)
    proxy = await faulty_proxy(port)
    database = f"test_{uuid4().hex}"
    entries = [learn(), learn()]
    async with over_mongo(mongo_url, port, database) as there:
        async with over_mongo(mongo_url, proxy.port, database, retryWrites=False) as here:
            await appended(there.get("kato"), learn())
            await frequency(here.get("kato"))
            proxy.hold_request(INSERT)
            waiting = asyncio.create_task(here.get("kato").append(entries, since=1))
            async with asyncio.timeout(60):
                while not proxy.held:
                    await asyncio.sleep(0.01)
            await there.get("kato").append(entries, since=1, lookup=True)
            await proxy.release()
            assert [each.revision for each in await waiting] == [2, 3]
        assert await frequency(there.get("kato")) == 3


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_acknowledged_is_lost_or_duplicated_when_the_server_is_killed(
    mongo_server: Server, seed: int
) -> None:
    chance = random.Random(seed)
    names = (mongo_server.url, mongo_server.port, "kato")
    async with over_mongo(*names) as here, over_mongo(*names) as there:
        done: list[int] = []

        async def learned(bases: KnowledgeBases) -> None:
            done.extend([await appended(bases.get("kato"), learn()) for _ in range(40)])

        async def killed() -> None:
            for _ in range(4):
                await asyncio.sleep(chance.uniform(0.02, 0.2))
                mongo_server.kill9()
                mongo_server.start()

        await asyncio.gather(*(learned(bases) for bases in (here, there, here, there)), killed())
        assert sorted(done) == list(range(1, 161))
        assert await frequency(here.get("kato")) == await frequency(there.get("kato")) == 160


async def test_a_store_that_hangs_is_unavailable_and_older_knowledge_is_used_where_allowed(
    mongo_server: Server,
) -> None:
    names = (mongo_server.url, mongo_server.port, "kato")
    async with (
        over_mongo(*names, timeout_s=1.0) as strict,
        over_mongo(*names, KnowledgeLimits(max_staleness_s=60.0), timeout_s=1.0) as lenient,
    ):
        for bases in (strict, lenient):
            await appended(bases.get("kato"), learn())
        mongo_server.freeze()
        with pytest.raises(StoreUnavailableError) as caught:
            await frequency(strict.get("kato"))
        assert not isinstance(caught.value, OutcomeUnknownError)
        with pytest.raises(StoreUnavailableError):
            await lenient.get("kato").tail(deadline=soon())
        with pytest.raises(StoreUnavailableError):
            await frequency(lenient.get("never loaded"))
        with pytest.raises(
            StoreUnavailableError
        ):  # an older state is used only if the caller allows it
            await frequency(lenient.get("kato"))
        async with lenient.get("kato").reading(deadline=soon(), may_be_stale=True) as reading:
            assert (reading.stale, reading.patterns[NAME].frequency) == (True, 2)
        mongo_server.thaw()
        async with asyncio.timeout(60):
            while await is_stale(lenient):
                await asyncio.sleep(0.05)
        assert await frequency(lenient.get("kato")) == 2


async def is_stale(bases: KnowledgeBases) -> bool:
    async with bases.get("kato").reading(deadline=soon(), may_be_stale=True) as reading:
        assert reading.patterns[NAME].frequency == 2
        return reading.stale


async def test_an_error_names_what_is_wrong_with_a_file_but_not_its_path(tmp_path: Path) -> None:
    (tmp_path / "secret.sqlite").write_bytes(b"no database" * 1000)
    (tmp_path / "secret").write_text("no folder")
    for path, name in (("secret.sqlite", "SQLITE_NOTADB"), ("secret/log", "EEXIST|ENOTDIR")):
        log = SqliteKnowledgeLog(tmp_path / path)
        with pytest.raises(StoreUnavailableError, match=name) as caught:
            await log.head("kato")
        assert "secret" not in caught.value.message
        await log.close()


async def test_an_append_that_gives_up_is_completed_once_later(mongo_server: Server) -> None:
    hasty = KnowledgeLimits(append_retry_s=0.2)
    names = (mongo_server.url, mongo_server.port, "kato")
    entry = learn()
    async with over_mongo(*names, hasty, serverSelectionTimeoutMS=200) as bases:
        kb = bases.get("kato")
        await appended(kb, learn())
        mongo_server.kill9()
        with kb.register([entry], since=1):
            with pytest.raises(StoreUnavailableError):
                await kb.append([entry], since=1)
            with pytest.raises(StoreUnavailableError):
                await frequency(kb)
            mongo_server.start()
            assert await appended(kb, entry) == 2
        assert (await kb.append([entry], since=1, lookup=True))[0].revision == 2
        assert await frequency(kb) == 2


PROGRAM = """
import asyncio, sys
from pathlib import Path
from uuid import uuid4
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog

async def main():
    bases = KnowledgeBases(SqliteKnowledgeLog(Path(sys.argv[1])), PlainPatterns)
    await bases.start()
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        entry = Learn(uuid4().hex, sys.argv[3], (("a",), ("b",)), None, 5)
        applied = await bases.get("kato").append([entry], since=0)
        print("in", applied[0].revision, applied[0].frequency, flush=True)
    await bases.close()

asyncio.run(main())
"""


def test_processes_that_share_a_file_lose_and_duplicate_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "log.sqlite"), "60", NAME]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    outputs = _together(processes)
    done = sorted(each for output in outputs for each in _acknowledged(output))
    assert done == [(n, n) for n in range(1, 121)]


def _acknowledged(output: str) -> list[tuple[int, int]]:
    """Revision and frequency of every append that the program reported."""
    return [(int(r), int(f)) for r, f in re.findall(r"^in (\d+) (\d+)$", output, re.MULTILINE)]


def _together(processes: list[subprocess.Popen[str]]) -> list[str]:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=180)[0] for process in processes]


async def test_appends_that_a_killed_process_acknowledged_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path), "100000", NAME],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    reported = "".join(process.stdout.readline() for _ in range(50))
    process.kill()
    done = len(_acknowledged(reported + process.communicate(timeout=60)[0]))
    bases = KnowledgeBases(SqliteKnowledgeLog(path), PlainPatterns)
    await bases.start()
    assert 40 < done <= await frequency(bases.get("kato")) <= done + 1
    await bases.close()


async def test_a_file_that_is_locked_or_not_a_database_is_unavailable(tmp_path: Path) -> None:
    log = SqliteKnowledgeLog(tmp_path / "log.sqlite", KnowledgeLimits(busy_timeout_s=0.1))
    bases = KnowledgeBases(log, PlainPatterns)
    await bases.start()
    await appended(bases.get("kato"), learn())
    other = sqlite3.connect(tmp_path / "log.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError):
        await bases.get("kato").append([learn()], since=1)
    assert await frequency(bases.get("kato")) == 1
    other.execute("COMMIT")
    other.close()
    assert await appended(bases.get("kato"), learn()) == 2
    await bases.close()

    (tmp_path / "text.sqlite").write_text("this is no database, it is a text" * 99)
    wrong = KnowledgeBases(SqliteKnowledgeLog(tmp_path / "text.sqlite"), PlainPatterns)
    with pytest.raises(StoreUnavailableError):
        await wrong.start()
    await wrong.close()


async def test_a_file_that_was_moved_away_accepts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    bases = KnowledgeBases(SqliteKnowledgeLog(path), PlainPatterns)
    await bases.start()
    assert await appended(bases.get("kato"), learn()) == 1
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailableError, match="put it back"):
        await frequency(bases.get("kato"))
    path.touch()
    with pytest.raises(StoreUnavailableError, match="put it back"):
        await bases.get("kato").append([learn()], since=1)
    (tmp_path / "elsewhere").rename(path)
    assert await appended(bases.get("kato"), learn()) == 2
    await bases.close()


VIEWED = (
    "UPDATE log SET document = json_set(document, '$.checkpoint', 1) WHERE _id LIKE '%head';"
    " INSERT INTO patterns VALUES "
)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param('UPDATE log SET document = \'{"_id": "kato:1"}\'', id="entries"),
        pytest.param("UPDATE log SET document = 'no json' WHERE _id LIKE '%01'", id="no JSON"),
        pytest.param(
            "UPDATE log SET document = json_set(document, '$.kind', 'of tomorrow')"
            " WHERE _id LIKE '%01'",
            id="of a later version",
        ),
        pytest.param("UPDATE log SET document = '{}' WHERE _id LIKE '%head'", id="head"),
        pytest.param(VIEWED + "('kato:0', 1, '{\"a\": 1}')", id="view"),
        pytest.param(VIEWED + "('kato:0', 1, 'no json')", id="view, no JSON"),
        pytest.param(VIEWED + "('kato:statistics', 1, '{\"a\": 1}')", id="statistics"),
    ],
)
async def test_a_log_that_cannot_be_decoded_is_unavailable_and_the_message_says_what_to_do(
    tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "log.sqlite"
    bases = KnowledgeBases(SqliteKnowledgeLog(path), PlainPatterns)
    await bases.start()
    await appended(bases.get("kato"), learn())
    await bases.close()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(damage)
    damaged = KnowledgeBases(SqliteKnowledgeLog(path), PlainPatterns)
    with pytest.raises(StoreUnavailableError, match="restore a backup"):
        await frequency(damaged.get("kato"))
    await damaged.close()
