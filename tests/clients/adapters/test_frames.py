"""DataFrames of pandas and polars: learned by columns, and made of answers."""

from collections.abc import Callable, Iterator
from typing import Any

import pandas
import polars
import pytest

from kato_client import AsyncKato, BulkLearned, Kato
from kato_client.frames import pandas as pandas_frames
from kato_client.frames import polars as polars_frames
from kato_client.frames.tables import WrongTableError

PANDAS, POLARS = (pandas, pandas_frames), (polars, polars_frames)
COLUMNS = {"user": "visitor", "sequence": "visit", "order": "at", "symbols": "page"}


@pytest.fixture(params=[PANDAS, POLARS], ids=["pandas", "polars"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def new_table(library: Any) -> Callable[..., Any]:
    """``new_table(**columns)``: a DataFrame."""
    return lambda **columns: library[0].DataFrame(columns)


@pytest.fixture
def frames(library: Any) -> Any:
    return library[1]


@pytest.fixture
def kato(service_url: str) -> Iterator[Kato]:
    with Kato(service_url) as kato:
        yield kato


def visits(user: str, **changed: list[Any]) -> dict[str, list[Any]]:
    """Two visits of one user, of two pages and three, and one of another."""
    return {
        "visitor": [user] * 5 + [f"{user}-2"] * 2,
        "visit": [7, 7, 8, 8, 8, 7, 7],
        "at": [1.5, 2.5, 1.0, 2.0, 3.0, 1.0, 2.0],
        "page": ["home", "item", "home", "search", "item", "help", "home"],
    } | changed


def rows(frame: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        frame.to_dict("records") if isinstance(frame, pandas.DataFrame) else frame.to_dicts()
    )
    return found


def test_a_table_is_learned_once_with_progress_however_often_it_is_sent(
    kato: Kato, frames: Any, new_table: Any, user: str
) -> None:
    seen = list[BulkLearned]()
    found = frames.sequences(new_table(**visits(user)), **COLUMNS)
    for times in (1, 2):
        done = kato.learn(found, unique_id=user, progress=seen.append, batch_size=2)
        assert (done.lines, done.errors) == (3, 0)
        assert (done.learned, done.repeated) == ((3, 0) if times == 1 else (0, 3))
    assert [one.lines for one in seen] == [2, 3, 2, 3]
    learned = [(one.pattern_data, one.frequency) for one in kato.user(user).patterns()]
    assert learned == [([["home"], ["item"]], 1), ([["home"], ["search"], ["item"]], 1)]
    (other,) = kato.user(f"{user}-2").patterns()
    assert other.pattern_data == [["help"], ["home"]]


async def test_a_table_is_learned_asynchronously(
    service_url: str, frames: Any, new_table: Any, user: str
) -> None:
    async with AsyncKato(service_url) as kato:
        done = await kato.learn(frames.sequences(new_table(**visits(user)), **COLUMNS))
        assert done.learned == 3
        found = frames.patterns_frame([one async for one in kato.user(user).patterns()])
        assert [row["length"] for row in rows(found)] == [2, 3]


def test_cells_of_several_columns_and_lists_are_one_event(
    kato: Kato, frames: Any, new_table: Any, user: str
) -> None:
    table = new_table(visit=["v", "v"], page=["home", "item"], tags=[["new", "red"], []])
    found = frames.sequences(table, sequence="visit", symbols=["page", "tags"])
    assert kato.user(user).learn(one.events for one in found).learned == 1
    (pattern,) = kato.user(user).patterns()
    assert pattern.pattern_data == [["home", "new", "red"], ["item"]]


def test_a_refused_sequence_is_found_by_its_key(
    kato: Kato, frames: Any, new_table: Any, user: str
) -> None:
    pages = ["home", "item", "home", "x" * 1025, "item", "help", "home"]
    found = frames.sequences(new_table(**visits(user, page=pages)), **COLUMNS)
    done = kato.learn(found)
    assert (done.learned, done.errors) == (2, 1)
    assert found.keys[done.failures[0].line - 1] == (user, 8)
    assert len(found) == 3


WRONG: list[Any] = [
    pytest.param({"page": [*"abcd", None, *"fg"]}, "'page', row 4: a null", id="null"),
    pytest.param({"visitor": ["u"] * 3 + [None] * 4}, "'visitor', row 3: a null", id="no user"),
    pytest.param(
        {"at": [1.0, 2.0, 1.0, None, 3.0, 1.0, 2.0]}, "'at', row 3: a null", id="no order"
    ),
    pytest.param(
        {"at": [1.0, 2.0, 1.0, 3.0, 2.0, 1.0, 2.0]},
        "'at', row 4: 2.0 is not greater than 3.0 in the row before",
        id="out of order",
    ),
    pytest.param(
        {"at": [1.0, 1.0, 1.0, 2.0, 3.0, 1.0, 2.0]}, "row 1: 1.0 is not greater", id="no one order"
    ),
    pytest.param(
        {"visit": [7, 8, 7, 8, 8, 7, 7]},
        "'visit', row 2: 7 begins again after other sequences; sort the table by visitor and visit",
        id="torn apart",
    ),
    pytest.param({"page": [1, 2, 3, 4, 5, 6, 7]}, "'page', row 0: 1 is not a text", id="number"),
    pytest.param({"visitor": [1] * 7}, "'visitor', row 0: 1 is not a text", id="user is a number"),
]


@pytest.mark.parametrize(("changed", "message"), WRONG)
def test_a_wrong_table_is_refused_by_column_and_row(
    frames: Any, new_table: Any, changed: dict[str, list[Any]], message: str
) -> None:
    with pytest.raises(WrongTableError) as refused:
        frames.sequences(new_table(**visits("u", **changed)), **COLUMNS)
    assert message in str(refused.value)


def test_a_column_that_is_not_there_is_told(frames: Any, new_table: Any) -> None:
    with pytest.raises(WrongTableError, match="no column 'name'; it has visitor, visit, at, page"):
        frames.sequences(new_table(**visits("u")), **{**COLUMNS, "symbols": ["page", "name"]})
    with pytest.raises(WrongTableError, match="name at least one column"):
        frames.sequences(new_table(**visits("u")), **{**COLUMNS, "symbols": []})
    twice = pandas.DataFrame([[1, "a", "b"]], columns=["visit", "page", "page"])
    with pytest.raises(WrongTableError, match="more than one column 'page'"):
        pandas_frames.sequences(twice, sequence="visit", symbols="page")


def test_tables_longer_than_a_slice_are_read_whole(frames: Any, new_table: Any) -> None:
    number = 2 * frames.SLICE_ROWS + 3
    table = new_table(visit=[place // 3 for place in range(number)], page=["a"] * number)
    found = frames.sequences(table, sequence="visit", symbols="page")
    assert len(found) == -(-number // 3)
    assert sum(len(list(one.events)) for one in found) == number


def test_answers_are_tables(kato: Kato, frames: Any, user: str) -> None:
    mine = kato.user(user)
    mine.learn([["home", "search", "item"], ["home", "search", ["item", "red"]]])
    predictions = frames.predictions_frame(mine.predict(["home", "search"]))
    first = rows(predictions)[0]
    assert (first["similarity"], first["frequency"]) == (0.8, 1)
    assert [list(map(list, row["future"])) for row in rows(predictions)] == [
        [["item"]],
        [["item", "red"]],
    ]
    chosen = mine.predict(["home", "search"], fields=["similarity", "frequency"])
    assert set(frames.predictions_frame(chosen).columns) == set(chosen[0].raw)
    following = mine.next(["home", "search"])
    symbols = rows(frames.next_symbols_frame(following))
    assert [(row["symbol"], row["patterns"]) for row in symbols] == [("item", 2), ("red", 1)]
    assert [row["event"] for row in rows(frames.next_events_frame(following))] == [
        ["item"],
        ["item", "red"],
    ]
    patterns = frames.patterns_frame(mine.patterns())
    assert [row["length"] for row in rows(patterns)] == [3, 4]


def test_columns_and_their_types_do_not_depend_on_what_was_learned(
    kato: Kato, frames: Any, user: str
) -> None:
    mine = kato.user(user)

    def made() -> list[Any]:
        following = mine.next(["a", "b"])
        return [
            frames.predictions_frame(mine.predict(["a", "b"])),
            frames.next_symbols_frame(following),
            frames.next_events_frame(following),
            frames.patterns_frame(mine.patterns()),
        ]

    empty = [dict(zip(one.columns, one.dtypes, strict=True)) for one in made()]
    mine.learn([["a", "b", "c"]])
    filled = made()
    assert [len(one) for one in filled] == [1, 1, 1, 1]
    assert [dict(zip(one.columns, one.dtypes, strict=True)) for one in filled] == empty


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_the_program_of_the_manual_prints_what_comes_next(program: Any, name: str) -> None:
    printed = program(f"from kato_client.frames.{name} import")
    assert "item" in printed
    assert "1.0" in printed
