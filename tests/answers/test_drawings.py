"""The picture with what was found: where it belongs, in colours that stay, in words that people know."""

import cv2
import numpy as np
import pytest

from edged.answers.drawing import LONGEST_SIDE, drawing_of, jpeg_of
from edged.answers.finding import Finding
from edged.contracts.face import EnhancedFaces, FaceAttributes, FaceSimilarity
from edged.contracts.image import Classification, Detections, OutImage, TextRow, Texts
from edged.contracts.masks import Foreground, InstanceMasks, Opacity, PartMask, Segmentation
from edged.contracts.pairs import ImageSimilarity, ProductMatch
from edged.contracts.product import ShelfCount
from edged.contracts.services import service
from edged.ops.draw.pen import NEUTRAL, colour_of
from edged.testing import frame_of
from tests.answers.examples import finding, options_of

BOX = np.array([[200.0, 100, 400, 300]])
ONE = np.array([0.9])


def gray(height=400, width=600):
    return np.full((height, width, 3), 90, np.uint8)


def found(name, result, **options):
    return Finding(service(name), result, options_of(name).model_copy(update=options))


def drawn(name, result, *pictures, **options):
    return found(name, result, **options).drawn(pictures or [gray()])


def listed_at_the_top(drawing, name):
    return (drawing[:40] == colour_of(name)).all(axis=2).any()


def test_objects_are_boxed_and_named():
    drawing = drawn("object-detection", Detections(BOX, ONE, np.array([12]), {12: "dog"}))
    assert drawing[200, 200].tolist() == list(colour_of("dog"))
    assert drawing[300, 300].tolist() == list(colour_of("dog"))
    assert drawing[200, 300].tolist() == [90, 90, 90]


def test_the_best_classes_are_written():
    names = ["cat", "dog", *(f"x{i}" for i in range(9))]
    shares = np.array([0.2, 0.7, *[0.01] * 9])
    drawing = drawn("image-classification", Classification(shares, names))
    assert drawing[1, 1].tolist() == list(colour_of("dog")), "the best is at the top"
    assert (drawing == colour_of("cat")).all(axis=2).any()


def test_texts_stand_on_a_sheet_below():
    quad = np.array([[1, 1], [50, 1], [50, 20], [1, 20]])
    assert drawn("ocr", Texts([TextRow(quad, 1, "a", (1,), 1)], (400, 600), "bt")).shape == (800, 600, 3)


def left_half(**options):
    """People on the left of a picture of 400 x 600, as seen on a grid of 10 x 10."""
    values = np.repeat([[1.0] * 5 + [0.0] * 5], 10, axis=0)
    whole = Foreground([Opacity(values, np.array([0.0, 0, 600, 400]))], (10, 10), (400, 600))
    return found("foreground-segmentation", whole, **options)


@pytest.mark.parametrize("size", ["model", "input", (40, 60)])
@pytest.mark.parametrize("form", ["list", "rle", "png"])
def test_the_background_goes_dark(form, size):
    drawing = left_half(mask_encoding=form, output_size=size).drawn([gray()])
    assert (drawing[:, :295] == 90).all()
    assert (drawing[:, 305:] < 30).all()


def test_classes_are_coloured_and_listed_by_name():
    logits = np.zeros((16, 20, 30))
    logits[15, :, :15] = 5
    names = [f"class {i}" for i in range(15)] + ["person"]
    drawing = drawn("semantic-segmentation", Segmentation(logits, (400, 600), names))
    np.testing.assert_allclose(drawing[300, 100], np.array(colour_of("person")) * 0.5 + 45, atol=2)
    assert (drawing[300, 400] == 90).all()
    assert listed_at_the_top(drawing, "person")


def test_objects_have_a_colour_an_outline_and_a_box():
    one = Detections(BOX, ONE, np.array([0]), ["dog"])
    masks = [PartMask(100, 200, np.ones((200, 200), np.bool_))]
    drawing = drawn("instance-segmentation", InstanceMasks.of(one, masks, (400, 600)))
    np.testing.assert_allclose(drawing[200, 300], np.array(colour_of("dog")) * 0.5 + 45, atol=2)
    assert drawing[100, 350].tolist() == list(colour_of("dog"))
    assert drawing[350, 300].tolist() == [90, 90, 90]


def test_products_are_boxed_and_counted():
    one = ShelfCount(BOX, ONE, np.array([1]), {0: "unknown", 1: "cola"}, (400, 600))
    drawing = drawn("inventory-counting", one)
    assert drawing[200, 200].tolist() == list(colour_of("cola"))
    assert drawing[1, 1].tolist() == list(colour_of("cola"))


def test_faces_are_boxed():
    one = FaceAttributes(np.array([31.4]), ["female"], ["Happiness"], BOX, ONE, (400, 600))
    drawing = drawn("face-attributes", one)
    assert drawing[200, 200].tolist() == list(colour_of("female"))
    assert drawing[300, 300].tolist() == list(colour_of("female"))


@pytest.mark.parametrize("name", ["face-attributes", "face-enhancement"])
def test_where_nobody_is_seen_the_drawing_says_so(name):
    drawing = finding(name, 0).drawn([gray()])
    assert drawing[1, 1].tolist() == list(NEUTRAL)
    assert (drawing[100:] == 90).all()


@pytest.mark.parametrize(("size", "shape"), [((400, 600), (806, 600, 3)), ((600, 400), (600, 804, 3))])
@pytest.mark.parametrize("name", ["image-colorization", "face-enhancement"])
def test_before_and_after_stand_beside_each_other(name, size, shape):
    after = np.full((*size, 3), 200, np.uint8)
    result = OutImage(after) if name == "image-colorization" else EnhancedFaces(after, BOX)
    drawing = drawn(name, result, gray(*size))
    assert abs(drawing.shape[0] - shape[0]) <= 4
    assert abs(drawing.shape[1] - shape[1]) <= 4
    assert drawing[size[0] // 2, size[1] // 2].tolist() == [90, 90, 90]
    assert drawing[-5, -5].tolist() == [200, 200, 200]


@pytest.mark.parametrize(
    ("name", "result", "green"),
    [
        ("image-similarity", ImageSimilarity(92.5, 0.3), True),
        ("face-similarity", FaceSimilarity(80), True),
        ("face-similarity", FaceSimilarity(79.9), False),
    ],
)
def test_pairs_are_judged_by_colour(name, result, green):
    drawing = drawn(name, result, gray(100, 100), gray(400, 300))
    assert drawing.shape[0] == 400
    _, light_of_green, light_of_red = drawing[1, 1].tolist()
    assert (light_of_green > light_of_red) is green


def test_a_product_comparison_shows_what_was_asked_for():
    distance, cosine = (
        drawn("product-comparison", ProductMatch(0.5), gray(400, 300), gray(400, 300), metric=metric)
        for metric in ("L2", "Cosine")
    )
    assert distance.shape == cosine.shape
    assert distance.shape[1] > 600
    assert (distance[1, 1] != 90).any()
    assert (distance != cosine).any()


def test_several_findings_are_drawn_on_top_of_each_other_at_the_size_of_the_picture():
    small = gray(40, 60)
    boxed = found("object-detection", Detections(BOX / 10, ONE, np.array([0]), ["dog"]))
    drawing = drawing_of([frame_of(small)], [boxed, boxed])
    assert drawing.shape == (320, 480, 3), "a small picture is enlarged once"
    assert drawing_of([frame_of(small)], []).shape == small.shape


@pytest.mark.parametrize(
    ("size", "shape"), [((400, 600), (400, 600)), ((1000, 2560), (500, 1280)), ((2, 2000), (1, 1280))]
)
def test_a_large_drawing_is_made_smaller(size, shape):
    jpeg = np.frombuffer(jpeg_of([frame_of(gray(*size))], []), np.uint8)
    assert cv2.imdecode(jpeg, cv2.IMREAD_COLOR).shape[:2] == shape
    assert max(shape) <= LONGEST_SIDE
