"""`edged replay`: a clip through lines, zones and rules, with models that need no weights."""

import orjson
import pytest
from typer.testing import CliRunner

from edged.cli import app
from edged.contracts.errors import EdgedError
from tests.square import MODELS, settle, write_walk

CONFIG = """
paths: {models: models, state: state, plugins: [plugins]}
time_zone: Europe/Berlin
services: {object-detection: {model: square}, ocr: {model: sign}, scene-classification: {model: place}}
streams:
  door:
    source: rtsp://nobody@camera/door
    gate: {fps: 10}
    run: [object-detection, ocr]
    lines: {middle: {from: [0.1, 0.5], to: [0.9, 0.5]}, aside: {from: [0.0, 0.9], to: [0.1, 0.9]}}
    zones: {low: {polygon: [[0, 0.6], [1, 0.6], [1, 1], [0, 1]], events: true}}
  view: {source: rtsp://camera/view, run: [{scene-classification: {every: 0.5s}}]}
  bare: {source: rtsp://camera/bare, run: [object-detection]}
rules:
  visitor: {when: {line: door/middle, direction: in}}
  nobody: {when: {line: door/middle, direction: out}}
  queue: {when: {zone: door/low, count: ">= 1"}, for: 0.5s, end_after: 1s}
  loiterer: {when: {zone: door/low, stays: 1s}, end_after: 1s}
  nightly: {when: {seen: person, stream: door}, between: ["22:00", "06:00"], end_after: 2s}
  plate: {when: {text: "[A-Z]{2}-\\\\d{3,4}", stream: door}}
  light: {when: {seen: beach, stream: view}, end_after: 2s}
"""


class Failed(Exception):
    """The command said no."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replay")
    settle(folder / "plugins" / "square")
    (folder / "config.yaml").write_text(CONFIG)
    write_walk(folder / "walk.mp4", before=10, there=60, gone=100)
    assert CliRunner().invoke(app, ["pull", *MODELS, "-c", str(folder / "config.yaml")]).exit_code == 0
    return folder


@pytest.fixture
def replay(folder):
    """What the command prints as JSON lines: what happened, and the counts."""

    def run(stream, clip="walk.mp4", *args):
        command = ["replay", stream, str(folder / clip), "--json", *args, "-c", str(folder / "config.yaml")]
        done = CliRunner().invoke(app, command)
        if isinstance(done.exception, EdgedError):
            raise Failed(str(done.exception))
        assert done.exit_code == 0, done.output
        *happened, counts = map(orjson.loads, done.stdout.splitlines())
        return happened, counts

    return run


def of(happened, rule):
    return [one for one in happened if one.get("rule") == rule]


def test_what_happens_and_what_is_counted(replay):
    happened, counts = replay("door", "walk.mp4", "--at", "2026-11-26T23:30")
    assert counts["lines"] == {"middle": {"person": {"in": 1, "out": 0}}, "aside": {}}
    low = counts["zones"]["low"]
    assert (low["entered"], low["left"], low["most"]) == (1, 1, 1)
    assert low["longest_s"] == pytest.approx(2.2, abs=0.4)
    [line] = [one for one in happened if one["event"] == "line"]
    assert (line["line"], line["direction"], line["class"], line["track"]) == ("middle", "in", "person", 1)
    begin, end = (one for one in happened if one["event"] == "zone")
    assert (begin["phase"], end["phase"], end["reason"]) == ("begin", "end", "over")
    assert [one["phase"] for one in of(happened, "visitor")] == ["once"]
    assert of(happened, "nobody") == []
    for rule in ("queue", "loiterer", "nightly", "plate"):
        begin, end = of(happened, rule)
        assert (begin["phase"], end["phase"]) == ("begin", "end")
        assert end["at"] == pytest.approx(begin["at"] + end["lasted"], abs=0.02)
    assert of(happened, "plate")[0]["text"] == "HH-1234"
    assert of(happened, "queue")[1]["reason"] == "over"


def test_the_time_of_day_is_that_of_the_clip(replay):
    assert of(replay("door", "walk.mp4", "--at", "2026-11-26T12:00")[0], "nightly") == []
    assert of(replay("door", "walk.mp4", "--at", "2026-11-26T21:59:58")[0], "nightly") != []


def test_classes_that_a_service_without_boxes_says(replay):
    happened, counts = replay("view")
    begin, end = of(happened, "light")
    assert begin["class"] == "beach"
    assert end["lasted"] == pytest.approx(3, abs=0.6)
    assert counts == {"stream": "view", "lines": {}, "zones": {}}


@pytest.mark.parametrize("fps", ["2", "5", "20", "50"])
def test_counts_are_the_same_however_many_pictures_are_looked_at(replay, fps):
    _, counts = replay("door", "walk.mp4", "--fps", fps)
    assert counts["lines"]["middle"] == {"person": {"in": 1, "out": 0}}


def test_twice_is_the_same(replay):
    at = ("walk.mp4", "--at", "2026-11-26T23:30")
    assert replay("door", *at) == replay("door", *at)


def test_nothing_is_written(replay, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    replay("door")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_people_get_lines_and_tables(folder):
    command = ["replay", "door", str(folder / "walk.mp4"), "-c", str(folder / "config.yaml")]
    done = CliRunner().invoke(app, [*command, "--at", "2026-11-26T23:30"])
    assert (done.exit_code, done.stdout) == (0, "")
    lines = [" ".join(line.split()) for line in done.stderr.splitlines()]
    assert any(line.endswith("line middle: person 1, in") for line in lines)
    assert any("rule plate ends: 'HH-1234', after 3" in line for line in lines)
    assert "middle person 1 0" in lines
    assert "aside - 0 0" in lines
    assert any(line.startswith("low 1 1 1 ") for line in lines)


def test_what_is_said_in_a_recording(instance_of, models_root, media, tmp_path):
    instance_of("mandarin-live")
    config = tmp_path / "config.yaml"
    config.write_text(
        f"paths: {{models: {models_root}}}\n"
        "streams: {counter: {source: 'mic:default', run: [speech-recognition-zh-live]}}\n"
        "rules: {hello: {when: {said: 世界, stream: counter}}, help: {when: {said: 救命, stream: counter}}}\n"
    )
    command = ["replay", "counter", str(media("hello-world.wav")), "--json", "-c", str(config)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    said, _ = map(orjson.loads, done.stdout.splitlines())
    assert (said["rule"], said["phase"]) == ("hello", "once")
    assert "世界" in said["text"]


@pytest.mark.parametrize(
    ("stream", "clip", "says"),
    [
        ("dor", "walk.mp4", "no stream is called 'dor'; did you mean door"),
        ("bare", "walk.mp4", "streams.bare has no lines, no zones and no rules"),
        ("door", "run.mp4", "there is no file"),
        ("door", "config.yaml", "config.yaml"),
    ],
)
def test_what_cannot_be_played_is_said(replay, stream, clip, says):
    with pytest.raises(Failed, match=says):
        replay(stream, clip)
