"""When an item is told to take machines along: the pure rule."""

from hypothesis import given
from hypothesis import strategies as st

from edged.bulk.losses import MACHINES, Losses


def run(count, fatal):
    """As Ray does it, a batch of so many items, begun again whenever a machine is lost: how many were, and
    what was refused."""
    losses, lost = Losses(), 0
    while True:
        watched, refused = losses.begins("a"), set()
        for number in range(count):
            if watched and not losses.may("a", number):
                refused.add(number)
            elif number in fatal:
                lost += 1
                break
        else:
            losses.ends("a")
            return lost, refused


@given(st.integers(1, 30), st.data())
def test_an_item_that_takes_machines_along_is_refused_and_the_batch_ends(count, data):
    fatal = data.draw(st.sets(st.integers(0, count - 1)))
    assert run(count, fatal) == (MACHINES * len(fatal), fatal), "as many for each, and not one more"


def test_machines_that_are_lost_between_items_blame_none():
    losses = Losses()
    assert [losses.begins("a") for _ in range(5)] == [False, False, True, True, True]
    assert all(losses.may("a", number) for number in range(10))


def test_what_ended_well_was_not_lost():
    losses = Losses()
    for _ in range(10):
        assert not losses.begins("a")
        assert not losses.begins("b"), "another one at the same time"
        losses.ends("a")
        losses.ends("b")
