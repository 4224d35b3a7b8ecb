"""What a model is tried on when its card names too little: made by calculation, each time the same."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from edged.contracts.card import ModelCard
from edged.contracts.graph_input import PictureInput
from edged.contracts.image import Texts
from edged.contracts.items import AudioClip, Pixels, TextPair
from edged.contracts.model import Tensors
from edged.contracts.service import Media, Service
from edged.derive.fold import channels
from edged.media.frame import PictureFrame

ITEMS = 8
"""So many at least."""
FREE = 128
"""Length of a free axis: pixels, or what else it counts."""
RATE = 16_000
_TOKENS = 64

_WORDS = [
    *(
        "The",
        "quick",
        "brown",
        "fox",
        "jumps",
        "over",
        "the",
        "lazy",
        "dog;",
        "edge",
        "model",
        "camera",
        "text",
    ),
    *("Invoice", "total", "amount", "price", "sugar", "energy", "protein", "store", "exit", "open", "Monday"),
    *("2026-11-23", "14:05", "3.75", "kg", "128", "ml", "EUR", "No.", "(net)", "20%"),
]
_LETTERS = (
    "人工智能边缘推理守护进程今天气很好我们去公园散步吧有效期至年月日禁止吸烟生产地址中国北京市海淀区配料"
    "白砂糖食用盐保质个净含量克营养成分表"
)


def items(of: Service) -> list[Any]:
    """Items of a service, fit for its results; none for videos, which are read once."""
    if of.result is Texts:
        return [PictureFrame(page(seed)[0], 0.0, seed) for seed in range(ITEMS)]
    return [_MAKERS[of.media](seed) for seed in range(ITEMS)] if of.media in _MAKERS else []


def page(seed: int) -> tuple[Pixels, list[str]]:
    """A page or a label of printed lines, BGR, and what it says, line by line from the top.

    Chinese and English in turns; letters of 14 to 36 pixels, dark on light or light on dark, a little noise.
    """
    rng = np.random.default_rng(seed)
    size = (14, 18, 24, 36)[seed % 4]
    dark, light = rng.integers(0, 90, 3), rng.integers(170, 255, 3)
    ink, ground = (light, dark) if seed % 3 == 2 else (dark, light)
    lines = [_line(rng, chinese=(row + seed) % 2 == 0) for row in range(9)]
    font, gap = cv2.FontFace("uni"), round(1.9 * size)
    paper = np.full((gap * 10, 24 * size, 3), ground, np.uint8)
    for row, said in enumerate(lines):
        cv2.putText(paper, said, (size, gap * (row + 1)), ink.tolist(), font, size)
    noisy = paper + rng.normal(0, 4, paper.shape)
    return noisy.clip(0, 255).astype(np.uint8), lines


def _line(rng: np.random.Generator, *, chinese: bool) -> str:
    if chinese:
        return "".join(rng.choice(list(_LETTERS), rng.integers(6, 20)))
    return " ".join(rng.choice(_WORDS, rng.integers(2, 6)))


def tensors(card: ModelCard) -> list[dict[str, Tensors]]:
    """What each graph of a card may be fed, by its name, so many times."""
    return [
        {name: _fed(np.random.default_rng(seed), graph.inputs) for name, graph in card.graphs.items()}
        for seed in range(ITEMS)
    ]


def _fed(rng: np.random.Generator, inputs: Mapping[str, Any]) -> Tensors:
    return {
        name: _pixels(rng, *(length or FREE for length in spec.size))[None, ..., : channels(spec)]
        if isinstance(spec, PictureInput)
        else _numbers(rng, _lengths(spec.shape), spec.dtype)
        for name, spec in inputs.items()
    }


def _lengths(shape: Sequence[int]) -> list[int]:
    """With one for a free first axis, which counts items."""
    return [length if length > 0 else 1 if axis == 0 else FREE for axis, length in enumerate(shape)]


def _numbers(rng: np.random.Generator, shape: list[int], dtype: str) -> Any:
    if dtype == "f32":
        return rng.standard_normal(shape, np.float32)
    return np.ones(shape, {"i64": np.int64, "i32": np.int32, "u8": np.uint8}[dtype])


def _picture(seed: int) -> PictureFrame:
    return PictureFrame(_pixels(np.random.default_rng(seed), 480, 640), 0.0, seed)


def _pixels(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """Something of every size, as in a photograph: coarse noise is strong, fine noise weak; BGR."""
    whole = np.zeros((height, width, 3), np.float32)
    for cells in (2, 4, 8, 16, 32, 64):
        coarse = rng.standard_normal((cells, cells, 3)).astype(np.float32) / cells**0.7
        whole += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return (128 + 80 * whole).clip(0, 255).astype(np.uint8)


def _clip(seed: int) -> AudioClip:
    """Three seconds that rise and fall as a voice does, of another pitch each."""
    at = np.arange(3 * RATE) / RATE
    tones = (np.sin(2 * np.pi * (110 + 20 * seed) * n * at) / n for n in range(1, 8))
    hum = 0.2 * np.sin(2 * np.pi * (2 + seed / 2) * at) * sum(tones)
    return AudioClip(hum.astype(np.float32), RATE, 0, ((0, len(hum)),))


def _texts(seed: int) -> TextPair:
    rng = np.random.default_rng(seed)
    lines: Iterator[str] = (_line(rng, chinese=n % 2 == seed % 2) for n in itertools.count())
    return TextPair(str(seed), " ".join(itertools.islice(lines, 1 + seed)), "", _TOKENS)


_MAKERS: Mapping[Media, Callable[[int], Any]] = {"picture": _picture, "recording": _clip, "text": _texts}
