"""YuNet: known cells in, known faces out; and the real weights on real pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edged import CardError, FaceDetectionOptions, InferenceError, Tools
from edged.cards import load_card
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.ops.boxes import iou
from edged.repository.instance import UsedModel
from edged.runtimes.checked import checked
from edged.testing import FakeRun, FakeSession, conformance, frame_of

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
OPTIONS = CARD.options_as(FaceDetectionOptions)
WIDTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


@pytest.fixture(scope="module")
def model():
    return discover([HERE.parent], entry_points=False).models["yunet"]


def says(cells):
    """A graph that is sure of a face two strides wide at some cells: stride, column, row, score."""

    def reply(inputs):
        height, width = inputs["input"].shape[1:3]
        outputs = {
            f"{part}_{stride}": np.zeros((1, height // stride * (width // stride), count), np.float32)
            for part, count in WIDTHS.items()
            for stride in (8, 16, 32)
        }
        for stride, column, row, score in cells:
            cell = row * (width // stride) + column
            outputs[f"cls_{stride}"][0, cell] = outputs[f"obj_{stride}"][0, cell] = score
            outputs[f"bbox_{stride}"][0, cell] = 0.5, 0.5, np.log(2), np.log(2)
            outputs[f"kps_{stride}"][0, cell] = np.arange(10)
        return outputs

    return FakeSession(reply)


def gray(height, width):
    return frame_of(np.full((height, width, 3), 128, np.uint8))


def found(model, frame, *cells, **options):
    session = says(cells)
    return model.infer(
        frame, OPTIONS.model_copy(update=options), Tools(checked({"main": session}, model)), FakeRun()
    ), session


def test_a_cell_becomes_a_box_and_landmarks_in_pixels_of_the_picture(model):
    faces, session = found(model, gray(160, 160), (32, 3, 2, 0.9))
    assert [asked["input"].shape for asked in session.asked] == [(1, 320, 320, 3)]
    assert faces.scores == pytest.approx([0.9])
    assert faces.boxes == pytest.approx(np.array([[40, 24, 72, 56]]))  # 32 to each side, at half the scale
    assert faces.landmarks[0, :2] == pytest.approx(np.array([[48, 48], [80, 80]]))


def test_large_pictures_are_looked_at_twice_in_their_own_shape_and_never_enlarged(model):
    shapes = [a["input"].shape[1:3] for a in found(model, gray(720, 1280))[1].asked]
    assert shapes == [(192, 320), (544, 960)]
    shapes = [a["input"].shape[1:3] for a in found(model, gray(480, 640))[1].asked]
    assert shapes == [(256, 320), (480, 640)]


def test_options_bound_what_is_found(model):
    cells = (8, 0, 0, 0.9), (8, 1, 0, 0.8), (8, 20, 20, 0.7)
    assert len(found(model, gray(320, 320), *cells, iou_threshold=1.0)[0]) == 3
    assert len(found(model, gray(320, 320), *cells, iou_threshold=0.1)[0]) == 2
    assert len(found(model, gray(320, 320), *cells, score_threshold=0.85)[0]) == 1
    assert found(model, gray(320, 320), *cells, max_faces=1)[0].scores == pytest.approx([0.9])


def test_nothing_found_is_empty(model):
    result = conformance(model, {"main": says([])})
    assert len(result) == 0
    assert result.boxes.shape == (0, 4)
    assert result.landmarks.shape == (0, 5, 2)


def test_a_graph_or_card_that_is_not_a_yunet_is_named(model):
    names = CARD.graphs["main"].outputs
    for widths, reason in (
        (dict.fromkeys(WIDTHS, 4), r"yunet gives .* of shape \(1, 3, 4\)"),
        (WIDTHS, "yunet gives 9 cells for a canvas of 2100"),
    ):
        said = {name: np.zeros((1, 3, widths[name.split("_")[0]]), np.float32) for name in names}
        short = FakeSession(lambda _, said=said: said)
        with pytest.raises(InferenceError, match=reason):
            model.infer(gray(64, 64), OPTIONS, Tools(checked({"main": short}, model)), FakeRun())
    graph = CARD.graphs["main"].model_copy(update={"outputs": ("cls_8",)})
    with pytest.raises(CardError, match="outputs cls, obj, bbox and kps"):
        type(model)(CARD.model_copy(update={"graphs": {"main": graph}}))


@pytest.fixture(scope="module")
def real(instance_of):
    return instance_of("yunet")


@pytest.fixture(scope="module")
def women(media):
    return cv2.imread(str(media("four-women.jpg")))


FOUR = [[674, 340, 858, 630], [1474, 265, 1698, 568], [253, 502, 468, 758], [1163, 313, 1374, 590]]


def test_real_weights_find_the_four_faces_and_their_landmarks(real, women):
    faces = UsedModel(real).infer(frame_of(women), FakeRun())
    assert len(faces) == 4
    assert iou(faces.boxes, np.array(FOUR, np.float32)).max(axis=1).min() > 0.8
    assert faces.scores.min() > 0.85
    for box, points in zip(faces.boxes, faces.landmarks, strict=True):
        assert (points > box[:2]).all() and (points < box[2:]).all()
        assert points[:2, 1].max() < points[2, 1] < points[3:, 1].min()
        assert points[0, 0] < points[1, 0]


def test_a_face_that_fills_the_picture_is_one_face_however_large(real, women):
    x1, y1, x2, y2 = FOUR[0]
    crop = women[y1 - 20 : y2 + 20, x1 - 20 : x2 + 20]
    for scale in (0.5, 1, 4):
        faces = real.model.infer(
            frame_of(cv2.resize(crop, None, fx=scale, fy=scale)), OPTIONS, real.tools, FakeRun()
        )
        assert len(faces) == 1, scale


@pytest.mark.parametrize("picture", ["chelsea.png", "coffee.png", "motorcycle_left.png"])
def test_where_nobody_is_there_is_no_face(real, media, picture):
    frame = decode_picture(media(picture).read_bytes(), PictureLimits(), 0.0)
    assert len(real.model.infer(frame, OPTIONS, real.tools, FakeRun())) == 0
