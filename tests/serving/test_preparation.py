"""f32 serves at once; the other variants are made beside it, and swapped in without a gap."""

import os
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import orjson
import pytest
import yaml

from edged.children.child import Child
from edged.config.settings import Config, PathSettings
from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.derive.manifest import Manifest, sha256
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.opening import make_opener, make_puller, make_workshops
from edged.repository.unfinished import FILE, unfinished
from edged.repository.workshop import alone
from edged.serving import preparation
from edged.serving.demand import Demand
from edged.serving.preparation import Preparation
from edged.serving.table import ServiceTable
from edged.serving.unit import ServiceSettings, ServiceUnit, configured_models
from edged.serving.workshops import Workshops
from edged.testing import FakeRun
from tests.broker import until
from tests.graphs import card, write_graph
from tests.media.clips import write_clip
from tests.opened import silent
from tests.serving import grower

NAME = "image-classification"
VARIANTS = ("openvino-int8", "openvino-f32", "onnxruntime-f32")
LONG_S = 240.0
"""A child imports its libraries and quantizes, with the time that others leave."""


def settle(place: Path, **changes: object) -> None:
    place.mkdir(parents=True)
    shutil.copy(Path(grower.__file__), place / "plugin.py")
    graph, clip = write_graph(place / "small.onnx"), place / "clip.mp4"
    write_clip(clip, frames=30)
    weights = {
        file.name: {
            "sha256": sha256(file),
            "size": file.stat().st_size,
            "origins": [{"file": file.name}],
        }
        for file in (graph, clip)
    }
    made = card(graph, graph={"variants": VARIANTS}, weights=weights, id="grower", **changes)
    (place / "card.yaml").write_text(yaml.safe_dump(orjson.loads(made.model_dump_json(exclude={"folder"}))))


class Box:
    """The service of the model, up by f32 alone, with its preparation."""

    def __init__(self, settings: Config, wanted: bool = True, memory: int = 4_000_000_000) -> None:
        self.counters, self.table, self.memory = Counters(), ServiceTable(), Budget(memory)
        self.opener = make_opener(settings, self.counters)
        self.root = settings.paths.models / "grower"
        services = {NAME: ServiceSettings(model="grower")} if wanted else {}
        self.table.want(services)
        self.unit = ServiceUnit(NAME, ServiceSettings(model="grower"), self.opener, self.table, self.note)
        self.demand = Demand(self.table, self.opener, lambda: 600.0, self.memory, changed=self.note)
        self.wanted = wanted
        self.heard: list[str] = []
        self.made: list[Child] = []
        make = make_workshops(settings, self.memory, self.opener.slot_for)

        def kept(*given: object) -> Child:
            self.made.append(child := make(*given))
            return child

        workshops = Workshops(kept, self.memory, self.opener.slot_for)
        self.preparation = Preparation(
            *(self.table, self.opener, workshops, self.counters),
            wanted=lambda: configured_models(services, self.opener.catalogue),
            renew=self.unit.renew if wanted else self.demand.beat,
            changed=self.note,
        )

    def note(self) -> None:
        self.heard += self.preparation.told().values()

    def start(self) -> None:
        (self.unit if self.wanted else self.demand).start()
        if not self.wanted:
            assert self.demand.ask(NAME)
        until(self.variant)

    def stop(self) -> None:
        self.preparation.stop()
        (self.unit if self.wanted else self.demand).stop()

    def variant(self) -> str:
        found = self.table.ready()
        return found[0].instance.facts.variant if found else ""

    def counted(self) -> dict[str, int]:
        return self.counters.counts().get("preparations/grower", {})


@pytest.fixture
def settings(tmp_path):
    """A configuration with the plugin, whose model is pulled as far as it takes to run."""
    settle(tmp_path / "plugins" / "grower")
    paths = PathSettings(
        models=tmp_path / "models", plugins=(tmp_path / "plugins",), gallery=tmp_path / "gallery"
    )
    found = Config(paths=paths)
    make_puller(found).pull("grower", silent, first=True)
    return found


@pytest.fixture
def run():
    boxes = []

    def start(settings, **given):
        box = Box(settings, **given)
        boxes.append(box)
        box.start()
        return box

    yield start
    for box in boxes:
        box.stop()


@pytest.fixture
def int8_is_best(monkeypatch):
    """Which variant is the fastest of so small a graph, chance decides; here it is the last derived one."""
    wins = lambda card, devices, manifests, variant, device: (  # noqa: E731
        "slower" if variant.endswith("f32") and "openvino-int8" in manifests else None
    )
    monkeypatch.setattr("edged.repository.variants._passed_over", wins)


def test_a_first_pull_makes_one_variant_and_measures_nothing(settings):
    root = settings.paths.models / "grower"
    assert [path.name for path in root.iterdir() if path.is_dir()] == ["openvino-f32"]
    found = Manifest.load(root / "openvino-f32")
    assert found is not None
    assert found.measured == ()


@pytest.mark.parametrize("wanted", [True, False], ids=["configured", "on demand"])
def test_others_are_made_and_swapped_in_without_a_gap(settings, run, int8_is_best, wanted):
    box = run(settings, wanted=wanted)
    assert box.variant() == "openvino-f32"
    answered, failed, over = [], [], threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                served = box.table.get(NAME)
                frame = PictureFrame(np.zeros((20, 30, 3), np.uint8), 0.0)
                options = card_options(served.instance.card)
                served.instance.infer(frame, options, FakeRun(), Priority.REQUEST)
                answered.append(served.instance.facts.variant)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test fails
                failed.append(error)
            over.wait(0.002)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    box.preparation.start()
    until(lambda: box.variant() == "openvino-int8", "the swap", LONG_S)
    seen = len(answered)
    until(lambda: len(answered) > seen + 20)
    over.set()
    for asker in askers:
        asker.join()
    assert failed == []
    assert set(answered) == {"openvino-f32", "openvino-int8"}
    until(lambda: box.counted() == {"finished": 1})
    assert box.preparation.state() == "running"
    assert any("openvino-int8 is derived" in told for told in box.heard), box.heard
    assert any("compared" in told for told in box.heard), box.heard
    assert box.preparation.told() == {}
    for name in VARIANTS:
        found = Manifest.load(box.root / name)
        assert found is not None
        assert found.measured
    assert not unfinished(box.opener.catalogue, "grower")


def left(root: Path) -> list[str]:
    """What lies in the folder of the model beside variants."""
    return sorted(path.name for path in root.iterdir() if path.name not in VARIANTS and path.name != ".lock")


def test_stopped_half_way_nothing_is_left_and_it_goes_on_next_time(settings, run):
    box = run(settings)
    box.preparation.start()
    until(lambda: box.root.is_dir() and left(box.root), "something is half made", LONG_S)
    box.preparation.stop()
    assert left(box.root) == []
    assert box.made[0].process_id is None
    again = Box(settings)
    try:
        again.start()
        again.preparation.start()
        until(lambda: again.counted() == {"finished": 1}, "it goes on", LONG_S)
        assert left(again.root) == [FILE]
    finally:
        again.stop()


def test_what_a_killed_process_left_is_removed(settings):
    root = settings.paths.models / "grower"
    (root / ".openvino-int8-x1" / "sub").mkdir(parents=True)
    (root / ".edged-abc").mkdir()
    make_puller(settings).pull("grower", silent, first=True)
    assert left(root) == []


def test_a_child_that_dies_is_told_and_the_service_goes_on(settings, run):
    box = run(settings)
    box.preparation.start()
    until(lambda: box.made and box.made[0].process_id is not None, "its child lives", LONG_S)
    os.kill(box.made[0].process_id, signal.SIGKILL)
    until(lambda: box.counted() == {"ChildDied": 1}, "it is counted", LONG_S)
    assert "serves without some variants" in box.preparation.state()
    assert "SIGKILL" in box.preparation.state()
    assert box.variant() == "openvino-f32"
    assert box.table.get(NAME)


def test_it_does_not_begin_where_there_is_no_memory(settings, run, monkeypatch):
    monkeypatch.setattr(preparation, "LOOK_S", 0.1)
    box = run(settings, memory=300_000_000)
    box.preparation.start()
    until(lambda: box.counted().get("no memory"), "it waits")
    assert box.made == []
    assert box.preparation.state() == "running"
    box.memory.resize(4_000_000_000)
    until(lambda: box.counted().get("finished"), "it goes on", LONG_S)


def test_it_waits_also_for_a_model_of_which_there_are_weights_alone(settings):
    box = Box(settings, memory=300_000_000)
    shutil.rmtree(box.root)
    box.preparation.start()
    until(lambda: box.counted().get("no memory"), "it waits")
    box.preparation._wake.set()
    assert box.preparation.state() == "running"
    box.preparation.stop()


def test_a_stop_waits_for_no_other_process_that_pulls_the_model(settings, run):
    box = run(settings)
    with alone(box.root):
        box.preparation.start()
        until(lambda: box.made and box.made[0].process_id is not None, "its child waits", LONG_S)
        stop = threading.Thread(target=box.preparation.stop, daemon=True)
        stop.start()
        stop.join(30)
        assert not stop.is_alive()


def test_it_leaves_when_others_want_its_memory(settings, run, monkeypatch):
    monkeypatch.setattr("edged.flow.budget._GROWN_S", LONG_S)
    box = run(settings, memory=4_000_000_000)
    box.preparation.start()
    until(lambda: box.memory.held > 30_000_000, "its child holds some", LONG_S)
    with box.memory.hold(3_990_000_000):
        until(lambda: box.counted() == {"no memory": 1}, "it left")


def test_what_cannot_be_made_is_not_tried_at_every_start(settings, run, monkeypatch):
    root = settings.paths.models / "grower"
    box = run(settings)
    box.preparation.start()
    until(lambda: box.counted() == {"finished": 1}, "it is finished", LONG_S)
    shutil.rmtree(root / "openvino-int8")
    assert not unfinished(box.opener.catalogue, "grower")
    monkeypatch.setattr("edged.repository.unfinished.METHOD", 99)
    assert unfinished(box.opener.catalogue, "grower").derive == ("openvino-int8",)
