"""Who is looked after, and when."""

from kato_service.knowledge.writing.upkeep import AT_ONCE, Rounds


async def test_each_of_many_comes_up_and_no_round_is_long() -> None:
    seen: list[str] = []

    async def work(name: str) -> None:
        seen.append(name)

    rounds = Rounds(work, every_s=5.0)
    names = [f"kb{number:03}" for number in range(3 * AT_ONCE - 1)]
    for number in range(3):
        await rounds.take(names, 10.0 * number)
        assert len(seen) == (number + 1) * AT_ONCE
        await rounds.take(names, 10.0 * number + 4.9)
        assert len(seen) == (number + 1) * AT_ONCE
    assert set(seen) == set(names)


async def test_few_come_up_once_a_round() -> None:
    seen: list[str] = []

    async def work(name: str) -> None:
        seen.append(name)

    rounds = Rounds(work, every_s=5.0)
    for number in range(3):
        await rounds.take(["one", "two"], 5.0 * number)
    assert sorted(seen) == ["one"] * 3 + ["two"] * 3
    await rounds.take([], 100.0)
