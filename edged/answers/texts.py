"""Texts in a picture."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edged.answers.detections import Boxes, DetectionFields, same_boxes
from edged.answers.fields import (
    PIXEL_DIGITS,
    PUBLISHED,
    SCORE_DIGITS,
    Floats,
    Numbers,
    Stack,
    Table,
    Vector,
    rounded,
)
from edged.answers.kind import Kind
from edged.contracts.image import Texts
from edged.contracts.items import Pixels
from edged.ops.draw.texts import draw_texts

TEXT = 1
"""The one class; 0 is background."""


@dataclass(frozen=True, slots=True)
class TextFields(DetectionFields):
    """Answer of ocr: every list has one entry a text, in reading order; all may be empty.

    Reading order is row by row from the top, each from left to right, as somebody sees them who holds the
    picture so that most of its text stands upright. Columns are not told apart.
    """

    __pydantic_config__ = PUBLISHED

    detection_boxes: Table
    """[n, 4]: top, left, bottom, right (y1, x1, y2, x2) around the vertices, pixels of the original upright
    picture."""
    detection_scores: Vector
    """[n]: how surely there is text, 0 to 1."""
    detection_classes: Numbers
    """[n]: 1, which is text; 0 is background."""
    detection_keypoints: Stack
    """[n, 4, 2]: the vertices as y, x, clockwise from the text's own top left, pixels of the original upright
    picture."""
    detection_texts_ids: list[list[int]]
    """[n, longest text]: the recogniser's class of each letter, padded with 0."""
    detection_texts: list[str]
    """[n]: what is written there."""
    detection_texts_scores: Vector
    """[n]: how surely it was read, mean over its letters, 0 to 1."""


def _written(found: Texts, _: Any) -> TextFields:
    rows, corners = found.rows, _corners(found)
    longest = max((len(row.ids) for row in rows), default=0)
    return TextFields(
        detection_boxes=rounded(_around(corners), PIXEL_DIGITS),
        detection_scores=rounded(np.array([row.score for row in rows]), SCORE_DIGITS),
        detection_classes=np.full(len(rows), TEXT),
        detection_class_names=[found.names[TEXT]] * len(rows),
        detection_keypoints=rounded(corners, PIXEL_DIGITS),
        detection_texts_ids=[[*row.ids, *[0] * (longest - len(row.ids))] for row in rows],
        detection_texts=[row.text for row in rows],
        detection_texts_scores=rounded(np.array([row.text_score for row in rows]), SCORE_DIGITS),
    )


def _corners(found: Texts) -> Floats:
    """[n, 4, 2]: vertices as y, x, within the picture."""
    quads = np.array([row.quad for row in found.rows], np.float64).reshape(-1, 4, 2)
    return np.asarray(quads[..., ::-1].clip(0, found.size))


def _around(corners: Floats) -> Floats:
    """[n, 4]: top, left, bottom, right."""
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _places(found: Texts) -> Boxes:
    """Boxes alone, as `same_boxes` compares them."""
    return _around(_corners(found)), [TEXT] * len(found.rows)


def _gist(found: Texts, _: Any) -> Hashable:
    """What is written, wherever it stands."""
    return tuple(sorted(row.text for row in found.rows))


def _agreement(reference: Sequence[Texts], other: Sequence[Texts]) -> float:
    """1 less the character error rate over all items, at least 0; spaces do not count.

    Texts at the same place are compared letter by letter; of a text that only one of the two has, all letters
    are wrong.
    """
    letters = sum(len(said) for found in reference for said in _said(found))
    wrong = sum(_wrong(a, b) for a, b in zip(reference, other, strict=True))
    return max(0.0, 1 - wrong / letters) if letters else float(not wrong)


def _said(found: Texts) -> list[str]:
    """Texts without spaces, which no eye can tell from a narrow gap."""
    return ["".join(row.text.split()) for row in found.rows]


def _wrong(reference: Texts, other: Texts) -> int:
    """Letters to put in, take out or change so that `other` says what `reference` says, text by text."""
    a, b = _said(reference), _said(other)
    pairs = same_boxes(_places(reference), _places(other))
    alone = sum(map(len, a)) + sum(map(len, b)) - sum(len(a[i]) + len(b[j]) for i, j in pairs)
    return alone + sum(edits(a[i], b[j]) for i, j in pairs)


def edits(a: str, b: str) -> int:
    """Levenshtein's distance: letters to put in, take out or change."""
    if a == b:
        return 0
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (letter != other))
    return row[-1]


def _drawn(pictures: Sequence[Pixels], found: Texts, _: Any) -> Pixels:
    return draw_texts(pictures[0], [row.quad for row in found.rows], [row.text for row in found.rows])


KIND = Kind(
    Texts,
    TextFields,
    write=_written,
    gist=_gist,
    agreement=_agreement,
    draw=_drawn,
    shrink="ask for a smaller `max_detections`, or a higher `score_threshold`",
)
