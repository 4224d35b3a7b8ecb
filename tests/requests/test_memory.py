"""One budget for all that is decoded at a time: who needs more waits, who needs too much is told so."""

import threading
import time

import cv2
import numpy as np
import orjson
import pybase64
import pytest

from edged.contracts.face import FaceSimilarity
from edged.contracts.request import RequestJob
from edged.contracts.services import service
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.media.picture import DECODED, PictureLimits, decoding_bytes
from edged.requests.settings import RequestSettings
from edged.requests.steps import Steps
from edged.serving.table import Served, ServiceTable
from tests.requests.test_pairs import FaceOptions
from tests.requests.test_queue import FakeInstance, table_with

JPEG = cv2.imencode(".jpg", np.zeros((300, 400, 3), np.uint8))[1].tobytes()
TEXT = pybase64.b64encode_as_string(JPEG)
NEED = decoding_bytes(JPEG, PictureLimits())


def asked(memory, body=None, infer=None, name="object-detection", table=None):
    payload = orjson.dumps({"image": TEXT} if body is None else body)
    with Steps(table or table_with(FakeInstance(infer)), RequestSettings(), Counters(), memory) as steps:
        return steps.all_at_once(RequestJob(name, payload, time.monotonic(), print))


def test_a_picture_that_never_fits_is_413_and_names_the_setting():
    memory = Budget(NEED - 1)
    answer = asked(memory)
    assert answer.code == 413
    assert f"takes {NEED} bytes of memory, over `runtime.memory` of {NEED - 1}" in answer.body.decode()
    assert memory.held == 0


def test_a_decoded_picture_keeps_only_its_pixels_until_the_answer():
    memory, during = Budget(NEED), []

    def infer(item, run):
        during.append(memory.held)
        return FakeInstance().infer(item, None, run, None)

    assert asked(memory, infer=infer).code == 200
    assert during == [300 * 400 * DECODED]
    assert memory.held == 0


def test_who_needs_more_than_is_free_waits_until_its_deadline():
    memory = Budget(NEED)
    with memory.hold(1):
        began = time.monotonic()
        answer = asked(memory, {"image": TEXT, "timeout_s": 0.2})
        assert (answer.code, memory.held) == (504, 1)
        assert 0.2 <= time.monotonic() - began < 30
    assert asked(memory).code == 200


def test_many_at_once_never_hold_more_than_there_is():
    memory, most, answers = Budget(2 * NEED), [], []

    def infer(item, run):
        most.append(memory.held)
        time.sleep(0.005)
        return FakeInstance().infer(item, None, run, None)

    def ask():
        answers.extend(asked(memory, infer=infer).code for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 60
    assert max(most) <= 2 * NEED
    assert memory.held == 0


def test_both_pictures_of_a_pair_get_their_memory_at_once():
    """Or two pairs, each with one picture, would wait for each other."""
    table = ServiceTable()
    instance = FakeInstance(lambda item, run: FaceSimilarity(1.0))
    instance.facts, instance.picture = table_with(FakeInstance()).get("object-detection").instance.facts, None
    table.put(Served(service("face-similarity"), instance, FaceOptions(score_threshold=0.5)))
    pair = {"imagea": TEXT, "imageb": TEXT}
    assert asked(Budget(2 * NEED - 1), pair, name="face-similarity", table=table).code == 413
    assert asked(Budget(2 * NEED), pair, name="face-similarity", table=table).code == 200


@pytest.mark.parametrize("wrong", ["no picture", "no base64!"])
def test_what_is_wrong_is_said_before_anybody_waits(wrong):
    memory = Budget(NEED)
    with memory.hold(NEED):
        text = wrong if "!" in wrong else pybase64.b64encode_as_string(wrong.encode())
        assert asked(memory, {"image": text}).code in (400, 415)
