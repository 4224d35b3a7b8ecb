"""The annotated picture: boxes where they belong, colours that stay, any size of picture."""

import cv2
import numpy as np
import pybase64
import pytest

from edged.ops.draw import annotate, colour_of, draw_classes, draw_detections, draw_texts
from edged.ops.masks import rle_counts, runs


def gray(height, width):
    return np.full((height, width, 3), 90, np.uint8)


def test_a_box_is_drawn_in_the_colour_of_its_class_and_the_picture_is_not_touched():
    picture = gray(400, 600)
    drawn = draw_detections(picture, [[100, 200, 300, 400]], [0.9], ["cat"])
    assert drawn.shape == picture.shape
    assert drawn[200, 200].tolist() == list(colour_of("cat")), "the left edge"
    assert drawn[300, 300].tolist() == list(colour_of("cat")), "the bottom edge"
    assert drawn[200, 300].tolist() == [90, 90, 90], "the inside"
    assert (picture == 90).all()


def test_a_small_picture_is_enlarged_and_its_boxes_with_it():
    drawn = draw_detections(gray(40, 60), [[10, 20, 30, 50]], [0.9], ["cat"])
    assert drawn.shape == (320, 480, 3)
    assert drawn[160, 160].tolist() == pytest.approx(colour_of("cat"), abs=30), (
        "a line of one pixel, smoothed"
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (8, 8), (2160, 3840)])
def test_any_size_and_a_box_as_large_as_the_picture(size):
    drawn = draw_detections(gray(*size), [[0, 0, *size]], [1.0], ["traffic light"])
    assert (drawn != 90).any()


def test_labels_do_not_cover_each_other():
    here = [[100, 100, 200, 200]]
    one = draw_detections(gray(400, 600), here, [0.9], ["cat"])
    two = draw_detections(gray(400, 600), here * 2, [0.9, 0.8], ["cat", "dog"])
    ground_of_one = (one == colour_of("cat")).all(axis=2)
    assert (two[:100][ground_of_one[:100]] == colour_of("cat")).all()
    assert (two == colour_of("dog")).all(axis=2).sum() > 200


def test_colours_stay_and_differ():
    assert colour_of("cat") == colour_of("cat")
    assert len({colour_of(name) for name in ("person", "bicycle", "car", "cat", "dog", "bus")}) == 6


def test_the_best_classes_are_written():
    drawn = draw_classes(gray(400, 600), {"cat": 0.2, "dog": 0.7, **{f"x{i}": 0.01 for i in range(9)}})
    assert drawn[1, 1].tolist() == list(colour_of("dog")), "the best is at the top"
    assert (drawn == colour_of("cat")).all(axis=2).any()


def ink(picture, top, left, bottom, right):
    """Share of dark pixels."""
    return float((picture[top:bottom, left:right].max(axis=2) < 120).mean())


def test_texts_are_framed_and_printed_on_a_sheet_at_the_same_places():
    picture = np.full((400, 600, 3), 200, np.uint8)
    level = [[100, 50], [100, 350], [140, 350], [140, 50]]
    upwards = [[380, 500], [200, 500], [200, 540], [380, 540]]
    drawn = draw_texts(picture, [level, upwards], ["出口 EXIT", "Platform"])
    assert drawn.shape == (800, 600, 3), "the sheet is below"
    assert drawn[120, 50].tolist() != [200, 200, 200], "the frame"
    assert drawn[120, 200].tolist() == [200, 200, 200], "the text itself is not covered"
    assert ink(drawn, 400 + 100, 50, 400 + 140, 350) > 0.05
    assert ink(drawn, 400 + 200, 500, 400 + 380, 540) > 0.05
    assert ink(drawn, 400, 0, 800, 600) < 0.05, "and nowhere else"
    assert (picture == 200).all()


def test_the_letters_of_chinese_are_there_and_differ():
    place = [[[0, 0], [0, 600], [400, 600], [400, 0]]]
    one, two, missing = (draw_texts(gray(400, 600), place, [text]) for text in ("出", "口", "\U0001fae8"))
    assert (one != two).any()
    assert (one != missing).any(), "not the box that stands for a letter that the font lacks"


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (400, 300)])
def test_texts_at_the_edge_and_in_any_size(size):
    height, width = size
    whole = [[0, 0], [0, width], [height, width], [height, 0]]
    beyond = [[-5, -5], [-5, width + 5], [height + 5, width + 5], [height + 5, -5]]
    flat = [[0, 0], [0, width], [0, width], [0, 0]]
    drawn = draw_texts(gray(*size), [whole, beyond, flat], ["a long text that does not fit", "b", ""])
    assert (drawn != 90).any()


def test_annotate_knows_the_services_that_can_be_drawn():
    picture = gray(400, 600)
    answer = {
        "detection_boxes": [[1, 2, 90, 90]],
        "detection_scores": [0.5],
        "detection_class_names": ["cat"],
    }
    assert (annotate("object-detection", [picture], answer) != 90).any()
    assert (annotate("image-classification", [picture], {"class_probs": {"cat": 1.0}}) != 90).any()
    texts = {"detection_keypoints": [[[1, 1], [1, 50], [20, 50], [20, 1]]], "detection_texts": ["a"]}
    assert annotate("ocr", [picture], texts).shape == (800, 600, 3)
    assert annotate("text-vectorization", [picture], {}) is picture


def rle(mask):
    return {"counts": rle_counts(mask), "size": list(mask.shape)}


def left_half(height, width):
    mask = np.zeros((height, width), bool)
    mask[:, : width // 2] = True
    return mask


def png(gray_picture):
    return pybase64.b64encode_as_string(cv2.imencode(".png", gray_picture)[1].tobytes())


@pytest.mark.parametrize("size", [(400, 600), (40, 60)])
@pytest.mark.parametrize("form", ["rows", "runs", "png"])
def test_the_background_goes_dark(form, size):
    mask = left_half(*size)
    forms = {"rows": mask.astype(int).tolist(), "runs": rle(mask), "png": png(mask.astype(np.uint8) * 255)}
    drawn = annotate("foreground-segmentation", [gray(400, 600)], {"mask": forms[form]})
    assert (drawn[:, :295] == 90).all()
    assert (drawn[:, 305:] < 30).all()


@pytest.mark.parametrize("form", ["rows", "runs", "png"])
def test_classes_are_coloured_and_listed(form):
    preds = np.where(left_half(20, 30), 15, 0).astype(np.uint8)
    counts, values = runs(preds)
    as_runs = {"counts": counts.tolist(), "values": values.tolist(), "size": [20, 30]}
    forms = {"rows": preds.tolist(), "runs": as_runs, "png": png(preds)}
    drawn = annotate("semantic-segmentation", [gray(400, 600)], {"preds": forms[form]})
    tinted = np.array(colour_of("class 15")) * 0.5 + 45
    np.testing.assert_allclose(drawn[300, 100], tinted, atol=2)
    assert (drawn[300, 400] == 90).all()
    assert (drawn[:40] == colour_of("class 15")).all(axis=2).any(), "the list"


def test_objects_have_a_colour_an_outline_and_a_box():
    mask = np.zeros((400, 600), bool)
    mask[100:300, 200:400] = True
    answer = {
        "detection_boxes": [[100, 200, 300, 400]],
        "detection_scores": [0.9],
        "detection_class_names": ["dog"],
        "detection_masks": [rle(mask)],
    }
    drawn = annotate("instance-segmentation", [gray(400, 600)], answer)
    np.testing.assert_allclose(drawn[200, 300], np.array(colour_of("dog")) * 0.5 + 45, atol=2)
    assert drawn[100, 350].tolist() == list(colour_of("dog"))
    assert drawn[350, 300].tolist() == [90, 90, 90]


@pytest.mark.parametrize(
    "mask",
    [
        {"counts": [5], "size": [2, 2]},
        {"counts": [1], "size": [10**9, 10**9]},
        {"counts": [], "size": [0, 0]},
        [1, 2, 3],
        [],
        "aGVsbG8=",
        png(np.zeros((2, 2), np.uint8))[:20],
    ],
)
def test_a_mask_that_is_none_is_refused_before_it_is_made(mask):
    with pytest.raises(ValueError):
        annotate("foreground-segmentation", [gray(40, 60)], {"mask": mask})


def test_products_are_boxed_and_counted():
    answer = {
        "detection_boxes": [[100, 200, 300, 400]],
        "detection_class_names": ["cola"],
        "product_count": {"cola": 1},
    }
    drawn = annotate("inventory-counting", [gray(400, 600)], answer)
    assert drawn[200, 200].tolist() == list(colour_of("cola"))
    assert drawn[1, 1].tolist() == list(colour_of("cola"))


def test_faces_are_boxed_with_x_first():
    answer = {
        "face_age": [31.4],
        "face_gender": ["female"],
        "face_emo": ["Happiness"],
        "face_bbox": [[200, 100, 400, 300, 0.9]],
    }
    drawn = annotate("face-attributes", [gray(400, 600)], answer)
    assert drawn[200, 200].tolist() == list(colour_of("female"))
    assert drawn[300, 300].tolist() == list(colour_of("female"))


@pytest.mark.parametrize(("size", "shape"), [((400, 600), (806, 600, 3)), ((600, 400), (600, 804, 3))])
def test_before_and_after_stand_beside_each_other(size, shape):
    after = np.full((*size, 3), 200, np.uint8)
    drawn = annotate("image-colorization", [gray(*size)], {"out_image": png(after)})
    assert abs(drawn.shape[0] - shape[0]) <= 4
    assert abs(drawn.shape[1] - shape[1]) <= 4
    assert drawn[size[0] // 2, size[1] // 2].tolist() == [90, 90, 90]
    assert drawn[-5, -5].tolist() == [200, 200, 200]


def test_a_picture_of_another_size_is_none_of_this_request():
    with pytest.raises(ValueError, match="size of the input"):
        annotate("face-enhancement", [gray(40, 60)], {"out_image": png(np.zeros((4, 4, 3), np.uint8))})


@pytest.mark.parametrize(
    ("service", "answer", "green"),
    [
        ("image-similarity", {"similarity": 92.5, "l2_distance": 0.3}, True),
        ("face-similarity", {"similarity": 80}, True),
        ("face-similarity", {"similarity": 79}, False),
    ],
)
def test_pairs_are_judged_by_colour(service, answer, green):
    drawn = annotate(service, [gray(100, 100), gray(400, 300)], answer)
    assert drawn.shape[0] == 400
    _, light_of_green, light_of_red = drawn[1, 1].tolist()
    assert (light_of_green > light_of_red) is green


def test_a_product_comparison_shows_what_was_asked_for():
    drawn = annotate("product-comparison", [gray(400, 300)] * 2, {"cosine_similarity": 0.5})
    assert drawn.shape[1] > 600
    assert (drawn[1, 1] != 90).any()
