"""Embeddings by card alone: how features become a vector of length 1, and the real ones on real pictures."""

import json
from pathlib import Path

import numpy as np
import pytest

from edged import InferenceError, Options, PixelFormat
from edged.cards import load_card
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.testing import FakeRun, FakeSession, conformance, frame_of

PLUGINS = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def models():
    return discover([PLUGINS], entry_points=False).models


def test_places_are_averaged_where_the_card_says_so(models):
    features = np.zeros((1, 8, 8, 384), np.float32)
    features[..., 0] = 3
    features[:, :4, :, 1] = 8
    session = FakeSession(lambda _: {"output": features})
    found = conformance(models["dinov2-vits14"], {"main": session})
    np.testing.assert_allclose(found.vector[:3], [0.6, 0.8, 0])
    np.testing.assert_array_equal(found.places, features[0])


def test_and_else_taken_as_they_are(models):
    features = np.arange(1024, dtype=np.float32).reshape(1, 1024, 1, 1)
    session = FakeSession(lambda _: {"pool2d_6.tmp_0": features})
    found = conformance(models["pplcnetv2-features"], {"main": session})
    np.testing.assert_allclose(found.vector, features.ravel() / np.linalg.norm(features), rtol=1e-5)
    assert found.places is None


@pytest.mark.parametrize("wrong", [0.0, np.nan])
def test_features_without_direction_are_said_to_be(models, wrong):
    model = models["dinov2-vits14"]
    prepared = model.preprocess(frame_of(np.zeros((9, 9, 3), np.uint8)), Options())
    with pytest.raises(InferenceError, match="without direction"):
        model.postprocess({"output": np.full((1, 8, 8, 384), wrong, np.float32)}, prepared.context, Options())


@pytest.mark.parametrize("name", ["dinov2-vits14", "pplcnetv2-features", "clip-vit-b16-image"])
def test_a_fit_stands_beside_each_card_and_in_it(name):
    fit = json.loads((PLUGINS / name / "fit.json").read_text())
    scale = load_card(PLUGINS / name / "card.yaml").parameters["scale"]
    assert scale == fit["scale"]
    assert scale[1] == [fit["border"], 80]
    assert fit["pictures"] >= 100
    if name != "clip-vit-b16-image":  # whose README says that it is no use for this
        assert fit["held_out"]["same_under_border"] < 0.03
        assert fit["held_out"]["different_over_border"] < 0.03


@pytest.mark.parametrize("name", ["pplcnetv2-features"])
def test_a_mirrored_picture_is_nearer_than_any_other(instance_of, media, name):
    instance = instance_of(name, "f32")

    def vector(file, mirrored=False):
        frame = decode_picture(media(file).read_bytes(), PictureLimits(), 0.0)
        if mirrored:
            bgr = frame.pixels(PixelFormat())
            frame = frame_of(np.ascontiguousarray(bgr[:, ::-1]))
        return instance.infer(frame, Options(), FakeRun(), Priority.REQUEST).vector

    files = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
    plain = np.stack([vector(file) for file in files])
    other = np.stack([vector(file, mirrored=True) for file in files])
    assert (plain @ other.T).argmax(axis=1).tolist() == [0, 1, 2, 3]
