"""The annotated picture: boxes where they belong, colours that stay, any size of picture."""

import numpy as np
import pytest

from edged.ops.draw import annotate, colour_of, draw_classes, draw_detections


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


def test_annotate_knows_the_services_that_can_be_drawn():
    picture = gray(400, 600)
    answer = {
        "detection_boxes": [[1, 2, 90, 90]],
        "detection_scores": [0.5],
        "detection_class_names": ["cat"],
    }
    assert (annotate("object-detection", picture, answer) != 90).any()
    assert (annotate("image-classification", picture, {"class_probs": {"cat": 1.0}}) != 90).any()
    assert annotate("text-vectorization", picture, {}) is picture
