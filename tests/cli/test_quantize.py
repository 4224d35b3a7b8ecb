"""`edged quantize`: from a stream, a folder or a file; each fault is a sentence, and changes nothing."""

import shutil

import cv2
import orjson
import pytest
from typer.testing import CliRunner

from edged.cli import app
from edged.contracts.errors import ConfigError, EdgedError, NotReady, SourceError, VariantError
from edged.control import Switches
from edged.derive.manifest import Manifest
from edged.repository import recalibration
from tests.broker import free_port
from tests.cli.conftest import write_model
from tests.streams.test_taking import film, room

CONFIG = """
paths: {{models: models, plugins: [own], state: state}}
streams:
  door: {{source: film.mp4, loop: true, run: [image-classification]}}
  away: {{source: "http://user:secret@127.0.0.1:{port}/", run: [image-classification]}}
  room: {{source: "mic:default", run: [music-detection]}}
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A file that plays a camera, one that is away, the models `good`, which is pulled, and `published`."""
    root = tmp_path_factory.mktemp("box")
    write_model(root / "own" / "good", "good.onnx")
    write_model(
        root / "own" / "published", "good.onnx", rank=51, variant="onnxruntime-int8", quantized="true"
    )
    film(root / "film.mp4", range(60))
    (root / "config.yaml").write_text(CONFIG.format(port=free_port()))
    assert edged("pull", "good", "-c", root / "config.yaml")[0] == 0
    return root


@pytest.fixture
def pulled(box, tmp_path, monkeypatch):
    """A configuration of one's own."""
    monkeypatch.setattr(recalibration, "WORTH", 0.0)  # of a graph so small no variant is the faster one
    shutil.copytree(box, tmp_path, dirs_exist_ok=True)
    return tmp_path / "config.yaml"


@pytest.fixture
def config(pulled, tmp_path):
    """The same without any model pulled."""
    shutil.rmtree(tmp_path / "models")
    return pulled


def edged(*args):
    """The exit code, what JSON was printed, and stderr; what edged raises is raised."""
    done = CliRunner().invoke(app, [*map(str, args)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, orjson.loads(done.stdout) if done.stdout else None, done.stderr


def variants(config):
    (row,) = (row for row in edged("models", "--json", "-c", config)[1] if row["model"] == "good")
    return row["variants"]


def test_from_a_stream_and_back(pulled):
    code, said, err = edged("quantize", "good", "--from", "stream:door", "--json", "-c", pulled)
    assert code == 0
    assert said["changed"]
    assert said["from"]["source"] == "stream:door"
    assert said["from"]["items"] == 60
    (only,) = said["variants"]
    assert (only["variant"], only["taken"], only["before"]) == ("onnxruntime-int8", True, None)
    assert only["after"]["at_least"] <= only["after"]["agreement"]
    assert "in memory only: none of them is kept" in err
    assert "--undo" in err
    assert "restart it" in err
    assert variants(pulled) == ["onnxruntime-f32", "onnxruntime-int8"]
    assert "calibrated on stream:door, 60 items" in edged("pull", "good", "-c", pulled)[2]

    code, said, err = edged("quantize", "good", "--undo", "--json", "-c", pulled)
    assert (code, said) == (0, {"model": "good", "changed": True, "derived_again": []})
    assert variants(pulled) == ["onnxruntime-f32"]
    with pytest.raises(VariantError, match="nothing to undo"):
        edged("quantize", "good", "--undo", "-c", pulled)


def test_from_a_folder_with_what_is_broken_in_it(pulled, tmp_path):
    for number in range(20):
        (tmp_path / "shots").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "shots" / f"{number}.jpg"), room(number))
    (tmp_path / "shots" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    code, said, _ = edged("quantize", "good", "--from", tmp_path / "shots", "--json", "-c", pulled)
    assert (code, said["from"]["items"], said["damaged"]) == (0, 20, 1)
    manifest = Manifest.load(tmp_path / "models" / "good" / "onnxruntime-int8")
    assert manifest is not None
    assert manifest.own is not None
    assert manifest.own.source == str(tmp_path / "shots")


def test_what_is_not_worth_it_is_told_and_not_taken(pulled, monkeypatch):
    monkeypatch.setattr(recalibration, "WORTH", 1e9)
    code, said, err = edged("quantize", "good", "--from", "stream:door", "--json", "-c", pulled)
    assert (code, said["changed"]) == (1, False)
    assert "times as fast as f32" in said["variants"][0]["why_not"]
    assert "times as fast as f32" in err
    assert "restart it" not in err
    assert variants(pulled) == ["onnxruntime-f32"]


@pytest.mark.parametrize(
    ("args", "kind", "why"),
    [
        ((), ConfigError, "say on what"),
        (("--from", "stream:dor"), ConfigError, "did you mean door"),
        (("--from", "stream:away"), SourceError, r"^nothing listens at http://127.0.0.1:\d+/"),
        (("--from", "stream:room"), SourceError, "is a microphone, and the model wants pictures"),
        (("--from", "rtsp://camera/"), ConfigError, "--from stream:NAME"),
        (("--from", "/no/such/folder"), ConfigError, "there is no folder or file"),
        (("--from", "{tmp}/own"), SourceError, "holds no picture"),
        (("--from", "{tmp}/config.yaml"), SourceError, "no video or sound"),
        (("--from", "{tmp}/short.mp4"), SourceError, "gave 12 items, and 20 are wanted"),
        (("--from", "stream:door", "--over", "soon"), ConfigError, "--over is a time"),
    ],
)
def test_what_cannot_be_used_is_said_and_changes_nothing(pulled, tmp_path, args, kind, why):
    film(tmp_path / "short.mp4", range(12))
    given = [arg.replace("{tmp}", str(tmp_path)) for arg in args]
    with pytest.raises(kind, match=why) as raised:
        edged("quantize", "good", *given, "-c", pulled)
    assert "secret" not in str(raised.value)
    assert variants(pulled) == ["onnxruntime-f32"]


def test_a_stream_that_is_switched_off_is_not_looked_through(pulled, tmp_path):
    Switches(tmp_path / "state").turn("door", on=False)
    with pytest.raises(SourceError, match="door is switched off"):
        edged("quantize", "good", "--from", "stream:door", "-c", pulled)


def test_a_full_disk_is_a_sentence(pulled, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "models")

    monkeypatch.setattr(recalibration, "contest", full)
    with pytest.raises(EdgedError, match="No space left on device"):
        edged("quantize", "good", "--from", "stream:door", "-c", pulled)
    assert variants(pulled) == ["onnxruntime-f32"]


def test_interrupted_it_says_that_nothing_changed(pulled, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(recalibration, "contest", interrupt)
    done = CliRunner().invoke(app, ["quantize", "good", "--from", "stream:door", "-c", str(pulled)])
    assert "interrupted; nothing was changed" in done.stderr
    assert done.exit_code != 0
    assert variants(pulled) == ["onnxruntime-f32"]


def test_a_model_that_is_not_there(config):
    with pytest.raises(NotReady, match="edged pull good"):
        edged("quantize", "good", "--from", "stream:door", "-c", config)


def test_what_cannot_be_quantized_names_those_that_can(config):
    with pytest.raises(VariantError, match=r"int8 as published.*these can be quantized: .*good"):
        edged("quantize", "published", "--from", "stream:door", "-c", config)


def test_a_real_model_on_a_real_street(instance_of, models_root, tmp_path):
    """Whether int8 is taken depends on the box; what is said and what is done agree."""
    instance_of("picodet-416")  # it is pulled
    models = tmp_path / "models"
    whole = shutil.ignore_patterns(".*")  # other tests may derive of it meanwhile
    shutil.copytree(models_root / "picodet-416", models / "picodet-416", ignore=whole)
    (models / "weights").symlink_to(models_root / "weights")
    config = tmp_path / "config.yaml"
    source = "{source: 'models:picodet-416/bikes.mp4', loop: true, run: [object-detection]}"
    config.write_text(f"paths: {{models: models, state: state}}\nstreams: {{street: {source}}}\n")
    given = ("--from", "stream:street", "--frames", 24, "--json", "-c", config)
    code, said, err = edged("quantize", "picodet-416", *given)
    (int8,) = said["variants"]
    assert said["from"]["items"] == 24
    assert int8["after"]["agreement"] > 0.7
    assert int8["before"]["agreement"] > 0.7
    assert said["others"]["openvino-bf16" if "openvino-bf16" in said["others"] else "openvino-f32"]["ms"] > 0
    assert "picodet-416 on what it was not calibrated on of stream:street" in err
    manifest = Manifest.load(models / "picodet-416" / "openvino-int8")
    assert (code == 0) == int8["taken"] == (int8["why_not"] == "") == bool(manifest and manifest.own)
