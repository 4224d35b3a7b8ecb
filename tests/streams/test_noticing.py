"""What the rules of a stream learn of its services' outcomes, and what they do not."""

from types import SimpleNamespace

import numpy as np
import pytest

from edged.contracts.errors import NotUsable
from edged.contracts.items import AudioClip, LiveClip
from edged.contracts.message import ModelFacts
from edged.contracts.services import SERVICES, service
from edged.events.look import Heard, Read, Shown
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.serving.table import Served
from edged.streams.message import Outcome
from edged.streams.noticing import Interest, concerns, noticed
from edged.streams.publisher import Outlet
from edged.streams.rule import PublishSettings
from tests.answers.examples import finding
from tests.streams.lanes import lane

FACTS = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")
ALL = Interest(frozenset(["person", "yoga", "attic", "bar"]), texts=True, speech=True)
SPEECH = "speech-recognition-zh"


def frame(seq=0):
    return PictureFrame(np.zeros((60, 80, 3), np.uint8), 1_795_422_600.0 + seq / 5, seq)


def clip(final=True):
    return LiveClip(AudioClip(np.zeros(32_000, np.float32), 16_000, 0), 1_795_422_600.0, 0, final)


def outcome(name, found, item=None):
    return Outcome(item or frame(), service(name), FACTS, found)


def test_texts_are_read_of_ocr():
    assert noticed(outcome("ocr", finding("ocr", 2)), ALL) == Read("ocr", ["出口", "EXIT"])
    assert noticed(outcome("ocr", finding("ocr", 0)), ALL) == Read("ocr", [])


def test_classes_are_shown_only_those_that_a_rule_wants():
    scene = noticed(outcome("scene-classification", finding("scene-classification", 0)), ALL)
    assert scene == Shown("scene-classification", frozenset(["attic"]))
    other = noticed(outcome("image-classification", finding("image-classification", 2)), ALL)
    assert other == Shown("image-classification", frozenset())
    objects = noticed(outcome("object-detection", finding("object-detection", 3)), ALL)
    assert objects == Shown("object-detection", frozenset(["person"]))


def test_an_utterance_is_heard_when_it_has_ended_and_only_where_something_was_said():
    said = finding(SPEECH, 2)
    heard = noticed(outcome(SPEECH, said, clip()), ALL)
    assert isinstance(heard, Heard) and "今天天气很好" in heard.text
    assert noticed(outcome(SPEECH, said, clip(final=False)), ALL) is None
    assert noticed(outcome(SPEECH, finding(SPEECH, 0), clip()), ALL) is None


def test_who_failed_says_that_nobody_knows():
    failed = NotUsable("no")
    assert noticed(outcome("ocr", failed), ALL) == Read("ocr", None)
    assert noticed(outcome("scene-classification", failed), ALL) == Shown("scene-classification", None)
    assert noticed(outcome(SPEECH, failed, clip()), ALL) is None


@pytest.mark.parametrize("name", SERVICES)
def test_what_no_rule_wants_is_not_looked_at(name):
    assert noticed(outcome(name, finding(name, 1)), Interest()) is None
    assert not concerns(service(name).result, Interest())
    told = noticed(outcome(name, finding(name, 1), clip() if name == SPEECH else None), ALL)
    assert concerns(service(name).result, ALL) or told is None


def test_a_lane_tells_each_outcome_also_those_that_are_not_published():
    told, published = [], []
    outlet = Outlet("box", "door", (lambda *one: published.append(one),), Counters(), notice=told.append)
    result = finding("ocr", 2).result
    instance = SimpleNamespace(infer=lambda *_: result, facts=FACTS, card=None)
    served = Served(service("ocr"), instance, finding("ocr", 2).options)
    reads = lane(outlet, lambda: served, publish=PublishSettings(on="change"), name="ocr")
    for seq in range(3):
        reads.work(frame(seq))
    assert len(published) == 1
    assert [one.item.seq for one in told] == [0, 1, 2]
    assert {noticed(one, ALL).texts[1] for one in told} == {"EXIT"}
