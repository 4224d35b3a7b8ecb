"""DeepLab: a known map through the decoder, and the real weights against people's outlines."""

import json
from pathlib import Path

import cv2
import numpy as np
import orjson
import pybase64
import pytest

from edged import SegmentationOptions, TooLarge, Tools
from edged.answers.finding import Finding
from edged.answers.masks import Runs
from edged.cards import load_card
from edged.contracts.services import service
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.ops.masks import mask_iou
from edged.runtimes.checked import checked
from edged.testing import FakeRun, FakeSession, conformance, frame_of
from tests.masks import map_of

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
OPTIONS = CARD.options_as(SegmentationOptions)
SERVICE = service(CARD.service)
CAT, DOG, PERSON = 8, 12, 15


@pytest.fixture(scope="module")
def model():
    return discover([HERE.parent], entry_points=False).models[CARD.id]


def halves():
    """A graph that is sure of a cat on the left and less sure of a dog on the right."""
    logits = np.zeros((1, 257, 257, 21), np.float32)
    logits[:, :, :128, CAT] = 10
    logits[:, :, 128:, DOG] = 5
    return FakeSession(lambda _: {"ResizeBilinear_3": logits})


def answered(model, session, frame=None, **options):
    frame = frame or frame_of(np.zeros((100, 200, 3), np.uint8))
    chosen = OPTIONS.model_copy(update=options)
    result = model.infer(frame, chosen, Tools(checked({"main": session}, model)), FakeRun())
    return Finding(SERVICE, result, chosen).answer()


def test_it_keeps_the_promises_of_a_model(model):
    answer = Finding(SERVICE, conformance(model, {"main": halves()}), OPTIONS).answer()
    assert answer["preds"].shape == answer["probs"].shape == (257, 257)
    assert "class_probs" not in answer
    assert set(np.unique(answer["preds"])) == {CAT, DOG}
    e = np.exp([10.0, 5.0])
    np.testing.assert_allclose(answer["probs"][0, [0, -1]], e / (e + 20), atol=1e-4)


@pytest.mark.parametrize(
    ("asked", "size"), [("model", (257, 257)), ("input", (100, 200)), ((30, 40), (30, 40))]
)
def test_the_size_that_is_asked_for(model, asked, size):
    result = answered(model, halves(), output_size=asked)
    assert result["preds"].shape == size
    assert (result["preds"][:, : size[1] // 2 - 2] == CAT).all()
    assert (result["preds"][:, size[1] // 2 + 2 :] == DOG).all()


def test_all_probabilities_sum_to_one(model):
    result = answered(model, halves(), return_all_probs=True, output_size=(20, 30))
    assert result["class_probs"].shape == (21, 20, 30)
    np.testing.assert_allclose(result["class_probs"].sum(axis=0), 1, atol=2e-3)
    np.testing.assert_array_equal(result["class_probs"].argmax(axis=0), result["preds"])
    np.testing.assert_allclose(result["class_probs"].max(axis=0), result["probs"], atol=1e-4)


def test_runs_and_pictures_say_the_same_as_rows(model):
    rows = answered(model, halves(), output_size="input")
    runs = answered(model, halves(), output_size="input", mask_encoding="rle")
    assert isinstance(runs["preds"], Runs)
    classes = map_of(runs["preds"].counts, runs["preds"].values, (100, 200))
    np.testing.assert_array_equal(classes, rows["preds"])
    means = map_of(runs["probs"].counts, runs["probs"].values, (100, 200))
    assert np.abs(means - rows["probs"]).max() < 0.3  # where cat meets dog it changes within a run
    np.testing.assert_allclose(means[:, 0], rows["probs"][:, :90].mean(axis=1), atol=0.05)
    png = answered(model, halves(), output_size="input", mask_encoding="png")
    decoded = cv2.imdecode(np.frombuffer(pybase64.b64decode(png["preds"]), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded, rows["preds"])


def test_an_answer_of_the_pictures_size_is_within_the_limit(model):
    rows = answered(model, halves())
    body = orjson.dumps([rows["probs"], rows["preds"]], option=orjson.OPT_SERIALIZE_NUMPY)
    assert len(body) < 1_000_000


def test_a_stack_that_is_too_large_is_refused_before_it_is_made(model):
    with pytest.raises(TooLarge, match="smaller `output_size`"):
        answered(model, halves(), return_all_probs=True, output_size=(8000, 8000))


def segmented(instance_of, path):
    instance = instance_of(CARD.id, "f32")
    frame = decode_picture(path.read_bytes(), PictureLimits(), 0.0)
    options = OPTIONS.model_copy(update={"output_size": "input"})
    result = instance.infer(frame, options, FakeRun(), Priority.REQUEST)
    return Finding(SERVICE, result, options).answer()["preds"]


def test_an_animal_is_outlined(instance_of, media):
    preds = segmented(instance_of, media("quokka.jpg"))
    drawn = json.loads(media("quokka_annotations.json").read_text())
    outline = np.array([[[k["x"], k["y"]] for k in drawn["polygons"][0]["keypoints"]]], np.int32)
    truth = cv2.fillPoly(np.zeros(preds.shape, np.uint8), outline, 1).astype(bool)
    assert mask_iou(preds == DOG, truth) > 0.85  # there are no quokkas in VOC


def test_a_cat_and_a_person_are_what_they_are(instance_of, media):
    for name, number, least in (("chelsea.png", CAT, 0.6), ("astronaut.png", PERSON, 0.4)):
        preds = segmented(instance_of, media(name))
        shares = np.bincount(preds.ravel(), minlength=21) / preds.size
        assert shares[number] > least
        assert shares[1:].argmax() + 1 == number


def test_people_of_a_labelled_picture_are_found(instance_of, media, tmp_path):
    with np.load(media("voc.npz")) as known:
        rgb, labels, masks = known["rgb"], known["labels"], known["masks"]
    path = tmp_path / "voc.png"
    cv2.imwrite(str(path), rgb[..., ::-1])
    truth = masks[labels == PERSON].any(axis=0)
    assert mask_iou(segmented(instance_of, path) == PERSON, truth) > 0.65  # ten at a table, half hidden
