"""Colour changes, light does not."""

import cv2
import numpy as np

from edged.ops.colour import with_colour_of


def light(bgr):
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(int)


def test_the_light_of_every_pixel_stays():
    random = np.random.default_rng(1)
    picture = random.integers(0, 256, (40, 60, 3), np.uint8)
    painted = random.integers(0, 256, (8, 8, 3), np.uint8)
    after = with_colour_of(painted, picture)
    assert after.shape == picture.shape
    assert np.abs(light(after) - light(picture)).max() <= 2


def test_its_own_colour_gives_the_picture_again():
    picture = np.random.default_rng(2).integers(60, 190, (20, 30, 3), np.uint8)
    assert np.abs(with_colour_of(picture, picture).astype(int) - picture).max() <= 3


def test_gray_paint_takes_all_colour():
    picture = np.random.default_rng(3).integers(0, 256, (20, 30, 3), np.uint8)
    after = with_colour_of(np.full((4, 4, 3), 128, np.uint8), picture)
    assert (np.ptp(after.astype(int), axis=2) <= 1).all()


def test_black_and_white_have_no_colour():
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[:, 4:] = 255
    after = with_colour_of(np.full((2, 2, 3), (0, 0, 255), np.uint8), picture)
    np.testing.assert_array_equal(after, picture)
