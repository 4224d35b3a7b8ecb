"""A model on a GPU that computes right, wrong, or no more: what is measured, what is opened, what is told."""

import numpy as np
import pytest

from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.derive.manifest import sha256
from edged.media.frame import PictureFrame
from edged.repository import catalogue, opener, workshop
from edged.runtimes import remote
from edged.runtimes.devices import Concurrency, Device, devices
from edged.testing import FakeRun
from tests.broker import until
from tests.graphs import card, write_graph
from tests.media.clips import write_clip
from tests.opened import models_in, silent
from tests.repository.small import Small
from tests.runtimes.fake_gpu import FAST, HOW

GPU = Device("gpu", "onnxruntime", "Fake 9000", ("f32",), "1")
VARIANT = "onnxruntime-f32"


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    monkeypatch.setattr(remote, "PROCESSES", processes := remote.DeviceProcesses())
    processes.target, processes.terms = "tests.runtimes.fake_gpu:open_device", FAST
    for module in (catalogue, workshop):
        monkeypatch.setattr(module, "devices", lambda: (*devices(), GPU))
    both = lambda runtimes: tuple(one for one in (*devices(), GPU) if one.runtime in runtimes)  # noqa: E731
    monkeypatch.setattr(opener, "devices_of", both)
    yield processes
    for one in list(processes._open.values()):  # of a test that failed
        one.child.close()


@pytest.fixture
def models(tmp_path):
    write_graph(tmp_path / "small.onnx")
    write_clip(clip := tmp_path / "clip.mp4", frames=30)
    found = card(tmp_path / "small.onnx")
    media = {"sha256": sha256(clip), "size": clip.stat().st_size, "origins": [{"file": clip.name}]}
    weights = {**found.model_dump(mode="json")["weights"], clip.name: media}
    one = card(tmp_path / "small.onnx", weights=weights, graph={"variants": [VARIANT]})
    return models_in(tmp_path / "models", {one.id: Small(one)}, Concurrency(1, 1))


def pulled(models, how=""):
    """The model, measured on a device that does so; then it does right."""
    (file := models.catalogue.root.parent / HOW).write_text(how)
    models.puller.pull("small", silent)
    file.write_text("")
    return file


def why_not(models):
    return next(row.why_not for row in models.catalogue.variants("small") if row.device == "gpu")


def infer(instance, seed=0):
    picture = PictureFrame(np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8), 0.0)
    return instance.infer(picture, card_options(instance.card), FakeRun(), Priority.FRAME)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("lies", "and the card wants"),
        ("gives nan", "not finite"),
        ("fails", "no such kernel"),
        ("segfaults", "SIGSEGV"),
    ],
)
def test_a_device_that_fails_when_it_is_measured_is_not_taken_even_by_name(models, how, why):
    pulled(models, how)
    assert why in why_not(models)
    for device in ("auto", "gpu"):
        instance = models.opener.acquire("small", device=device, precision="f32")
        assert instance.facts.device == "cpu"
        models.opener.release(instance)


def test_one_that_computes_right_is_opened_and_what_it_cannot_do_later_the_cpu_does(models):
    how = pulled(models)
    assert not why_not(models)
    instance = models.opener.acquire("small", device="gpu")
    changes = []
    instance.watch(lambda: changes.append((instance.facts.device, instance.why_spared)))
    assert (instance.facts.device, instance.why_spared) == ("gpu", "")
    right = infer(instance)
    how.write_text("is lost")
    np.testing.assert_allclose(infer(instance).probabilities, right.probabilities, atol=1e-5)
    assert instance.facts.device == "cpu"
    assert "lost" in instance.why_spared
    how.write_text("")
    until(lambda: infer(instance) and instance.facts.device == "gpu", "it is back")
    assert instance.why_spared == ""
    assert changes[0][0] == "cpu"
    assert changes[-1] == ("gpu", "")
    models.opener.release(instance)
