"""The rule of what is told: pure, so time is a number here."""

import itertools
import random

import pytest
from pydantic import ValidationError

from edged.answers.kind import State
from edged.streams.rule import NOTHING, SETTLE_S, Failed, PublishSettings, Rule

NO, ONE, TWO = NOTHING, ("person",), ("person", "person")


class Story:
    """Offers states a tenth of a second apart and remembers what was told, as (time, state)."""

    def __init__(self, **settings):
        self.suppressed = []
        self.told = []
        self.rule = Rule(PublishSettings(**settings), self.suppressed.append)

    def offers(self, *states, start=0.0, step=0.1):
        for i, state in enumerate(states):
            self.tell(self.rule.offer(state, state, round(start + i * step, 3)), start + i * step)
        return self

    def passes(self, until):
        """Time passes without a frame."""
        while (due := self.rule.due()) is not None and due <= until:
            self.tell(self.rule.release(due), due)
        return self

    def tell(self, state, at):
        if state is not None:
            self.told.append((round(at, 3), state))


def states(story):
    return [state for _, state in story.told]


def test_every_result():
    story = Story().offers(ONE, ONE, NO, Failed(500), Failed(500))
    assert states(story) == [ONE, ONE, NO, Failed(500), Failed(500)]
    assert story.suppressed == []


def test_on_change_the_first_is_told_and_then_what_differs():
    story = Story(on="change").offers(ONE, ONE, ONE, TWO, TWO, TWO, ONE, ONE)
    assert story.told == [(0.0, ONE), (0.4, TWO), (0.7, ONE)]
    assert story.suppressed == ["unchanged", "unchanged", "flicker", "unchanged", "flicker"]


def test_on_change_what_cannot_be_compared_is_all_told():
    story = Story(on="change").offers(State.NEW, State.NEW, State.NEW)
    assert states(story) == [State.NEW] * 3
    assert story.suppressed == []


def test_what_cannot_be_compared_obeys_the_interval():
    story = Story(on="change", min_interval=1).offers(*[State.NEW] * 21)
    assert [at for at, _ in story.told] == [0.0, 1.0, 2.0]
    assert story.suppressed == ["min_interval"] * 18


@pytest.mark.parametrize("on", ["every", "change"])
def test_silence_is_no_result_and_no_state(on):
    story = Story(on=on).offers(State.SILENT, ONE, State.SILENT, ONE, State.SILENT)
    assert states(story) == ([ONE, ONE] if on == "every" else [ONE])
    assert story.suppressed.count("silent") == 3
    assert story.rule.due() is None


def test_the_first_is_told_also_when_nothing_is_seen():
    assert states(Story(on="change", classes=["person"]).offers(NO, NO, NO)) == [NO]


def test_a_flicker_of_one_frame_is_no_event():
    story = Story(on="change").offers(ONE, ONE, NO, ONE, ONE, TWO, ONE)
    assert states(story) == [ONE]
    assert story.suppressed.count("flicker") == 2


def test_a_crowd_that_never_stays_the_same_is_told():
    crowd = [("person",) * n for n in (10, 12, 13, 11, 12, 14)]
    assert [len(told) for told in states(Story(on="change").offers(*crowd))] == [10, 13, 12]


def test_a_change_that_is_the_last_result_is_told_when_it_has_settled():
    story = Story(on="change").offers(ONE, ONE, NO)
    assert story.rule.due() == pytest.approx(0.2 + SETTLE_S)
    assert story.passes(10).told[-1] == (pytest.approx(0.2 + SETTLE_S), NO)
    assert story.rule.due() is None


def test_a_service_that_looks_seldom_needs_no_second_look():
    story = Story(on="change")
    for n, state in enumerate((ONE, NO, ONE)):
        story.offers(state, start=60.0 * n).passes(60.0 * n + 59)
    assert states(story) == [ONE, NO, ONE]


def test_some_to_none_is_told_once():
    story = Story(on="change", classes=["person"]).offers(ONE, NO, NO, NO, NO)
    assert states(story) == [ONE, NO]


def test_every_with_classes_is_silent_while_none_is_left():
    story = Story(classes=["person"]).offers(NO, ONE, NO, NO, ONE)
    assert states(story) == [ONE, ONE]
    assert story.suppressed == ["classes"] * 3


def test_without_classes_every_tells_that_nothing_is_seen():
    assert states(Story().offers(NO, NO)) == [NO, NO]


def test_min_interval_of_every():
    story = Story(min_interval=1).offers(*[ONE] * 30)
    assert [at for at, _ in story.told] == [0.0, 1.0, 2.0]
    assert story.suppressed == ["min_interval"] * 26
    assert story.rule.due() == 3.0


def test_min_interval_of_change_never_loses_the_last_state():
    story = Story(on="change", min_interval=5).offers(NO, ONE, ONE, TWO, TWO, TWO)
    assert story.told == [(0.0, NO)]
    assert story.rule.due() == 5.0
    story.offers(*[TWO] * 60, start=0.6)
    assert story.told == [(0.0, NO), (5.0, TWO)]


def test_the_last_state_is_sent_when_the_interval_ends_though_no_frame_comes():
    story = Story(on="change", min_interval=5).offers(NO, ONE, ONE).passes(60)
    assert story.told == [(0.0, NO), (5.0, ONE)]


def test_a_change_that_is_undone_within_the_interval_is_not_told():
    story = Story(on="change", min_interval=5).offers(NO, ONE, ONE, NO, NO).passes(60)
    assert states(story) == [NO]
    assert story.rule.due() is None


def test_nothing_is_released_too_early():
    rule = Rule(PublishSettings(min_interval=5), lambda _: None)
    assert rule.offer("a", ONE, 0.0) == "a"
    assert rule.offer("b", ONE, 1.0) is None
    assert rule.release(4.9) is None
    assert rule.release(5.0) == "b"
    assert rule.release(5.1) is None


def test_errors_are_told_when_they_begin_and_end():
    bad = Failed(500)
    story = Story(on="change").offers(ONE, bad, bad, bad, ONE, ONE, Failed(422), bad)
    assert states(story) == [ONE, bad, ONE, Failed(422), bad]


def test_errors_obey_the_interval():
    story = Story(min_interval=1).offers(*[Failed(500)] * 21)
    assert [at for at, _ in story.told] == [0.0, 1.0, 2.0]
    other = Story(on="change", min_interval=1).offers(ONE, Failed(500), *[ONE] * 20)
    assert states(other) == [ONE], "it ended before it could be told"


def test_every_result_is_either_told_or_counted():
    wild = random.Random(4)
    for settings in ({"on": "change"}, {"min_interval": 0.35}, {"on": "change", "min_interval": 0.35}):
        story = Story(classes=["person"], **settings)
        story.offers(*wild.choices([NO, ONE, TWO, Failed(500)], k=500))
        story.passes(1000)
        assert len(story.told) + len(story.suppressed) == 500
        times = [at for at, _ in story.told]
        gaps = [b - a for a, b in itertools.pairwise(times)]
        assert min(gaps) >= settings.get("min_interval", 0) - 1e-9


@pytest.mark.parametrize(
    "wrong", [{"on": "changes"}, {"min_interval": "-1s"}, {"classes": "person"}, {"of": 1}]
)
def test_wrong_settings(wrong):
    with pytest.raises(ValidationError):
        PublishSettings.model_validate(wrong)


def test_durations():
    assert PublishSettings(min_interval="500ms").min_interval == 0.5
    assert PublishSettings(min_interval="0s").min_interval == 0.0


def test_what_is_sure_needs_nobody_to_confirm_it():
    suppressed = []
    rule = Rule(PublishSettings(on="change"), suppressed.append)
    said = [
        rule.offer(text, (text,), at / 10, sure=True)
        for at, text in enumerate(["one", "two", "two", "three"])
    ]
    assert said == ["one", "two", None, "three"]
    assert suppressed == ["unchanged"]
