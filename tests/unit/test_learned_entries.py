"""A learn within every limit makes a log entry that any store accepts."""

from dataclasses import replace
from datetime import UTC, datetime

import bson
import pytest

from kato_service.domain.genes import Genes
from kato_service.domain.pattern import Emotives
from kato_service.domain.sizes import EMOTIVE_BYTES
from kato_service.errors import LimitExceededError, SettingsError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.stores.documents import encoded
from kato_service.knowledge.stores.sqlite_log import SqliteKnowledgeLog
from kato_service.processing.limits import (
    MAX_LEARNED_EMOTIVES_BYTES,
    ObservationLimits,
)
from kato_service.processing.matching_threads import MatchingThreads
from kato_service.processing.memory_manager import MemoryManager
from kato_service.processing.pattern_processor import PatternProcessor
from kato_service.search.pattern_searcher import PatternSearcher
from kato_service.sessions.state import SessionState
from kato_service.settings.settings import MAX_METADATA_BYTES, MAX_STM_BYTES, read_settings

DOCUMENT_BYTES = 16 * 2**20
LIMITS = ObservationLimits(max_stm_bytes=MAX_STM_BYTES, max_metadata_bytes=MAX_METADATA_BYTES)


@pytest.fixture
def patterns(tmp_path_factory: pytest.TempPathFactory) -> PatternProcessor:
    log = SqliteKnowledgeLog(tmp_path_factory.mktemp("log") / "log.sqlite")
    searcher = PatternSearcher()
    knowledge = KnowledgeBases(log, searcher.new_index)
    return PatternProcessor(knowledge, searcher, MemoryManager(LIMITS), MatchingThreads())


def named(count: int, *, chars: int) -> tuple[Emotives, ...]:
    """Maps of 64 names each, with *count* different names in all."""
    names = [f"{number:06}".ljust(chars, "x") for number in range(count)]
    return tuple(dict.fromkeys(names[i : i + 64], 1.0) for i in range(0, count, 64))


def session(emotives: tuple[Emotives, ...]) -> SessionState:
    symbols = LIMITS.max_stm_symbols
    largest = "x" * (LIMITS.max_stm_bytes // symbols)
    events = ((largest,),) * symbols
    metadata = {"k": tuple(str(number) for number in range(LIMITS.max_metadata_bytes // 5))}
    empty = SessionState("id", "inc", None, "kato", 0.0, None, None, 0.0)
    return replace(empty, stm=events, pending_emotives=emotives, pending_metadata=metadata)


@pytest.mark.parametrize("chars", [6, 256])
def test_the_largest_learn_fits_into_a_document(patterns: PatternProcessor, chars: int) -> None:
    count = min(64_000, MAX_LEARNED_EMOTIVES_BYTES // (chars + EMOTIVE_BYTES))
    entry = patterns.learn(session(named(count, chars=chars)), Genes()).entry
    assert entry is not None
    document = encoded("kato~" + "f" * 40, 10**11, entry, datetime.now(UTC))
    assert len(bson.encode(document)) < DOCUMENT_BYTES


def test_a_learn_that_fits_into_no_document_is_refused(patterns: PatternProcessor) -> None:
    with pytest.raises(LimitExceededError, match="fewer names"):
        patterns.learn(session(named(64_000, chars=256)), Genes())


@pytest.mark.parametrize(
    ("name", "most"), [("MAX_STM_BYTES", MAX_STM_BYTES), ("MAX_METADATA_BYTES", MAX_METADATA_BYTES)]
)
def test_no_setting_allows_a_larger_learn(
    monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setenv(name, str(most))
    read_settings()
    monkeypatch.setenv(name, str(most + 1))
    with pytest.raises(SettingsError, match=name):
        read_settings()
