"""Videos composed with one highlight, which must be found wherever it is; the span, the score, what is heard."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edged import AudioClip, Faces, HighlightOptions, NotUsable, PixelFormat, SoundEvents, Tools
from edged.cards import load_card
from edged.contracts.errors import Cancelled
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.testing import FakeRun, VideoOfPictures, answer_of, conformance

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
FPS, SECONDS, LONG = 8, 40, 5
PLACES = (0.0, 8.5, 17.25, 26.125, 35.0)
"""Where a highlight of 5 s begins in a video of 40."""
NAMES = ("Speech", "Applause", "Laughter", "Music")


def ground(seed, bright=120):
    """[180, 320, 3]: a blurred, dull texture."""
    coarse = np.random.default_rng(seed).normal(bright, 25, (9, 16, 3)).clip(0, 255).astype(np.uint8)
    return cv2.resize(coarse, (320, 180), interpolation=cv2.INTER_CUBIC)


def noisy(picture, number):
    noise = np.random.default_rng(number).normal(0, 3, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def dull(seconds=SECONDS):
    """Pictures of a still scene, with the noise of a camera."""
    still = ground(1)
    return [noisy(still, n) for n in range(round(seconds * FPS))]


def part(place, seconds=LONG):
    """Numbers of the pictures of a highlight."""
    return range(round(place * FPS), round((place + seconds) * FPS))


def with_ball(picture, number):
    """Something that moves over a picture."""
    ball = picture.copy()
    cv2.circle(ball, (40 + number * 31 % 240, 90 + number * 17 % 60), 24, (40, 40, 230), -1)
    return ball


def moving(place):
    """Something moves for five seconds, in one shot."""
    pictures = dull()
    for n in part(place):
        pictures[n] = with_ball(pictures[n], n)
    return pictures


def sharp(place):
    """Sharper for five seconds, and still all the while."""
    fine = np.random.default_rng(2).integers(90, 150, (180, 320, 1), np.uint8).repeat(3, axis=2)
    soft = cv2.GaussianBlur(fine, (0, 0), 2)
    return [fine if n in part(place) else soft for n in range(SECONDS * FPS)]


def other_shot(place, seconds=LONG):
    """Another scene with something that moves is cut in."""
    pictures, scene = dull(), ground(7, 200)
    for n in part(place, seconds):
        pictures[n] = with_ball(noisy(scene, n), n)
    return pictures


def spoken(place=None, seconds=SECONDS):
    """Soft noise, and what `Heard` takes for applause for five seconds."""
    sound = np.random.default_rng(3).normal(0, 0.01, seconds * RATE).astype(np.float32)
    if place is not None:
        sound[round(place * RATE) : round((place + LONG) * RATE)] *= 1.5
    return AudioClip(sound, RATE, 0)


class Heard:
    """A model of sound-events: what is a little louder is applause."""

    def __init__(self):
        self.longest = 0.0

    def infer(self, item, run, **_):
        self.longest = max(self.longest, item.seconds)
        rows = item.samples[: len(item.samples) // RATE * RATE].reshape(-1, RATE)
        loud = np.abs(rows).mean(axis=1) > 0.01
        probabilities = np.where(loud[:, None], [0.1, 0.8, 0.0, 0.0], [0.7, 0.0, 0.0, 0.0])
        return SoundEvents(probabilities.astype(np.float32), NAMES, 1_000_000)


class Seen:
    """A model of face-detection: nobody is there, or a face half as high as the picture, at bright pictures."""

    def infer(self, item, run, **_):
        there = int(item.pixels(PixelFormat()).mean() > 160)
        boxes = np.array([[0, 0, 20, item.height / 2]] * there, np.float32).reshape(-1, 4)
        return Faces(boxes, np.ones(len(boxes), np.float32), np.zeros((len(boxes), 5, 2), np.float32))


@pytest.fixture(scope="module")
def model():
    return discover([HERE.parent], entry_points=False).models[CARD.id]


@pytest.fixture
def tools():
    return Tools({}, models={"sounds": Heard(), "faces": Seen()})


@pytest.fixture
def found(model, tools):
    def of(pictures, sound=None, run=None, **options):
        video = VideoOfPictures(pictures, FPS, sound)
        chosen = HighlightOptions(explain=False).model_copy(update=options)
        return model.infer(video, chosen, tools, run or FakeRun())

    return of


def begin(result):
    """Seconds."""
    assert result.end_us - result.start_us == LONG * 1_000_000
    return result.start_us / 1e6


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", [moving, sharp, other_shot])
def test_a_highlight_is_found_wherever_it_is(found, kind, place):
    assert abs(begin(found(kind(place))) - place) <= (0 if kind is other_shot else 0.75)


@pytest.mark.parametrize("place", PLACES)
def test_applause_is_found_wherever_it_is(found, place):
    assert abs(begin(found(dull(), spoken(place))) - place) <= 0.75
