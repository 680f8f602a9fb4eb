"""Durability that killing a process cannot show: writes ask to survive failovers and power cuts."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import BulkWriteError
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from kato_service.connections.circuit import Circuit
from kato_service.domain.pattern import Pattern
from kato_service.domain.statistics import Corrections
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.knowledge.model.entries import Delete
from kato_service.knowledge.model.log import Head
from kato_service.knowledge.model.pattern_views import PatternView, StatisticsView
from kato_service.knowledge.stores.mongo_log import MongoKnowledgeLog
from kato_service.knowledge.stores.mongo_server import MongoServer
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog

WRITES = {"insert", "update", "delete"}
READS = {"find", "getMore"}
NAME = "0" * 40


class Sent(CommandListener):
    """The commands that the driver sent."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append(dict(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None: ...
    def failed(self, event: CommandFailedEvent) -> None: ...

    def of(self, names: set[str]) -> list[dict[str, Any]]:
        return [command for command in self.commands if names & command.keys()]


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
async def log(mongo_url: str, sent: Sent) -> AsyncIterator[MongoKnowledgeLog]:
    """A log over a client that asks for no durability by itself."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url, event_listeners=[sent])
    made = MongoKnowledgeLog(client[f"test_{uuid4().hex}"])
    await made.start()
    await made.create("kato")
    await made.insert("kato", 1, [Delete("t1", NAME), Delete("t2", NAME)])
    yield made
    await client.close()


async def test_every_write_waits_for_a_majority_and_its_journals(
    log: MongoKnowledgeLog, sent: Sent
) -> None:
    head = await log.head("kato")
    assert head is not None
    await log.raise_head("kato", Head(head.incarnation, checkpoint=2, trimmed=1))
    await log.delete("kato", {1: "t1"})
    await log.delete_until("kato", 1, limit=9)
    assert await log.claim("kato", "me", lease_s=0)
    assert await log.claim("kato", "you", lease_s=9)
    await log.release("kato", "you")
    for revision in (1, 2):
        view = PatternView(Pattern(NAME, (("a",),), first=1, revision=revision))
        await log.views.write("kato", [view])
        await log.views.write_statistics("kato", StatisticsView(Corrections(), {}, revision))
    await log.views.discard("kato", 2, limit=9)
    writes = sent.of(WRITES)
    assert {name for name in WRITES for command in writes if name in command} == WRITES
    for command in writes:
        assert command["writeConcern"] == {"w": "majority", "j": True}


@pytest.mark.parametrize(
    ("is_replicated", "single"), [(False, "majority"), (True, "linearizable")], ids=["one", "set"]
)
async def test_reads_that_decide_anything_ask_a_primary_that_confirms_to_be_one(
    log: MongoKnowledgeLog,
    sent: Sent,
    monkeypatch: pytest.MonkeyPatch,
    is_replicated: bool,
    single: str,
) -> None:
    monkeypatch.setattr(MongoServer, "is_replicated", is_replicated)
    sent.commands.clear()
    await log.head("kato")
    (head,) = sent.of(READS)
    assert head["readConcern"]["level"] == single
    sent.commands.clear()
    await log.tail("kato", 0, limit=9)
    await log.old("kato", 0, 2, datetime.now(UTC), limit=9)
    await log.views.page("kato", "", limit=9)
    await log.views.statistics("kato")
    levels = {command["readConcern"]["level"] for command in sent.of(READS)}
    assert levels == {"majority", single}
    for command in (head, *sent.of(READS)):
        assert command["maxTimeMS"] > 0


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        pytest.param(
            {"writeErrors": [], "writeConcernErrors": [{"code": 64}], "nInserted": 1},
            OutcomeUnknownError,
            id="written, and not confirmed by a majority",
        ),
        pytest.param(
            {"writeErrors": [], "writeConcernErrors": [{"code": 64}], "nInserted": 0},
            OutcomeUnknownError,
            id="not confirmed by a majority",
        ),
        pytest.param(
            {"writeErrors": [{"index": 1, "code": 91}], "writeConcernErrors": [], "nInserted": 1},
            OutcomeUnknownError,
            id="written in part",
        ),
        pytest.param(
            {"writeErrors": [{"index": 0, "code": 91}], "writeConcernErrors": [], "nInserted": 0},
            StoreUnavailableError,
            id="refused",
        ),
    ],
)
async def test_a_write_that_may_be_rolled_back_has_an_unknown_outcome(
    log: MongoKnowledgeLog, details: dict[str, Any], expected: type[Exception]
) -> None:
    server = MongoServer(log.views._patterns.database, 10.0, Circuit("mongodb"))
    with pytest.raises(StoreUnavailableError) as caught:
        async with server.mapped_errors(writing=True):
            raise BulkWriteError(details)
    assert type(caught.value) is expected


async def test_a_commit_to_the_file_waits_for_the_disk(tmp_path: Path) -> None:
    log = SqliteKnowledgeLog(tmp_path / "log.sqlite")
    await log.start()
    full, mode = await log._file.write(
        lambda db: [
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")
        ]
    )
    assert (full, mode) == (2, "wal")
    await log.close()
