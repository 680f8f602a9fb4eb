"""Entries that their senders named: in once, however often and wherever they are sent."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from knowledge_stores import MemoryKnowledgeLog, Replica, Shelf

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import pattern_name
from kato_service.errors import KatoError, StoreUnavailableError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.fold.named_entries import NAMED_BYTES, NamedEntries
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.limits import KnowledgeLimits
from kato_service.knowledge.model.entries import Applied, Clear, Learn
from kato_service.knowledge.model.entry_names import name_in, named_token
from kato_service.knowledge.model.log import KnowledgeLog
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase
from kato_service.knowledge.writing.trimming import LogTrimmer, TrimPlan

SMALL = KnowledgeLimits(token_page=2, token_group=2, group_entries=3)


def line(unique_id: str, *events: str) -> Learn:
    made = tuple(tuple(event) for event in events)
    return Learn(named_token(unique_id, repr(made).encode()), pattern_name(made), made, None, 5)


async def sent(kb: SuperKnowledgeBase, *lines: Learn) -> list[tuple[bool, int | None] | str]:
    """Of each line, whether it is new, and its frequency; or the code of its error."""
    return [shown(outcome) for outcome in await appended(kb, *lines)]


def shown(outcome: Applied | KatoError) -> tuple[bool, int | None] | str:
    if isinstance(outcome, Applied):
        return outcome.met, outcome.frequency
    return outcome.code


async def frequency(kb: SuperKnowledgeBase, name: str) -> int:
    async with kb.reading(deadline=Deadline.after(20)) as reading:
        return reading.patterns[name].frequency


@pytest.mark.parametrize("limits", [SMALL], ids=["small pages"])
async def test_a_repeat_changes_nothing_and_has_the_first_frequency(replica: Replica) -> None:
    kb = replica().get("kato")
    lines = [line("1", "ab", "c"), line("2", "ab", "c"), line("3", "cd")]
    assert await sent(kb, *lines) == [(True, 1), (True, 2), (True, 1)]
    assert await sent(kb, *reversed(lines)) == [(False, 1), (False, 2), (False, 1)]
    assert await frequency(kb, lines[0].name) == 2


@pytest.mark.parametrize("limits", [SMALL], ids=["small pages"])
async def test_another_replica_knows_a_repeat_but_not_its_frequency(replica: Replica) -> None:
    lines = [line(str(number), "ab", "cd") for number in range(7)]
    await sent(replica().get("kato"), *lines)
    there = replica().get("kato")
    assert await sent(there, *lines[2:4], line("new", "ab", "cd")) == [
        (False, None),
        (False, None),
        (True, 8),
    ]


async def test_a_repeat_in_the_same_batch_is_one(replica: Replica) -> None:
    kb = replica().get("kato")
    assert await sent(kb, line("1", "ab"), line("1", "ab"), line("1", "ab")) == [
        (True, 1),
        (False, 1),
        (False, 1),
    ]


async def test_an_id_with_other_content_is_refused_alone(replica: Replica) -> None:
    kb, there = replica().get("kato"), replica().get("kato")
    assert await sent(kb, line("1", "ab"), line("1", "cd"), line("2", "cd")) == [
        (True, 1),
        "UNIQUE_ID_REUSED",
        (True, 1),
    ]
    assert await sent(kb, line("2", "ab"), line("3", "cd")) == ["UNIQUE_ID_REUSED", (True, 2)]
    assert await sent(there, line("2", "ab"), line("4", "cd")) == ["UNIQUE_ID_REUSED", (True, 3)]


async def test_replicas_that_get_the_same_lines_at_once_learn_each_once(replica: Replica) -> None:
    lines = [line(str(number), "ab", "cd") for number in range(40)]
    others = [line(str(number), "xy", "z") for number in range(40)]
    bases = [replica().get("kato") for _ in range(3)]
    answers = await asyncio.gather(
        sent(bases[0], *lines), sent(bases[1], *reversed(lines)), sent(bases[2], *others)
    )
    new = [one for answer in answers for one in answer if one[0] is True]
    assert len(new) == 40
    async with bases[0].reading(deadline=Deadline.after(20)) as reading:
        assert sum(each.frequency for each in reading.patterns.values()) == 40


async def test_a_clear_does_not_make_a_repeat_new(replica: Replica) -> None:
    kb = replica().get("kato")
    await sent(kb, line("1", "ab"))
    await kb.append([Clear("clear")], since=0)
    assert await sent(kb, line("1", "ab"), line("2", "ab")) == [(False, 1), (True, 1)]


async def test_a_repeat_that_would_learn_something_else_now_says_so(replica: Replica) -> None:
    kb = replica().get("kato")
    first = line("1", "ba")
    await sent(kb, first)
    check_learned_otherwise(*await appended(kb, otherwise(first)))


async def test_a_repeat_that_would_learn_something_else_may_be_sent_at_once(
    replica: Replica,
) -> None:
    kb = replica().get("kato")
    first = line("1", "ba")
    (new, known), (repeat,) = await asyncio.gather(
        appended(kb, first, otherwise(first)), appended(kb, otherwise(first))
    )
    assert isinstance(new, Applied)
    assert (new.met, new.is_known, new.frequency) == (True, True, 1)
    check_learned_otherwise(known)
    check_learned_otherwise(repeat)


def otherwise(first: Learn) -> Learn:
    """The same line, which with other settings learns another pattern."""
    other = line("other", "ab")
    return Learn(first.token, other.name, other.events, None, 5)


async def appended(kb: SuperKnowledgeBase, *lines: Learn) -> list[Applied | KatoError]:
    with kb.kept():
        await kb.prepare_many(named=True)
        return await kb.append_each(lines)


def check_learned_otherwise(outcome: Applied | KatoError) -> None:
    assert isinstance(outcome, Applied)
    assert (outcome.met, outcome.is_known, outcome.frequency) == (False, False, None)


async def test_lines_that_were_trimmed_are_forgotten_in_the_end(
    replica: Replica, log: KnowledgeLog
) -> None:
    kb = replica().get("kato")
    await sent(kb, line("1", "ab"), line("2", "ab"))
    await kb.materialise()
    later = datetime.now(UTC) + timedelta(days=30)

    async def always() -> bool:
        return True

    trimmer = LogTrimmer(log, TrimPlan(is_safe=always, now=lambda: later), KnowledgeLimits())
    while await trimmer.trim("kato"):
        pass
    await sent(kb, line("3", "ab"))
    await kb.materialise()
    there = replica().get("kato")
    assert await sent(there, line("1", "ab")) == [(True, 4)]


async def test_entries_of_others_go_in_before_those_that_give_way(replica: Replica) -> None:
    kb = replica(KnowledgeLimits(group_entries=2)).get("kato")
    many = [line(str(number), "ab") for number in range(8)]
    with kb.kept():
        await kb.prepare_many(named=True)
        sending = asyncio.create_task(kb.append_each(many))
        await asyncio.sleep(0)
        (own,) = await kb.append(
            [Learn("own", pattern_name((("c",),)), (("c",),), None, 5)], since=0
        )
        await sending
    assert own.revision <= 3


async def test_whoever_sends_many_waits_for_half_of_the_room(replica: Replica) -> None:
    kb = replica(KnowledgeLimits(pending_entries=4)).get("kato")
    with kb.kept():
        await kb.prepare_many(named=True)
        sending = asyncio.create_task(kb.append_each([line("1", "ab"), line("2", "ab")]))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(kb.prepare_many(named=True))
        await asyncio.sleep(0)
        await kb.tail(deadline=Deadline.after(20))  # others are not refused
        await sending
        await waiting


async def test_tokens_are_read_in_order_and_in_pages(replica: Replica, log: KnowledgeLog) -> None:
    kb = replica().get("kato")
    lines = [line(str(number), "ab") for number in range(5)]
    await kb.append([*lines[:4], Clear("clear"), lines[4]], since=0)
    found = await log.tokens("kato", 1, 5, limit=3)
    assert [tuple(each) for each in found] == [
        (number + 1, lines[number].token, lines[number].name) for number in (1, 2, 3)
    ]
    assert [tuple(each) for each in await log.tokens("kato", 4, 9, limit=9)] == [
        (5, "clear", ""),
        (6, lines[4].token, lines[4].name),
    ]
    assert list(await log.tokens("other", 0, 9, limit=9)) == []


class WithAGap(MemoryKnowledgeLog):
    """Does not show an entry that it holds."""

    hidden = 0

    async def tokens(self, kb, after, until, *, limit):  # type: ignore[no-untyped-def]  # as the port
        found = await super().tokens(kb, after, until, limit=limit)
        return [each for each in found if each.revision != self.hidden]


async def test_a_log_that_does_not_show_its_entries_is_not_trusted() -> None:
    shelf = Shelf()
    first = KnowledgeBases(MemoryKnowledgeLog(shelf), PlainPatterns)
    await sent(first.get("kato"), line("1", "ab"), line("2", "ab"), line("3", "ab"))
    log = WithAGap(shelf)
    kb = KnowledgeBases(log, PlainPatterns).get("kato")
    log.hidden = 2
    with pytest.raises(StoreUnavailableError, match="does not show what it holds"):
        await kb.prepare_many(named=True)
    log.hidden = 0
    assert await sent(kb, line("2", "ab")) == [(False, None)]


def test_only_named_tokens_have_a_name() -> None:
    token = named_token("visit-1", b"content")
    assert name_in(token) == name_in(named_token("visit-1", b"content"))
    assert name_in(token) != name_in(named_token("visit-1", b"other"))
    assert name_in(token).key == name_in(named_token("visit-1", b"other")).key  # type: ignore[union-attr]  # it has one
    assert name_in(named_token("visit-1", b"content", 1)).key != name_in(token).key  # type: ignore[union-attr]  # as above
    assert name_in("5f" * 12) is None
    assert name_in("l" + "5f" * 11) is None


def test_named_entries_are_forgotten_by_halves_once_they_are_trimmed() -> None:
    named = NamedEntries()
    named.is_complete = True
    for revision in (1, 2):
        named.note(revision, named_token(str(revision), b""), "ab" * 20, revision)
    assert named.memory_bytes == 2 * NAMED_BYTES
    named.forget(0)
    named.note(3, named_token("3", b""), "ab" * 20)
    named.forget(1)
    assert len(named) == 3
    found = named.find(name_in(named_token("2", b"")))  # type: ignore[arg-type]  # it has one
    assert found is not None
    assert (found.pattern, found.frequency) == ("abababab", 2)
    named.forget(2)
    assert named.find(name_in(named_token("1", b""))) is None  # type: ignore[arg-type]  # as above
    assert len(named) == 1
