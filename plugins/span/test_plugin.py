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
CARDS = {load_card(HERE / name).id: load_card(HERE / name) for name in ("x2.yaml", "x4.yaml")}
LEAST_DB = {"span-x2": 0.5, "span-x4": 0.3}


@pytest.fixture(params=CARDS, scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def factor(name):
    return CARDS[name].parameters["factor"]


@pytest.fixture(scope="module")
def model(name):
    return discover([HERE.parent], entry_points=False).models[name]


@pytest.fixture
def session(factor):
    """Each pixel becomes several."""

    def repeated(fed):
        planes = np.moveaxis(fed["image"], 3, 1).astype(np.float32) / 255
        return {"enlarged": planes.repeat(factor, axis=2).repeat(factor, axis=3)}

    return FakeSession(repeated)


def test_it_keeps_the_promises_of_a_model(model, session, factor):
    item = frame_of(np.random.default_rng(1).integers(0, 256, (130, 150, 3), np.uint8))
    result = conformance(model, {"main": session}, item)
    np.testing.assert_array_equal(result.pixels[::factor, ::factor], item.pixels(PixelFormat()))


def test_it_stops_between_tiles_when_nobody_waits(model, session):
    with pytest.raises(Cancelled):
        model.infer(
            frame_of(np.zeros((400, 400, 3), np.uint8)),
            Options(),
            Tools({"main": session}),
            FakeRun(Cancelled("")),
        )
    assert session.asked == []


@pytest.fixture(scope="module")
def enlarged(instance_of, name):
    instance = instance_of(name, "f32")
    return lambda bgr: instance.infer(frame_of(bgr), Options(), FakeRun(), Priority.REQUEST).pixels


@pytest.fixture(scope="module")
def portrait(media):
    frame = decode_picture(media("astronaut.png").read_bytes(), PictureLimits(), 0.0)
    return np.ascontiguousarray(frame.pixels(PixelFormat())[:256, 96:352])


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def test_it_is_better_than_interpolation(enlarged, portrait, name, factor):
    small = cv2.resize(portrait, (256 // factor, 256 // factor), interpolation=cv2.INTER_AREA)
    bicubic = cv2.resize(small, (256, 256), interpolation=cv2.INTER_CUBIC)
    assert psnr(enlarged(small), portrait) - psnr(bicubic, portrait) > LEAST_DB[name]


def test_tiles_leave_no_trace(instance_of, name, portrait, enlarged):
    session = instance_of(name, "f32").tools.sessions["main"]
    planes = session.run({"image": np.ascontiguousarray(portrait[None, ..., ::-1])})["enlarged"][0]
    whole = (np.clip(np.moveaxis(planes, 0, 2), 0, 1) * 255).round()[..., ::-1]
    assert np.abs(enlarged(portrait) - whole).max() <= 3
