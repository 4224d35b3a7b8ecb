"""The conformance test fails for each promise that a model does not keep."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from edged import AudioClip, Classification, Model, ModelCard, TextPair, Video
from edged.contracts.errors import CardError, TimedOut
from edged.testing import FakeRun, FakeSession, VideoOfPictures, conformance, frame_of

GRAPH = {
    "weights": ["a.onnx"],
    "inputs": {
        "x": {"kind": "picture", "size": [8, 16], "fit": "stretch", "colour": "rgb"},
        "n": {"kind": "tensor", "shape": [1], "dtype": "i64"},
    },
    "outputs": ["y"],
    "variants": ["onnxruntime-f32"],
}
CARD = ModelCard.model_validate(
    {
        "id": "cats",
        "service": "image-classification",
        "rank": 1,
        "summary": "cats",
        "source": "nowhere",
        "licence": {"id": "MIT", "permissive": True},
        "weights": {"a.onnx": {"sha256": "ab" * 32, "size": 1, "origins": [{"file": "a.onnx"}]}},
        "graphs": {"main": GRAPH},
    }
)
FED: dict[str, Any] = {"x": np.zeros((1, 8, 16, 3), np.uint8), "n": np.zeros(1, np.int64)}
CAT = Classification(0, "cat", {"cat": 1.0})


class Cats(Model):  # type: ignore[type-arg]
    """Answers `answers`, one after another, and feeds `fed`."""

    def __init__(self, *answers, fed=FED, card=CARD):
        self.card = card
        self._answers = list(answers)
        self._fed = fed

    def infer(self, item, options, tools, run):
        tools.sessions["main"].run(self._fed)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def session():
    return {"main": FakeSession(lambda inputs: {"y": inputs["n"]})}


def test_a_good_model_passes_and_its_result_is_returned():
    sessions = session()
    assert conformance(Cats(CAT), sessions) is CAT
    assert sessions["main"].asked[0] is FED
    assert len(sessions["main"].asked) == 9


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Cats({"class": 0}), "wants Classification, not dict"),
        (Cats(CAT, Classification(0, "cat", {"cat": 0.9})), "holds state"),
        (Cats(CAT, fed={"x": FED["x"]}), r"\['x'\] are not those of the card"),
        (Cats(CAT, fed={**FED, "x": FED["x"].astype(np.float32)}), "fed as bytes, not float32"),
        (Cats(CAT, fed={**FED, "x": FED["x"][:, :, :8]}), r"x: \(1, 8, 8, 3\)"),
        (Cats(CAT, fed={**FED, "n": FED["n"].astype(np.int32)}), "n: int32"),
    ],
)
def test_each_broken_promise_is_named(model, reason):
    with pytest.raises(AssertionError, match=reason):
        conformance(model, session())


@pytest.mark.parametrize(
    "result",
    [
        Classification(0, "cat", {"cat": float("nan")}),
        Classification(0, "cat", {"cat": "1.0"}),  # type: ignore[dict-item]
        Classification(0.5, "cat", {}),  # type: ignore[arg-type]
    ],
)
def test_an_answer_that_its_schema_does_not_allow(result):
    with pytest.raises(ValidationError):
        conformance(Cats(result), session())


def test_options_that_are_missing_in_the_card():
    with pytest.raises(CardError, match=r"options\.iou_threshold"):
        conformance(Cats(CAT, card=CARD.model_copy(update={"service": "object-detection"})), session())


def test_the_fakes():
    frame = frame_of(np.zeros((3, 5, 3), np.uint8), seq=7)
    assert (frame.height, frame.width, frame.seq, frame.captured_at) == (3, 5, 7, 0.0)
    run = FakeRun()
    run.progress(0.5)
    run.check()
    assert run.reported == [0.5]
    with pytest.raises(TimedOut):
        FakeRun(stop=TimedOut("late")).check()


def test_any_item_may_be_given():
    seen = []

    class Reads(Cats):
        def infer(self, item, options, tools, run):
            seen.append(item)
            return CAT

    text = TextPair("1", "a", "b", 5)
    conformance(Reads(CAT), session(), text)
    assert set(map(id, seen)) == {id(text)}


def video(sound=None):
    """Ten pictures, four a second."""
    return VideoOfPictures([np.full((6, 8, 3), i, np.uint8) for i in range(10)], 4.0, sound)


def shown(**asked):
    return [frame.seq for frame in video().frames(**asked)]


def test_a_video_of_pictures_tells_its_facts():
    made = video()
    assert isinstance(made, Video)
    assert (made.width, made.height, made.frame_rate, made.seconds) == (8, 6, 4.0, 2.5)
    assert not made.has_sound
    assert made.sound() is None
    assert [frame.captured_at for frame in made.frames()][:3] == [0, 0.25, 0.5]


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({}, list(range(10))),
        ({"start_us": 500_000, "end_us": 1_000_000}, [2, 3]),
        ({"start_us": 500_001}, list(range(3, 10))),
        ({"end_us": 90_000_000}, list(range(10))),
        ({"start_us": 2_500_000}, []),
        ({"step_us": 500_000}, [0, 2, 4, 6, 8]),
        ({"start_us": 600_000, "step_us": 1_000_000}, [2, 6]),
        ({"rate": 3}, [0, 1, 2, 4, 5, 6, 8, 9]),
        ({"rate": 8, "end_us": 1_000_000}, [0, 0, 1, 1, 2, 2, 3, 3]),
    ],
)
def test_its_pictures_are_shown_from_to_and_as_often_as_asked(asked, seen):
    assert shown(**asked) == seen


def test_its_frames_go_forward_once():
    made = video()
    early = made.frames()
    next(early)
    assert next(made.frames(start_us=500_000)).seq == 2
    with pytest.raises(RuntimeError, match="ends what the earlier call had left"):
        next(early)
    with pytest.raises(ValueError, match="not both"):
        made.frames(step_us=1, rate=1)


def test_its_sound_is_cut_where_asked():
    made = video(AudioClip(np.arange(16_000, dtype=np.float32), 16_000, 0))
    part = made.sound(250_000, 500_000)
    assert (part.samples[0], len(part.samples), part.start_us) == (4_000, 4_000, 250_000)
    assert made.has_sound
    assert len(made.sound().samples) == 16_000
