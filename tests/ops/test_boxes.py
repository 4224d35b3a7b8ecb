"""Decoding and suppression against plain, slow definitions of the same."""

import math

import numpy as np
import pytest

from edged.ops import boxes

STRIDES = (8, 16, 32)


def clustered(count, seed=0):
    """Boxes in heaps, as a detector gives them; some stand partly outside of the picture."""
    rng = np.random.default_rng(seed)
    heap = rng.integers(0, max(1, count // 6), count)
    centre = rng.uniform(0, 416, (count, 2))[heap] + rng.normal(0, 4, (count, 2))
    half = rng.uniform(5, 60, (count, 2))[heap] * rng.uniform(0.8, 1.2, (count, 2))
    xyxy = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    return xyxy, rng.uniform(0.1, 1, count).astype(np.float32), heap % 3


def plain_iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union else 0.0


def plain_nms(xyxy, scores, classes, threshold):
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        rivals = [k for k in kept if classes[k] == classes[i]]
        if all(plain_iou(xyxy[i].tolist(), xyxy[k].tolist()) <= threshold for k in rivals):
            kept.append(i)
    return kept


def test_the_grid_goes_row_by_row_and_stride_by_stride():
    corners, steps = boxes.grid((64, 32), STRIDES)
    assert corners.shape == (8 * 4 + 4 * 2 + 2 * 1, 2)
    assert corners[:5].tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [0, 1]]
    assert steps[[0, 31, 32, 40, 41], 0].tolist() == [8, 8, 16, 32, 32]
    assert not corners.flags.writeable
    assert boxes.grid((64, 32), STRIDES)[0] is corners, "made once a size"


def test_decode_gives_centre_and_size_in_pixels_of_the_canvas():
    raw = np.array([[0.5, 0.25, math.log(2), math.log(3)]], np.float32)
    (box,) = boxes.decode_anchor_free(raw, np.array([9]), (64, 64), STRIDES)  # column 1, row 1, stride 8
    assert box == pytest.approx([12 - 8, 10 - 12, 12 + 8, 10 + 12])


def test_decode_of_some_cells_is_that_of_all_cells():
    rng = np.random.default_rng(1)
    raw = rng.normal(0, 1, (3549, 4)).astype(np.float32)
    some = np.array([0, 77, 2703, 2704, 3548])
    everything = boxes.decode_anchor_free(raw, np.arange(3549), (416, 416), STRIDES)
    assert np.array_equal(boxes.decode_anchor_free(raw[some], some, (416, 416), STRIDES), everything[some])


def test_confident_is_the_product_of_both_against_the_threshold():
    rng = np.random.default_rng(2)
    objectness, classes = rng.uniform(0, 1, 500), rng.uniform(0, 1, (500, 7))
    rows, best, scores = boxes.confident(objectness, classes, 0.6)
    product = objectness[:, None] * classes
    assert rows.tolist() == np.flatnonzero(product.max(axis=1) >= 0.6).tolist()
    assert best.tolist() == product[rows].argmax(axis=1).tolist()
    assert scores == pytest.approx(product[rows].max(axis=1))
    assert 0 < len(rows) < 500


def test_confident_of_nothing():
    rows, best, scores = boxes.confident(np.zeros(10), np.ones((10, 3)), 0.1)
    assert len(rows) == len(best) == len(scores) == 0


def test_iou_of_known_boxes():
    a = np.array([[0, 0, 2, 2]], np.float32)
    b = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [2, 2, 4, 4], [0, 0, 0, 0]], np.float32)
    assert boxes.iou(a, b)[0] == pytest.approx([1, 1 / 3, 0, 0])


@pytest.mark.parametrize("count", [1, 20, 200])
@pytest.mark.parametrize("threshold", [0.3, 0.45, 0.7])
def test_nms_is_the_plain_greedy_one(count, threshold):
    xyxy, scores, classes = clustered(count)
    kept = boxes.nms(xyxy, scores, classes, threshold)
    assert kept.tolist() == plain_nms(xyxy, scores, classes, threshold)


def test_nms_keeps_classes_apart_also_left_of_the_picture():
    xyxy = np.array([[-400, 0, 10, 10], [-400, 0, 10, 10], [-399, 0, 10, 10]], np.float32)
    assert boxes.nms(xyxy, np.array([0.5, 0.9, 0.4]), np.array([0, 1, 0]), 0.5).tolist() == [1, 0]


def test_nms_leaves_out_what_is_not_finite():
    xyxy = np.array([[0, 0, np.nan, 9], [0, 0, 9, 9], [0, 0, np.inf, 9], [20, 20, 30, 30]], np.float32)
    assert boxes.nms(xyxy, np.array([0.9, 0.8, 0.7, np.nan]), np.zeros(4, int), 0.5).tolist() == [1]
    assert boxes.nms(xyxy[:1], np.array([0.9]), np.zeros(1, int), 0.5).tolist() == []
    assert boxes.nms(np.empty((0, 4)), np.empty(0), np.empty(0, int), 0.5).tolist() == []
