"""Faces come to their place and go back without a seam."""

import cv2
import numpy as np
import pytest

from edged.ops.faces import aligned, blended, similarity, square_chip, warped

TEMPLATE = np.array([[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]])


def smooth(height=300, width=400, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height // 10, width // 10, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def turned(points, angle, scale, shift):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T + shift


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0, np.pi])
@pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])
def test_the_similarity_is_found_again(angle, scale):
    matrix = similarity(turned(TEMPLATE, angle, scale, (40, -7)), TEMPLATE)
    found = turned(TEMPLATE, angle, scale, (40, -7)) @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(found, TEMPLATE, atol=1e-9)


def test_it_is_the_best_one():
    rng = np.random.default_rng(3)
    source = turned(TEMPLATE, 0.3, 2, (5, 5)) + rng.normal(scale=3, size=(5, 2))
    matrix = similarity(source, TEMPLATE)

    def error(m):
        return ((source @ m[:, :2].T + m[:, 2] - TEMPLATE) ** 2).sum()

    for _ in range(50):
        a, b, x, y = rng.normal(scale=1e-3, size=4)
        other = matrix + np.array([[a, -b, x], [b, a, y]])
        assert error(other) >= error(matrix)


def test_one_point_has_no_direction():
    with pytest.raises(ValueError, match="no direction"):
        similarity(np.ones((5, 2)), TEMPLATE)


def test_landmarks_come_to_the_template():
    picture = np.zeros((300, 400, 3), np.uint8)
    landmarks = turned(TEMPLATE, 0.5, 1.5, (150, 60))
    for x, y in landmarks:
        cv2.circle(picture, (round(x), round(y)), 3, (255, 255, 255), -1)
    chip, _ = aligned(picture, landmarks, TEMPLATE, (112, 112))
    assert chip.shape == (112, 112, 3)
    for x, y in TEMPLATE:
        assert chip[round(y), round(x)].min() > 150


def test_a_large_face_is_averaged_and_not_sampled():
    fine = np.indices((1200, 1200)).sum(axis=0) % 2 * 255  # a chessboard of pixels: gray from afar
    picture = np.repeat(fine[..., None], 3, axis=2).astype(np.uint8)
    chip = warped(picture, np.array([[0.1, 0, 0], [0, 0.1, 0]]), (120, 120))
    assert abs(chip[10:-10, 10:-10].astype(int) - 127).max() < 12


def test_averaging_moves_nothing():
    picture = cv2.GaussianBlur(smooth(1200, 1200), (0, 0), 30)
    matrix = np.array([[0.07, 0.01, -3.0], [-0.01, 0.07, 5.0]])
    plain = cv2.warpAffine(picture, matrix, (90, 90), borderMode=cv2.BORDER_REPLICATE)
    assert np.abs(warped(picture, matrix, (90, 90)).astype(int) - plain)[8:-8, 8:-8].max() <= 4


def test_beside_the_picture_its_last_pixels_go_on():
    picture = smooth(600, 600)
    chip = warped(picture, np.array([[0.1, 0, 200], [0, 0.1, 0]]), (60, 60))  # 2000 pixels to its left
    assert np.ptp(chip.astype(int), axis=1).max() == 0


def test_a_square_chip_has_the_box_in_its_middle():
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[80:120, 60:80] = 255  # 20 wide, 40 high
    chip = square_chip(picture, np.array([60, 80, 80, 120]), 2.0, 64)
    bright = np.argwhere(chip[..., 0] > 127)
    np.testing.assert_allclose(bright.mean(axis=0), [31.5, 31.5], atol=0.01)
    np.testing.assert_allclose(np.ptp(bright, axis=0) + 1, [32, 16], atol=1)


def test_a_small_box_is_enlarged_around_its_middle():
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[20:30, 30:40] = 255
    weights = square_chip(picture, np.array([30.0, 20, 40, 30]), 2.0, 200)[..., 0].astype(float)
    middle = [(weights.sum(axis=1 - axis) * np.arange(200)).sum() / weights.sum() for axis in (0, 1)]
    np.testing.assert_allclose(middle, [99.5, 99.5], atol=0.1)


@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_an_unchanged_chip_changes_nearly_nothing(angle):
    picture = smooth()
    chip, matrix = aligned(picture, turned(TEMPLATE, angle, 1.2, (140, 60)), TEMPLATE, (112, 112))
    after = picture.copy()
    blended(after, chip, matrix, 0.1)
    assert np.abs(after.astype(int) - picture).max() <= 10  # resampled twice


def test_a_chip_larger_than_the_face_is_averaged():
    fine = np.indices((512, 512)).sum(axis=0) % 2 * 255  # a chessboard of pixels: gray from afar
    picture = np.full((200, 200, 3), 127, np.uint8)
    matrix = np.array([[6.3, 0, -300], [0, 6.3, -300]])
    blended(picture, np.repeat(fine[..., None], 3, axis=2).astype(np.uint8), matrix, 0.1)
    assert np.abs(picture.astype(int) - 127).max() < 12


def test_a_chip_fades_out_at_its_edges():
    picture = np.full((300, 400, 3), 100, np.uint8)
    chip, matrix = aligned(picture, turned(TEMPLATE, 0.3, 1.0, (150, 100)), TEMPLATE, (112, 112))
    blended(picture, np.full_like(chip, 200), matrix, 0.15)
    assert picture.max() == 200
    assert picture.min() == 100
    steps = [np.abs(np.diff(picture[..., 0].astype(int), axis=axis)).max() for axis in (0, 1)]
    assert max(steps) <= 12  # no seam


@pytest.mark.parametrize(("strength", "brightest"), [(0.0, 100), (0.5, 150), (1.0, 200)])
def test_strength_says_how_much(strength, brightest):
    picture = np.full((200, 200, 3), 100, np.uint8)
    chip, matrix = aligned(picture, TEMPLATE + 20, TEMPLATE, (112, 112))
    blended(picture, np.full_like(chip, 200), matrix, 0.1, strength)
    assert picture.max() == brightest


def test_a_face_over_the_edge_is_cut_and_one_beside_the_picture_is_left_out():
    picture = np.full((100, 100, 3), 100, np.uint8)
    chip, matrix = aligned(picture, TEMPLATE - 60, TEMPLATE, (112, 112))
    blended(picture, np.full_like(chip, 200), matrix, 0.1)
    assert picture[:30, :30].max() == 200
    assert (picture[60:, 60:] == 100).all()
    _, away = aligned(picture, TEMPLATE + 900, TEMPLATE, (112, 112))
    before = picture.copy()
    blended(picture, np.full_like(chip, 0), away, 0.1)
    np.testing.assert_array_equal(picture, before)
