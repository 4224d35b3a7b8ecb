"""A video that is made larger: each picture at its time, without seams, in its colours, while it is taken."""

import threading
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from edged import Enlarged, EnlargementOptions, PixelFormat, Tools
from edged.cards import load_card
from edged.contracts.errors import Cancelled, InferenceError
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.testing import FakeRun, VideoOfPictures, conformance

HERE = Path(__file__).parent
CARD = load_card(HERE / "video.yaml")
RANDOM = np.random.default_rng(4)


@pytest.fixture(scope="module")
def model():
    """All of what is seen is the part's."""
    found = type(discover([HERE.parent], entry_points=False).models[CARD.id])
    return found(CARD.model_copy(update={"parameters": {**CARD.parameters, "strength": 1.0}}))


class Repeats:
    """Makes several pixels of each; remembers the sizes of what it was given."""

    def __init__(self, factor):
        self._factor = factor
        self.sizes = []

    def infer(self, item, run, **_):
        bgr = item.pixels(PixelFormat())
        self.sizes.append(bgr.shape[:2])
        return Enlarged(repeated(bgr, self._factor))


def repeated(bgr, factor):
    return bgr.repeat(factor, axis=0).repeat(factor, axis=1)


def parts():
    return {"x2": Repeats(2), "x4": Repeats(4)}


def noise(count, height, width):
    return list(RANDOM.integers(0, 256, (count, height, width, 3), np.uint8))


def made(model, pictures, *, scale=2, rate=25.0, models=None, run=None):
    tools = Tools({}, models=models or parts())
    options = EnlargementOptions(scale=scale)
    return model.infer(VideoOfPictures(pictures, rate), options, tools, run or FakeRun()).pictures


def test_it_keeps_the_promises_of_a_model(model):
    video = VideoOfPictures(noise(3, 110, 130), 10.0)
    result = conformance(model, {}, video, models=parts())
    assert len(result.pictures) == 3


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (7, 5), (96, 96), (97, 203), (180, 320)])
def test_every_picture_is_there_at_its_time_and_whole(model, scale, size):
    pictures = noise(3, *size)
    found = list(made(model, pictures, scale=scale, rate=30000 / 1001))
    assert [at_us for _, at_us in found] == [0, 33367, 66733]
    for (large, _), small in zip(found, pictures, strict=True):
        np.testing.assert_array_equal(large, repeated(small, scale))
        assert large.flags.c_contiguous


def test_strength_is_the_share_of_the_models(model):
    half = type(model)(CARD.model_copy(update={"parameters": {**CARD.parameters, "strength": 0.25}}))
    (small,) = noise(1, 120, 130)
    ((large, _),) = made(half, [small])
    plain = cv2.resize(small, (260, 240), interpolation=cv2.INTER_CUBIC)
    assert np.abs(large - (0.25 * repeated(small, 2) + 0.75 * plain)).max() <= 0.5


def test_what_does_not_move_is_done_once(model):
    models, pictures = parts(), noise(1, 200, 200) * 5
    pictures[3] = pictures[3].copy()
    pictures[3][10, 10] += 1  # within one tile
    tiles = 16
    for (large, _), small in zip(made(model, pictures, models=models), pictures, strict=True):
        np.testing.assert_array_equal(large, repeated(small, 2))
    assert len(models["x2"].sizes) == tiles + 1 + 1  # and back again


def test_no_tile_is_longer_in_work_than_the_card_says(model):
    models = parts()
    list(made(model, noise(2, 180, 320), models=models))
    assert max(max(size) for size in models["x2"].sizes) <= CARD.parameters["tile"]


def test_they_are_made_while_they_are_taken(model):
    models, pictures = parts(), noise(50, 8, 8)
    list(islice(made(model, pictures, models=models), 3))
    assert len(models["x2"].sizes) <= 4  # the next one is in work


def test_several_tiles_are_in_work_at_a_time(model):
    both = threading.Barrier(2, timeout=30)

    class Meets(Repeats):
        def infer(self, item, run, **_):
            both.wait()
            return super().infer(item, run)

    (large, _), *_ = made(model, noise(1, 90, 170), models={"x2": Meets(2)})
    assert large.shape == (180, 340, 3)


def test_it_stops_when_nobody_waits(model):
    models = parts()
    with pytest.raises(Cancelled):
        next(made(model, noise(2, 500, 500), models=models, run=FakeRun(Cancelled(""))))
    assert models["x2"].sizes == []


def test_what_fails_ends_it(model):
    class Fails:
        def infer(self, item, run, **_):
            raise InferenceError("no")

    with pytest.raises(InferenceError):
        next(made(model, noise(1, 300, 300), models={"x2": Fails()}))


def test_who_no_longer_takes_them_leaves_no_thread(model):
    before = set(threading.enumerate())
    pictures = made(model, noise(4, 300, 300))
    next(pictures)
    assert set(threading.enumerate()) > before
    pictures.close()
    assert set(threading.enumerate()) <= before


@pytest.fixture(scope="module")
def instance(instance_of):
    for part in CARD.uses.values():
        instance_of(part)
    return instance_of(CARD.id)


def enlarged(instance, pictures, scale):
    options, video = EnlargementOptions(scale=scale), VideoOfPictures(pictures, 25.0)
    return [large for large, _ in instance.infer(video, options, FakeRun(), Priority.JOB).pictures]


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize(("scale", "least"), [(2, 0.5), (4, 0.3)])
def test_it_is_better_than_interpolation(instance, media, scale, least):
    """By the variant that is fastest here, over several tiles, while the picture moves."""
    frame = decode_picture(media("coffee.png").read_bytes(), PictureLimits(), 0.0)
    large = [np.ascontiguousarray(frame.pixels(PixelFormat())[:400, x : x + 480]) for x in (40, 44, 60)]
    small = [cv2.resize(bgr, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA) for bgr in large]
    bicubic = [cv2.resize(bgr, (480, 400), interpolation=cv2.INTER_CUBIC) for bgr in small]
    found = enlarged(instance, small, scale)
    gains = [psnr(b, a) - psnr(c, a) for a, b, c in zip(large, found, bicubic, strict=True)]
    assert min(gains) > least


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("bgr", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 30, 90), (20, 220, 250)])
def test_colours_are_kept(instance, scale, bgr):
    """Over two tiles, and up to where the picture's edge is felt."""
    (large,) = enlarged(instance, [np.full((60, 150, 3), bgr, np.uint8)], scale)
    inner = large[24 * scale : -24 * scale, 24 * scale : -24 * scale].astype(int)
    assert np.abs(inner - bgr).max() <= 1


@pytest.mark.parametrize("scale", [2, 4])
def test_tiles_leave_no_trace(instance, media, scale):
    frame = decode_picture(media("astronaut.png").read_bytes(), PictureLimits(), 0.0)
    small = np.ascontiguousarray(frame.pixels(PixelFormat())[:180, 96:352])
    session = instance.used(f"x{scale}", Priority.JOB)._instance.tools.sessions["main"]
    planes = session.run({"image": np.ascontiguousarray(small[None, ..., ::-1])})["enlarged"][0]
    fine = np.clip(np.moveaxis(planes, 0, 2), 0, 1)[..., ::-1] * 255
    plain = cv2.resize(small, fine.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    strength = CARD.parameters["strength"]
    whole = strength * fine.round() + (1 - strength) * plain
    (large,) = enlarged(instance, [small], scale)
    assert psnr(large, whole) > 57  # the rounding alone leaves 59
    assert np.abs(large - whole).max() <= 4
