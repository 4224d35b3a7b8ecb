"""Runs, sizes and pasting of masks, against slow and plain references."""

import numpy as np
import pytest

from edged.ops.masks import (
    mask_iou,
    part_counts,
    pasted,
    pasted_part,
    resized,
    rle_counts,
    runs,
    winners,
)
from tests.masks import map_of, mask_of


def slow_counts(mask):
    counts, now, length = [], False, 0
    for value in np.asarray(mask).ravel():
        if value != now:
            counts.append(length)
            now, length = value, 0
        length += 1
    return [*counts, length]


MASKS = [
    np.array([[True, False], [False, True]]),
    np.array([[False, True], [True, False]]),
    np.zeros((3, 4), bool),
    np.ones((3, 4), bool),
    np.array([[True]]),
    np.array([[False]]),
    *(np.random.default_rng(seed).random((7, 11)) < share for seed, share in ((1, 0.1), (2, 0.5), (3, 0.9))),
]


def test_the_contracts_example():
    assert rle_counts(np.array([[True, False, False, True]])) == [0, 1, 2, 1]


@pytest.mark.parametrize("mask", MASKS)
def test_runs_of_a_mask_are_those_of_a_loop_and_come_back(mask):
    counts = rle_counts(mask)
    assert counts == slow_counts(mask)
    assert sum(counts) == mask.size
    np.testing.assert_array_equal(mask_of(counts, mask.shape), mask)


def test_runs_follow_rows_whatever_lies_in_memory():
    mask = np.asfortranarray(MASKS[6])
    assert rle_counts(mask) == rle_counts(np.ascontiguousarray(mask))
    assert rle_counts(mask[:, ::2]) == slow_counts(mask[:, ::2])


def in_picture(inside, corner, size):
    """The mask of the whole picture, of which a part is given."""
    whole = np.zeros(size, bool)
    whole[corner[0] : corner[0] + inside.shape[0], corner[1] : corner[1] + inside.shape[1]] = inside
    return whole


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 1])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (7, 11), (2, 40)])
def test_runs_of_a_part_are_those_of_the_whole_picture(size, share):
    rng = np.random.default_rng(size[0] * 100 + size[1])
    for _ in range(60):
        top, left = rng.integers(0, size)
        height, width = rng.integers(0, [size[0] - top + 1, size[1] - left + 1])
        if rng.random() < 0.3:
            left, width = 0, size[1]  # rows as wide as the picture: a run goes on in the next one
        inside = rng.random((height, width)) < share
        expected = rle_counts(in_picture(inside, (top, left), size))
        assert part_counts(inside, (int(top), int(left)), size) == expected


@pytest.mark.parametrize("seed", range(20))
def test_the_part_that_is_pasted_lies_where_it_lies_in_the_whole_picture(seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-30, 60, 2)
    box = np.concatenate([corner, corner + rng.uniform(0.3, 90, 2)])
    size, patch = (40, 50), rng.random((7, 9))
    top, left, inside = pasted_part(patch, box, size, 0.6)
    assert min(top, left) >= 0
    assert (top + inside.shape[0], left + inside.shape[1]) <= size
    whole = pasted(patch, box, size, 0.6)
    np.testing.assert_array_equal(in_picture(inside, (top, left), size), whole)
    assert part_counts(inside, (top, left), size) == rle_counts(whole)


@pytest.mark.parametrize("seed", range(3))
def test_runs_of_a_map_come_back(seed):
    numbers = np.random.default_rng(seed).integers(0, 3, (6, 9))
    counts, values = runs(numbers)
    assert (counts > 0).all()
    assert (values[1:] != values[:-1]).all()
    np.testing.assert_array_equal(map_of(counts, values, numbers.shape), numbers)


def test_planes_in_another_size_keep_their_place():
    plane = np.zeros((1, 4, 4))
    plane[0, :, 2:] = 1
    large = resized(plane, (8, 8))
    assert large.dtype == np.float32
    np.testing.assert_allclose(large[0, :, [0, -1]].T, [[0, 1]] * 8)
    np.testing.assert_allclose(large[0, 0, 3:5], [0.25, 0.75])  # the edge is where it was
    np.testing.assert_array_equal(resized(plane, (4, 4)), plane)


def test_a_patch_covers_its_box():
    mask = pasted(np.ones((28, 28)), np.array([10.0, 20, 30, 50]), (100, 80))
    expected = np.zeros((100, 80), bool)
    expected[20:50, 10:30] = True
    np.testing.assert_array_equal(mask, expected)


def plain_pasted(patch, box, size, threshold):
    """As the docstring says it, pixel by pixel."""
    mask = np.zeros(size, bool)
    height, width = patch.shape
    for y, x in np.ndindex(size):
        if box[0] <= x + 0.5 < box[2] and box[1] <= y + 0.5 < box[3]:
            u = np.clip((x + 0.5 - box[0]) / (box[2] - box[0]) * width - 0.5, 0, width - 1)
            v = np.clip((y + 0.5 - box[1]) / (box[3] - box[1]) * height - 0.5, 0, height - 1)
            row, column = min(int(v), max(height - 2, 0)), min(int(u), max(width - 2, 0))
            cells = patch[row : row + 2, column : column + 2]
            across = [1 - (u - column), u - column][: cells.shape[1]]
            mask[y, x] = np.array([1 - (v - row), v - row][: cells.shape[0]]) @ cells @ across >= threshold
    return mask


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(28, 28), (3, 5), (1, 1), (1, 6)])
def test_a_patch_is_pasted_as_pixel_by_pixel(seed, shape):
    rng = np.random.default_rng(seed)
    patch = rng.random(shape)
    corner = rng.uniform(-15, 40, 2)
    box = np.concatenate([corner, corner + rng.uniform(0.3, 60, 2)])
    mask = pasted(np.asfortranarray(patch), box, (40, 50), 0.47)
    np.testing.assert_array_equal(mask, plain_pasted(patch, box, (40, 50), 0.47))


def test_a_patch_is_cut_at_the_pictures_edge_and_not_squeezed():
    patch = np.zeros((4, 4))
    patch[:, 2:] = 1  # its right half
    mask = pasted(patch, np.array([-10.0, -5, 10, 5]), (8, 20))
    expected = np.zeros((8, 20), bool)
    expected[:5, :10] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    "box", [[90, 10, 120, 30], [10, 10, 10, 30], [30, 30, 10, 10], [np.nan, 0, 5, 5], [-9, -9, -1, -1]]
)
def test_a_box_beside_the_picture_or_of_no_area_is_empty(box):
    assert not pasted(np.ones((4, 4)), np.array(box, float), (50, 80)).any()


def test_a_mask_without_pixels():
    empty = np.zeros((0, 5), bool)
    assert rle_counts(empty) == []
    assert mask_of([], (0, 5)).shape == (0, 5)
    counts, values = runs(empty.astype(int))
    assert map_of(counts, values, (0, 5)).shape == (0, 5)


def test_overlap():
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert mask_iou(a, b) == 1
    a[:, :2] = True
    b[:, 1:3] = True
    assert mask_iou(a, b) == pytest.approx(1 / 3)
    assert mask_iou(a, ~a) == 0


@pytest.mark.parametrize("size", [(6, 8), (13, 20)])
def test_winners_are_those_of_the_whole_stack(size):
    planes = np.random.default_rng(7).normal(size=(5, 6, 8)).astype(np.float32) * 4
    large = resized(planes, size)
    powers = np.exp(large - large.max(axis=0))
    sure, number = winners(planes, size)
    np.testing.assert_array_equal(number, large.argmax(axis=0))
    np.testing.assert_allclose(sure, (powers / powers.sum(axis=0)).max(axis=0), rtol=1e-5)
