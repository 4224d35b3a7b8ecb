"""Colour changes, light does not; and what colour of places comes to."""

import cv2
import numpy as np

from edged.ops.colour import along_light, colour_of_likest, lab, likeness, with_colour_of


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


def test_places_are_alike_as_seen_from_the_middle_of_the_known():
    known = np.array([[10, 1], [10, -1]], np.float32)
    asked = np.array([[10, 3], [10, 0]], np.float32)
    np.testing.assert_allclose(likeness(asked, known), [[1, -1], [0, 0]], atol=1e-6)


def test_the_likest_few_give_their_colour_and_less_where_they_disagree():
    colour = np.array([[40, 0], [40, 0], [-40, 0], [0, 90]], np.float32)
    alike = np.array([[0.9, 0.9, 0.2, 0.1], [0.9, 0.1, 0.9, 0.2]], np.float32)
    given = {"most": 2, "softness": 0.1, "doubt": 0.5}
    np.testing.assert_allclose(colour_of_likest(alike, colour, **given), [[40, 0], [0, 0]], atol=1e-3)
    doubtful = colour_of_likest(np.array([[0.9, 0.1, 0.8, 0.1]], np.float32), colour, **given)
    share = np.exp(-1) / (1 + np.exp(-1))
    mean, variance = 40 * (1 - 2 * share), 1600 * (1 - (1 - 2 * share) ** 2)
    assert 0 < doubtful[0, 0] < mean
    np.testing.assert_allclose(doubtful[0], [mean * mean**2 / (mean**2 + variance / 2), 0], rtol=1e-3)


def test_fewer_known_places_than_are_wanted_are_enough():
    one = colour_of_likest(
        np.zeros((3, 1), np.float32), np.array([[5, 6]], np.float32), most=32, softness=1, doubt=1
    )
    np.testing.assert_allclose(one, [[5, 6]] * 3, rtol=1e-5)


def test_colour_gets_the_edges_of_the_light():
    """A soft border of colour, and a hard one of light a little beside it."""
    light = np.zeros((20, 40), np.float32)
    light[:, 20:] = 1
    soft = np.clip((np.arange(40, dtype=np.float32) - 10) / 20, 0, 1)
    values = np.repeat(soft[None, :, None], 20, axis=0)
    sharp = along_light(values, light, 8, 1e-3)
    assert np.diff(values[10, :, 0]).max() < 0.06
    assert sharp[10, 20, 0] - sharp[10, 19, 0] > 0.3
    even = along_light(values, np.full_like(light, 0.5), 8, 1e-3)
    assert np.diff(even[10, :, 0]).max() < 0.06


def test_gray_has_no_a_and_b():
    found = lab(np.full((2, 2, 3), 128, np.uint8))
    np.testing.assert_allclose(found[..., 1:], 0, atol=0.01)
    assert 53 < found[0, 0, 0] < 54.5
