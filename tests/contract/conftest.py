"""Every store that a knowledge log or a session may be in, as one fixture each."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.stores.mongo_server import MongoServer

sys.path.insert(0, str(Path(__file__).parent))
from knowledge_stores import BACKENDS, Replica, Store, memory_store, mongo_store, sqlite_store
from redis_clients import admin, new_client  # noqa: F401 - fixtures
from session_replicas import replicas  # noqa: F401 - a fixture
from session_stores import kept  # noqa: F401 - a fixture


@pytest.fixture(params=BACKENDS)
async def knowledge_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """One store of each kind. A single server plays the replica set: only the code path differs."""
    if request.param == "memory":
        opened = memory_store()
    elif request.param == "sqlite":
        opened = sqlite_store(tmp_path)
    else:
        monkeypatch.setattr(MongoServer, "is_replicated", request.param.endswith("a set"))
        opened = mongo_store(request.getfixturevalue("mongo_url"))
    async with opened as store:
        yield store


@pytest.fixture
def limits() -> KnowledgeLimits:
    """The limits of `log` and `replica`; a test may parametrise it to run with others."""
    return DEFAULT_LIMITS


@pytest.fixture
async def log(knowledge_store: Store, limits: KnowledgeLimits) -> AsyncIterator[KnowledgeLog]:
    made = knowledge_store.new_log(limits)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def replica(knowledge_store: Store, limits: KnowledgeLimits) -> AsyncIterator[Replica]:
    """Makes replicas of the service, as far as knowledge is concerned."""
    bases: list[KnowledgeBases] = []

    def new(limits: KnowledgeLimits = limits) -> KnowledgeBases:
        log = knowledge_store.new_log(limits)
        bases.append(KnowledgeBases(log, PlainPatterns, limits=limits))
        return bases[-1]

    await new().start()
    yield new
    for each in bases:
        await each.close()
