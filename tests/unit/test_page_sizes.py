"""The size of a page follows the page before."""

from hypothesis import given
from hypothesis import strategies as st

from kato_service.knowledge.limits import DEFAULT_LIMITS
from kato_service.knowledge.replica.page_sizes import GROWTH, LEAST, PageSizes

MOST = 1_000_000
FIRST, PAGE = DEFAULT_LIMITS.first_page_entries, DEFAULT_LIMITS.page_entries


def test_small_entries_are_soon_read_by_the_thousand() -> None:
    sizes = PageSizes(MOST)
    limits = []
    for _ in range(4):
        limits.append(sizes.limit)
        sizes.record(30 * sizes.limit)
    assert limits == [FIRST, GROWTH * FIRST, PAGE, PAGE]


def test_entries_beyond_the_limit_are_read_two_at_a_time() -> None:
    sizes = PageSizes(MOST)
    sizes.record(FIRST * 2 * MOST)
    assert sizes.limit == LEAST


@given(each=st.integers(1, 2 * MOST), pages=st.integers(1, 6))
def test_pages_of_equal_entries_never_exceed_the_limit_after_the_first(
    each: int, pages: int
) -> None:
    sizes = PageSizes(MOST)
    for _ in range(pages):
        sizes.record(each * sizes.limit)
        assert sizes.limit == LEAST or each * sizes.limit <= MOST
