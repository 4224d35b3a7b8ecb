"""SPAN: enlarged better than by interpolation, and tiles that leave no trace."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edged import Options, PixelFormat, Tools
from edged.cards import load_card
from edged.contracts.errors import Cancelled
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.testing import FakeRun, FakeSession, conformance, frame_of

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")


def doubled(fed):
    planes = np.moveaxis(fed["image"], 3, 1).astype(np.float32) / 255
    return {"enlarged": planes.repeat(2, axis=2).repeat(2, axis=3)}


@pytest.fixture(scope="module")
def model():
    return discover([HERE.parent], entry_points=False).models[CARD.id]


def test_it_keeps_the_promises_of_a_model(model):
    item = frame_of(np.random.default_rng(1).integers(0, 256, (130, 150, 3), np.uint8))
    result = conformance(model, {"main": FakeSession(doubled)}, item)
    np.testing.assert_array_equal(result.pixels[::2, ::2], item.pixels(PixelFormat()))


def test_it_stops_between_tiles_when_nobody_waits(model):
    session = FakeSession(doubled)
    with pytest.raises(Cancelled):
        model.infer(
            frame_of(np.zeros((400, 400, 3), np.uint8)),
            Options(),
            Tools({"main": session}),
            FakeRun(Cancelled("")),
        )
    assert session.asked == []


@pytest.fixture(scope="module")
def enlarged(instance_of):
    instance = instance_of("span-x2", "f32")
    return lambda bgr: instance.infer(frame_of(bgr), Options(), FakeRun(), Priority.REQUEST).pixels


@pytest.fixture(scope="module")
def portrait(media):
    frame = decode_picture(media("astronaut.png").read_bytes(), PictureLimits(), 0.0)
    return np.ascontiguousarray(frame.pixels(PixelFormat())[:256, 96:352])


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def test_it_is_better_than_interpolation(enlarged, portrait):
    small = cv2.resize(portrait, (128, 128), interpolation=cv2.INTER_AREA)
    bicubic = cv2.resize(small, (256, 256), interpolation=cv2.INTER_CUBIC)
    assert psnr(enlarged(small), portrait) - psnr(bicubic, portrait) > 0.5


def test_tiles_leave_no_trace(instance_of, portrait, enlarged):
    session = instance_of("span-x2", "f32").tools.sessions["main"]
    planes = session.run({"image": np.ascontiguousarray(portrait[None, ..., ::-1])})["enlarged"][0]
    whole = (np.clip(np.moveaxis(planes, 0, 2), 0, 1) * 255).round()[..., ::-1]
    assert np.abs(enlarged(portrait) - whole).max() <= 3
