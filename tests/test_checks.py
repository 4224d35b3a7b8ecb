"""`edged test-plugin`: each fault of a plugin is found, and said with what to do."""

import hashlib
import re

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from edged import (
    AudioClip,
    Detections,
    InferenceError,
    Model,
    ModelCard,
    NotUsable,
    StreamModel,
    VoiceActivity,
)
from edged.cli import app
from edged.config.settings import Config, PathSettings
from edged.contracts.model import Tools
from edged.contracts.services import service
from edged.scaffold import new_plugin
from edged.testing import FakeSession, Items, Subject, checked_rows, items_for, tried
from tests.graphs import LEAST, NOT_THERE

CARD = ModelCard.model_validate(
    {
        **LEAST,
        "id": "cats",
        "service": "object-detection",
        "weights": NOT_THERE,
        "graphs": {
            "main": {
                "weights": ["a.onnx"],
                "inputs": {"x": {"kind": "tensor", "shape": [1]}},
                "outputs": ["y"],
                "variants": ["onnxruntime-f32"],
            }
        },
        "options": {"score_threshold": 0.5, "iou_threshold": 0.5, "max_detections": 9},
    }
)


class Cats(Model):
    """One cat, as wide as the graph says."""

    def infer(self, item, options, tools, run):
        y = tools.sessions["main"].run({"x": np.ones(1, np.float32)})["y"]
        return self.found(item, y)

    def found(self, item, y):
        return Detections(np.array([[0.0, 0, y[0, 0], 1]]), np.ones(1), np.zeros(1, int), ("cat",))

    def shapes(self, graph):
        return {"y": (1, 1)}


def row_of(model, check):
    session = FakeSession(lambda fed: {"y": fed["x"][None]})
    subject = Subject(model, Tools({"main": session}), items_for(service("object-detection")))
    return next(row for row in checked_rows(subject) if row.check == check)


def test_a_good_model_passes_all():
    session = FakeSession(lambda fed: {"y": fed["x"][None]})
    subject = Subject(Cats(CARD), Tools({"main": session}), items_for(service("object-detection")))
    assert {row.result for row in checked_rows(subject)} == {"ok", "left out"}


def test_an_output_of_another_shape_that_crashes():
    class Careless(Cats):
        def shapes(self, graph):
            return {}

        def found(self, item, y):
            return super().found(item, np.array([[float(y[0, 0])]]) if y.ndim == 2 else y.item(7))

    row = row_of(Careless(CARD), "bad outputs")
    assert row.result == "failed"
    assert "'y' of the graph 'main' with one axis more: IndexError" in row.said
    assert "shapes(graph)" in row.fix


def test_an_output_of_another_shape_that_is_answered():
    class Careless(Cats):
        def shapes(self, graph):
            return {}

        def found(self, item, y):
            return super().found(item, np.full((1, 1), float(y.ndim)))

    assert "with one axis more is answered all the same" in row_of(Careless(CARD), "bad outputs").said


def test_numbers_that_are_none_and_are_hidden():
    class Hides(Cats):
        def infer(self, item, options, tools, run):
            try:
                return super().infer(item, options, tools, run)
            except InferenceError:
                return self.found(item, np.zeros((1, 1)))

    assert "numbers that are none is answered" in row_of(Hides(CARD), "bad outputs").said


def test_an_odd_picture_that_crashes_or_is_refused():
    class Divides(Cats):
        error: type[Exception] = ZeroDivisionError

        def found(self, item, y):
            if item.width == 1:
                raise self.error("too small")
            return super().found(item, y)

    class Refuses(Divides):
        error = NotUsable

    assert row_of(Divides(CARD), "odd items").said == "a picture of one pixel: ZeroDivisionError: too small"
    row = row_of(Refuses(CARD), "odd items")
    assert (row.result, row.said) == ("ok", "refused: a picture of one pixel (too small)")


def test_what_holds_a_state_or_fails_at_once():
    class Counts(Cats):
        count = 0.0

        def found(self, item, y):
            self.count += 1
            return super().found(item, y + self.count)

    class Fails(Cats):
        def found(self, item, y):
            raise KeyError("boxes")

    assert "holds state" in row_of(Counts(CARD), "threads").said
    failing = Subject(
        Fails(CARD), Tools({"main": FakeSession(lambda fed: {"y": fed["x"][None]})}), Items(None)
    )
    (row,) = checked_rows(failing)
    assert (row.check, row.said) == ("contract", "KeyError: 'boxes'")


VOICE = CARD.model_copy(update={"id": "voice", "service": "voice-activity", "options": {}, "graphs": {}})


class Hears(StreamModel):
    """How loud it was until now, added up: the state is a number."""

    def start(self, options):
        return 0.0

    def step(self, chunk, state, options, tools, run):
        state = state + float(np.abs(chunk.samples).max())
        return VoiceActivity(np.array([state])), state


class Mixes(Hears):
    """The state is the model's."""

    loudest = 0.0

    def step(self, chunk, state, options, tools, run):
        found, self.loudest = super().step(chunk, self.loudest, options, tools, run)
        return found, None


class Writes(Hears):
    """The state that is given is written to."""

    def start(self, options):
        return [0.0]

    def step(self, chunk, state, options, tools, run):
        state[0] += float(np.abs(chunk.samples).max())
        return VoiceActivity(np.array([state[0]])), state


@pytest.mark.parametrize(
    ("kind", "said"), [(Mixes, "the state is not a value"), (Writes, "changes the state that it is given")]
)
def test_streams_that_are_mixed(kind, said):
    sound = np.linspace(0, 1, 32_000, dtype=np.float32)
    subject = Subject(kind(VOICE), Tools({}), Items(AudioClip(sound, 16_000, 0)))
    (row,) = (row for row in checked_rows(subject) if row.check == "streams")
    assert (row.result, said in row.said) == ("failed", True)
    good = Subject(Hears(VOICE), Tools({}), subject.items)
    assert {row.check: row.result for row in checked_rows(good)}["streams"] == "ok"


@pytest.fixture
def folder(tmp_path):
    return new_plugin("mine", "image-classification", tmp_path / "plugins", tmp_path, tmp_path)


def rows(folder, **more):
    settings = Config(paths=PathSettings(models=folder.parent.parent / "models"))
    return {row.check: row for row in tried(folder, settings, **more)}


def changed(folder, file, old, new):
    path = folder / file
    said = path.read_text("utf-8")
    assert old in said
    path.write_text(said.replace(old, new), "utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("plugin.py", "import batch_of_one", "import batch_of_two", "ImportError"),
        ("card.yaml", "rank: 100", "rank: 0", "rank: must be at least 1"),
        ("card.yaml", "id: mine", "id: modnet", "the model id 'modnet' is taken by"),
    ],
)
def test_a_plugin_that_cannot_be_loaded(folder, file, old, new, said):
    changed(folder, file, old, new)
    found = rows(folder)
    assert list(found) == ["loading"]
    assert said in found["loading"].said
    assert found["loading"].fix


def test_another_graph_than_the_card_says(folder):
    """What is to be written into the card is told, and it is right."""
    data = (folder / "model.onnx").read_bytes()
    changed(folder, "card.yaml", hashlib.sha256(data).hexdigest(), "ab" * 32)
    changed(folder, "card.yaml", f"size: {len(data)}", "size: 7")
    row = rows(folder)["weights"]
    assert row.result == "failed"
    sha256, size = re.findall(r"sha256: (\w+), size: (\d+)", row.fix)[0]
    assert (sha256, int(size)) == (hashlib.sha256(data).hexdigest(), len(data))


def test_a_licence_that_must_be_accepted(folder):
    changed(folder, "card.yaml", "permissive: true ", "permissive: false")
    row = rows(folder)["weights"]
    assert "LicenseRef-TODO of mine is not permissive" in row.said
    assert "--accept-licence" in row.fix
    assert rows(folder, accept_licence=True)["contract"].result == "ok"


def test_what_it_is_tried_on_may_be_given(folder, tmp_path):
    assert "cannot be read" in rows(folder, given=["nothing.png"])["item"].said
    assert "1 item(s)" in rows(folder, given=["a.png", "b.png"])["item"].said


def test_the_command(folder, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("node: mine\n")
    done = CliRunner().invoke(app, ["test-plugin", str(folder), "--json", "-c", str(config)])
    assert done.exit_code == 0, done.stderr
    said = orjson.loads(done.stdout)
    assert [row["check"] for row in said][:4] == ["loading", "weights", "opening", "contract"]
    assert "speed" in done.stderr
    changed(folder, "plugin.py", "grid.mean", "grid.median")
    done = CliRunner().invoke(app, ["test-plugin", str(folder), "-c", str(config)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "has no attribute 'median'" in done.stderr
