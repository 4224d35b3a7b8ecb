"""The same person and others, with real weights; pictures that cannot be compared are named."""

import csv
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edged import CardError, FaceOptions, Faces, FramePair, NotUsable, Tools
from edged.cards import load_card
from edged.discovery import discover
from edged.ops.embedding import BORDER, Scale
from edged.testing import FakeRun, frame_of

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
OPTIONS = CARD.options_as(FaceOptions)


@pytest.fixture(scope="module")
def model():
    return discover([HERE.parent], entry_points=False).models["yunet-sface"]


@pytest.fixture(scope="module")
def real(instance_of):
    return instance_of("yunet-sface")


@pytest.fixture(scope="module")
def people(media, weight_store):
    """One picture each of six people; `driver` is a list of the same man over four seconds."""
    yunet = load_card(HERE.parent / "yunet" / "card.yaml")
    clip = weight_store.ensure(yunet, ["carphone.mp4"], lambda *_: None)["carphone.mp4"]
    with av.open(str(clip)) as container:
        driver = [f.to_ndarray(format="bgr24") for f in container.decode(video=0)][::30]
    women = cv2.imread(str(media("four-women.jpg")))
    return {
        "driver": driver,
        "astronaut": cv2.imread(str(media("astronaut.png"))),
        "first": women[250:750, 550:1000],
        "second": women[180:680, 1400:1800],
        "third": women[420:850, 150:560],
        "fourth": women[220:700, 1060:1440],
    }


def compared(instance, a, b):
    pair = FramePair(frame_of(np.ascontiguousarray(a)), frame_of(np.ascontiguousarray(b)))
    return instance.model.infer(pair, OPTIONS, instance.tools, FakeRun()).similarity


CHANGES = {
    "mirrored": lambda p: p[:, ::-1],
    "dark": lambda p: (p * 0.4).astype(np.uint8),
    "jpeg": lambda p: cv2.imdecode(
        cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], cv2.IMREAD_COLOR
    ),
    "half": lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "blurred": lambda p: cv2.GaussianBlur(p, (0, 0), max(p.shape) / 250),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_person_stays_the_same_person(real, people, change):
    for name in ("astronaut", "first", "third"):
        assert compared(real, people[name], CHANGES[change](people[name])) >= BORDER, name


def test_a_man_is_himself_a_second_later_and_the_same_picture_is_100(real, people):
    first, *later = people["driver"]
    assert compared(real, first, first) == 100
    assert min(compared(real, first, other) for other in later) >= BORDER


def test_other_people_are_under_the_border(real, people):
    faces = [people["driver"][0], *(people[name] for name in people if name != "driver")]
    pairs = [(a, b) for i, a in enumerate(faces) for b in faces[:i]]
    assert len(pairs) == 15
    assert max(compared(real, *pair) for pair in pairs) < BORDER


def test_a_picture_without_one_face_is_named(real, people, media):
    cat, women = cv2.imread(str(media("chelsea.png"))), cv2.imread(str(media("four-women.jpg")))
    with pytest.raises(NotUsable, match="the field `imagea` shows no face"):
        compared(real, cat, people["first"])
    with pytest.raises(NotUsable, match="the field `imageb` shows 4 faces; crop it to one"):
        compared(real, people["first"], women)


class Finder:
    """Finds faces of given sides, side by side."""

    card = None

    def __init__(self, *sides):
        self.sides = sides

    def infer(self, item, run, **options):
        boxes = np.array([[0, 0, side, side] for side in self.sides], np.float32).reshape(-1, 4)
        landmarks = np.array([[[1, 1], [3, 1], [2, 2], [1, 3], [3, 3]]] * len(boxes), np.float32)
        return Faces(boxes, np.ones(len(boxes), np.float32), landmarks.reshape(-1, 5, 2))


def test_a_passer_by_in_the_background_does_not_count(model, instance_of):
    picture = frame_of(np.full((100, 100, 3), 90, np.uint8))
    pair = FramePair(picture, picture)
    embedding = instance_of("yunet-sface").tools.models["embedding"]

    def similarity(*sides):
        tools = Tools({}, {}, {"faces": Finder(*sides), "embedding": embedding})
        return model.infer(pair, OPTIONS, tools, FakeRun()).similarity

    assert similarity(50, 9) == 100
    with pytest.raises(NotUsable, match="2 faces"):
        similarity(50, 11)


def test_the_three_face_services_share_one_detector(instance_of):
    services = instance_of("yunet-sface"), instance_of("dlib-fer")
    used = {id(service.tools.models["faces"]._instance) for service in services}
    assert used == {id(instance_of("yunet"))}


def test_the_scale_divides_the_pairs_it_was_fitted_to():
    scale = Scale(CARD.parameters["scale"])
    with (HERE / "pairs.csv").open(newline="") as lines:
        rows = [(row["kind"], scale.score(float(row["cosine"]))) for row in csv.DictReader(lines)]
    assert sum(score < BORDER for kind, score in rows if kind == "same") == 1  # in profile
    assert sum(score >= BORDER for kind, score in rows if kind == "other") == 0


def test_a_scale_that_falls_is_refused(model):
    wrong = {**CARD.parameters, "scale": [[0.5, 80], [0.2, 90]]}
    with pytest.raises(CardError, match=r"parameters\.scale"):
        type(model)(CARD.model_copy(update={"parameters": wrong}))
