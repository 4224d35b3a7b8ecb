"""How variants are compared, and what a model feeds its graphs."""

import itertools
import time

import cv2
import numpy as np
import pytest

from edged.answers.kinds import agreement
from edged.contracts.errors import VariantError
from edged.contracts.image import Classification, Detections
from edged.contracts.items import PixelFormat
from edged.contracts.model import Tools
from edged.contracts.services import card_options
from edged.derive.tune import FEWEST_ROUNDS, MOST_ROUNDS, ON_CPU, WALL, Trial, contest, feeds, timed
from edged.derive.tune import pictures as sampled
from edged.media.frame import PictureFrame
from edged.testing import FakeRun
from tests.graphs import card, scores, write_graph
from tests.media.clips import write_clip
from tests.repository.small import Small


def boxes(*rows):
    """Detections of rows (class, x1, y1, x2, y2)."""
    table = np.array(rows, float).reshape(-1, 5)
    names = [str(i) for i in range(10)]
    return Detections(table[:, 1:], np.full(len(table), 0.9), table[:, 0].astype(int), names)


A, B = (0, 0, 0, 10, 10), (0, 50, 50, 60, 60)


@pytest.mark.parametrize(
    ("reference", "other", "expected"),
    [
        ([A, B], [A, B], 1.0),
        ([A, B], [B, A], 1.0),
        ([], [], 1.0),
        ([A], [], 0.0),
        ([], [A], 0.0),
        ([A, B], [A], 2 / 3),
        ([A], [A, B], 2 / 3),
        ([A], [A, A], 2 / 3),  # a box is matched once
        ([A], [(1, 0, 0, 10, 10)], 0.0),  # another class
        ([A], [(0, 0, 0, 10, 4)], 0.0),  # overlap .4
        ([A], [(0, 0, 0, 10, 6)], 1.0),  # overlap .6
    ],
)
def test_agreement_of_boxes(reference, other, expected):
    assert agreement([boxes(*reference)], [boxes(*other)]) == pytest.approx(expected)


def test_agreement_of_boxes_is_over_all_items():
    assert agreement([boxes(A, B), boxes()], [boxes(A, B), boxes(A, B)]) == pytest.approx(4 / 6)


def named(class_: int) -> Classification:
    return Classification(np.eye(3)[class_], ["a", "b", "c"])


def test_agreement_of_classes():
    assert agreement([named(0), named(1)], [named(0), named(2)]) == 0.5


def test_the_metric_follows_the_type():
    assert agreement([boxes(A)], [boxes(A)]) == 1.0
    assert agreement([named(0)], [named(0)]) == 1.0
    assert agreement(["text"], ["text"]) is None
    assert agreement([], []) is None


class FakeSession:
    """Answers as the graph does, without normalisation."""

    def __init__(self):
        self.runs = 0

    def run(self, inputs):
        self.runs += 1
        nchw = inputs["pictures"].transpose(0, 3, 1, 2) / 255
        return {"scores": scores(nchw)}


@pytest.fixture
def model(tmp_path):
    return Small(card(write_graph(tmp_path / "small.onnx")))


def opened(model):
    """Makes an inference of tools."""
    options = card_options(model.card)
    return lambda tools: lambda frame: model.infer(frame, options, tools, FakeRun())


def pictures(count):
    values = np.random.default_rng(0).integers(0, 256, (count, 20, 30, 3), np.uint8)
    return [PictureFrame(bgr, 0.0, seq) for seq, bgr in enumerate(values)]


def test_a_trial_gives_one_result_an_item_and_the_time(model):
    session = FakeSession()
    (tried,) = contest(opened(model), {"a": lambda: Tools({"main": session})}, pictures(4)).values()
    assert isinstance(tried, Trial)
    assert len(tried.results) == 4
    assert session.runs >= 1 + 4 + FEWEST_ROUNDS  # one to warm up
    assert tried.ms > 0


class Failing(FakeSession):
    """Runs so many times."""

    def __init__(self, runs):
        super().__init__()
        self.left = runs

    def run(self, inputs):
        if self.runs == self.left:
            raise VariantError("no room")
        return super().run(inputs)


def no_session():
    raise VariantError("no CPU")


@pytest.mark.parametrize("runs", [0, 2, 5])
def test_who_fails_has_the_error_and_the_others_go_on_in_turns(model, runs):
    steps = []
    entrants = {
        "bad": lambda: Tools({"main": Failing(runs)}),
        "good": lambda: Tools({"main": FakeSession()}),
        "none": no_session,
    }
    found = contest(opened(model), entrants, pictures(3), lambda *step: steps.append(step))
    assert [str(found[name]) for name in ("bad", "none")] == ["no room", "no CPU"]
    assert isinstance(found["good"], Trial)
    assert len(found["good"].results) == 3
    assert steps == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


class Slow(FakeSession):
    """Takes long."""

    def run(self, inputs):
        time.sleep(0.05)
        return super().run(inputs)


def test_who_is_far_behind_is_not_measured_on(model):
    sessions = {"quick": FakeSession(), "slow": Slow()}
    entrants = {name: lambda session=session: Tools({"main": session}) for name, session in sessions.items()}
    found = contest(opened(model), entrants, pictures(3))
    assert sessions["slow"].runs == 1 + 3
    assert sessions["quick"].runs >= 1 + 3 + FEWEST_ROUNDS
    assert found["slow"].ms >= 50


def test_some_answer_the_first_items_only(model):
    entrants = {name: lambda: Tools({"main": FakeSession()}) for name in ("all", "few")}
    found = contest(opened(model), entrants, pictures(6), few={"few": 2})
    assert {name: len(trial.results) for name, trial in found.items()} == {"all": 6, "few": 2}
    assert all(trial.mb >= 0 and trial.ms > 0 for trial in found.values())


class Waiting(FakeSession):
    """Waits for a CPU that others have."""

    def run(self, inputs):
        time.sleep(0.02)
        return super().run(inputs)


def test_what_others_take_of_a_cpu_does_not_count(model):
    entrants = {name: lambda: Tools({"main": Waiting()}) for name in ("cpu", "gpu")}
    clocks = {"cpu": ON_CPU, "gpu": WALL}
    found = contest(opened(model), entrants, pictures(2), clocks=clocks.__getitem__)
    ms = {name: trial.ms for name, trial in found.items() if isinstance(trial, Trial)}
    assert ms["cpu"] < 20 <= ms["gpu"]


def test_times_are_taken_in_turns_until_they_are_quiet():
    order = []

    def run(name, seconds):
        rest = iter(seconds)

        def taken():
            order.append(name)
            return next(rest)

        return taken

    runs = {"a": run("a", [1.0] * 9), "b": run("b", [9.0, 2.0, 2.0, 2.0, 2.0])}
    assert timed(runs, {}) == {"a": 1, "b": 2}
    assert order == ["a", "b"] * FEWEST_ROUNDS


def test_noise_is_measured_on_but_not_for_ever():
    seconds = [1.0, 2.0, 3.0, 1.0, 2.0, *[2.0] * MOST_ROUNDS]
    rest = iter(seconds)
    assert timed({"a": lambda: next(rest)}, {}) == {"a": 2}
    assert FEWEST_ROUNDS < len(seconds) - len(list(rest)) < MOST_ROUNDS
    rising = itertools.count(1)
    assert timed({"a": lambda: next(rising) / 100}, {}) == {"a": 0.01}, "the least of what stays noisy"
    assert next(rising) == MOST_ROUNDS + 1
    slow = itertools.count(1)
    timed({"a": lambda: 4.0 * next(slow)}, {})
    assert next(slow) == FEWEST_ROUNDS + 1, "half a minute is enough"


def test_int8_is_calibrated_on_what_the_model_feeds_its_graph(model):
    frames = pictures(3)
    kept = feeds(opened(model), Tools({"main": FakeSession()}), frames)
    assert [k["pictures"].shape for k in kept["main"]] == [(1, 8, 8, 3)] * 3
    expected = frames[1].pixels(model.card.picture().format)[None]
    np.testing.assert_array_equal(kept["main"][1]["pictures"], expected)
    assert not np.shares_memory(kept["main"][1]["pictures"], expected)


def test_clips_and_pictures_are_divided_into_two_halves(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=30)
    photographs = []
    for i in range(4):
        photographs.append(tmp_path / f"{i}.jpg")
        cv2.imwrite(str(photographs[-1]), np.full((30, 40, 3), 60 * i, np.uint8))
    found = sampled([clip, *photographs], 8)
    assert (len(found.calibration), len(found.judgement)) == (10, 10)
    shades = [round(frame.pixels(PixelFormat()).mean() / 60) for frame in found.calibration[8:]]
    assert shades == [0, 2]
    assert [round(frame.pixels(PixelFormat()).mean() / 60) for frame in found.judgement[8:]] == [1, 3]
