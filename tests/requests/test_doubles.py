"""What is a double and what only looks like one."""

import pytest

from edged.requests.doubles import Doubles, identity
from edged.requests.journal import KEPT_ROWS


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.mark.parametrize(
    ("named", "redelivered", "in_flight", "after_5_s", "after_700_s"),
    [  # is the second one taken?
        (True, False, False, True, True),
        (True, True, False, False, True),
        (False, False, True, True, True),
        (False, True, False, False, True),
    ],
)
def test_table(clock, named, redelivered, in_flight, after_5_s, after_700_s):  # noqa: PLR0917
    for seconds, taken in ((None, in_flight), (5, after_5_s), (700, after_700_s)):
        doubles = Doubles(clock)
        assert doubles.enter(b"x", named, redelivered=False)
        if seconds is not None:
            doubles.answered(b"x")
            clock.now += seconds
        assert doubles.enter(b"x", named, redelivered) is taken


def test_a_client_that_asks_again_is_answered_again_and_its_redelivery_is_not(clock):
    doubles = Doubles(clock)
    for _ in range(3):
        assert doubles.enter(b"x", named=True, redelivered=False)
        doubles.answered(b"x")
        assert not doubles.enter(b"x", named=True, redelivered=True)


def test_the_table_is_bounded(clock):
    doubles = Doubles(clock)
    for n in range(KEPT_ROWS + 10):
        doubles.answered(n.to_bytes(4, "big"))
    assert doubles.enter((0).to_bytes(4, "big"), named=True, redelivered=True)
    assert not doubles.enter((KEPT_ROWS).to_bytes(4, "big"), named=True, redelivered=True)
    assert len(doubles._answered) == KEPT_ROWS


def test_identity_tells_all_parts_apart():
    base = (b"payload", b"ocr", b"reply", b"corr", b"None")
    others = [
        (b"payload", b"orc", b"reply", b"corr", b"None"),
        (b"payload", b"ocr", b"replyc", b"orr", b"None"),
        (b"ayload", b"ocr", b"reply", b"corrp", b"None"),
        (b"payload2", b"ocr", b"reply", b"corr", b"None"),
        (b"payload", b"ocr", b"reply", b"corr", b"7"),
    ]
    assert len({identity(*base), *(identity(*other) for other in others)}) == 6
    assert identity(*base) == identity(*base)


def test_identity_is_that_of_0_1_0_whose_journal_remembers_it():
    known = identity(b"payload", b"ocr", b"reply", b"corr", b"None")
    assert known.hex() == "c09a818020c76b4e4cae2306307c29a3"
