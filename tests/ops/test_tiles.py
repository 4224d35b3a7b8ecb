"""Tiles cover a picture, and what they give is put together as if there were none."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from edged.ops.tiles import Stitch, snug_tiles, tiles, whole


@pytest.mark.parametrize(("height", "width"), [(1, 1), (64, 64), (65, 64), (100, 300), (181, 400)])
@pytest.mark.parametrize(("side", "overlap"), [(64, 0), (64, 16), (100, 99)])
def test_they_cover_everything_and_overlap_enough(height, width, side, overlap):
    seen = np.zeros((height, width), int)
    found = list(tiles(height, width, side, overlap))
    for left, top, right, bottom in found:
        assert (right - left, bottom - top) == (min(side, width), min(side, height))
        seen[top:bottom, left:right] += 1
    assert seen.min() == 1 or len(found) > 1
    assert (seen > 0).all()
    lefts, tops = (sorted({tile[axis] for tile in found}) for axis in (0, 1))
    for starts in (lefts, tops):
        assert all(a + side - b >= overlap for a, b in pairwise(starts))


def test_a_small_picture_is_one_tile():
    assert list(tiles(30, 40, 64, 16)) == [(0, 0, 40, 30)]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (64, 64), (65, 64), (100, 300), (181, 400)])
@pytest.mark.parametrize(("side", "overlap"), [(64, 0), (64, 16), (64, 63)])
def test_snug_ones_are_as_many_and_no_larger_than_needs_be(height, width, side, overlap):
    seen = np.zeros((height, width), int)
    found = list(snug_tiles(height, width, side, overlap))
    assert len(found) == len(list(tiles(height, width, side, overlap)))
    assert len({(right - left, bottom - top) for left, top, right, bottom in found}) == 1
    for left, top, right, bottom in found:
        seen[top:bottom, left:right] += 1
    assert seen.min() == 1 or len(found) > 1
    for axis, length in ((0, width), (1, height)):
        starts, extent = sorted({tile[axis] for tile in found}), found[0][axis + 2] - found[0][axis]
        assert all(a + extent - b >= overlap for a, b in pairwise(starts))
        assert extent * len(starts) - overlap * (len(starts) - 1) < length + len(starts)
        assert starts[-1] + extent == length


def test_tiles_that_never_get_on_are_refused():
    with pytest.raises(ValueError, match="cannot overlap"):
        next(tiles(100, 100, 64, 64))


def test_what_a_tiles_inner_edge_cuts_is_left_to_its_neighbour():
    boxes = np.array([[0, 0, 9, 9], [92, 10, 99.5, 20], [50, 50, 60, 60], [50, 95, 60, 99]], float)
    assert whole(boxes, (0, 0, 100, 100), (100, 200), 2).tolist() == [True, False, True, True]
    assert whole(boxes, (0, 0, 100, 100), (200, 200), 2).tolist() == [True, False, True, False]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_smaller_than_the_overlap_is_whole_in_a_tile(seed):
    rng = np.random.default_rng(seed)
    size, overlap, near = (rng.integers(50, 400), rng.integers(50, 400)), 24, 2.0
    extent = rng.uniform(1, overlap - 2 * near, (50, 2))
    corner = rng.uniform(0, np.array(size)[::-1] - extent)
    boxes = np.concatenate([corner, corner + extent], axis=1)
    seen = np.zeros(50, bool)
    for tile in tiles(*size, 64, overlap):
        inside = (boxes[:, :2] >= tile[:2]).all(axis=1) & (boxes[:, 2:] <= tile[2:]).all(axis=1)
        seen |= inside & whole(boxes, tile, size, near)
    assert seen.all()


@pytest.mark.parametrize("size", [(40, 50), (64, 64), (150, 90), (131, 200)])
def test_tiles_of_a_convolution_give_what_the_whole_gives(size):
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)

    def enlarge(pixels):  # looks 4 pixels around
        smooth = cv2.GaussianBlur(pixels, (9, 9), 2, borderType=cv2.BORDER_CONSTANT)
        return smooth.repeat(2, axis=0).repeat(2, axis=1)

    stitch = Stitch(*size, 2)
    for tile in tiles(*size, 64, 16):
        left, top, right, bottom = tile
        stitch.put(tile, enlarge(picture[top:bottom, left:right]), 16)
    np.testing.assert_array_equal(stitch.pixels, enlarge(picture))
