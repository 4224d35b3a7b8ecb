"""The search for the largest count: right whatever the hints say, and at its end whatever the box does."""

import math

from hypothesis import given
from hypothesis import strategies as st

from edged.bench.search import TriedCount, borne, next_count

LOADS = st.functions(like=lambda count: None, returns=st.floats(0, 50, allow_nan=False), pure=True)


def searched(is_fine, most, load=lambda count: 0.0):
    """All that is tried."""
    tried: list[TriedCount] = []
    while (count := next_count(tried, most)) is not None:
        tried.append(TriedCount(count, is_fine(count), load(count)))
    return tried


@given(bears=st.integers(0, 300), most=st.integers(1, 300), load=LOADS)
def test_it_finds_what_is_borne_whatever_the_load_says(bears, most, load):
    tried = searched(lambda count: count <= bears, most, load)
    assert borne(tried) == min(bears, most)
    assert len({one.count for one in tried}) == len(tried), "nothing is tried twice"
    assert all(1 <= one.count <= most for one in tried)


@given(bears=st.integers(0, 10_000), most=st.integers(1, 10_000))
def test_without_hints_it_takes_few_tries(bears, most):
    tried = searched(lambda count: count <= bears, most)
    assert len(tried) <= 2 * math.ceil(math.log2(most + 1)) + 1


@given(most=st.integers(1, 200), whims=st.lists(st.booleans(), min_size=400, max_size=400), load=LOADS)
def test_a_box_of_many_moods_ends_the_search_too_and_what_is_told_was_seen(most, whims, load):
    moods = iter(whims)
    tried = searched(lambda count: next(moods), most, load)
    assert borne(tried) == 0 or any(one.fine and one.count == borne(tried) for one in tried)


@given(bears=st.integers(4, 60), share=st.floats(0.95, 1.05))
def test_an_honest_load_saves_tries(bears, share):
    honest = searched(lambda count: count <= bears, 200, lambda count: share * count / bears)
    assert borne(honest) == bears
    overdone = [one.count for one in honest if one.count > 1.2 * bears + 1]
    assert overdone == [], "no box is swamped that tells how full it is"


def test_of_a_count_that_was_tried_twice_the_last_trial_counts():
    tried = [TriedCount(1, True, 0.1), TriedCount(2, False, 0.2)]
    assert next_count(tried, 9) is None
    assert next_count([*tried, TriedCount(2, True, 0.2)], 9) == 4
