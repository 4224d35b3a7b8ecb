"""Boxes and texts where they belong, colours that stay, any size of picture."""

import numpy as np
import pytest

from edged.ops.draw.boxes import draw_boxes
from edged.ops.draw.pen import colour_of
from edged.ops.draw.texts import draw_texts


def gray(height, width):
    return np.full((height, width, 3), 90, np.uint8)


def labelled(picture, boxes, *names):
    """Boxes x1, y1, x2, y2 with their names as labels."""
    return draw_boxes(picture, np.array(boxes, float), names, names)


def test_a_box_is_drawn_in_the_colour_of_its_class_and_the_picture_is_not_touched():
    picture = gray(400, 600)
    drawn = labelled(picture, [[200, 100, 400, 300]], "cat")
    assert drawn.shape == picture.shape
    assert drawn[200, 200].tolist() == list(colour_of("cat")), "the left edge"
    assert drawn[300, 300].tolist() == list(colour_of("cat")), "the bottom edge"
    assert drawn[200, 300].tolist() == [90, 90, 90], "the inside"
    assert (picture == 90).all()


def test_a_small_picture_is_enlarged_and_its_boxes_with_it():
    drawn = labelled(gray(40, 60), [[20, 10, 50, 30]], "cat")
    assert drawn.shape == (320, 480, 3)
    assert drawn[160, 160].tolist() == pytest.approx(colour_of("cat"), abs=30), (
        "a line of one pixel, smoothed"
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (8, 8), (2160, 3840)])
def test_any_size_and_a_box_as_large_as_the_picture(size):
    drawn = labelled(gray(*size), [[0, 0, *size[::-1]]], "traffic light")
    assert (drawn != 90).any()


def test_labels_do_not_cover_each_other():
    here = [[100, 100, 200, 200]]
    one = labelled(gray(400, 600), here, "cat")
    two = labelled(gray(400, 600), here * 2, "cat", "dog")
    ground_of_one = (one == colour_of("cat")).all(axis=2)
    assert (two[:100][ground_of_one[:100]] == colour_of("cat")).all()
    assert (two == colour_of("dog")).all(axis=2).sum() > 200


def test_colours_stay_and_differ():
    assert colour_of("cat") == colour_of("cat")
    assert len({colour_of(name) for name in ("person", "bicycle", "car", "cat", "dog", "bus")}) == 6


def ink(picture, top, left, bottom, right):
    """Share of dark pixels."""
    return float((picture[top:bottom, left:right].max(axis=2) < 120).mean())


def test_texts_are_framed_and_printed_on_a_sheet_at_the_same_places():
    picture = np.full((400, 600, 3), 200, np.uint8)
    level = [[50, 100], [350, 100], [350, 140], [50, 140]]
    upwards = [[500, 380], [500, 200], [540, 200], [540, 380]]
    drawn = draw_texts(picture, [level, upwards], ["出口 EXIT", "Platform"])
    assert drawn.shape == (800, 600, 3), "the sheet is below"
    assert drawn[120, 50].tolist() != [200, 200, 200], "the frame"
    assert drawn[120, 200].tolist() == [200, 200, 200], "the text itself is not covered"
    assert ink(drawn, 400 + 100, 50, 400 + 140, 350) > 0.05
    assert ink(drawn, 400 + 200, 500, 400 + 380, 540) > 0.05
    assert ink(drawn, 400, 0, 800, 600) < 0.05, "and nowhere else"
    assert (picture == 200).all()


def test_the_letters_of_chinese_are_there_and_differ():
    place = [[[0, 0], [600, 0], [600, 400], [0, 400]]]
    one, two, missing = (draw_texts(gray(400, 600), place, [text]) for text in ("出", "口", "\U0001fae8"))
    assert (one != two).any()
    assert (one != missing).any(), "not the box that stands for a letter that the font lacks"


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (400, 300)])
def test_texts_at_the_edge_and_in_any_size(size):
    height, width = size
    whole = [[0, 0], [width, 0], [width, height], [0, height]]
    beyond = [[-5, -5], [width + 5, -5], [width + 5, height + 5], [-5, height + 5]]
    flat = [[0, 0], [width, 0], [width, 0], [0, 0]]
    drawn = draw_texts(gray(*size), [whole, beyond, flat], ["a long text that does not fit", "b", ""])
    assert (drawn != 90).any()
