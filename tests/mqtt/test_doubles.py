"""What is a double and what only looks like one."""

import pytest

from edged.mqtt.doubles import Doubles, Naming, identity
from edged.mqtt.journal import KEPT_ROWS


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.mark.parametrize(
    ("naming", "redelivered", "in_flight", "after_5_s", "after_60_s", "after_700_s"),
    [  # is the second one taken?
        (Naming.CORRELATED, False, False, False, False, True),
        (Naming.CORRELATED, True, False, False, False, True),
        (Naming.NUMBERED, False, False, False, True, True),
        (Naming.NUMBERED, True, False, False, False, True),
        (Naming.ANONYMOUS, False, True, True, True, True),
        (Naming.ANONYMOUS, True, False, False, False, True),
    ],
)
def test_table(clock, naming, redelivered, in_flight, after_5_s, after_60_s, after_700_s):  # noqa: PLR0917
    for seconds, taken in ((None, in_flight), (5, after_5_s), (60, after_60_s), (700, after_700_s)):
        doubles = Doubles(clock)
        assert doubles.enter(b"x", naming, redelivered=False)
        if seconds is not None:
            doubles.answered(b"x", 200)
            clock.now += seconds
        assert doubles.enter(b"x", naming, redelivered) is taken


@pytest.mark.parametrize("code", [429, 500, 503, 504])
def test_a_second_try_after_an_answer_that_invites_to_it_is_taken(clock, code):
    doubles = Doubles(clock)
    doubles.enter(b"x", Naming.CORRELATED, redelivered=False)
    doubles.answered(b"x", code)
    assert not doubles.enter(b"x", Naming.CORRELATED, redelivered=True)
    assert doubles.enter(b"x", Naming.CORRELATED, redelivered=False)


def test_the_table_is_bounded(clock):
    doubles = Doubles(clock)
    for n in range(KEPT_ROWS + 10):
        doubles.answered(n.to_bytes(4, "big"), 200)
    assert doubles.enter((0).to_bytes(4, "big"), Naming.CORRELATED, redelivered=True)
    assert not doubles.enter((KEPT_ROWS).to_bytes(4, "big"), Naming.CORRELATED, redelivered=True)
    assert len(doubles._answered) == KEPT_ROWS


def test_identity_tells_all_parts_apart():
    base = ("ocr", "reply", b"corr", b"payload", None)
    others = [
        ("orc", "reply", b"corr", b"payload", None),
        ("ocr", "replyc", b"orr", b"payload", None),
        ("ocr", "reply", b"corrp", b"ayload", None),
        ("ocr", "reply", b"corr", b"payload2", None),
        ("ocr", "reply", b"corr", b"payload", 7),
    ]
    assert len({identity(*base), *(identity(*other) for other in others)}) == 6
    assert identity(*base) == identity(*base)
