"""Videos composed with one highlight, which must be found wherever it is; spans, scores, what is heard."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from edged import AudioClip, CardError, Faces, HighlightOptions, NotUsable, PixelFormat, SoundEvents, Tools
from edged.cards import load_card
from edged.contracts.errors import Cancelled
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.media.sound import RATE
from edged.testing import FakeRun, VideoOfPictures, answer_of, conformance

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
FPS, SECONDS, LONG = 8, 40, 5
PLACES = (0.0, 8.5, 17.25, 26.125, 35.0)
"""Where a highlight of 5 s begins in a video of 40."""
NAMES = ("Speech", "Applause", "Laughter", "Music")
HEIGHT, WIDTH = 90, 160


@cache
def ground(seed, bright=120):
    """A blurred, dull texture."""
    coarse = np.random.default_rng(seed).normal(bright, 25, (9, 16, 3)).clip(0, 255).astype(np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


@cache
def noise(number):
    return np.random.default_rng(number).normal(0, 3, (HEIGHT, WIDTH, 3))


def noisy(picture, number):
    """As a camera sees it."""
    return np.clip(picture + noise(number % 8), 0, 255).astype(np.uint8)


def dull(seconds=SECONDS):
    """Pictures of a still scene."""
    return [noisy(ground(1), n) for n in range(round(seconds * FPS))]


def part(place, seconds=LONG):
    """Numbers of the pictures of a highlight."""
    return range(round(place * FPS), round((place + seconds) * FPS))


def with_ball(picture, number):
    """Something that moves over a picture."""
    ball = picture.copy()
    cv2.circle(ball, (20 + number * 15 % 120, 45 + number * 9 % 30), 12, (40, 40, 230), -1)
    return ball


def moving(place):
    """Something moves for five seconds, in one shot."""
    pictures = dull()
    for n in part(place):
        pictures[n] = with_ball(pictures[n], n)
    return pictures


def sharp(place):
    """Sharper for five seconds, and still all the while."""
    fine = np.random.default_rng(2).integers(90, 150, (HEIGHT, WIDTH, 1), np.uint8).repeat(3, axis=2)
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
        self.clips = []

    def infer(self, item, run, **_):
        self.clips.append((item.start_us, item.seconds))
        rows = item.samples[: len(item.samples) // RATE * RATE].reshape(-1, RATE)
        loud = np.abs(rows).mean(axis=1) > 0.01
        probabilities = np.where(loud[:, None], [0.1, 0.8, 0.0, 0.0], [0.7, 0.0, 0.0, 0.0])
        return SoundEvents(probabilities.astype(np.float32), NAMES, 1_000_000)


class Seen:
    """A model of face-detection: half as high as the picture, where that is bright, and nowhere else."""

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
    away = abs(begin(found(kind(place))) - place)
    assert away <= (1e-5 if kind is other_shot else 1)  # a score a second


@pytest.mark.parametrize("place", PLACES)
def test_applause_is_found_wherever_it_is(found, place):
    assert abs(begin(found(dull(), spoken(place))) - place) <= 0.75


def test_a_shot_that_is_shorter_begins_the_span(found):
    assert begin(found(other_shot(12.375, seconds=3))) == pytest.approx(12.375)


def test_a_span_ends_before_a_cut_rather_than_to_go_over_it(found):
    pictures = moving(17.25)
    scene = ground(7, 20)
    pictures[round(21.75 * FPS) :] = [noisy(scene, n) for n in range(len(pictures) - round(21.75 * FPS))]
    assert found(pictures).end_us == 21_750_000


def test_sound_is_heard_a_minute_at_a_time(model, tools):
    video = VideoOfPictures(dull(130.5), FPS, spoken(58.0, 131))
    result = model.infer(video, HighlightOptions(explain=True), tools, FakeRun())
    assert abs(begin(result) - 58) <= 0.5
    assert len(result.curve.score) == 131
    clips = tools.models["sounds"].clips
    assert [start for start, _ in clips] == [0, 60_000_000, 120_000_000]
    assert max(seconds for _, seconds in clips) <= CARD.parameters["piece"]


def test_the_curve_says_why(found):
    curve = found(other_shot(8.5), spoken(8.5), explain=True).curve
    assert curve.step_us == 1_000_000
    assert list(curve.parts) == list(CARD.parameters["weights"])
    best = {name for name, part in curve.parts.items() if part[9:13].min() > part[20:].max()}
    assert {"applause", "motion", "faces"} <= best
    total = sum(part * CARD.parameters["weights"][name] for name, part in curve.parts.items())
    np.testing.assert_allclose(curve.score, total, atol=1e-6)
    assert max(part.max() for part in curve.parts.values()) <= 1
    assert found(dull(8)).curve is None


def test_without_sound_the_rest_counts_for_all(found):
    curve = found(other_shot(8.5), explain=True).curve
    assert not any(
        curve.parts[name].any() for name in ("applause", "cheering", "laughter", "music", "loudness")
    )
    seen = {name: CARD.parameters["weights"][name] for name in ("motion", "faces", "sharpness")}
    total = sum(curve.parts[name] * weight for name, weight in seen.items()) / sum(seen.values())
    np.testing.assert_allclose(curve.score, total, atol=1e-6)


@pytest.mark.parametrize("seconds", [0.125, 3.0, 5.0])
def test_a_short_video_is_its_own_highlight(found, seconds):
    result = found(dull(seconds), explain=True)
    assert (result.start_us, result.end_us) == (0, seconds * 1_000_000)
    assert len(result.curve.score) == np.ceil(seconds)


def test_a_video_in_which_nothing_happens_has_one_too(found):
    still = [ground(1)] * (20 * FPS)
    assert 0 <= begin(found(still)) <= 15


class Lies(VideoOfPictures):
    """Does not say how long it is, or says it wrongly."""

    def __init__(self, pictures, seconds):
        super().__init__(pictures, FPS)
        self.there, self.seconds = self.seconds, seconds

    def frames(self, start_us=0, end_us=None, step_us=None, rate=None):
        told, self.seconds = self.seconds, self.there
        shown = super().frames(start_us, end_us, step_us, rate)
        self.seconds = told
        return shown


@pytest.mark.parametrize("told", [None, 10.0, 500.0])
def test_what_a_video_says_of_its_length_is_not_believed(model, tools, told):
    result = model.infer(Lies(moving(35.0), told), HighlightOptions(explain=True), tools, FakeRun())
    assert abs(begin(result) - 35) <= 0.25
    assert result.end_us <= 40_000_000
    assert len(result.curve.score) == 40


class Nothing(VideoOfPictures):
    """Has no pictures."""

    def frames(self, start_us=0, end_us=None, step_us=None, rate=None):
        return iter(())


def test_a_video_without_pictures_cannot_be_used(model, tools):
    with pytest.raises(NotUsable, match="no pictures"):
        model.infer(Nothing(dull(1), FPS), HighlightOptions(explain=False), tools, FakeRun())


def test_it_tells_how_far_it_is_and_stops_when_nobody_waits(found, tools):
    run = FakeRun()
    found(dull(), spoken(), run)
    assert all(a <= b for a, b in pairwise(run.reported))
    assert (len(run.reported), run.reported[-1]) == (SECONDS + 1, 1.0)
    heard = len(tools.models["sounds"].clips)
    with pytest.raises(Cancelled):
        found(dull(), spoken(), FakeRun(Cancelled("")))
    assert len(tools.models["sounds"].clips) == heard


def test_it_keeps_the_promises_of_a_model(model, tools):
    video = VideoOfPictures(moving(17.25)[: 12 * FPS], FPS, spoken(seconds=12))
    result = conformance(model, {}, video, models=tools.models)
    assert answer_of(CARD, result)["end"] == result.end_us


def test_a_card_weighs_every_part(model):
    parameters = {**CARD.parameters, "weights": {"motion": 1.0}}
    with pytest.raises(CardError, match="weights"):
        type(model)(CARD.model_copy(update={"parameters": parameters}))


def clapping(seconds, claps=250):
    """Applause by calculation: bursts of noise, each around a pitch of its own, in a room."""
    random, count, length = np.random.default_rng(1), seconds * RATE, 800
    dry, at = np.zeros(count + length), np.arange(length) / RATE
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    for begins in random.integers(0, count, seconds * claps):
        pitch = random.uniform(800, 2400)
        band = np.exp(-((np.log((hertz + 1) / pitch) / 0.5) ** 2))
        clap = np.fft.irfft(np.fft.rfft(random.normal(size=length)) * band) * np.exp(
            -at * random.uniform(150, 350)
        )
        dry[begins : begins + length] += clap / np.abs(clap).max() * random.uniform(0.2, 1)
    room = random.normal(size=RATE // 2) * np.exp(-np.arange(RATE // 2) / RATE * 12)
    spread = np.fft.irfft(np.fft.rfft(dry, 2 * count) * np.fft.rfft(room, 2 * count))[:count]
    mixed = dry[:count] * 0.7 + spread / np.sqrt((room**2).sum()) * 0.3
    return mixed / np.abs(mixed).max() / 2


@pytest.mark.parametrize("place", PLACES)
def test_the_real_models_see_and_hear_it(instance_of, media, place):
    instance = instance_of(CARD.id)
    picture = decode_picture(media("astronaut.png").read_bytes(), PictureLimits(), 0.0).pixels(PixelFormat())
    shown = cv2.resize(picture[:288, :], (320, 180), interpolation=cv2.INTER_AREA)
    pictures = [cv2.resize(one, (320, 180)) for one in dull()]
    for n in part(place):
        pictures[n] = np.roll(shown, n % 8, axis=1)
    sound = spoken().samples.copy()
    sound[round(place * RATE) : round((place + LONG) * RATE)] += clapping(LONG)[: len(sound)]
    video = VideoOfPictures(pictures, FPS, AudioClip(sound.astype(np.float32), RATE, 0))
    result = instance.infer(video, HighlightOptions(explain=True), FakeRun(), Priority.REQUEST)
    assert begin(result) == pytest.approx(place)
    inside = slice(int(place) + 1, int(place) + LONG - 1)
    for name in ("applause", "loudness", "faces", "motion"):
        others = np.delete(result.curve.parts[name], range(int(place), min(SECONDS, int(place) + LONG + 1)))
        assert result.curve.parts[name][inside].mean() > others.max() + 0.1, name
