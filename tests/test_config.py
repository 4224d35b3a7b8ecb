"""config.yaml: every fault at once, with file, key and reason; the shipped one is the reference."""

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from edged.config import Config, load
from edged.contracts.errors import ConfigError

SHIPPED = Path(__file__).parent.parent / "config.yaml"


def written(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def faults(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    assert all(str(tmp_path / "config.yaml") in fault for fault in caught.value.faults)
    return "\n".join(caught.value.faults)


def test_an_empty_file_is_all_defaults(tmp_path):
    config = load(written(tmp_path, ""))
    assert config.node == "edged"
    assert config.paths.models == tmp_path / "models"


def test_every_fault_is_listed_at_once(tmp_path):
    said = faults(
        tmp_path,
        """
nodes: shop
services:
  object-detection: {device: 5, options: {score_threshold: 7}}
  objct-detection: {}
streams:
  door: {source: rtsp://cam/1, run: [object-detection], fps: 3}
""",
    )
    for part in ("nodes: this key is unknown", "services.object-detection.device", "streams.door.fps"):
        assert part in said


def test_names_and_options_are_checked_against_the_contracts(tmp_path):
    said = faults(
        tmp_path,
        """
node: a/b
services:
  object-detection: {options: {score_threshold: 7, colour: red}}
  objct-detection: {}
streams:
  "do+or": {source: rtsp://cam/1, run: [{object-detection: {options: {max_detections: 0}}}]}
""",
    )
    for part in (
        "node:",
        "services.object-detection.options.score_threshold",
        "services.object-detection.options.colour",
        "did you mean object-detection",
        "streams.do+or",
        "max_detections",
    ):
        assert part in said, part


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: b: c", "mapping values"),
        ("- 1", "dictionary"),
        ("streams: {}\nstreams: {}", "stands twice"),
        ("node: ${EDGED_NO_SUCH}", "node: the environment has no variable EDGED_NO_SUCH"),
        ("health_every: soon", "health_every"),
    ],
)
def test_other_faults(tmp_path, text, says):
    assert says in faults(tmp_path, text)


def test_environment_and_durations(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGED_NODE", "shop-7")
    config = load(written(tmp_path, "node: ${EDGED_NODE}\nhealth_every: 2m\n"))
    assert (config.node, config.health_every) == ("shop-7", 120.0)


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path):
    sources = {"a": "clips/a.mp4", "b": "rtsp://cam/1", "c": "/dev/video0", "d": "models:m/f.mp4"}
    streams = "".join(f"  {n}: {{source: '{s}', run: [object-detection]}}\n" for n, s in sources.items())
    found = load(written(tmp_path, f"streams:\n{streams}")).streams
    assert found["a"].source == str(tmp_path / "clips/a.mp4")
    assert [found[n].source for n in "bcd"] == [sources[n] for n in "bcd"]


def test_a_file_that_is_not_there_is_a_fault_that_names_it(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")


def test_services_that_only_a_stream_names_are_wanted_too(tmp_path):
    config = load(written(tmp_path, "streams: {door: {source: a.mp4, run: [object-detection]}}"))
    assert list(config.wanted_services()) == ["object-detection"]


def keys_of(model: type[BaseModel], prefix=""):
    """Every key of a settings model, those of the models inside it too."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys_of(field.annotation, f"{prefix}{name}.")


def test_the_shipped_file_is_valid_and_names_every_key_with_its_default():
    shipped = load(SHIPPED)
    raw = yaml.safe_load(SHIPPED.read_text())
    meant = {"services", "streams"}  # the shipped file shows an example of these
    for key, field in keys_of(Config):
        value, found = raw, True
        for part in key.split("."):
            found = found and isinstance(value, dict) and part in value
            value = value[part] if found else None
        assert found, f"config.yaml lacks {key}"
        assert field.description, f"{key} has no docstring"
    for name in Config.model_fields.keys() - meant - {"paths"}:
        assert getattr(shipped, name) == getattr(Config(), name), f"config.yaml: {name} is not its default"


def test_a_camera_cannot_feed_a_service_that_compares(tmp_path):
    said = faults(
        tmp_path, "streams: {door: {source: rtsp://cam/1, run: [object-detection, face-similarity]}}"
    )
    assert "streams.door.run.1: face-similarity compares two pictures, so no stream can feed it" in said


def test_a_service_may_use_other_models(tmp_path):
    config = load(
        written(tmp_path, "services: {image-similarity: {uses: {embedding: mine}, pai_spelling: true}}")
    )
    assert config.service("image-similarity").uses == {"embedding": "mine"}


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (
            "source: 'mic:default', run: [object-detection]",
            "run.0: object-detection wants pictures, and the source",
        ),
        (
            "source: rtsp://cam/1, run: [music-detection, object-detection]",
            "run.1: object-detection wants pictures, another service of this stream sound: make two streams",
        ),
        (
            "source: 'mic:', run: [text-vectorization]",
            "run.0: text-vectorization reads texts, so no stream can feed it",
        ),
        ("source: 'mic:', run: [music-detection], gate: {fps: 5}", "gate.fps: is for services that look"),
        ("source: rtsp://cam/1, run: [ocr], gate: {voice: true}", "gate.voice: is for services that listen"),
        (
            "source: 'mic:', run: [music-detection], publish: {snapshot: true}",
            "publish.snapshot: there is no picture",
        ),
    ],
)
def test_what_looks_and_what_listens_is_kept_apart(tmp_path, stream, says):
    assert f"streams.counter.{says}" in faults(tmp_path, f"streams: {{counter: {{{stream}}}}}")


def test_a_microphone_is_no_file(tmp_path):
    text = "streams: {counter: {source: 'mic:kitchen', run: [music-detection], gate: {voice: true}}}"
    stream = load(written(tmp_path, text)).streams["counter"]
    assert stream.source == "mic:kitchen"
    assert stream.listens
