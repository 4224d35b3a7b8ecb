"""Colour from a picture of the same scene, by the real embedding; and what is said to who asks otherwise."""

import time
from pathlib import Path

import cv2
import numpy as np
import orjson
import pybase64
import pytest

from conftest import ROOT
from edged import CardError, Embedding, Tools
from edged.bench.questions import questions
from edged.cards import load_card
from edged.config.settings import Config
from edged.contracts.request import RequestJob
from edged.contracts.services import service
from edged.discovery import discover
from edged.flow.counters import Counters
from edged.ops.colour import lab
from edged.requests.settings import RequestSettings
from edged.requests.steps import Steps
from edged.serving.table import ServiceTable
from edged.serving.unit import ServiceSettings, open_service
from edged.testing import FakeRun, Subject, checked_rows, items_for
from edged.testing.items import coloured
from tests.opened import models_in

CARD = load_card(Path(__file__).parent / "card.yaml")
SERVICE = service(CARD.service)
DINO = load_card(ROOT / "plugins" / "dinov2-vits14" / "card.yaml")


@pytest.fixture(scope="module")
def models():
    return discover([ROOT / "plugins"], entry_points=False).models


@pytest.fixture(scope="module")
def ask(instance_of, models_root, models):
    """Requests to a box that has this model of the service, and none that needs no reference."""
    instance_of(CARD.id)
    opener, table = models_in(models_root, models).opener, ServiceTable()
    table.put(served := open_service(CARD.service, ServiceSettings(model=CARD.id), opener))
    with Steps(table, RequestSettings(), Counters()) as steps:

        def asked(**fields):
            body = orjson.dumps({"image_format": "png", **fields})
            return orjson.loads(
                steps.all_at_once(RequestJob(CARD.service, body, time.monotonic(), print)).body
            )

        yield asked
    opener.release(served.instance)


def base64(bgr):
    return pybase64.b64encode_as_string(cv2.imencode(".png", bgr)[1])


def gray(bgr):
    return cv2.cvtColor(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def away(a, b):
    """Mean distance of their colours."""
    return np.linalg.norm((lab(a) - lab(b))[..., 1:], axis=2).mean()


def test_a_gray_picture_gets_the_colour_of_another_view_and_keeps_its_light(ask, media):
    truth = cv2.imread(str(media("coffee.png")))
    asked, reference = truth[30:350, 60:520], cv2.convertScaleAbs(truth[:, ::-1], alpha=0.8)
    answer = ask(image=base64(gray(asked)), reference=base64(np.ascontiguousarray(reference)))
    png = pybase64.b64decode(answer["out_image"])
    found = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert away(found, asked) < 0.4 * away(gray(asked), asked)
    assert np.abs(gray(found).astype(int) - gray(asked)).max() <= 2


def test_who_names_no_reference_is_told_what_wants_none(ask):
    answer = ask(image=base64(coloured()))
    assert (answer["success"], answer["error_code"]) == (False, 400)
    assert "the field `reference`" in answer["error_msg"]
    assert "`edged pull deoldify-artistic`" in answer["error_msg"]


def test_a_reference_that_is_no_picture_is_named(ask):
    answer = ask(image=base64(coloured()), reference="aGVsbG8=")
    assert answer["error_code"] == 415
    assert "the field `reference`: " in answer["error_msg"]


def test_a_bench_asks_with_a_reference(ask, models_root):
    settings = Config.model_validate({"paths": {"models": str(models_root)}})
    [question], _ = questions(settings, [CARD.service])
    assert (question.model, question.reference) == (CARD.id, True)
    assert ask(**orjson.loads(question.body))["success"] is True


class Light:
    """An embedding of 7 x 7 places of two numbers: how light each is, and how dark."""

    card = DINO

    def __init__(self, *, places=True):
        self._places = places

    def infer(self, item, run, **_):
        small = cv2.resize(item.pixels(DINO.picture().format), (7, 7), interpolation=cv2.INTER_AREA)
        light = small.mean(axis=2, dtype=np.float32)
        places = np.stack([light, 255 - light], axis=2)
        return Embedding(np.ones(1, np.float32), places if self._places else None)


def test_it_keeps_every_promise_with_any_grid_of_places(models):
    tools = Tools({}, models={"embedding": Light()})
    rows = list(checked_rows(Subject(models[CARD.id], tools, items_for(SERVICE, reference=True))))
    assert [row for row in rows if row.result == "failed"] == []
    assert [row.said for row in rows if row.check == "odd items"] == ["5 answered"]


def test_it_is_what_a_bare_box_is_told_to_pull(models, tmp_path):
    catalogue = models_in(tmp_path, models).catalogue
    assert catalogue.best(CARD.service) == CARD.id
    assert catalogue.cards[[card.id for card in catalogue.cards].index(CARD.id) - 1].id == "deoldify-artistic"


def test_an_embedding_of_the_whole_picture_is_of_no_use(models):
    item = items_for(SERVICE, reference=True).usual
    options = models[CARD.id].card.options_as(SERVICE.options)
    tools = Tools({}, models={"embedding": Light(places=False)})
    with pytest.raises(CardError, match="dinov2-vits14 tells nothing of places"):
        models[CARD.id].infer(item, options, tools, FakeRun())
