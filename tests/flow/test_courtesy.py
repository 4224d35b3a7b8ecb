"""Decoding waits while inferences have all the cores, and never for long."""

import threading
import time

from edged.contracts.slot import Priority
from edged.flow.courtesy import Courtesy
from edged.runtimes.slot import DeviceSlot


def waited(courtesy, seconds):
    """How long it waits that may wait so long."""
    began = time.monotonic()
    courtesy.wait(began + seconds)
    return time.monotonic() - began


def test_nobody_waits_while_a_core_is_left():
    courtesy = Courtesy()
    slot = DeviceSlot(2, courtesy.tell)
    with slot.hold(Priority.FRAME):
        assert waited(courtesy, 30) < 10
    with slot.hold(Priority.FRAME), slot.hold(Priority.FRAME):
        pass
    assert waited(courtesy, 30) < 10


def test_who_may_not_wait_any_longer_goes_on():
    courtesy = Courtesy()
    slot = DeviceSlot(1, courtesy.tell)
    with slot.hold(Priority.FRAME):
        assert waited(courtesy, 0.05) >= 0.05
        assert waited(courtesy, -1) < 10


def test_all_go_on_when_an_inference_ends():
    courtesy, began, went_on = Courtesy(), threading.Barrier(4), []
    slot = DeviceSlot(1, courtesy.tell)

    def decode():
        began.wait(30)
        courtesy.wait(time.monotonic() + 60)
        went_on.append(time.monotonic())

    decoders = [threading.Thread(target=decode) for _ in range(3)]
    with slot.hold(Priority.FRAME):
        for decoder in decoders:
            decoder.start()
        began.wait(30)
        time.sleep(0.1)
        assert not went_on
        ended = time.monotonic()
    for decoder in decoders:
        decoder.join(30)
    assert len(went_on) == 3
    assert max(went_on) - ended < 30


def test_a_right_that_is_handed_on_leaves_no_core():
    courtesy = Courtesy()
    slot, handed_on, ends = DeviceSlot(1, courtesy.tell), threading.Event(), threading.Event()

    def next_one():
        with slot.hold(Priority.FRAME):
            handed_on.set()
            ends.wait(30)

    with slot.hold(Priority.FRAME):
        waiting = threading.Thread(target=next_one)
        waiting.start()
        while not slot._waiting[Priority.FRAME]:
            time.sleep(0.001)
    assert handed_on.wait(30)
    assert waited(courtesy, 0.05) >= 0.05
    ends.set()
    waiting.join(30)
    assert waited(courtesy, 30) < 10
