"""Places of text: where they begin, how they grow, in which order they are read."""

import cv2
import numpy as np
import pytest

from edged.ops import quads


def place(x, y, width, height, degrees=0.0):
    """A text that begins at x, y and reads to the right, turned clockwise about that corner."""
    turn = np.deg2rad(degrees)
    right = np.array([np.cos(turn), np.sin(turn)])
    down = np.array([-right[1], right[0]])
    corners = [0 * right, width * right, width * right + height * down, height * down]
    return (np.array([x, y]) + corners).astype(np.float32)


def turned(quad, degrees, about=(500, 500)):
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return ((quad - about) @ matrix.T + about).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 15, 44, 46, 90, 134, -15, -44])
def test_a_long_place_begins_at_the_left_or_at_the_top(degrees):
    wanted = place(200, 200, 120, 30, degrees)
    for corners in (wanted, wanted[::-1], np.roll(wanted, 1, axis=0)):
        found = quads.smallest_around(np.concatenate([corners, corners.mean(axis=0, keepdims=True)]))
        assert found == pytest.approx(wanted, abs=0.1)


def test_a_place_along_a_direction_holds_all_points():
    letter = place(100, 100, 40, 40, 30)
    found = quads.smallest_along(letter, complex(np.cos(np.pi / 6), np.sin(np.pi / 6)))
    assert found == pytest.approx(letter, abs=0.1)
    level = quads.smallest_along(letter, 1 + 0j)
    assert level.min(axis=0) == pytest.approx(letter.min(axis=0), abs=0.1)
    assert level.max(axis=0) == pytest.approx(letter.max(axis=0), abs=0.1)


@pytest.mark.parametrize("degrees", [0, 30, 180])
def test_all_sides_move_out_by_the_same(degrees):
    away = 1.5 * 100 * 20 / (2 * (100 + 20))
    found = quads.grown(place(50, 50, 100, 20, degrees), 1.5)
    width, height = quads.extents(found)
    assert (width, height) == (
        pytest.approx(100 + 2 * away, abs=0.01),
        pytest.approx(20 + 2 * away, abs=0.01),
    )
    assert found.mean(axis=0) == pytest.approx(place(50, 50, 100, 20, degrees).mean(axis=0), abs=0.01)


def test_upside_down_begins_at_the_opposite_corner():
    quad = place(10, 10, 40, 20)
    assert quads.upside_down(quad).tolist() == [[50, 30], [10, 30], [10, 10], [50, 10]]
    assert quads.upside_down(quad[None]).shape == (1, 4, 2)


@pytest.mark.parametrize("degrees", [0, 20, 90, 200])
def test_a_strip_stands_upright_whatever_the_place_is_turned(degrees):
    sign = np.zeros((24, 96, 3), np.uint8)
    sign[:, :24] = (255, 0, 0)
    sign[12:, 48:] = (0, 255, 0)
    quad = turned(place(300, 300, 192, 48), degrees, about=(400, 400))
    corners = np.array([[0, 0], [96, 0], [96, 24]], np.float32)
    picture = cv2.warpAffine(sign, cv2.getAffineTransform(corners, quad[:3]), (800, 800))
    strip = quads.straightened(picture, quad, 24)
    assert strip.shape == (24, 96, 3)
    assert strip[4:-4, 28:44].max() < 10
    assert strip[4:-4, 4:20, 0].min() > 245
    assert strip[16:-4, 52:-4, 1].min() > 245
    assert strip[4:8, 52:-4, 1].max() < 10


def test_a_strip_of_nothing_and_one_beyond_the_edge_have_pixels():
    picture = np.full((50, 50, 3), 7, np.uint8)
    assert quads.straightened(picture, np.zeros((4, 2), np.float32), 48).shape == (48, 48, 3)
    assert (quads.straightened(picture, place(-20, -20, 90, 90), 48) == 7).all()


def test_most_text_says_where_the_page_reads_to():
    level, down = 100 + 10j, 60j
    assert quads.main_direction(np.array([level, level.conjugate(), down])) == pytest.approx(1)
    assert quads.main_direction(np.array([level, down, 3 * down])) == pytest.approx(1j)
    assert quads.main_direction(np.array([], complex)) == 1
    assert quads.main_direction(np.array([0j])) == 1


PAGE = [
    place(100, 100, 200, 30),
    place(400, 105, 150, 20),
    place(700, 96, 90, 36),
    place(100, 150, 300, 30),
    place(500, 150, 20, 30),
    place(120, 200, 100, 30),
]
"""Rows of three, two and one."""


def order(pages, shuffle):
    """Where each place of the page comes in the reading order."""
    return [shuffle[i] for i in quads.reading_order(np.array([pages[i] for i in shuffle]))]


@pytest.mark.parametrize("degrees", [0, 5, -20, 45, 90, 180, 270])
def test_rows_are_read_from_the_top_however_the_page_is_held(degrees):
    page = [turned(quad, degrees) for quad in PAGE]
    assert order(page, [3, 5, 0, 4, 2, 1]) == [0, 1, 2, 3, 4, 5]


def test_two_columns_are_read_across():
    page = [place(x, 100 + 40 * row, 300, 30) for row in range(3) for x in (50, 450)]
    assert order(page, [5, 3, 1, 4, 2, 0]) == [0, 1, 2, 3, 4, 5]


def test_rows_that_diverge_are_kept_apart():
    """A photograph from the side: the upper row rises, the lower one falls."""
    page = [
        place(0, 300, 200, 40, -8),
        place(500, 230, 200, 40, -8),
        place(0, 350, 200, 40, 8),
        place(500, 420, 200, 40, 8),
    ]
    assert order(page, [2, 1, 3, 0]) == [0, 1, 2, 3]


def test_columns_of_chinese_are_read_from_the_right():
    page = [place(500, 100, 300, 40, 90), place(400, 100, 300, 40, 90)]
    assert order(page, [1, 0]) == [0, 1]


def test_nothing_has_no_order():
    assert quads.reading_order(np.zeros((0, 4, 2), np.float32)) == []
