"""Age, gender and emotion: what is fed and read, and the real weights on real faces."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edged import CardError, Faces, FacesOptions, InferenceError, Tools
from edged.cards import load_card
from edged.discovery import discover
from edged.repository.instance import UsedModel
from edged.runtimes.checked import checked
from edged.testing import FakeRun, FakeSession, answer_of, frame_of

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
OPTIONS = CARD.options_as(FacesOptions)
EYES = [[30, 30], [70, 30], [50, 60], [35, 80], [65, 80]]


@pytest.fixture(scope="module")
def model():
    return discover([HERE.parent], entry_points=False).models["dlib-fer"]


@pytest.fixture(scope="module")
def real(instance_of):
    return instance_of("dlib-fer")


class TwoFaces:
    """Two faces, the second reaching over the edge."""

    card = None

    def infer(self, item, run, **options):
        self.asked = options
        boxes = np.array([[10, 10, 90, 90], [100, 20, 200, 110]], np.float32)
        return Faces(boxes, np.array([0.9, 0.8], np.float32), np.array([EYES, EYES], np.float32))


def certain(*classes):
    """A graph that is sure: class by face, of so many."""
    count, *rows = classes
    answers = iter(rows)

    def reply(inputs):
        (fed,) = inputs.values()
        given = np.eye(count, dtype=np.float32)[[next(answers) for _ in fed]]
        return dict.fromkeys(NAMES, given)

    return FakeSession(reply)


NAMES = "probabilities", "Identity"


def sessions():
    return {"age": certain(81, 30, 0), "gender": certain(2, 0, 1), "emotion": certain(7, 3, 6)}


def test_lists_stand_in_the_order_of_the_faces(model):
    faces, given = TwoFaces(), sessions()
    picture = frame_of(np.full((120, 160, 3), 200, np.uint8))
    tools = Tools(checked(given, model), {}, {"faces": faces})
    result = answer_of(CARD, model.infer(picture, OPTIONS, tools, FakeRun()))
    assert result["face_age"] == pytest.approx([30, 0.25])
    assert result["face_gender"] == ["female", "male"]
    assert result["face_emo"] == ["Happiness", "Neutral"]
    assert np.array(result["face_bbox"]) == pytest.approx(
        np.array([[10, 10, 90, 90, 0.9], [100, 20, 160, 110, 0.8]])
    )
    assert faces.asked == {"score_threshold": 0.7, "max_faces": 100}
    assert [a["images"].shape for a in given["age"].asked] == [(2, 64, 64, 3)]
    assert [a["images"].shape for a in given["gender"].asked] == [(2, 32, 32, 3)]
    assert [a["x"].shape for a in given["emotion"].asked] == [(1, 64, 64, 1)] * 2


def test_a_graph_or_card_that_is_not_what_it_should_be_is_named(model):
    wrong = {**sessions(), "gender": certain(3, 0, 1)}
    picture = frame_of(np.zeros((120, 160, 3), np.uint8))
    with pytest.raises(InferenceError, match=r"'gender' of dlib-fer gives .*, and not \(any, 2\)"):
        model.infer(picture, OPTIONS, Tools(checked(wrong, model), {}, {"faces": TwoFaces()}), FakeRun())
    with pytest.raises(CardError, match="age, emotion, gender"):
        type(model)(CARD.model_copy(update={"graphs": {"age": CARD.graphs["age"]}}))


def answer(real, picture):
    found = UsedModel(real).infer(frame_of(picture), FakeRun())
    return answer_of(CARD, found)


def test_no_face_is_empty_lists(real, media):
    result = answer(real, cv2.imread(str(media("coffee.png"))))
    assert result["face_age"] == result["face_gender"] == result["face_emo"] == result["face_bbox"] == []


def test_real_weights_see_an_astronaut_who_laughs(real, media):
    result = answer(real, cv2.imread(str(media("astronaut.png"))))
    assert result["face_gender"] == ["female"]
    assert result["face_emo"] == ["Happiness"]
    assert 24 < result["face_age"][0] < 45


def test_real_weights_see_four_young_women(real, media):
    result = answer(real, cv2.imread(str(media("four-women.jpg"))))
    assert result["face_gender"] == ["female"] * 4
    assert all(18 < age < 40 for age in result["face_age"])
    assert result["face_emo"][:2] == ["Happiness", "Happiness"]
    assert [box[4] for box in result["face_bbox"]] == sorted(
        (b[4] for b in result["face_bbox"]), reverse=True
    )


def test_no_weights_of_int8_remain_with_which_two_streams_answer_at_random(real, models_root):
    graph = (models_root / "dlib-fer" / "openvino-f32" / "emotion.xml").read_text()
    assert 'element_type="f32"' in graph
    assert 'element_type="i8"' not in graph
