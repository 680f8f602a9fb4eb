"""How much is read at once follows what was read before."""

from hypothesis import given
from hypothesis import strategies as st

from kato_service.knowledge.replica.page_sizes import CHUNK, FIRST_CHUNK, GROWTH, LEAST, PageSizes

MOST = 1_000_000


def test_small_ones_are_soon_read_by_the_thousand() -> None:
    sizes = PageSizes(MOST)
    limits = []
    for _ in range(4):
        limits.append(sizes.limit)
        sizes.had(30 * sizes.limit)
    assert limits == [FIRST_CHUNK, GROWTH * FIRST_CHUNK, CHUNK, CHUNK]


def test_one_beyond_the_limit_is_read_with_one_other() -> None:
    sizes = PageSizes(MOST)
    sizes.had(FIRST_CHUNK * 2 * MOST)
    assert sizes.limit == LEAST


@given(each=st.integers(1, 2 * MOST), pages=st.integers(1, 6))
def test_pages_of_equals_never_exceed_the_limit_after_the_first(each: int, pages: int) -> None:
    sizes = PageSizes(MOST)
    for _ in range(pages):
        sizes.had(each * sizes.limit)
        assert sizes.limit == LEAST or each * sizes.limit <= MOST
