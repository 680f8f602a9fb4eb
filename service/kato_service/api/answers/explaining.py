"""How an answer came about, and what it leaves out, as JSON (http-api.md §2)."""

from collections.abc import Iterator
from typing import Any

from kato_service.api.answers.asking import Asked
from kato_service.api.shapes import rendering
from kato_service.domain.answers.explanation import Nearest
from kato_service.processing.results import PredictionsResult
from kato_service.search.pattern_searcher import fewest_symbols

Reason = tuple[str, str]
"""A code for programs, and a sentence for people."""


def explanation(result: PredictionsResult, asked: Asked, *, listed: int) -> dict[str, Any]:
    """What the answer is made of.

    Args:
        listed: How many predictions it lists; of what comes next, how many events.
    """
    around = result.around
    assert around is not None  # it was asked for
    left_out = _left_out(result, asked, listed)
    reasons = _reasons(result, asked, left_out)
    return {
        "patterns": around.patterns,
        "compared": around.patterns if _is_long_enough(result) else 0,
        "sharing": around.sharing,
        "kept": result.kept,
        "recall_threshold": result.genes.recall_threshold,
        "offset": asked.offset,
        "limit": result.genes.max_predictions,
        "left_out": left_out,
        "nearest_below_threshold": around.nearest and _nearest(around.nearest),
        "reasons": [{"code": code, "message": message} for code, message in reasons],
    }


def _nearest(nearest: Nearest) -> dict[str, Any]:
    name = rendering.spelled(nearest.name)
    return {"pattern_name": name, "similarity": nearest.similarity}


def _left_out(result: PredictionsResult, asked: Asked, listed: int) -> dict[str, int]:
    """How many patterns were not kept, and how many of what was found is not listed."""
    assert result.around is not None
    patterns, sharing = result.around.patterns, result.around.sharing
    is_compared = _is_long_enough(result)
    by_event = result.symbols == 1
    # At threshold 0, patterns without a shared symbol are kept, too.
    unlike = sharing - result.kept if is_compared and sharing > result.kept else 0
    total = found_count(result, asked)
    before = min(asked.offset, total)
    strange = is_compared and (by_event or result.genes.recall_threshold > 0.0)
    return {
        "no_shared_symbol": patterns - sharing if strange else 0,
        "below_threshold": 0 if by_event else unlike,
        "not_in_first_event": unlike if by_event else 0,
        "before_offset": before,
        "beyond_limit": total - before - listed,
    }


def found_count(result: PredictionsResult, asked: Asked) -> int:
    """How many things could be listed: predictions, or events that may come next."""
    if asked.view == "next":
        return result.next.event_count if result.next is not None else 0
    return result.kept


def _is_long_enough(result: PredictionsResult) -> bool:
    return result.symbols >= fewest_symbols(result.genes)


def _reasons(result: PredictionsResult, asked: Asked, left_out: dict[str, int]) -> Iterator[Reason]:
    """Why the answer does not hold more, or nothing at all."""
    assert result.around is not None
    if not _is_long_enough(result):
        yield _too_short(result)
    if not result.around.patterns:
        yield "empty_knowledge_base", "nothing was learned here yet: learn something first"
    if count := left_out["no_shared_symbol"]:
        yield (
            "no_shared_symbol",
            (f"{_patterns(count)} no symbol in common with the short-term memory"),
        )
    if left_out["below_threshold"]:
        yield "below_threshold", _below(result, left_out["below_threshold"])
    if count := left_out["not_in_first_event"]:
        yield (
            "not_in_first_event",
            (
                f"{_patterns(count)} the observed symbol, but not in the first event, and a single"
                " symbol is looked for there; observe another"
            ),
        )
    if asked.view == "next":
        yield from _nothing_next(result)
    yield from _not_listed(asked, left_out)


def _too_short(result: PredictionsResult) -> Reason:
    if not result.symbols:
        return "empty_stm", "the short-term memory is empty: observe something first"
    return "one_symbol", (
        "the short-term memory holds one symbol, and two are needed: observe another, or set"
        " single_symbol_predictions"
    )


def _below(result: PredictionsResult, count: int) -> str:
    assert result.around is not None
    nearest, threshold = result.around.nearest, result.genes.recall_threshold
    alike = "" if nearest is None else f"; the most similar one has {nearest.similarity!r}"
    return (
        f"{_patterns(count)} symbols in common with the short-term memory, but a similarity below"
        f" recall_threshold ({threshold!r}){alike}"
    )


def _nothing_next(result: PredictionsResult) -> Iterator[Reason]:
    if not result.kept or result.next is None or result.next.event_count:
        return
    if result.next.stop.patterns:
        yield (
            "nothing_follows",
            ("every pattern that was kept ends with what was observed; see stop"),
        )
    else:
        yield "never_counted", "every pattern that was kept has the frequency 0, or no match"


def _not_listed(asked: Asked, left_out: dict[str, int]) -> Iterator[Reason]:
    thing = "event" if asked.view == "next" else "prediction"
    if count := left_out["before_offset"]:
        yield (
            "before_offset",
            f"offset ({asked.offset}) passes over {_so_many(count, thing)}",
        )
    if count := left_out["beyond_limit"]:
        yield (
            "beyond_limit",
            f"the limit leaves out {_so_many(count, thing)}: raise limit or offset",
        )


def _so_many(count: int, thing: str) -> str:
    return f"1 {thing}" if count == 1 else f"{count} {thing}s"


def _patterns(count: int) -> str:
    return "1 pattern has" if count == 1 else f"{count} patterns have"
