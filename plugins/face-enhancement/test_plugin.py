"""Faces restored: damaged ones come nearer to what they were, others stay as they are."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edged import EnhancementOptions, Enlarged, Faces, ModelCard, PixelFormat, Tools
from edged.cards import load_card
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.testing import FakeRun, FakeSession, conformance, frame_of
from tests.opened import pulled

HERE = Path(__file__).parent
CARD, UPSTREAM = load_card(HERE / "card.yaml"), load_card(HERE / "gfpgan.yaml")
OPTIONS = CARD.options_as(EnhancementOptions).model_copy(update={"image_format": "png"})
RANDOM = np.random.default_rng(3)


@pytest.fixture(scope="module")
def models():
    return discover([HERE.parent], entry_points=False).models


def psnr(a, b):
    error = np.mean((a.astype(float) - b) ** 2)
    return 10 * np.log10(255**2 / max(error, 1e-9))


def noisy(bgr, sigma):
    return np.clip(bgr + RANDOM.normal(0, sigma, bgr.shape), 0, 255).astype(np.uint8)


def jpeg(bgr, quality):
    return cv2.imdecode(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def reduced(bgr):
    half = cv2.resize(bgr, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.resize(half, bgr.shape[1::-1], interpolation=cv2.INTER_CUBIC)


DAMAGED = {  # and the least gain in dB around the face
    "noise of 10": (lambda bgr: noisy(bgr, 10), 4.0),
    "noise of 25": (lambda bgr: noisy(bgr, 25), 6.0),
    "JPEG of quality 15": (lambda bgr: jpeg(bgr, 15), 0.3),
    "blurred": (lambda bgr: cv2.GaussianBlur(bgr, (0, 0), 1.2), 0.2),
    "reduced": (reduced, 0.5),
}


@pytest.fixture(scope="module")
def restored(instance_of):
    instance = instance_of("ffdnet-span", "f32")

    def of(bgr, **options):
        chosen = OPTIONS.model_copy(update=options)
        return instance.infer(frame_of(bgr), chosen, FakeRun(), Priority.REQUEST).pixels

    return of


@pytest.fixture(scope="module")
def portrait(media):
    """An astronaut's face in 300 x 300 pixels."""
    frame = decode_picture(media("astronaut.png").read_bytes(), PictureLimits(), 0.0)
    return np.ascontiguousarray(frame.pixels(PixelFormat())[0:300, 80:380])


FACE = np.s_[75:190, 95:185]


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_face_comes_nearer_to_what_it_was(restored, portrait, kind):
    damage, least = DAMAGED[kind]
    bad = damage(portrait)
    gain = psnr(restored(bad)[FACE], portrait[FACE]) - psnr(bad[FACE], portrait[FACE])
    assert gain >= least


def test_a_face_without_damage_stays_as_it_is(restored, portrait):
    np.testing.assert_array_equal(restored(portrait), portrait)


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_strength_says_how_much(restored, portrait, strength):
    bad = noisy(portrait, 20)
    some, all_of_it = (np.abs(restored(bad, strength=s).astype(int) - bad).mean() for s in (strength, 1.0))
    assert some == pytest.approx(strength * all_of_it, rel=0.1, abs=0.02)


def test_only_the_face_is_touched_and_without_a_seam(restored, portrait):
    bad = noisy(portrait, 20)
    after = restored(bad)
    changed = np.abs(after.astype(int) - bad).max(axis=2)
    assert changed[-5:, :5].max() == 0
    rows = np.flatnonzero(changed.max(axis=1))
    assert changed[rows[-1]].max() <= 10  # at the rim it has faded out


def test_a_picture_without_faces_comes_back_as_it_was(restored, media):
    bgr = cv2.imread(str(media("coffee.png")))
    np.testing.assert_array_equal(restored(bgr), bgr)


class Found:
    """Finds these faces."""

    def __init__(self, *boxes):
        self._boxes = np.array(boxes, np.float32).reshape(-1, 4)

    def infer(self, item, run, **options):
        count = len(self._boxes)
        template = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.55], [0.38, 0.75], [0.62, 0.75]])
        sides = (self._boxes[:, 2:] - self._boxes[:, :2])[:, None]
        return Faces(self._boxes, np.ones(count), self._boxes[:, None, :2] + template * sides)


class Twice:
    """Enlarges without knowing anything."""

    def infer(self, item, run, **_):
        bgr = item.pixels(PixelFormat())
        return Enlarged(cv2.resize(bgr, None, fx=2, fy=2))


@pytest.mark.parametrize("box", [(-40, -30, 20, 25), (0, 0, 1, 1), (150, 110, 190, 140)])
def test_faces_at_the_edge(models, box):
    session = FakeSession(lambda fed: {"cleaned": np.moveaxis(fed["image"], 3, 1) / np.float32(255)})
    tools = Tools({"denoise": session}, models={"faces": Found(box), "enlarge": Twice()})
    bgr = noisy(np.full((120, 160, 3), 128, np.uint8), 15)
    after = models["ffdnet-span"].infer(frame_of(bgr), OPTIONS, tools, FakeRun()).pixels
    assert after.shape == bgr.shape
    for fed in session.asked:
        assert fed["image"].shape[1] % 2 == fed["image"].shape[2] % 2 == 0


def test_gfpgan_goes_the_whole_way_on_a_small_graph(models, tmp_path):
    """Of the same input and output: it makes a face as dark as it was bright."""
    assert not UPSTREAM.verified
    sides = [1, 3, 512, 512]
    graph = helper.make_graph(
        [helper.make_node("Neg", ["input"], ["output"])],
        "negative",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, sides)],
    )
    name = "gfpgan_1.4.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / name
    )
    data = (tmp_path / name).read_bytes()
    weights = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "origins": [{"file": name}]}
    fields = UPSTREAM.model_dump(mode="json") | {
        "weights": {name: weights},
        "folder": str(tmp_path),
        "uses": {},
    }
    fields["graphs"] = {**fields["graphs"]}
    of = ModelCard.model_validate(fields)
    model = type(models["gfpgan"])(of)
    opener = pulled(tmp_path / "models", {of.id: model}, of.id)
    session = opener.acquire(of.id, precision="f32").tools.sessions["main"]
    tools = Tools({"main": session}, models={"faces": Found((60, 40, 140, 140))})
    bgr = np.full((200, 240, 3), 200, np.uint8)
    after = model.infer(frame_of(bgr), OPTIONS, tools, FakeRun()).pixels
    assert abs(int(after[90, 100, 0]) - 55) <= 1
    assert (after[-3:, -3:] == 200).all()
    conformance(
        models["gfpgan"], {"main": session}, frame_of(bgr), models={"faces": Found((60, 40, 140, 140))}
    )
