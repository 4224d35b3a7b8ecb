"""A model in a process of its own: what it does to itself harms nobody else."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from edged import opening
from edged.config.settings import Config, PathSettings
from edged.contracts.errors import ChildDied, ConfigError, InferenceError, TimedOut
from edged.contracts.items import AudioClip
from edged.contracts.message import ModelFacts
from edged.contracts.request import RequestJob
from edged.contracts.services import card_options, service
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.opening import make_opener, open_plugins
from edged.repository.instance import Instance
from edged.repository.isolated import IsolatedInstance
from edged.repository.variants import ANYTHING
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from edged.serving.run import RunHandle
from edged.serving.scheduler import Scheduler
from edged.serving.table import Served, ServiceTable
from edged.serving.unit import ServiceSettings, ServiceUnit, is_isolated, open_service
from edged.streams.feed import Feed
from edged.streams.lane import RunSettings
from edged.streams.publisher import Outlet
from edged.testing import FakeRun
from tests.answers import examples
from tests.broker import until
from tests.opened import models_in, silent
from tests.serving import lair, villain

NAME = "image-classification"
OTHERS = ("object-detection", "ocr", "face-attributes", "semantic-segmentation", "scene-classification")
HARMS = {"segfault": villain.SEGFAULT, "exit": villain.EXIT, "loop": villain.LOOP, "eat": villain.EAT}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A configuration with the plugin, whose model is pulled."""
    root = tmp_path_factory.mktemp("box")
    place = root / "plugins" / "villain"
    lair.settle(place)
    puller = models_in(root / "models", discover([place.parent]).models).puller
    for id_ in ("villain", "counter"):
        puller.pull(id_, silent, first=True)  # what is made up to measure it would make it harm us
    return Config(
        paths=PathSettings(models=root / "models", plugins=(place.parent,), gallery=root / "gallery")
    )


@pytest.fixture
def box(settings):
    """The service of the villain, up, among five that work, and its unit."""
    counters, table = Counters(), ServiceTable()
    opener = make_opener(settings, counters)
    wanted = ServiceSettings(model="villain", isolation="process", max_memory=600_000_000)
    unit = ServiceUnit(NAME, wanted, opener, table, lambda: None)
    unit.start()
    for other in OTHERS:
        table.put(Served(service(other), Example(other), examples.options_of(other)))
    queue = RequestQueue(table, RequestSettings(timeout_s=20.0), 2, counters)
    queue.start()
    until(lambda: unit.state() == "running")
    yield Box(table, queue, unit)
    queue.stop()
    unit.stop()


class Example:
    """An instance that works."""

    facts = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")
    picture = None

    def __init__(self, name):
        self._found = examples.finding(name).result

    def infer(self, item, options, run, priority):
        return self._found


class Box:
    def __init__(self, table, queue, unit):
        self.table, self.queue, self.unit = table, queue, unit

    def ask(self, name, first=0, **more):
        """A request on its way: its answer will stand in the list."""
        answers = []
        body = orjson.dumps({"image": lair.picture(first), **more})
        self.queue.submit(RequestJob(name, body, time.monotonic(), answers.append))
        return answers

    def answer(self, name, first=0, **more):
        answers = self.ask(name, first, **more)
        until(lambda: answers)
        return answers[0]


def frame(first=0):
    return PictureFrame(np.full((40, 60, 3), first, np.uint8), 0.0)


@pytest.mark.parametrize("harm", HARMS)
def test_what_a_plugin_does_to_itself_costs_its_request_and_nobody_else(box, harm):
    before = box.answer(NAME).code
    timeout = {"timeout_s": 1.0} if harm == "loop" else {}
    guilty = box.ask(NAME, HARMS[harm], **timeout)
    waits = [box.ask(NAME) for _ in range(3)]  # behind it
    slowest = 0.0
    while not guilty:
        for other in OTHERS:
            began = time.monotonic()
            assert box.answer(other).code == 200
            slowest = max(slowest, time.monotonic() - began)
    assert (before, guilty[0].code) == (200, 504 if harm == "loop" else 500), guilty[0].body
    assert slowest < 1.0
    for answers in waits:
        until(lambda answers=answers: answers)
        assert answers[0].code == 200, answers[0].body
    until(lambda: box.unit.state() == "running")  # they may have come before the guilty one


def test_it_answers_as_one_in_the_daemon(settings):
    opener = make_opener(settings, Counters())
    ours = opener.acquire("villain")
    apart = opener.isolate("villain", ours.asked, 10**9)
    options = card_options(ours.card)
    item = PictureFrame(np.random.default_rng(1).integers(9, 255, (31, 47, 3), np.uint8), 0.0)
    there = apart.infer(item, options, FakeRun(), Priority.REQUEST)
    here = ours.infer(item, options, FakeRun(), Priority.REQUEST)
    assert np.array_equal(there.probabilities, here.probabilities)
    assert there.names == list(here.names)
    assert (apart.facts, apart.picture, apart.card) == (ours.facts, ours.picture, ours.card)
    for name, known in ours.signatures.items():
        assert apart.signatures[name].inputs == known.inputs
        assert apart.signatures[name].outputs == known.outputs
    opener.release(ours)
    opener.release(apart)


def test_it_really_is_another_process_and_ends_with_its_last_user(settings):
    opener = make_opener(settings, Counters())
    apart = opener.isolate("villain", opener.acquire("villain").asked, 10**9)
    pid = int(apart.infer(frame(villain.PID), card_options(apart.card), FakeRun(), Priority.FRAME).names[0])
    assert Path(f"/proc/{pid}").exists()
    opener.release(apart)
    assert not Path(f"/proc/{pid}").exists()


def test_a_plugin_that_is_a_single_folder_is_found_there_too(settings):
    (folder,) = settings.paths.plugins
    alone = settings.model_copy(update={"paths": settings.paths.model_copy(update={"plugins": ()})})
    opener = make_opener(alone, Counters(), plugins=open_plugins(alone, [folder / "villain"]))
    apart = opener.isolate("villain", ANYTHING, 10**9)
    assert apart.infer(frame(), card_options(apart.card), FakeRun(), Priority.REQUEST).names
    opener.release(apart)


def test_a_service_of_videos_is_refused_and_told_why(settings):
    opener, name = make_opener(settings, Counters()), "video-classification"
    options = examples.options_of(name).model_dump(mode="json")
    known = opener.catalogue.model("villain")
    known.card = known.card.model_copy(update={"service": name, "isolation": "process"})
    with pytest.raises(ConfigError, match=rf"{name}\.isolation: villain .* asks a video for; say `none`"):
        open_service(name, ServiceSettings(model="villain", options=options), opener)


def test_it_draws_from_the_memory_of_all(settings):
    memory = Budget(10**10)
    opener = make_opener(settings, Counters(), memory=memory)
    apart = opener.isolate("villain", ANYTHING, 10**9)
    until(lambda: memory.held > 50_000_000)
    opener.release(apart)
    assert memory.held == 0
    memory.resize(10_000_000)
    with pytest.raises(ChildDied, match=r"all processes hold \d+, over `runtime.memory` of 10000000"):
        opener.isolate("villain", ANYTHING, 10**9)
    assert memory.held == 0


def test_errors_are_as_in_the_daemon(settings):
    counters = Counters()
    opener = make_opener(settings, counters)
    apart = opener.isolate("villain", opener.acquire("villain").asked, 10**9)
    options = card_options(apart.card)
    try:
        with pytest.raises(InferenceError, match="ZeroDivisionError: as it was told"):
            apart.infer(frame(villain.RAISE), options, FakeRun(), Priority.REQUEST)
        with pytest.raises(InferenceError, match="villain gives no Classification"):
            apart.infer(frame(villain.NONSENSE), options, FakeRun(), Priority.REQUEST)
        with pytest.raises(TimedOut):
            late = RunHandle(deadline=time.monotonic() + 0.2)
            apart.infer(frame(villain.LOOP), options, late, Priority.REQUEST)
        with pytest.raises(ChildDied):
            apart.infer(frame(villain.EXIT), options, FakeRun(), Priority.REQUEST)
    finally:
        opener.release(apart)
    assert counters.counts()["inference_failed/villain"]["ChildDied"] == 1


@pytest.fixture
def hasty(monkeypatch):
    """A child rests before each new start, but not for the 21 seconds that four rests take."""
    monkeypatch.setattr(opening, "TERMS", replace(opening.TERMS, rests=(0.1,) * len(opening.TERMS.rests)))


def test_who_dies_too_often_is_set_aside_with_its_reason(hasty, box):
    codes = [box.answer(NAME, villain.EXIT).code for _ in range(5)]
    assert codes == [500] * 5
    until(lambda: "set aside" in box.unit.state())
    answer = box.answer(NAME)
    assert answer.code == 503
    assert b"having died 5 times; at last it ended itself with the code 0" in answer.body
    assert NAME not in [served.service.name for served in box.table.ready()]
    assert "having died 5 times" in box.table.why_not()[NAME]
    assert all(box.answer(other).code == 200 for other in OTHERS)


def test_the_state_of_a_stream_stays_there_and_is_lost_with_it(settings):
    opener = make_opener(settings, Counters())
    apart = opener.isolate("counter", ANYTHING, 10**9)
    options, run = card_options(apart.card), FakeRun()

    def step(sum_, state):
        chunk = AudioClip(np.array([sum_], np.float32), 16_000, 0)
        found, after = apart.step(chunk, state, options, run, Priority.FRAME)
        return found.probabilities.tolist(), after

    try:
        one, first = step(1, apart.start(options))
        three, second = step(2, first)
        assert (one, three) == ([1], [3])
        assert step(5, first)[0] == [6]  # what was before stays as it was
        assert step(1, apart.start(options))[0] == [1]
        with pytest.raises(ChildDied):
            step(-9, second)
        assert step(4, second)[0] == [4]
        assert set(run.reported) == {0.5}
    finally:
        opener.release(apart)


def test_a_stream_waits_for_it_in_a_thread_of_its_own():
    table, hangs = ServiceTable(), threading.Event()
    workers = Scheduler("frames", 1, Counters())
    table.load(NAME, isolated=True)
    table.put(Served(service(NAME), Hanging(hangs), examples.options_of(NAME)))
    table.put(Served(service(OTHERS[0]), Example(OTHERS[0]), examples.options_of(OTHERS[0])))
    told = []
    outlet = Outlet("node", "door", [lambda _, name, body: told.append(name)], Counters())
    feed = Feed(outlet, [RunSettings(service=NAME), RunSettings(service=OTHERS[0])], table, workers)
    feed.start()
    workers.start()
    try:
        feed.put(frame(9))
        until(lambda: OTHERS[0] in told)
        assert NAME not in told
        hangs.set()
        until(lambda: NAME in told)
    finally:
        feed.stop()
        workers.stop()


class Hanging(Example):
    """Waits for an event."""

    def __init__(self, event):
        super().__init__(NAME)
        self._event = event

    def infer(self, item, options, run, priority):
        self._event.wait(20)
        return self._found


def test_a_card_may_ask_for_it_and_the_configuration_may_refuse(settings):
    opener = make_opener(settings, Counters())
    known = opener.catalogue.model("villain")
    known.card = known.card.model_copy(update={"isolation": "process"})
    for isolation, kind in (("auto", IsolatedInstance), ("none", Instance)):
        served = open_service(NAME, ServiceSettings(model="villain", isolation=isolation), opener)
        assert isinstance(served.instance, kind)
        assert is_isolated(NAME, ServiceSettings(model="villain", isolation=isolation), opener.catalogue) is (
            kind is IsolatedInstance
        )
        opener.release(served.instance)


def test_its_graph_alone_is_run_there(box):
    instance = box.table.get(NAME).instance
    ((name, port),) = instance.signatures["main"].inputs.items()
    shape = [1 if length is None else length for length in port.shape]
    near = RunHandle()
    first, second = (
        instance.run("main", {name: np.full(shape, value, port.dtype)}, near, Priority.REQUEST)
        for value in (0, 200)
    )
    assert first["scores"].shape == (1, 4) and not np.allclose(first["scores"], second["scores"])
    with pytest.raises(InferenceError, match=f"input '{name}' should be"):
        instance.run("main", {name: np.zeros(3, port.dtype)}, near, Priority.REQUEST)
