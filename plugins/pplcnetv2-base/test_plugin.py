"""PP-LCNetV2: the real weights on real pictures, and against the maker's own recipe."""

import shutil

import cv2
import numpy as np
import openvino
import pytest

from edged.media.picture import PictureLimits, decode_picture
from edged.repository.instance import UsedModel
from edged.testing import FakeRun, answer_of
from edged.weights.store import WeightStore

MODEL = "pplcnetv2-base"
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def classified(instance, path):
    frame = decode_picture(path.read_bytes(), PictureLimits(), 0.0)
    return answer_of(instance.card, UsedModel(instance).infer(frame, FakeRun()))


@pytest.mark.parametrize("precision", ["f32", "auto"])
@pytest.mark.parametrize(
    ("picture", "names"),
    [
        ("chelsea.png", {"tabby", "tiger cat", "Egyptian cat"}),
        ("coffee.png", {"espresso"}),
        ("motorcycle_left.png", {"moped", "motor scooter"}),
    ],
)
def test_real_weights_name_what_people_see(instance_of, media, picture, names, precision):
    result = classified(instance_of(MODEL, precision), media(picture))
    assert result["class_name"] in names
    assert len(result["class_probs"]) == 1000
    assert sum(result["class_probs"].values()) == pytest.approx(1, abs=0.01)
    assert result["class_probs"][result["class_name"]] == max(result["class_probs"].values()) > 0.2


def test_a_rocket_is_the_best_guess_of_a_picture_at_night(instance_of, media):
    result = classified(instance_of(MODEL, "f32"), media("rocket.jpg"))
    assert result["class_name"] == "missile"
    assert 0.05 < result["class_probs"]["missile"] < 0.5, "and no more than a guess"


@pytest.fixture(scope="module")
def original(instance_of, models_root, tmp_path_factory):
    """Probabilities as the maker computes them: its graph as published, its resizing, its normalisation."""
    card = instance_of(MODEL, "f32").card
    folder = tmp_path_factory.mktemp("original")
    for name in card.graphs["main"].weights:
        shutil.copy(WeightStore(models_root).verified(card, name), folder / name)
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    graph = openvino.Core().compile_model(str(folder / card.graphs["main"].weights[0]), "CPU", hint)

    def probabilities(path):
        bgr = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        assert bgr is not None
        scale = 256 / min(bgr.shape[:2])
        bgr = cv2.resize(bgr, (round(bgr.shape[1] * scale), round(bgr.shape[0] * scale)))
        top, left = (bgr.shape[0] - 224) // 2, (bgr.shape[1] - 224) // 2
        rgb = bgr[top : top + 224, left : left + 224, ::-1]
        planes = ((rgb * np.float32(1 / 255) - MEAN) / STD).transpose(2, 0, 1)[None]
        return graph(np.ascontiguousarray(planes, np.float32))[0][0]

    return probabilities


@pytest.mark.parametrize(
    "picture", ["chelsea.png", "coffee.png", "astronaut.png", "motorcycle_left.png", "rocket.jpg"]
)
def test_probabilities_are_those_of_the_makers_recipe(instance_of, original, media, picture):
    result = classified(instance_of(MODEL, "f32"), media(picture))
    ours = np.array(list(result["class_probs"].values()))
    assert abs(ours - original(media(picture))).max() < 0.02
