"""What the accuracy of models is measured on: real media of each kind, with the truth where it is known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np
import yaml

from conftest import ROOT
from edged.contracts.card import ModelCard
from edged.contracts.image import Texts
from edged.contracts.items import AudioClip, Fit, PixelFormat, TextPair
from edged.contracts.model import AnyModel
from edged.contracts.services import any_service
from edged.derive import made_up
from edged.derive.tune import pictures
from edged.media.frame import PictureFrame
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.media.video import VideoOptions, open_video, sample_frames
from edged.testing import VideoOfPictures
from edged.weights.store import WeightStore
from tests.speech import SAID, listed_media

PEOPLE = ("carphone.mp4", "four-women.jpg", "astronaut.png", "pizza.mp4")
MORE_PEOPLE = "one-by-one-person"
VIDEOS = ("bikes.mp4", "carphone.mp4", "pizza.mp4")
FIRST_PAGE = 100
"""The pages are others than those on which a pull compares variants."""
TEXTS = 120
CLIP = 16
"""Pictures of one clip of a video."""


@dataclass(frozen=True)
class Sample:
    """One item, and what is known of it."""

    item: Any
    truth: Any = None


@dataclass(frozen=True)
class Library:
    """All media that the cards and tests/media.yaml name, and `more`: further pictures and videos."""

    models: Mapping[str, AnyModel]
    store: WeightStore
    more: Sequence[Path] = ()

    def file(self, name: str) -> Path:
        """Where a file is; fetched when it is not there."""
        for model in self.models.values():
            if name in model.card.weights:
                return self.store.ensure(model.card, [name], lambda *_: None)[name]
        return listed_media(self.store)(name)

    def samples(self, card: ModelCard, most: int) -> list[Sample]:
        """For a model; pictures on which its int8 was calibrated are left out."""
        of = any_service(card.service)
        if of.result is Texts:
            return [Sample(*_page(FIRST_PAGE + seed)) for seed in range(min(most, 40))]
        if of.media == "text":
            return [Sample(TextPair(str(n), said, "", 64)) for n, said in enumerate(_texts())]
        if of.media == "recording":
            return [Sample(self._sound(name), said) for name, said in SAID.items()]
        if card.service == "video-classification":
            return [Sample(clip) for clip in self._clips(most)]
        frames = [*self._own(card), *self._others(card, most)]
        if of.name == "picture-enlargement":
            return [half for n, bgr in enumerate(frames) for half in _halves(bgr, card, n)][:most]
        kept = frames[:: max(1, len(frames) // most)][:most]
        return [Sample(PictureFrame(bgr, 0.0, seq)) for seq, bgr in enumerate(kept)]

    def _own(self, card: ModelCard) -> Iterator[np.ndarray]:
        if card.calibration is not None:
            media = [self.file(name) for name in card.calibration.media]
            held_back = pictures(media, card.calibration.frames).judgement
            yield from (frame.pixels(PixelFormat()) for frame in held_back)

    def _others(self, card: ModelCard, most: int) -> Iterator[np.ndarray]:
        own = card.calibration.media if card.calibration else ()
        people = card.service in ("foreground-segmentation", "face-detection", "face-attributes")
        people |= card.service == "face-enhancement"
        named = PEOPLE if people else (*self._photographs(), *VIDEOS)
        further = [path for path in self.more if not people or path.name.startswith(MORE_PEOPLE)]
        for path in [*(self.file(name) for name in named if name not in own), *further]:
            yield from sample_frames(path, most // 5)

    def _photographs(self) -> list[str]:
        listed = yaml.safe_load((ROOT / "tests" / "media.yaml").read_text())
        named = {
            name for m in self.models.values() if m.card.calibration for name in m.card.calibration.media
        }
        return sorted(name for name in {*named, *listed} if name.endswith((".jpg", ".png")))

    def _sound(self, name: str) -> AudioClip:
        with self.file(name).open("rb") as file, open_sound(file, SoundLimits()) as sound:
            samples = np.concatenate(list(sound.pieces))
        return AudioClip(samples, RATE, 0, ((0, len(samples)),))

    def _clips(self, most: int) -> Iterator[VideoOfPictures]:
        form = PixelFormat((224, 398), Fit.STRETCH)
        paths = [*(self.file(name) for name in VIDEOS), *self.more]
        for path in (path for path in paths if path.suffix in (".mp4", ".avi")):
            shown = open_video(str(path), VideoOptions(real_time=False), Event())
            seen = [frame.pixels(form) for frame in islice(shown, 2 * CLIP * (most // len(paths)))]
            for start in range(0, len(seen) - 2 * CLIP, 2 * CLIP):
                yield VideoOfPictures(seen[start : start + 2 * CLIP], 25.0)


def _page(seed: int) -> tuple[PictureFrame, str]:
    bgr, lines = made_up.page(seed)
    return PictureFrame(bgr, 0.0, seed), "".join(lines).replace(" ", "")


def _texts() -> list[str]:
    """Sentences of the documents, and Chinese ones that are made up."""
    documents = (path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
    lines = [line.strip() for text in documents for line in text.splitlines() if len(line) > 60]
    english = [line for line in lines if line[0].isalpha()][:: max(1, len(lines) // TEXTS)][: TEXTS // 2]
    pages = (made_up.page(FIRST_PAGE + seed)[1] for seed in range(TEXTS // 8))
    return [*english, *(line for page in pages for line in page[:9:2] if " " not in line)]


def _halves(bgr: np.ndarray, card: ModelCard, seed: int) -> Iterator[Sample]:
    """A part of a picture made smaller, as much as the model makes it larger, and the part as it was."""
    factor = 4 if "x4" in card.id else 2
    side = 64 * factor
    height, width = bgr.shape[:2]
    if min(height, width) < side:
        return
    at = np.random.default_rng(seed)
    top, left = at.integers(0, height - side + 1), at.integers(0, width - side + 1)
    whole = bgr[top : top + side, left : left + side]
    small = cv2.resize(whole, (64, 64), interpolation=cv2.INTER_AREA)
    yield Sample(PictureFrame(small, 0.0, seed), whole)
