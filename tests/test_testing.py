"""The conformance test fails for each promise that a model does not keep."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from edged import (
    AudioClip,
    Classification,
    FaceAttributes,
    InferenceError,
    Model,
    ModelCard,
    OutImage,
    ShelfCount,
    TextPair,
    TextRow,
    Texts,
    Transcript,
    UtteranceModel,
    Video,
    YesNo,
)
from edged.answers.image_similarity import SimilarityFields
from edged.answers.kinds import KINDS
from edged.contracts.errors import CardError, TimedOut
from edged.testing import (
    FakeRun,
    FakeSession,
    VideoOfPictures,
    answer_of,
    chunks_of,
    conformance,
    frame_of,
)
from tests.graphs import LEAST, NOT_THERE
from tests.media.videos import goes_forward_once

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
        **LEAST,
        "id": "cats",
        "weights": NOT_THERE,
        "graphs": {"main": GRAPH},
    }
)
FED: dict[str, Any] = {"x": np.zeros((1, 8, 16, 3), np.uint8), "n": np.zeros(1, np.int64)}
CAT = Classification(np.array([1.0]), ["cat"])


def card_of(service, **options):
    return CARD.model_copy(update={"service": service, "options": options})


FACES = card_of("face-attributes", score_threshold=0.5, max_faces=9)
SHELF = card_of(
    "inventory-counting", score_threshold=0.5, iou_threshold=0.5, max_detections=9, max_distance=1.0
)
OCR = card_of("ocr", score_threshold=0.5, text_score_threshold=0.5, max_detections=9, longest_side=960)
BOX, ONE = np.array([[0.0, 0.0, 9.0, 9.0]]), np.ones(1)


def face(gender, emotion, age=30.0):
    return FaceAttributes(np.array([age]), [gender], [emotion], BOX, ONE, (9, 9))


def product(*size):
    return ShelfCount(BOX, ONE, np.zeros(1, int), ["unknown"], size)


def text(said):
    return Texts([TextRow(np.zeros((4, 2)), 0.9, said, [1], 0.9)], (9, 9), ["background", "text"])


class Cats(Model):  # type: ignore[type-arg]
    """Answers `answers`, one after another, and feeds `fed`."""

    def __init__(self, *answers, fed=FED, card=CARD):
        super().__init__(card)
        self._answers = list(answers)
        self._fed = fed

    def shapes(self, graph):
        return {"y": (1,)}

    def infer(self, item, options, tools, run):
        tools.sessions["main"].run(self._fed)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def session(said=None):
    return {"main": FakeSession(lambda _: {"y": np.zeros(1) if said is None else said})}


def test_a_good_model_passes_and_its_result_is_returned():
    sessions = session()
    assert conformance(Cats(CAT), sessions) is CAT
    assert sessions["main"].asked[0] is FED
    assert len(sessions["main"].asked) == 9


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Cats({"class": 0}), "wants Classification, not dict"),
        (Cats(CAT, Classification(np.array([0.9]), ["cat"])), "holds state"),
        (Cats(Classification(np.array([np.nan]), ["cat"])), "is finite"),
        (Cats(face("female", "Fear", math.inf), card=FACES), "is finite"),
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
    ("said", "reason"),
    [
        (np.zeros(2), r"'main' of cats gives 'y' of shape \(2,\), and not \(1\)"),
        (np.zeros((1, 1)), r"gives 'y' of shape \(1, 1\)"),
        (np.full(1, np.nan), "not finite"),
        (np.full(1, np.inf), "not finite"),
    ],
)
def test_a_graph_that_does_not_give_what_the_model_expects(said, reason):
    with pytest.raises(InferenceError, match=reason):
        conformance(Cats(CAT), session(said))


@pytest.mark.parametrize(
    ("result", "card"),
    [
        (face("neither", "Fear"), FACES),
        (face("female", "Hope"), FACES),
        (product(9.5, 9), SHELF),
        (product("9", 9), SHELF),
        (text(7), OCR),
    ],
)
def test_an_answer_that_its_schema_does_not_allow(result, card):
    with pytest.raises(ValidationError):
        conformance(Cats(result, card=card), session())


def test_a_text_may_say_null():
    conformance(Cats(text("null"), card=OCR), session())


def test_a_gist_that_cannot_be_compared(monkeypatch):
    told = replace(KINDS[Classification], gist=lambda found, _: [found.best])
    monkeypatch.setitem(KINDS, Classification, told)
    with pytest.raises(TypeError, match="unhashable"):
        conformance(Cats(CAT), session())


def test_every_encoding_is_tried(monkeypatch):
    """The answer of `out_image` as PNG is broken, and the card asks for JPEG."""

    def write(found, options):
        return SimilarityFields(math.nan if options.image_format == "png" else 1.0, 0.0)

    monkeypatch.setitem(KINDS, OutImage, replace(KINDS[OutImage], fields=SimilarityFields, write=write))
    colour = card_of("image-colorization", image_format="jpeg")
    with pytest.raises(AssertionError, match="is finite"):
        conformance(Cats(OutImage(np.zeros((9, 9, 3), np.uint8)), card=colour), session())


def test_what_a_client_reads_of_a_result():
    assert answer_of(CARD, CAT) == {"class": 0, "class_name": "cat", "class_probs": {"cat": 1.0}}
    spoken = card_of("music-detection", language="zh", threshold=0.5)
    assert answer_of(spoken, YesNo(0.9)) == {"0": '{"class":"是"}\n'}
    assert answer_of(spoken, YesNo(0.9), language="en", threshold=0.95) == {"0": '{"class":"No"}\n'}


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

    pair = TextPair("1", "a", "b", 5)
    conformance(Reads(CAT), session(), pair)
    assert set(map(id, seen)) == {id(pair)}


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
    goes_forward_once(video())


def test_its_sound_is_cut_where_asked():
    made = video(AudioClip(np.arange(16_000, dtype=np.float32), 16_000, 0))
    part = made.sound(250_000, 500_000)
    assert (part.samples[0], len(part.samples), part.start_us) == (4_000, 4_000, 250_000)
    assert made.has_sound
    assert len(made.sound().samples) == 16_000


LIVE = card_of("speech-recognition-zh-live", beam=1)


class Lengths(UtteranceModel):  # type: ignore[type-arg]
    """Says how many seconds it has heard."""

    def start(self, options):
        return np.empty(0, np.float32)

    def step(self, chunk, state, options, tools, run):
        known = self.known(chunk, state)
        heard = np.concatenate([known, chunk.samples])
        return self.said(chunk, heard), heard

    def known(self, chunk, state):
        return state[: chunk.before]

    def said(self, chunk, heard):
        return Transcript((f"{len(heard)}",)) if chunk.final else None


class Continued(Lengths):
    """Takes what comes next for what goes on."""

    def known(self, chunk, state):
        return state


class Forgetful(Lengths):
    """Knows the last chunk alone."""

    def known(self, chunk, state):
        return state[:0]


class Writing(Lengths):
    """Writes into the state that it is given."""

    def start(self, options):
        return np.zeros(48_000, np.float32)

    def known(self, chunk, state):
        state[0] += len(chunk.samples)
        return state

    def said(self, chunk, heard):
        return Transcript((f"{heard[0]}",)) if chunk.final else None


SECOND = AudioClip(np.zeros(16_000, np.float32), 16_000, 0, ((2_000, 9_000),))


def test_who_hears_step_by_step_passes():
    assert conformance(Lengths(LIVE), {}, SECOND).texts == ("16000",)


@pytest.mark.parametrize(
    ("model", "reason"),
    [(Continued, "after another one"), (Forgetful, "step by step"), (Writing, "changed the state")],
)
def test_steps_that_break_a_promise(model, reason):
    with pytest.raises(AssertionError, match=reason):
        conformance(model(LIVE), {}, SECOND)


def test_who_hears_a_whole_and_says_nothing():
    class Mute(Lengths):
        def said(self, chunk, heard):
            return None

    with pytest.raises(InferenceError, match="gave no result"):
        conformance(Mute(LIVE), {}, SECOND)


def test_chunks_are_the_sound_and_what_there_is_of_a_voice():
    first, second, last = chunks_of(SECOND, [1_000, 5_000])
    assert [(chunk.before, len(chunk.samples)) for chunk in (first, second, last)] == [
        (0, 1_000),
        (1_000, 4_000),
        (5_000, 11_000),
    ]
    assert [chunk.voiced for chunk in (first, second, last)] == [(), ((2_000, 5_000),), ((2_000, 9_000),)]
    assert [chunk.final for chunk in (first, second, last)] == [False, False, True]
    assert len(last.behind(second.behind(first.samples).samples).samples) == 16_000
