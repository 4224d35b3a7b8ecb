"""Fixtures of all tests: real weights and media, fetched once by the project's own code."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings
from pydantic import TypeAdapter

from edged.cards import load_card
from edged.contracts.card import ModelCard, Weights
from edged.discovery import discover
from edged.repository.instance import Instance
from edged.weights.store import WeightStore
from tests.opened import models_in, silent

ROOT = Path(__file__).parent
MODELS = Path(os.environ.get("EDGED_TEST_MODELS", ROOT / "models"))
"""Shared by runs; `make run` uses the same folder."""

settings.register_profile(  # the same examples each time, however long the box takes for one
    "edged", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("edged")

NEEDS = {
    "models_root": "weights",
    "mosquitto": "broker",
    "browser": "browser",
    "gstreamer": "rtsp",
    "null_sink": "sound",
}
"""A test that has the fixture, also by way of another one, gets the marker."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they need; what needs nothing and is not slow is quick. The dearest files go first.

    Weights are pulled and variants derived then while the many small tests fill the other workers.
    """
    for item in items:
        for need in {NEEDS[name] for name in getattr(item, "fixturenames", ()) if name in NEEDS}:
            item.add_marker(need)
        if not any(item.get_closest_marker(name) for name in (*NEEDS.values(), "slow", "long")):
            item.add_marker("quick")
    dear = {item.path for item in items if item.get_closest_marker("weights")}
    items.sort(key=lambda item: item.path not in dear)


@pytest.fixture(scope="session")
def models_root() -> Path:
    """The model repository that all tests share."""
    return MODELS


@pytest.fixture(scope="session")
def weight_store(models_root: Path) -> WeightStore:
    """The files in it."""
    return WeightStore(models_root)


@pytest.fixture(scope="session")
def yolox_card() -> ModelCard:
    """The card of yolox-nano."""
    return load_card(ROOT / "plugins" / "yolox-nano" / "card.yaml")


@pytest.fixture(scope="session")
def yolox_onnx(weight_store: WeightStore, yolox_card: ModelCard) -> Path:
    """The real weights of yolox-nano."""
    return weight_store.ensure(yolox_card, ["yolox_nano.onnx"], silent)["yolox_nano.onnx"]


@pytest.fixture(scope="session")
def bikes(weight_store: WeightStore, yolox_card: ModelCard) -> Path:
    """A clip of 250 frames, 640 x 272: a street with cars, people and bicycles."""
    return weight_store.ensure(yolox_card, ["bikes.mp4"], silent)["bikes.mp4"]


@pytest.fixture(scope="session")
def instance_of(models_root: Path) -> Callable[..., Instance]:
    """Pull a model of `plugins/` and open it: `instance_of("yolox-nano", precision="f32")`."""
    models = discover([ROOT / "plugins"], entry_points=False).models
    found = models_in(models_root, models)

    def pulled(model: str, precision: str = "auto") -> Instance:
        found.puller.pull(model, silent)
        return found.opener.acquire(model, precision=precision, strict=precision != "auto")

    return pulled


@pytest.fixture(scope="session")
def media(weight_store: WeightStore, yolox_card: ModelCard) -> Callable[[str], Path]:
    """A picture of tests/media.yaml by name."""
    listed = yaml.safe_load((ROOT / "tests" / "media.yaml").read_text())
    media = TypeAdapter(dict[str, Weights]).validate_python(listed)
    card = yolox_card.model_copy(update={"weights": media})
    return lambda name: weight_store.ensure(card, [name], silent)[name]
