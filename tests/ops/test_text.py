"""Text: what a detector's map says of places, and a recogniser's steps of letters."""

import cv2
import numpy as np
import pytest

from edged.ops import text
from edged.ops.quads import extents

HOW = {"pixel_threshold": 0.3, "threshold": 0.5, "unclip_ratio": 1.5, "smallest": 3}


def core(*rectangles, size=(400, 600)):
    """A detector's map with cores (centre x, centre y, width, height, degrees, probability)."""
    seen = np.zeros(size, np.float32)
    for x, y, width, height, degrees, probability in rectangles:
        corners = cv2.boxPoints(((x, y), (width, height), degrees))
        cv2.fillPoly(seen, [corners.round().astype(np.int32)], probability)
    return seen


@pytest.mark.parametrize("degrees", [0, 15, -30, 60])
def test_a_core_grows_to_the_whole_text_at_any_angle(degrees):
    places, scores = text.find_text(core((300, 200, 160, 16, degrees, 0.9)), **HOW)
    away = 1.5 * 160 * 16 / (2 * (160 + 16))
    width, height = extents(places)
    assert width == pytest.approx([160 + 2 * away], abs=3)
    assert height == pytest.approx([16 + 2 * away], abs=3)
    assert places.mean(axis=1) == pytest.approx(np.array([[300, 200]]), abs=1)
    along = places[0, 1] - places[0, 0]
    assert np.rad2deg(np.arctan2(along[1], along[0])) == pytest.approx(degrees, abs=1)
    assert scores == pytest.approx([0.9], abs=0.1)


def test_what_is_weak_or_small_is_no_text():
    seen = core((100, 100, 100, 20, 0, 0.45), (300, 100, 100, 20, 0, 0.2), (500, 100, 60, 2, 0, 0.9))
    places, scores = text.find_text(seen, **HOW)
    assert places.shape == (0, 4, 2)
    assert scores.shape == (0,)
    assert len(text.find_text(seen, **{**HOW, "threshold": 0.4})[0]) == 1
    assert len(text.find_text(seen, **{**HOW, "smallest": 1})[0]) == 1


def test_a_single_letter_stands_as_most_text_does():
    letter = (500, 100, 22, 22, 45, 0.9)
    places, _ = text.find_text(core((200, 200, 200, 20, 10, 0.9), letter), **HOW)
    ways = places[:, 1] - places[:, 0]
    assert np.rad2deg(np.arctan2(ways[:, 1], ways[:, 0])) == pytest.approx([10, 10], abs=1)
    alone, _ = text.find_text(core(letter), **HOW)
    assert alone[0, 0, 1] == pytest.approx(alone[0, 1, 1]), "level, where nothing else tells"


def test_a_core_at_the_edge_is_found():
    assert len(text.find_text(core((0, 0, 100, 40, 0, 0.9), (599, 399, 100, 40, 0, 0.9)), **HOW)[0]) == 2


@pytest.mark.parametrize(
    ("picture", "canvas"),
    [
        ((720, 1280), (736, 1312)),
        ((1080, 1920), (864, 1536)),
        ((3000, 4000), (1152, 1536)),
        ((400, 400), (736, 736)),
        ((200, 100), (416, 224)),
        ((30, 300), (64, 608)),
        ((1, 5000), (32, 1536)),
        ((1, 1), (32, 32)),
    ],
)
def test_canvas(picture, canvas):
    assert text.canvas_size(*picture, shortest=736, longest=1536, enlarge=2, multiple=32) == canvas


def test_batches_are_bounded_and_of_similar_width():
    made = list(text.batches([100, 900, 90, 5000, 130, 300], 400, 64))
    assert made == [([2, 0], 128), ([4], 192), ([5], 320), ([1], 960), ([3], 5056)]
    assert list(text.batches([], 400, 64)) == []


def test_lines_side_by_side_are_padded_at_their_end():
    strips = [np.full((48, width, 3), 9, np.uint8) for width in (10, 30)]
    batch = text.side_by_side(strips, 64, 128)
    assert batch.shape == (2, 48, 64, 3)
    assert (batch[0, :, :10] == 9).all()
    assert (batch[0, :, 10:] == 128).all()
    assert (batch[1, :, 30:] == 128).all()


def test_a_long_line_is_cut_between_letters():
    line = np.full((48, 1000, 3), 250, np.uint8)
    line[10:40, :] = 0
    line[:, 330:340] = line[:, 660:670] = 250
    parts = text.pieces(line, 400)
    assert np.hstack(parts).tobytes() == line.tobytes()
    cuts = np.cumsum([part.shape[1] for part in parts])[:-1]
    assert [330 <= cuts[0] < 340, 660 <= cuts[1] < 670] == [True, True]
    assert text.pieces(line, 1000)[0] is line


def steps(*rows):
    """Probabilities [1, steps, 4] of (best class, its probability)."""
    out = np.zeros((1, len(rows), 4), np.float32)
    for row, (best, probability) in enumerate(rows):
        out[0, row] = (1 - probability) / 4
        out[0, row, best] = probability
    return out


def test_repeats_and_blanks_are_left_out_and_a_blank_parts_the_same_letter():
    (reading,) = text.ctc_greedy(steps((1, 0.9), (1, 0.8), (0, 0.9), (1, 0.7), (2, 0.6), (0, 0.9)))
    assert reading.ids == (1, 1, 2)
    assert reading.score == pytest.approx((0.9 + 0.7 + 0.6) / 3)
    assert text.ctc_greedy(steps((0, 0.9), (0, 0.9))) == [text.NOTHING]


def test_pieces_are_joined_by_their_letters():
    joined = text.joined([text.Reading((1, 2, 3), 0.9), text.NOTHING, text.Reading((4,), 0.5)])
    assert joined.ids == (1, 2, 3, 4)
    assert joined.score == pytest.approx(0.8)
    assert text.joined([text.NOTHING]) == text.NOTHING
