"""Text in pictures: where a detector sees it, and what a recogniser reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Pixels
from edged.ops.quads import (
    ELONGATED,
    directions,
    extents,
    grown,
    main_direction,
    smallest_along,
    smallest_around,
)

Floats = NDArray[np.floating]

BLANK = 0
"""The class of a CTC recogniser that means "no new letter here"."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a recogniser reads in one line."""

    ids: tuple[int, ...]
    """Its class of each letter."""
    score: float
    """Mean probability of the letters, 0 to 1; 0 where there is none."""


NOTHING = Reading((), 0.0)
"""No letter."""


def joined(pieces: Sequence[Reading]) -> Reading:
    """What a line says that was read in pieces."""
    ids = tuple(letter for piece in pieces for letter in piece.ids)
    return Reading(ids, sum(p.score * len(p.ids) for p in pieces) / len(ids)) if ids else NOTHING


def canvas_size(
    height: int, width: int, *, shortest: int, longest: int, enlarge: float, multiple: int
) -> tuple[int, int]:
    """(height, width) at which to look for text in a picture, in multiples of `multiple`.

    Small pictures are enlarged until the shorter side has `shortest` pixels, `enlarge` times at most; large
    ones are reduced until the longer side has `longest`.
    """
    scale = min(max(1.0, min(enlarge, shortest / min(height, width))), longest / max(height, width))
    return tuple(max(1, -(-round(side * scale) // multiple)) * multiple for side in (height, width))  # type: ignore[return-value]


def find_text(
    probability: Floats, *, pixel_threshold: float, threshold: float, unclip_ratio: float, smallest: float
) -> tuple[Floats, Floats]:
    """Places of text [n, 4, 2] (see `ops.quads`) and their scores [n], as Differentiable Binarization has it.

    `probability` [height, width] says of each pixel whether it lies in the core of a text; its pixels are the
    unit of the result. Cores of pixels over `pixel_threshold` whose mean reaches `threshold` and whose
    shorter side has `smallest` pixels are grown by `unclip_ratio` to whole texts.
    """
    cores, _ = cv2.findContours(
        (probability > pixel_threshold).view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE
    )
    found = []
    for core in cores:
        quad = smallest_around(core[:, 0])
        if extents(quad)[1] < smallest:
            continue
        score = _mean_within(probability, quad)
        if score >= threshold:
            found.append((core[:, 0], quad, score))
    quads = _aligned([core for core, _, _ in found], [quad for _, quad, _ in found])
    whole = [grown(quad, unclip_ratio) for quad in quads]
    return np.array(whole, np.float32).reshape(-1, 4, 2), np.array([s for _, _, s in found], np.float32)


def _aligned(cores: Sequence[Floats], quads: Sequence[Floats]) -> Iterator[Floats]:
    """The shape of a single letter does not say how it is turned: it stands as most text does."""
    every = np.array(quads, np.float32).reshape(-1, 4, 2)
    widths, heights = extents(every)
    long = widths >= ELONGATED * heights
    page = main_direction(directions(every[long]))
    for core, quad, certain in zip(cores, every, long, strict=True):
        yield quad if certain else smallest_along(core, page)


def _mean_within(probability: Floats, quad: Floats) -> float:
    limit = np.array(probability.shape[::-1]) - 1
    left, top = np.clip(np.floor(quad.min(axis=0)), 0, limit).astype(int)
    right, bottom = np.clip(np.ceil(quad.max(axis=0)), 0, limit).astype(int)
    inside = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(inside, [(quad - (left, top)).astype(np.int32)], 1)
    return float(cv2.mean(probability[top : bottom + 1, left : right + 1], inside)[0])


def batches(widths: Sequence[int], room: int, step: int) -> Iterator[tuple[list[int], int]]:
    """Lines that are read together: their indices, and the width to which each is padded.

    Lines of about the same width come together, so that little is padding; a batch is `room` pixels wide in
    all, or a single line. Widths are multiples of `step`: a runtime prepares itself anew for each new shape.
    """
    batch: list[int] = []
    width = 0
    for index in sorted(range(len(widths)), key=widths.__getitem__):
        needed = -(-widths[index] // step) * step
        if batch and needed * (len(batch) + 1) > room:
            yield batch, width
            batch = []
        batch.append(index)
        width = needed
    if batch:
        yield batch, width


def pieces(strip: Pixels, widest: int) -> list[Pixels]:
    """A line [height, width, 3] in pieces of at most `widest` columns, cut between letters."""
    if strip.shape[1] <= widest:
        return [strip]
    calm = cv2.blur(np.ptp(strip, axis=0).max(axis=1).astype(np.float32)[None], (3, 1))[0]
    early = widest // 2
    cut = early + int(calm[early:widest].argmin())
    return [strip[:, :cut], *pieces(strip[:, cut:], widest)]


def side_by_side(strips: Sequence[Pixels], width: int, pad: int) -> Pixels:
    """[n, height, width, 3]: lines of one height, each padded at its end."""
    batch = np.full((len(strips), strips[0].shape[0], width, 3), pad, np.uint8)
    for row, strip in zip(batch, strips, strict=True):
        row[:, : strip.shape[1]] = strip
    return batch


def ctc_greedy(probabilities: Floats) -> list[Reading]:
    """What each line of [n, steps, classes] says: the best class of each step, no repeats, no blanks."""
    best = probabilities.argmax(axis=2)
    peaks = np.take_along_axis(probabilities, best[..., None], axis=2)[..., 0]
    new = best != BLANK
    new[:, 1:] &= best[:, 1:] != best[:, :-1]
    return [
        Reading(tuple(ids[kept].tolist()), float(peak[kept].mean()) if kept.any() else 0.0)
        for ids, peak, kept in zip(best, peaks, new, strict=True)
    ]
