"""PP-OCR: known maps and steps in, known texts out."""

from pathlib import Path

import numpy as np
import pytest

from edged import InferenceError, OcrOptions, Tools
from edged.cards import load_card
from edged.discovery import discover
from edged.runtimes.checked import checked
from edged.testing import FakeRun, FakeSession, answer_of, conformance, frame_of

PLUGINS = Path(__file__).parent.parent
CARD = load_card(PLUGINS / "ppocrv6-small" / "card.yaml")
OPTIONS = CARD.options_as(OcrOptions)
LETTERS = ("", "a", "b", "c", " ")
WHITE, GRAY = 255, 128


@pytest.fixture(scope="module")
def models():
    return discover([PLUGINS], entry_points=False).models


@pytest.fixture(scope="module")
def model(models):
    return models["ppocrv6-small"]


def seen(*rectangles):
    """A detector that sees cores of text (left, top, right, bottom, probability) on its canvas."""

    def reply(inputs):
        (canvas,) = inputs.values()
        out = np.zeros((1, 1, *canvas.shape[1:3]), np.float32)
        for left, top, right, bottom, probability in rectangles:
            out[0, 0, top : bottom + 1, left : right + 1] = probability
        return {"fetch_name_0": out}

    return FakeSession(reply)


def letters(ids, probability=0.95):
    """[steps, 5]: these letters, a blank after each."""
    steps = np.zeros((2 * len(ids) + 1, len(LETTERS)), np.float32)
    steps[:, 0] = probability
    for place, letter in enumerate(ids):
        steps[2 * place + 1, [0, letter]] = [0, probability]
    return steps


def says(reading):
    """A recogniser that answers each line with the letters and the probability that `reading(line)` gives."""

    def reply(inputs):
        (lines,) = inputs.values()
        rows = [letters(*reading(line)) for line in lines]
        longest = max(map(len, rows))
        padded = [np.vstack([row, letters([])[[0] * (longest - len(row))]]) for row in rows]
        return {"fetch_name_0": np.stack(padded)}

    return FakeSession(reply)


ALWAYS_AB = says(lambda _: ([1, 2], 0.95))


def found(model, picture, det, rec=ALWAYS_AB, run=None, **options):
    tools = Tools(checked({"det": det, "rec": rec}, model), {"characters": LETTERS})
    chosen = OPTIONS.model_copy(update=options)
    return answer_of(CARD, model.infer(frame_of(picture), chosen, tools, run or FakeRun()))


def plain(height, width, value=WHITE):
    return np.full((height, width, 3), value, np.uint8)


def test_a_text_comes_out_in_pixels_of_the_picture(model):
    picture = plain(320, 640)  # the canvas is one and a half times as large
    result = found(model, picture, seen((200, 100, 400, 120, 0.8)))
    away = 1.6 * 200 * 20 / (2 * 220)
    top, left, bottom, right = (
        (100 - away) / 1.5,
        (200 - away) / 1.5,
        (120 + away) / 1.5,
        (400 + away) / 1.5,
    )
    assert result["detection_boxes"][0] == pytest.approx([top, left, bottom, right], abs=0.1)
    corners = [[top, left], [top, right], [bottom, right], [bottom, left]]
    assert np.array(result["detection_keypoints"][0]) == pytest.approx(np.array(corners), abs=0.1)
    assert result["detection_scores"] == [0.8]
    assert (result["detection_classes"], result["detection_class_names"]) == ([1], ["text"])
    assert (result["detection_texts"], result["detection_texts_ids"]) == (["ab"], [[1, 2]])
    assert result["detection_texts_scores"] == [0.95]


def test_no_text_is_empty_lists(model):
    tools = {"det": seen(), "rec": ALWAYS_AB}
    result = answer_of(CARD, conformance(model, tools, resources={"characters": LETTERS}))
    assert result["detection_texts"] == result["detection_boxes"] == result["detection_keypoints"] == []


TWO = (100, 100, 300, 120, 0.9), (100, 200, 200, 220, 0.6)


def test_options_bound_what_is_found_and_what_is_said(model):
    picture = plain(736, 736)
    assert len(found(model, picture, seen(*TWO))["detection_texts"]) == 2
    assert len(found(model, picture, seen(*TWO), score_threshold=0.7)["detection_texts"]) == 1
    best = found(model, picture, seen(*TWO), max_detections=1)
    assert best["detection_scores"] == [0.9]
    assert found(model, picture, seen(*TWO), text_score_threshold=0.96)["detection_texts"] == []
    silent = says(lambda _: ([], 0.95))
    assert found(model, picture, seen(*TWO), silent, text_score_threshold=0)["detection_texts"] == []
    spaces = says(lambda _: ([4, 4], 0.95))
    assert found(model, picture, seen(*TWO), spaces)["detection_texts"] == []


def test_text_is_looked_for_in_a_picture_of_the_asked_size_and_read_in_the_original(model):
    picture = plain(3000, 4000, 0)
    picture[400:480, 400:1200] = WHITE
    det, rec = seen((100, 100, 306, 123, 0.9)), says(lambda _: ([1], 0.95))
    found(model, picture, det, rec, longest_side=1024)
    (canvas,) = det.asked[0].values()
    assert canvas.shape == (1, 768, 1024, 3)
    (line,) = rec.asked[0].values()
    edges = np.abs(np.diff(line[0, :, 100, 0].astype(int)))
    assert np.sort(edges)[-2:].min() > 150, "sharp, as it is in the original"


def dark_left(line):
    """A line that is read only when its dark end is on the left."""
    return ([1, 2, 3], 0.95) if line[:, :20].mean() < line[:, 60:80].mean() else ([1], 0.3)


def test_what_stands_upside_down_is_turned_and_begins_at_its_own_top_left(model):
    picture = plain(736, 736, GRAY)
    picture[90:130, 240:320] = 0  # the right end
    result = found(model, picture, seen((100, 100, 300, 120, 0.9)), says(dark_left))
    assert result["detection_texts"] == ["abc"]
    (corners,) = result["detection_keypoints"]
    assert corners[0][0] > corners[2][0], "the first vertex is lower"
    assert corners[0][1] > corners[2][1], "and further right than the third"


def test_short_texts_stand_as_the_long_ones_do(model):
    """Five long lines say that the page is upside down; what is short would be read either way."""

    def reading(line):
        return ([1], 0.95) if (line == GRAY).all() else dark_left(line)

    picture = plain(736, 736, GRAY)
    cores = [(100, 50 + 60 * row, 300, 70 + 60 * row, 0.9) for row in range(5)]
    for _, top, _, bottom, _ in cores:
        picture[top - 10 : bottom + 10, 240:320] = 0
    result = found(model, picture, seen(*cores, (100, 400, 160, 420, 0.9)), says(reading))
    assert sorted(result["detection_texts"]) == ["a", *["abc"] * 5]
    short = result["detection_keypoints"][result["detection_texts"].index("a")]
    assert short[0][1] > short[2][1], "turned as the others are"


def test_a_tall_place_is_read_downwards(model):
    picture = plain(736, 736, GRAY)
    picture[90:160, 90:140] = 0  # the upper end
    result = found(model, picture, seen((100, 100, 120, 300, 0.9)), says(dark_left))
    assert result["detection_texts"] == ["abc"]
    (corners,) = np.array(result["detection_keypoints"])
    assert corners[1][0] - corners[0][0] > 150, "from the first vertex to the second it reads down"


def many(count):
    return [(100, 20 + 30 * row, 100 + 20 * row, 30 + 30 * row, 0.9) for row in range(1, count + 1)]


def test_many_lines_are_read_in_bounded_batches(model):
    rec = says(lambda _: ([1], 0.95))
    result = found(model, plain(736, 736), seen(*many(20)), rec)
    assert len(result["detection_texts"]) == 20
    shapes = [lines.shape for asked in rec.asked for lines in asked.values()]
    assert sum(shape[0] for shape in shapes) == 20
    assert all(count == 1 or count * width <= 1920 for count, _, width, _ in shapes)
    assert all(width % 64 == 0 for _, _, width, _ in shapes)
    assert len(shapes) < 20


def test_a_call_that_is_over_stops_between_two_batches(model):
    rec = says(lambda _: ([1], 0.95))
    with pytest.raises(TimeoutError):
        found(model, plain(736, 736), seen(*many(5)), rec, FakeRun(TimeoutError()))
    assert rec.asked == []


def test_graphs_that_are_not_what_the_card_says_are_named(model):
    picture = plain(736, 736)
    small = FakeSession(lambda _: {"fetch_name_0": np.zeros((1, 1, 5, 5), np.float32)})
    with pytest.raises(InferenceError, match=r"'det' of ppocrv6-small gives \(1, 1, 5, 5\)"):
        found(model, picture, small)
    nine = FakeSession(lambda _: {"fetch_name_0": np.zeros((1, 3, 9), np.float32)})
    with pytest.raises(InferenceError, match=r"'rec' of ppocrv6-small gives \(1, 3, 9\) for 5 letters"):
        found(model, picture, seen(TWO[0]), nine)


def test_values_that_are_not_finite_are_an_error_and_not_an_empty_page(model):
    picture = plain(736, 736)
    with pytest.raises(InferenceError, match="'det' of ppocrv6-small gives values that are not finite"):
        found(model, picture, seen((100, 100, 300, 120, np.nan)))
    with pytest.raises(InferenceError, match="'rec' of ppocrv6-small gives values that are not finite"):
        found(model, picture, seen(TWO[0]), says(lambda _: ([1], np.nan)))
