"""The sums: each request is in one column, and a gap is a gap whatever comes twice or begins anew."""

from hypothesis import given
from hypothesis import strategies as st

from edged.chaos.tally import FINE, REFUSED, Gaps, Question, answered_since, count

CODES = st.sampled_from([200, 400, 413, 429, 500, 503, 504])
QUESTIONS = st.lists(
    st.builds(
        Question,
        st.floats(0, 100),
        st.sampled_from([FINE, REFUSED]),
        st.lists(st.tuples(st.floats(0, 200), CODES), max_size=4).map(sorted),
        st.booleans(),
    )
)


@given(QUESTIONS)
def test_each_request_stands_in_one_column(questions):
    counted = count(questions)
    parts = counted.once + counted.twice + counted.never + counted.forgotten
    assert counted.asked == len(questions) == parts
    assert counted.never == sum(not q.answers and not q.doubtful for q in questions)
    assert counted.wrong <= counted.once + counted.twice


@given(QUESTIONS, QUESTIONS)
def test_the_sum_of_two_is_that_of_both(some, others):
    a, b, both = count(some), count(others), count([*some, *others])
    assert all(getattr(a, f) + getattr(b, f) == getattr(both, f) for f in both.__slots__)


@given(QUESTIONS, st.floats(0, 100))
def test_a_recovery_is_seen_by_what_was_asked_after_it(questions, moment):
    at = answered_since(questions, moment)
    later = [q for q in questions if q.asked_at >= moment and q.answers]
    assert (at is None) == (not later)
    assert at is None or any(at == answered for q in later for answered, _ in q.answers)


def test_what_is_wrong():
    fine, refused = Question(0, FINE, [(1, 200)]), Question(0, REFUSED, [(1, 200)])
    late, broken = Question(0, FINE, [(1, 504)]), Question(0, FINE, [(1, 200), (2, 500)])
    assert [count([q]).wrong for q in (fine, refused, late, broken)] == [0, 1, 0, 1]


LIVES = st.lists(st.lists(st.booleans(), min_size=1, max_size=30), min_size=1, max_size=4)
"""Of each message of each life of a stream whether it arrives."""


@given(LIVES, st.data())
def test_gaps_are_what_did_not_come_before_the_last_that_did(lives, data):
    gaps, sent, lost = Gaps(), 0, 0
    came: list[tuple[int, str]] = []
    for life in lives:
        arrived = [seq for seq, arrives in enumerate(life) if arrives]
        if not arrived or (came and arrived[0] > came[-1][0]):
            continue  # nothing tells such a life from the one before
        lost += arrived[-1] + 1 - len(arrived)
        for seq in arrived:
            sent += 1
            came.append((seq, f"at {sent}"))
            gaps.hear(*came[-1])
            for again in data.draw(st.lists(st.sampled_from(came), max_size=3)):
                gaps.hear(*again)
    assert (gaps.heard, gaps.lost) == (sent, lost)


def test_a_stream_that_begins_anew_has_lost_what_is_before_its_first_message():
    gaps = Gaps()
    for seq, captured_at in ((0, "a"), (1, "b"), (4, "c"), (2, "d")):
        gaps.hear(seq, captured_at)
    assert gaps.lost == 2 + 2
