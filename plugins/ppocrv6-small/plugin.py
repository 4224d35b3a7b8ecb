"""PP-OCR: finds text in a picture at any angle, and reads it. Every number and label is in the card.

Project: https://github.com/PaddlePaddle/PaddleOCR. The graph `det` gives of each pixel the probability that
it lies in the core of a text, the graph `rec` of each step along a line the probabilities of the letters.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import Field

from edged import (
    CardError,
    Frame,
    InferenceError,
    Model,
    ModelCard,
    OcrOptions,
    Parameters,
    PixelFormat,
    Pixels,
    Register,
    RegisterDecoder,
    Run,
    Session,
    Shape,
    TextRow,
    Texts,
    Tools,
    hookimpl,
)
from edged.ops import quads, text
from edged.ops.image import batch_of_one, place

Read = Callable[[Sequence[Pixels]], list[text.Reading]]


class PpOcrParameters(Parameters):
    """What a card says about a pair of PP-OCR graphs."""

    shortest_side: int = Field(ge=32)
    """Small pictures are enlarged until their shorter side has so many pixels."""
    enlarge: float = Field(ge=1)
    """But not more than so many times."""
    multiple: int = Field(ge=1)
    """Sides of the picture in which text is looked for are multiples of so many pixels."""
    pixel_threshold: float = Field(gt=0, lt=1)
    """From this probability on a pixel belongs to the core of a text."""
    smallest: float = Field(ge=1)
    """Cores whose shorter side is less are noise, pixels."""
    unclip_ratio: float = Field(ge=0)
    """A core grows by its area times this over its circumference to the whole text."""
    widest_line: int = Field(ge=64)
    """Wider lines are read in pieces, pixels at the recogniser's height."""
    batch_width: int = Field(ge=64)
    """Lines are read together up to so many pixels of width in all, so that others get their turn."""
    width_step: int = Field(ge=1)
    """Widths of lines are padded to multiples of so many pixels."""
    sure: float = Field(ge=0, le=1)
    """A line that is read with a smaller score is also tried upside down."""
    margin: float = Field(ge=0, le=1)
    """It is taken for upside down when its score is better by more."""
    probes: int = Field(ge=1)
    """So many of the longest lines decide which way up the others are tried first."""


class PpOcr(Model[Frame, OcrOptions, Texts]):
    """Any PP-OCR: graphs `det` [n, 1, height, width] and `rec` [n, steps, classes], each with one picture."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._numbers = card.parameters_as(PpOcrParameters)
        self._det_input, self._det_output = card.graphs["det"].single()
        self._rec_input, self._rec_output = card.graphs["rec"].single()
        self._canvas, self._strip = card.picture("det"), card.picture("rec")
        height, _ = self._strip.size
        if height is None:
            raise CardError("the graph `rec` wants a picture input of one height")
        self._height = height

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        """The canvas and the lines of a batch are others for each picture; the letters are in a file."""
        return {self._det_output: (1, 1, None, None)} if graph == "det" else {self._rec_output: (None,) * 3}

    def open_resource(self, name: str, path: Path) -> tuple[str, ...]:
        """The letters by class: blank, what the recogniser's file lists, space."""
        import onnx  # noqa: PLC0415 - only opening needs it

        metadata = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
        if name != "characters" or not metadata.get("character"):
            raise CardError(f"{path.name} has no metadata `character`, the list of letters")
        return ("", *metadata["character"].split("\n"), " ")

    def infer(self, item: Frame, options: OcrOptions, tools: Tools, run: Run) -> Texts:
        places, scores = self._find(item, options, tools.sessions["det"])
        picture = item.pixels(PixelFormat(colour=self._strip.colour))
        strips = [quads.straightened(picture, place, self._height) for place in places]
        readings, turned = self._read_right_way_up(strips, places, partial(self._read, tools, run))
        places[turned] = quads.upside_down(places[turned])
        said = [self._said(tools, reading) for reading in readings]
        enough = options.text_score_threshold
        kept = [i for i, r in enumerate(readings) if r.score >= enough and said[i].strip()]
        rows = [
            TextRow(places[i], float(scores[i]), said[i], readings[i].ids, readings[i].score)
            for i in (kept[k] for k in quads.reading_order(places[kept]))
        ]
        return Texts(rows, (item.height, item.width), self.card.class_names())

    @staticmethod
    def _said(tools: Tools, reading: text.Reading) -> str:
        letters: tuple[str, ...] = tools.resources["characters"]
        return "".join(letters[letter] for letter in reading.ids)

    def _find(self, item: Frame, options: OcrOptions, session: Session) -> tuple[quads.Floats, quads.Floats]:
        """Places of text [n, 4, 2] in the picture, and their scores [n]."""
        numbers = self._numbers
        size = text.canvas_size(
            item.height,
            item.width,
            shortest=numbers.shortest_side,
            longest=options.longest_side,
            enlarge=numbers.enlarge,
            multiple=numbers.multiple,
        )
        wanted = PixelFormat(size, self._canvas.fit, self._canvas.colour, self._canvas.pad)
        raw = session.run({self._det_input: batch_of_one(item.pixels(wanted))})[self._det_output]
        self._check("det", raw, raw.shape[2:] == size, f"a picture of {size}")
        found, scores = text.find_text(
            raw.reshape(size),
            pixel_threshold=numbers.pixel_threshold,
            threshold=options.score_threshold,
            unclip_ratio=numbers.unclip_ratio,
            smallest=numbers.smallest,
        )
        best = np.argsort(-scores, kind="stable")[: options.max_detections]
        placed = place(item.height, item.width, wanted)
        scale = np.array([placed.scale_x, placed.scale_y], np.float32)
        return np.asarray(found[best] / scale, np.float32), scores[best]

    def _check(self, graph: str, raw: quads.Floats, fits: bool, what: str) -> None:
        """Raise `InferenceError` for an output that does not fit what was fed, or the letters."""
        if not fits:
            raise InferenceError(f"the graph {graph!r} of {self.card.id} gives {raw.shape} for {what}")

    def _read_right_way_up(
        self, strips: Sequence[Pixels], places: quads.Floats, read: Read
    ) -> tuple[list[text.Reading], list[bool]]:
        """What every line says, and whether it stands upside down.

        The longest lines that run the same way go first: the others most likely stand as they do. What is
        short may make sense both ways.
        """
        lines = _Lines(strips, read, self._numbers.sure, self._numbers.margin)
        readings = [text.NOTHING] * len(strips)
        turned = [False] * len(strips)
        widths, _ = quads.extents(places)
        ways = quads.directions(places)
        level = np.abs(ways.real) >= np.abs(ways.imag)
        for alike in (np.flatnonzero(level), np.flatnonzero(~level)):
            longest = sorted(alike.tolist(), key=lambda i: -widths[i])
            probes = longest[: self._numbers.probes]
            lines.look(probes, upside_down=False)
            best = [lines.best(i, upside_down=False) for i in probes]
            likely = sum(len(reading.ids) * (1 if way else -1) for way, reading in best) > 0
            lines.look(longest, upside_down=likely)
            for i in longest:
                turned[i], readings[i] = lines.best(i, upside_down=likely)
        return readings, turned

    def _read(self, tools: Tools, run: Run, strips: Sequence[Pixels]) -> list[text.Reading]:
        """What each of the upright lines says."""
        cut = [text.pieces(strip, self._numbers.widest_line) for strip in strips]
        parts = iter(self._read_pieces(tools, run, [piece for pieces in cut for piece in pieces]))
        return [text.joined([next(parts) for _ in pieces]) for pieces in cut]

    def _read_pieces(self, tools: Tools, run: Run, strips: Sequence[Pixels]) -> list[text.Reading]:
        numbers, letters = self._numbers, len(tools.resources["characters"])
        readings = [text.NOTHING] * len(strips)
        widths = [strip.shape[1] for strip in strips]
        for batch, width in text.batches(widths, numbers.batch_width, numbers.width_step):
            run.check()
            pixels = text.side_by_side([strips[i] for i in batch], width, self._strip.pad)
            raw = tools.sessions["rec"].run({self._rec_input: pixels})[self._rec_output]
            self._check("rec", raw, raw.shape[2] == letters, f"{letters} letters")
            for i, reading in zip(batch, text.ctc_greedy(raw), strict=True):
                readings[i] = reading
        return readings


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of one picture, each of which is read one way up, or both where that one says little."""

    strips: Sequence[Pixels]
    read: Read
    sure: float
    margin: float
    known: dict[tuple[int, bool], text.Reading] = field(default_factory=dict)
    """By line, and whether it was read upside down."""

    def look(self, which: Sequence[int], *, upside_down: bool) -> None:
        """Know what these lines say that way up, and what the doubtful ones of them say the other way up."""
        self._know([(i, upside_down) for i in which])
        self._know([(i, not upside_down) for i in which if self.known[i, upside_down].score < self.sure])

    def best(self, line: int, *, upside_down: bool) -> tuple[bool, text.Reading]:
        """Which way up a line is, and what it says: that way, unless the other way says clearly more."""
        likely = self.known[line, upside_down]
        other = self.known.get((line, not upside_down), text.NOTHING)
        if other.score > likely.score + self.margin:
            return not upside_down, other
        return upside_down, likely

    def _know(self, wanted: Sequence[tuple[int, bool]]) -> None:
        new = [key for key in wanted if key not in self.known]
        strips = [self.strips[i][::-1, ::-1] if upside_down else self.strips[i] for i, upside_down in new]
        self.known.update(zip(new, self.read(strips), strict=True))


@hookimpl
def register_models(register: Register) -> None:
    register(PpOcr)


@hookimpl
def register_decoders(register: RegisterDecoder) -> None:
    register("ppocr", PpOcr)
