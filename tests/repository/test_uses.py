"""Models that build on others, and graphs that a model builds of its weights."""

from typing import Any

import numpy as np
import onnx
import pytest

from edged.contracts.errors import CardError, ConfigError, NotReady
from edged.contracts.image import Classification
from edged.contracts.model import Model, Prepared, SinglePassModel
from edged.contracts.parts import Embedding
from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.derive.build import GraphSources
from edged.media.frame import PictureFrame
from edged.runtimes.devices import Concurrency
from edged.serving.unit import ServiceSettings, named
from edged.testing import FakeRun
from tests.graphs import card, write_graph
from tests.opened import models_in, silent

VARIANTS = {"variants": ["onnxruntime-f32", "openvino-f32"]}
PART = {"service": "image-embedding", "labels": [], "calibration": None}
WHOLE = {
    "service": "image-classification",
    "graphs": {},
    "weights": {},
    "calibration": None,
    "labels": ["a", "b"],
}


class Vector(SinglePassModel[Any, None, Any, Embedding]):
    """The small graph as an embedding."""

    def preprocess(self, item, options):
        return Prepared({"pictures": item.pixels(self.card.picture().format)[None]}, None)

    def postprocess(self, outputs, context, options):
        return Embedding(outputs["scores"][0])


class Brightest(Model[Any, Any, Classification]):
    """Says whether the first number of the vector is positive."""

    def infer(self, item, options, tools, run):
        found = tools.models["embedding"].infer(item, run)
        names = tools.models["embedding"].card.id, "other"
        return Classification(np.eye(2)[0 if found.vector[0] > 0 else 1], names)


def only_graph(path, graph=VARIANTS, **changes):
    """A card of the part that needs no clip."""
    found = card(path, **{**PART, "graph": graph, **changes})
    return found.model_copy(update={"weights": {path.name: found.weights[path.name]}})


@pytest.fixture
def parts(tmp_path):
    write_graph(tmp_path / "small.onnx")
    return [
        Vector(only_graph(tmp_path / "small.onnx", id=name, rank=rank))
        for rank, name in enumerate(("first", "second"), 1)
    ]


def whole(tmp_path, **changes):
    """A model without graphs that uses `first`."""
    return Brightest(
        card(tmp_path / "small.onnx", **{**WHOLE, "id": "whole", "uses": {"embedding": "first"}, **changes})
    )


@pytest.fixture
def repository(tmp_path, parts):
    def of(*models):
        known = {m.card.id: m for m in [*parts, *models]}
        return models_in(tmp_path / "models", known, Concurrency(2, 1))

    return of


def dark() -> PictureFrame:
    return PictureFrame(np.zeros((10, 10, 3), np.uint8), 0.0)


def infer(instance):
    return instance.infer(dark(), card_options(instance.card), FakeRun(), Priority.FRAME)


def test_a_pull_brings_the_models_that_are_used(repository, tmp_path):
    models = repository(whole(tmp_path))
    assert not models.catalogue.installed("whole")
    with pytest.raises(NotReady, match="edged pull whole"):
        models.catalogue.preferred("image-classification")
    assert models.puller.pull("whole", silent) == {}
    assert models.catalogue.installed("first")
    assert models.catalogue.installed("whole")
    assert not models.catalogue.installed("second")


def test_a_model_without_graphs_runs_as_what_it_uses(repository, tmp_path):
    models = repository(whole(tmp_path))
    models.puller.pull("whole", silent)
    instance = models.opener.acquire("whole", precision="f32")
    assert (instance.facts.name, instance.facts.device) == ("whole", "cpu")
    assert instance.facts.variant.endswith("f32")
    assert models.catalogue.choice("whole").variant == models.catalogue.choice("first").variant
    found = infer(instance)
    assert found.names[found.best] == "first"  # the id of what it used
    models.opener.release(instance)


def test_what_is_used_by_several_is_open_once(repository, tmp_path):
    models = repository(whole(tmp_path), whole(tmp_path, id="twin", rank=2))
    models.puller.pull("whole", silent)
    a, b = models.opener.acquire("whole"), models.opener.acquire("twin")
    alone = models.opener.acquire("first")
    assert a.tools.models["embedding"]._instance is alone
    assert b.tools.models["embedding"]._instance is alone
    for instance in (a, b, alone):
        models.opener.release(instance)
    assert len(models.opener._instances) == 0
    assert len(models.opener.sessions._open) == 0


def test_the_configuration_puts_another_in_its_place(repository, tmp_path):
    models = repository(whole(tmp_path))
    instead = (("embedding", "second"),)
    with pytest.raises(NotReady, match="second is not installed; run `edged pull second`"):
        models.opener.acquire("whole", uses=instead)
    models.puller.pull("second", silent)
    assert models.catalogue.installed("whole", instead)
    instance = models.opener.acquire("whole", uses=instead)
    assert instance.tools.models["embedding"].card.id == "second"
    models.opener.release(instance)
    assert len(models.opener._instances) == 0


@pytest.mark.parametrize(
    ("uses", "sentence"),
    [
        ({"eyes": "second"}, "uses.eyes: whole has no such name; it has embedding"),
        (
            {"embedding": "twin"},
            "uses.embedding: twin is for image-classification, and whole wants image-embedding",
        ),
        (
            {"embedding": "nested"},
            "uses.embedding: nested uses other models itself, so no other model can use it",
        ),
    ],
)
def test_what_cannot_be_used_is_named(repository, tmp_path, uses, sentence):
    nested = whole(tmp_path, id="nested", service="image-embedding", labels=[])
    models = repository(whole(tmp_path), whole(tmp_path, id="twin", rank=2), nested)
    with pytest.raises(ConfigError, match=sentence):
        models.opener.acquire("whole", uses=tuple(uses.items()))


def test_a_failure_gives_back_what_was_opened(repository, tmp_path):
    broken = whole(tmp_path, uses={"embedding": "first", "other": "second"})
    models = repository(broken)
    models.puller.pull("first", silent)
    with pytest.raises(NotReady, match="second"):
        models.opener.acquire("whole")
    assert len(models.opener._instances) == 0


def test_a_card_has_graphs_or_uses_others(tmp_path, parts):
    with pytest.raises(ValueError, match="`graphs`, or `uses` other models"):
        card(tmp_path / "small.onnx", graphs={}, calibration=None)


class Builder(Vector):
    """Builds its graph: the weights are an ONNX file in disguise."""

    built = 0

    def build_graph(self, name, files):
        assert name == "main"
        self.built += 1
        return onnx.load_from_string(files["small.bin"].read_bytes())


@pytest.fixture
def disguised(tmp_path, parts):
    (tmp_path / "small.onnx").rename(tmp_path / "small.bin")
    return lambda kind, **graph: kind(only_graph(tmp_path / "small.bin", {**VARIANTS, **graph}, id="built"))


def test_a_graph_is_built_once_at_pull(repository, disguised):
    model = disguised(Builder, builder=1)
    models = repository(model)
    assert models.puller.pull("built", silent) == {}
    assert model.built == 1  # for both variants
    assert infer(models.opener.acquire("built", precision="f32")).vector.shape == (4,)
    models.puller.pull("built", silent)
    assert model.built == 1
    assert repository(disguised(Builder, builder=1)).catalogue.up_to_date("built")
    assert not repository(disguised(Builder, builder=2)).catalogue.up_to_date("built")  # another recipe


def test_a_builder_that_fails_says_of_which_files(disguised, tmp_path):
    class Wrong(Builder):
        def build_graph(self, name, files):
            raise KeyError("conv1.weight")

    model = disguised(Wrong, builder=1)
    with (
        GraphSources(model, {"small.bin": tmp_path / "small.bin"}) as sources,
        pytest.raises(
            CardError, match=r"built: the graph 'main' cannot be built of small.bin: KeyError: 'conv1.weight'"
        ),
    ):
        sources.path("main")


def test_a_card_with_a_builder_wants_code(repository, disguised):
    with pytest.raises(CardError, match="the plugin builds none"):
        repository(disguised(Vector, builder=1)).puller.pull("built", silent)


def test_a_part_in_the_place_of_a_model_is_used_by_the_first_that_can(repository, tmp_path):
    lone = Brightest(card(tmp_path / "small.onnx", id="lone", rank=1))
    models = repository(lone, whole(tmp_path, rank=2), whole(tmp_path, id="later", rank=3))
    service = "image-classification"
    instead = (("embedding", "second"),)
    assert named(service, ServiceSettings(model="second"), models.catalogue) == ("whole", instead)
    assert named(service, ServiceSettings(model="later"), models.catalogue) == ("later", ())
    wanted = ServiceSettings(uses={"embedding": "second"})
    assert named(service, wanted, models.catalogue) == (None, instead)
    with pytest.raises(ConfigError, match="model: second is for image-embedding; for ocr there is none"):
        named("ocr", ServiceSettings(model="second"), models.catalogue)


def test_what_cannot_use_a_part_is_not_preferred(repository, tmp_path):
    alone = only_graph(tmp_path / "small.onnx", id="lone", rank=1, service="image-classification")
    models = repository(Brightest(alone), whole(tmp_path, rank=2))
    for model in ("lone", "whole", "second"):
        models.puller.pull(model, silent)
    assert models.catalogue.preferred("image-classification") == "lone"
    assert models.catalogue.preferred("image-classification", (("embedding", "second"),)) == "whole"
    with pytest.raises(ConfigError, match=r"uses\.voice"):
        models.catalogue.preferred("image-classification", (("voice", "second"),))
