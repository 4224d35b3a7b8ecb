"""Maps of a whole picture in each of their three forms."""

import cv2
import numpy as np
import pybase64
import pytest

from edged.answers.fields import SCORE_DIGITS, rounded
from edged.answers.masks import Rle, Runs, encoded_classes, encoded_mask
from edged.media.picture import encoded_base64
from tests.masks import map_of, mask_of, mask_picture

MASK = np.random.default_rng(1).random((30, 41)) < 0.3
CLASSES = (
    np.random.default_rng(2).integers(0, 21, (5, 7)).repeat(4, axis=0).repeat(3, axis=1).astype(np.uint8)
)
SURE = np.random.default_rng(3).random(CLASSES.shape).astype(np.float32)


def test_a_mask_in_rows_is_not_copied():
    rows = encoded_mask(MASK, "list")
    np.testing.assert_array_equal(rows, MASK)
    assert np.shares_memory(rows, MASK)
    assert rows.dtype == np.uint8  # so that JSON has 0 and 1


def test_a_mask_as_runs_and_as_a_picture_comes_back():
    runs = encoded_mask(MASK, "rle")
    assert isinstance(runs, Rle)
    np.testing.assert_array_equal(mask_of(runs.counts, runs.size), MASK)
    np.testing.assert_array_equal(mask_picture(encoded_mask(MASK, "png")), MASK * 255)


def test_classes_in_rows():
    sure, classes = encoded_classes(SURE, CLASSES, "list")
    np.testing.assert_array_equal(classes, CLASSES)
    np.testing.assert_allclose(sure, SURE, atol=5e-5)


def test_classes_as_runs_have_the_mean_of_what_is_sure():
    sure, classes = encoded_classes(SURE, CLASSES, "rle")
    assert isinstance(classes, Runs)
    assert sure.counts == classes.counts
    np.testing.assert_array_equal(map_of(classes.counts, classes.values, CLASSES.shape), CLASSES)
    first = classes.counts[0]
    assert sure.values[0] == pytest.approx(SURE.ravel()[:first].mean(), abs=1e-4)
    assert sum(n * v for n, v in zip(sure.counts, sure.values, strict=True)) == pytest.approx(
        SURE.sum(), rel=1e-3
    )


def test_classes_as_pictures():
    sure, classes = encoded_classes(SURE, CLASSES, "png")
    np.testing.assert_array_equal(mask_picture(classes), CLASSES)
    np.testing.assert_allclose(mask_picture(sure) / 255, SURE, atol=1 / 500)


def test_few_digits():
    assert rounded(np.array([1 / 3]), SCORE_DIGITS).tolist() == [np.float32(0.3333)]


@pytest.mark.parametrize(("kind", "loss"), [("png", 0), ("jpeg", 12)])
def test_a_picture_as_an_answer(kind, loss):
    bgr = cv2.GaussianBlur(np.random.default_rng(4).integers(0, 256, (40, 60, 3), np.uint8), (0, 0), 3)
    data = np.frombuffer(pybase64.b64decode(encoded_base64(bgr, kind)), np.uint8)
    assert np.abs(cv2.imdecode(data, cv2.IMREAD_COLOR).astype(int) - bgr).max() <= loss
