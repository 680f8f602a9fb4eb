"""Which knowledge bases a round of upkeep looks at, and when."""

from kato_service.knowledge.writing.upkeep import Rounds

MOST = 20


async def test_each_of_many_has_its_turn_and_no_round_is_long() -> None:
    seen: list[str] = []

    async def work(name: str) -> None:
        seen.append(name)

    rounds = Rounds(work, every_s=5.0, most=MOST)
    names = [f"kb{number:03}" for number in range(3 * MOST - 1)]
    for number in range(3):
        await rounds.take(names, 10.0 * number)
        assert len(seen) == (number + 1) * MOST
        await rounds.take(names, 10.0 * number + 4.9)
        assert len(seen) == (number + 1) * MOST
    assert set(seen) == set(names)


async def test_each_of_few_has_one_turn_per_round() -> None:
    seen: list[str] = []

    async def work(name: str) -> None:
        seen.append(name)

    rounds = Rounds(work, every_s=5.0)
    for number in range(3):
        await rounds.take(["one", "two"], 5.0 * number)
    assert sorted(seen) == ["one"] * 3 + ["two"] * 3
    await rounds.take([], 100.0)
