"""What comes next, explanations and surroundings in plain Python, for the numpy engine."""

from collections.abc import Callable, Iterable, Iterator

from kato_service.domain.answers.explanation import Nearest, Surroundings
from kato_service.domain.answers.next_events import Continued, Next, next_of
from kato_service.domain.later_metrics import weighted_frequency
from kato_service.search.matching import Wanted
from kato_service.search.plain_ranking import Kept, Match


def next_after(kept: Iterable[Kept], wanted: Wanted, limit: int) -> Next:
    """What the patterns *kept*, in order of first learns, expect next."""
    return next_of(_continued(kept), wanted.offset, wanted.offset + limit)


def _continued(kept: Iterable[Kept]) -> Iterator[Continued]:
    for one in kept:
        # Without a match, which threshold 0 allows, a pattern says nothing.
        if one.match.matched:
            pattern = one.match.pattern
            weight = weighted_frequency(pattern.frequency, one.match.similarity)
            yield Continued(pattern.name, weight, one.alignment.future)


def surroundings(
    patterns: int,
    sharing: Iterable[tuple[float, int]],
    match: Callable[[int], Match | None],
    threshold: float,
) -> Surroundings:
    """What a search met besides the patterns that it kept.

    Args:
        patterns: All in the knowledge base.
        sharing: Of each pattern with a symbol in common with the state, the greatest similarity
            that it may have, and its slot; slots are in order of first learns.
        match: Aligns the pattern of a slot with the state.
    """
    found = sorted(sharing, key=lambda one: (-one[0], one[1]))
    best: tuple[float, int, Nearest] | None = None
    for bound, slot in found:
        if best is not None and bound < best[0]:
            break
        one = match(slot)
        if one is None or one.similarity >= threshold:
            continue
        if best is None or (-one.similarity, slot) < (-best[0], best[1]):
            best = (one.similarity, slot, Nearest(one.pattern.name, one.similarity))
    return Surroundings(patterns, len(found), None if best is None else best[2])
