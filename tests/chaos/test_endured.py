"""What is said of a box."""

from edged.chaos.endured import COLUMNS, NOTHING, Endured, cells, faults_of, together, verdict
from edged.chaos.tally import Count

FINE = Endured("garbage", 2, Count(10, 10, 0, 0, 0, 0), 1, 0.25, 300_000_000, 310_000_000)
UNTRIED = Endured("clock-steps", 0, NOTHING, 0, 0.0, 0, 0, not_tried="libfaketime is not installed")


def test_an_answer_that_never_comes_is_never_right_and_a_double_only_over_a_cut_session():
    assert faults_of(Count(5, 3, 1, 1, 0, 0), doubles=True) == ("1 never answered",)
    assert faults_of(Count(5, 3, 1, 1, 0, 0), doubles=False) == ("1 never answered", "1 answered twice")
    assert faults_of(Count(5, 3, 0, 0, 2, 0), doubles=False) == ()
    assert faults_of(Count(5, 5, 0, 0, 0, 2), doubles=True) == ("2 answered wrongly",)


def test_a_row_has_all_columns():
    assert dict(zip(COLUMNS, cells(FINE), strict=True))["recovered s"] == "0.25"
    row = dict(zip(COLUMNS, cells(UNTRIED), strict=True))
    assert row["held"] == "not tried: libfaketime is not installed"


def test_the_verdict_names_the_fault():
    broken = Endured("broker-ended", 1, Count(9, 8, 0, 1, 0, 0), 0, 1.0, 0, 0, ("1 never answered",))
    assert verdict([FINE, broken]) == "Do not trust this box yet: broker-ended (1 never answered)."
    said = verdict([FINE, UNTRIED])
    assert said.startswith("This box endured 1 faults: of 10 requests none was left")


def test_rounds_are_added():
    (both,) = together(together([], [FINE]), [FINE])
    assert (both.times, both.count.asked, both.lost, both.after_bytes) == (4, 20, 2, 310_000_000)
