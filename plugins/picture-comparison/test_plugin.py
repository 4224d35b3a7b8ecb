"""Two pictures: known vectors through both models, and the real embedding on real pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edged import (
    CardError,
    ComparisonOptions,
    Embedding,
    FramePair,
    Options,
    PixelFormat,
    Tools,
)
from edged.cards import load_card
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.testing import FakeRun, answer_of, frame_of

HERE = Path(__file__).parent
L2, COSINE = ComparisonOptions(metric="L2"), ComparisonOptions(metric="Cosine")
DINO = load_card(HERE.parent / "dinov2-vits14" / "card.yaml")


@pytest.fixture(scope="module")
def models():
    return discover([HERE.parent], entry_points=False).models


class Brightness:
    """An embedding of two numbers: how bright and how dark a picture is."""

    def __init__(self, card=DINO):
        self.card = card

    def infer(self, item, run, **_):
        bright = float(item.pixels(DINO.picture().format).mean())
        vector = np.array([bright, 255 - bright])
        return Embedding((vector / np.linalg.norm(vector)).astype(np.float32))


def pair(a, b):
    return FramePair(*(frame_of(np.full((20, 30, 3), value, np.uint8)) for value in (a, b)))


def asked(models, name, item, options, embedding=None):
    model, tools = models[name], Tools({}, models={"embedding": embedding or Brightness()})
    return answer_of(model.card, model.infer(item, options, tools, FakeRun()), **options.model_dump())


def test_the_same_picture_is_exactly_the_same(models):
    found = asked(models, "picture-similarity", pair(90, 90), Options())
    assert found == {"similarity": 100.0, "l2_distance": 0.0}
    assert asked(models, "product-match", pair(90, 90), L2) == {"l2_distance": 0.0}
    assert asked(models, "product-match", pair(90, 90), COSINE) == {"cosine_similarity": 1.0}


def test_only_the_metric_that_is_asked_for(models):
    black_and_white = pair(0, 255)
    found = asked(models, "product-match", black_and_white, L2)
    assert found == {"l2_distance": pytest.approx(2, abs=1e-6)}
    found = asked(models, "product-match", black_and_white, COSINE)
    assert found == {"cosine_similarity": pytest.approx(0.5, abs=1e-6)}


def test_which_comes_first_does_not_matter(models):
    one, other = (asked(models, "picture-similarity", pair(*v), Options()) for v in ((60, 180), (180, 60)))
    assert one == other


def test_an_embedding_without_a_scale_says_how_to_fit_one(models):
    bare = Brightness(DINO.model_copy(update={"parameters": {"pooling": "mean"}}))
    with pytest.raises(CardError, match="no `scale`"):
        asked(models, "picture-similarity", pair(1, 2), Options(), bare)
    assert asked(models, "product-match", pair(1, 2), L2, bare)


def jpeg(bgr, quality):
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


ALTERED = {
    "re-encoded": lambda bgr: jpeg(bgr, 35),
    "cropped": lambda bgr: bgr[20:-25, 30:-15],
    "mirrored": lambda bgr: bgr[:, ::-1],
    "darkened": lambda bgr: (bgr * 0.6).astype(np.uint8),
    "reduced": lambda bgr: cv2.resize(bgr, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA),
}
NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "quokka.jpg")


@pytest.fixture(scope="module")
def similarity(instance_of):
    instance = instance_of("picture-similarity", "f32")

    def of(a, b):
        frames = FramePair(*(frame_of(np.ascontiguousarray(bgr)) for bgr in (a, b)))
        return instance.infer(frames, Options(), FakeRun(), Priority.REQUEST).similarity

    return of


@pytest.fixture(scope="module")
def pictures(media):
    return {
        name: decode_picture(media(name).read_bytes(), PictureLimits(), 0.0).pixels(PixelFormat())
        for name in NAMES
    }


@pytest.mark.parametrize("alter", ALTERED)
def test_80_lets_pass_what_is_the_same(similarity, pictures, alter):
    scores = {name: similarity(bgr, ALTERED[alter](bgr)) for name, bgr in pictures.items()}
    assert min(scores.values()) >= 80, scores


def test_80_stops_what_is_different(similarity, pictures):
    names = list(pictures)
    scores = {
        (a, b): similarity(pictures[a], pictures[b]) for i, a in enumerate(names) for b in names[i + 1 :]
    }
    assert max(scores.values()) < 80, scores
