"""What is a double and what only looks like one."""

import pytest

from edged.requests.doubles import Delivery, Doubles, identity

FIRST, SECOND = object(), object()
"""Connections."""
X = b"x"


def took(doubles, packet, *, again=False, by=FIRST, name=X, named=True):
    return took_as(doubles, Delivery(by, packet, again), name, named)


def took_as(doubles, came, name=X, named=True):
    return doubles.enter(name, named, came)


@pytest.mark.parametrize(
    ("named", "packet", "again", "in_flight", "answered"),
    [  # is the second one taken, while the first one, of packet 7, is in flight, and later?
        (True, 8, False, False, True),
        (True, 7, True, False, False),
        (True, 8, True, False, True),
        (False, 8, False, True, True),
        (False, 7, True, False, False),
        (False, 8, True, True, True),
    ],
)
def test_table(named, packet, again, in_flight, answered):
    for is_answered, taken in ((False, in_flight), (True, answered)):
        doubles = Doubles()
        assert took(doubles, 7, named=named)
        if is_answered:
            doubles.answered(X)
        assert took(doubles, packet, again=again, by=SECOND, named=named) is taken


def test_a_client_that_asks_again_is_answered_again_and_its_redelivery_is_not():
    doubles = Doubles()
    for packet in range(1, 4):
        assert took(doubles, packet)
        doubles.answered(X)
        assert not took(doubles, packet, again=True)
        assert not took(doubles, packet, again=True)


def test_what_was_asked_twice_before_and_comes_for_the_first_time_as_a_redelivery_is_taken():
    doubles = Doubles()
    for packet in (1, 2):
        assert took(doubles, packet)
        doubles.answered(X)
    assert took(doubles, 3, again=True, by=SECOND)


def test_after_a_restart_the_packets_of_the_journal_are_known():
    doubles = Doubles()
    doubles.load([(b"old", 1), (X, 1), (b"by QoS 0", 0)])
    doubles.resume(X)
    assert not took(doubles, 1, again=True)
    assert took(doubles, 1, again=True, name=b"old"), "its number had been given to another one since"
    assert took(doubles, 2, again=True, name=b"by QoS 0")


def test_a_number_that_is_free_again_may_be_given_to_a_message_that_looks_the_same():
    """A broker may always take the lowest free number; and each wraps around at 65,535."""
    doubles, first, second = Doubles(), Delivery(FIRST, 1), Delivery(SECOND, 1)
    assert took_as(doubles, first)
    doubles.answered(X)
    assert not doubles.acknowledged(first, SECOND), "another connection's arrival proves nothing"
    assert not took(doubles, 1, again=True)
    assert not doubles.acknowledged(first, FIRST), "nor does one from before it was acknowledged again"
    assert took_as(doubles, second)
    doubles.answered(X)
    assert not doubles.acknowledged(Delivery(SECOND, 1), SECOND), "nor does one of an earlier equal message"
    assert not took(doubles, 1, again=True)
    third = Delivery(SECOND, 1)
    assert took_as(doubles, third)
    doubles.answered(X)
    assert doubles.acknowledged(third, SECOND)
    assert took(doubles, 1, again=True, by=SECOND), "the first delivery of this one was lost"


def test_a_new_session_knows_no_packets():
    doubles = Doubles()
    doubles.load([(b"of 0.1.0", None)])
    assert took(doubles, 1)
    doubles.answered(X)
    doubles.forget_packets()
    assert took(doubles, 1, again=True)
    assert took(doubles, 2, again=True, name=b"of 0.1.0")


def test_a_double_over_the_update_from_0_1_0_is_known_until_its_name_is_used_anew():
    for again in (True, False):
        doubles = Doubles()
        doubles.load([(X, None)])
        assert took(doubles, 1, again=again) is not again
        doubles.answered(X)
        assert took(doubles, 2, again=True)


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
