"""A shelf of known products: cut out of real photographs, at several sizes and in several lights."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

PRODUCTS = {  # photograph, and where the thing is: left, top, right, bottom
    "tang": ("blue_tang.jpg", (90, 20, 640, 390)),
    "turtle": ("sea_turtle.jpg", (20, 70, 520, 400)),
    "latte": ("beverages.jpg", (240, 40, 420, 215)),
    "lime": ("green_fish.jpg", (80, 100, 450, 350)),
    "camera": ("camera.jpg", (320, 140, 580, 345)),
    "phone": ("rotary_phone.jpg", (255, 130, 620, 410)),
    "flame": ("fighter_fish.jpg", (60, 20, 560, 610)),
    "rose": ("red_fish.jpg", (170, 140, 510, 400)),
}
BOARD = 24
"""Height of a board and what is below it, pixels."""
MARGIN = 20


def cut_out(picture: np.ndarray, box: Sequence[int]) -> np.ndarray:
    """The thing in a box as [height, width, 4]: BGR and opacity; GrabCut leaves out what is around it."""
    left, top, right, bottom = box
    part = np.ascontiguousarray(picture[top:bottom, left:right])
    marks = np.full(part.shape[:2], cv2.GC_BGD, np.uint8)
    rim = max(2, min(part.shape[:2]) // 50)
    marks[rim:-rim, rim:-rim] = cv2.GC_PR_FGD
    cv2.setRNGSeed(1)
    cv2.grabCut(part, marks, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, pieces, facts, _ = cv2.connectedComponentsWithStats(inside)
    largest = (pieces == 1 + facts[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8) * 255
    rows, columns = np.flatnonzero(largest.any(axis=1)), np.flatnonzero(largest.any(axis=0))
    soft = np.dstack([part, cv2.GaussianBlur(largest, (3, 3), 0)])
    return soft[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def products(media: Callable[[str], Path]) -> dict[str, np.ndarray]:
    """All of `PRODUCTS`, cut out; `media` knows where a photograph is."""
    return {name: cut_out(cv2.imread(str(media(file))), box) for name, (file, box) in PRODUCTS.items()}


def on_ground(thing: np.ndarray, ground: Sequence[int]) -> np.ndarray:
    """A thing on a plain ground, as somebody would photograph it for the gallery."""
    share = thing[..., 3:] / 255
    return (thing[..., :3] * share + np.array(ground) * (1 - share)).astype(np.uint8)


def shelf(
    things: dict[str, np.ndarray], rows: int, columns: int, cell: int, seed: int
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """A shelf of `rows` x `columns` things: the picture, their names, and their boxes [n, 4] of y1, x1, y2,
    x2."""
    random = np.random.default_rng(seed)
    height, width = rows * (cell + BOARD) + MARGIN, columns * cell + MARGIN
    picture = np.full((height, width, 3), (190, 205, 215)) * np.linspace(0.8, 1.05, width)[None, :, None]
    names, boxes = [], []
    for row in range(rows):
        floor = MARGIN + row * (cell + BOARD) + cell
        picture[floor : floor + BOARD // 2] = (70, 95, 120)
        for column in range(columns):
            names.append(str(random.choice(list(things))))
            left = MARGIN // 2 + column * cell + cell // 20
            boxes.append(
                _put(picture, things[names[-1]], (floor, left), cell * random.uniform(0.75, 0.88), random)
            )
    noisy = np.clip(picture + random.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
    return cv2.GaussianBlur(noisy, (3, 3), 0), names, np.array(boxes, float)


def _put(
    picture: np.ndarray,
    thing: np.ndarray,
    corner: tuple[int, int],
    longest: float,
    random: np.random.Generator,
) -> tuple[int, int, int, int]:
    """Stand a thing on a board, `longest` pixels of its longer side; `corner`: bottom, left."""
    scale = longest / max(thing.shape[:2])
    size = round(thing.shape[1] * scale), round(thing.shape[0] * scale)
    small = cv2.resize(thing, size, interpolation=cv2.INTER_AREA)
    floor, left = corner
    top, right = floor - small.shape[0], left + small.shape[1]
    share = small[..., 3:] / 255
    light = random.uniform(0.75, 1.15)
    spot = picture[top:floor, left:right]
    spot[:] = np.clip(spot * (1 - share) + small[..., :3] * light * share, 0, 255)
    return top, left, floor, right
