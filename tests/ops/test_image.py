"""Boxes come back exactly, whatever the size and fit."""

import numpy as np
import pytest

from edged.contracts.items import Fit, PixelFormat
from edged.ops.image import Placement, batch_of_one, place

SIZES = [(1, 1), (1, 3000), (3000, 1), (272, 640), (416, 416), (1080, 1920), (333, 77)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("fit", Fit)
def test_the_whole_picture_comes_back_as_the_whole_picture(height, width, fit):
    placed = place(height, width, PixelFormat((416, 320), fit))
    rows, columns = placed.size
    assert 1 <= rows <= 416
    assert 1 <= columns <= 320
    back = placed.to_source(np.array([[0, 0, columns, rows]], np.float32))
    shown_height, shown_width = rows / placed.scale_y, columns / placed.scale_x
    if fit is not Fit.CROP:
        assert placed.shown == (height, width)
    left, top = placed.left, placed.top
    assert back[0] == pytest.approx([left, top, left + shown_width, top + shown_height], rel=1e-6)
    assert back[0, :2] + back[0, 2:] == pytest.approx([width, height], abs=1), "in the middle"


def test_a_letterbox_keeps_the_aspect_and_touches_one_side():
    placed = place(272, 640, PixelFormat((416, 416), Fit.LETTERBOX))
    assert placed.size == (177, 416)
    assert placed.scale_x == 416 / 640
    assert placed.scale_y == 177 / 272, "the real scale, after rounding to whole rows"


def test_a_small_picture_is_enlarged():
    assert place(10, 20, PixelFormat((416, 416), Fit.LETTERBOX)).size == (208, 416)


def test_stretch_has_two_scales():
    assert place(100, 200, PixelFormat((50, 400), Fit.STRETCH)) == Placement(0.5, 2.0, (50, 400))


@pytest.mark.parametrize(
    ("height", "width", "short_side", "expected"),
    [
        (256, 512, 256, Placement(1.0, 1.0, (224, 224), 16, 144)),
        (512, 1024, 256, Placement(0.5, 0.5, (224, 224), 32, 288)),
        (224, 448, None, Placement(1.0, 1.0, (224, 224), 0, 112)),
        (448, 224, 224, Placement(1.0, 1.0, (224, 224), 112, 0)),
        (1, 3000, 256, Placement(256.0, 256.0, (224, 224), 16 / 256, 383888 / 256)),
        (427, 640, 256, Placement(256 / 427, 384 / 640, (224, 224), 16 * 427 / 256, 80 * 640 / 384)),
    ],
)
def test_a_crop_shows_the_middle_with_one_scale(height, width, short_side, expected):
    assert place(height, width, PixelFormat((224, 224), Fit.CROP, short_side=short_side)) == expected


def test_boxes_of_a_crop_stay_within_what_was_shown():
    placed = place(512, 1024, PixelFormat((224, 224), Fit.CROP, short_side=256))
    back = placed.to_source(np.array([[0, 0, 10, 20], [-9, -9, 999, 999]], np.float32))
    assert back.tolist() == [[288, 32, 308, 72], [288, 32, 736, 480]]


def test_its_own_size_is_left_alone():
    assert place(7, 9, PixelFormat()) == Placement(1.0, 1.0, (7, 9))


def test_boxes_are_clipped_to_the_picture_and_padding_is_no_part_of_it():
    placed = place(100, 200, PixelFormat((416, 416), Fit.LETTERBOX))
    back = placed.to_source(np.array([[-50, -1, 500, 416], [-np.inf, 0, np.inf, 1]], np.float32))
    assert back.tolist()[0] == [0, 0, 200, 100]
    assert back.tolist()[1][::2] == [0, 200]
    assert placed.to_source(np.empty((0, 4), np.float32)).shape == (0, 4)


def test_a_batch_of_one_has_a_channel_axis_also_for_gray():
    assert batch_of_one(np.zeros((4, 6, 3), np.uint8)).shape == (1, 4, 6, 3)
    gray = np.zeros((4, 6), np.uint8)
    assert batch_of_one(gray).shape == (1, 4, 6, 1)
    assert np.shares_memory(batch_of_one(gray), gray)
