"""config.yaml: every fault at once, with file, key and reason; the shipped one is the reference."""

import random
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from edged.config.reading import examine, load
from edged.config.settings import Config
from edged.contracts.described import descriptions
from edged.contracts.errors import ConfigError
from edged.contracts.services import SERVICES
from edged.homeassistant.settings import HomeAssistantSettings
from edged.mqtt.topics import RESERVED
from edged.streams.recordings import RecordSettings

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


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: " + "[" * 2000 + "]" * 2000])
def test_what_has_no_end_is_a_fault(tmp_path, text):
    assert "nested too deep, or contains itself" in faults(tmp_path, text)


def test_a_precision_that_there_is_not_is_a_fault(tmp_path):
    said = faults(tmp_path, "services: {object-detection: {precision: int9}}")
    assert "services.object-detection.precision" in said
    assert "'int8'" in said


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


EVERYTHING_WRONG = """
nodes: a/b
healt_every: 0
mqtt: {urll: "mqtt://x", tls: {cca: x.pem}}
http: {lisen: 1.2.3.4:80, tokn: x}
service:
  object-detection: {device: 5, optionss: {score_threshold: 7, colour: red, max_detection: 3}}
  objct-detection: {}
  image-similarity: {uses: 3, modl: x}
requests:
  media_timeout_s: 0
  sound: {max_second: 5}
  fetch: {prts: [80], ports: [80, x, y], allow_networks: [nowhere]}
streams:
  "do+or":
    sorce: rtsp://cam/1
    gate: {motion: {min_are: .1}, fps: -1}
    publsh: {on: change}
    run: [{object-detection: {evry: 2s, options: {max_detections: 0}}}, ocrr, {ocr: {publish: {onn: x}}}]
  back: {run: [face-similarity, objct-detection], publish: {onn: all}}
  side: {source: 5, run: object-detection}
  roof: {source: 'mic:', run: [ocr], publish: {snapshots: true}}
"""
TOLD = """
nodes: this key is unknown; did you mean node?
node: a name is one level of MQTT topics
healt_every: this key is unknown; did you mean health_every?
health_every: must be greater than 0
mqtt.urll: this key is unknown; did you mean url?
mqtt.tls.cca: this key is unknown; did you mean ca?
mqtt.tls: `ca`:
http.lisen: this key is unknown; did you mean listen?
http.tokn: this key is unknown; did you mean token?
http: `token` wants at least 16 characters of ASCII without spaces; `openssl rand -hex 24` makes one
service: this key is unknown; did you mean services?
services.object-detection.device: wants a text; here is a number; quote it
services.object-detection.optionss: this key is unknown; did you mean options?
services.object-detection.options.score_threshold: must be at most 1
services.object-detection.options.colour: this key is unknown; there are score_threshold
services.object-detection.options.max_detection: this key is unknown; did you mean max_detections?
services.objct-detection: no service is called 'objct-detection'; did you mean object-detection
services.image-similarity.uses: wants keys with values, as {key: value}; here is a number
services.image-similarity.modl: this key is unknown; did you mean model?
requests.media_timeout_s: must be greater than 0
requests.sound.max_second: this key is unknown; did you mean max_seconds
requests.fetch.prts: this key is unknown; did you mean ports
requests.fetch.ports.1: wants a whole number; here is a text
requests.fetch.ports.2: wants a whole number; here is a text
requests.fetch.allow_networks.0: wants a network, as 10.0.0.0/8 or fd00::/8; here is a text
streams.do+or: a name
streams.do+or.sorce: this key is unknown; did you mean source
streams.do+or.gate.motion.min_are: this key is unknown; did you mean min_area
streams.do+or.gate.fps: must be greater than 0
streams.do+or.publsh: this key is unknown; did you mean publish?
streams.do+or.run.0.evry: this key is unknown; did you mean every?
streams.do+or.run.0.options.max_detections: must be at least 1
streams.do+or.run.1: no service is called 'ocrr'; did you mean ocr
streams.do+or.run.2.publish.onn: this key is unknown; did you mean on?
streams.do+or.run.2.publish.on: must be 'every' or 'change'
streams.back.publish.on: must be 'every' or 'change'
streams.back.source: this key is missing
streams.back.publish.onn: this key is unknown; did you mean on?
streams.back.run.0: face-similarity compares two pictures
streams.back.run.1: no service is called 'objct-detection'; did you mean object-detection
streams.side.source: wants a text; here is a number; quote it
streams.side.run: wants a list
streams.roof.publish.snapshots: this key is unknown; did you mean snapshot?
streams.roof.run.0: ocr wants pictures, and the source is a microphone
"""


def test_no_fault_hides_another(tmp_path):
    said = faults(tmp_path, EVERYTHING_WRONG)
    start = f"{tmp_path / 'config.yaml'}: "
    told = {line.removeprefix(start) for line in said.splitlines()}
    wanted = TOLD.strip().splitlines()
    assert [line for line in wanted if not any(one.startswith(line) for one in told)] == []
    assert [one for one in told if not any(one.startswith(line) for line in wanted)] == []


SOUND = """
node: shop
http: {listen: 127.0.0.1:1, token: 0123456789abcdef}
requests: {picture: {max_pixels: 9}, fetch: {ports: [80, 81]}}
services: {ocr: {device: cpu, options: {}}, image-similarity: {uses: {embedding: mine}}}
streams:
  door:
    source: rtsp://cam/1
    gate: {motion: {min_area: .1}}
    run: [ocr, {object-detection: {every: 2s, options: {max_detections: 3}, publish: {"on": change}}}]
  mic: {source: 'mic:', run: [{service: music-detection}]}
"""


def places(tree, way=()):
    """The way to each value in a tree."""
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inside:
        yield (*way, key)
        yield from places(value, (*way, key))


def spoilt(tree, way, by):
    """The tree with another value, or with another key where it is misspelt."""
    (key, *rest), copy = way, tree.copy()
    if rest:
        copy[key] = spoilt(tree[key], rest, by)
    elif by == "misspelt" and isinstance(tree, dict):
        copy[f"{key[:-1]}q"] = copy.pop(key)
    else:
        copy[key] = by
    return copy


def told(tmp_path, tree):
    config, lines = examine(written(tmp_path, yaml.safe_dump(tree)))
    assert config is not None
    return set(lines)


@pytest.mark.parametrize("seed", range(80))
def test_two_faults_are_told_like_each_alone(tmp_path, seed):
    chance, tree = random.Random(seed), yaml.safe_load(SOUND)
    one, other = chance.sample(list(places(tree)), 2)
    if one[: len(other)] == other or other[: len(one)] == one:
        return  # what is taken away as a whole has no faults
    by, by_other = chance.choices([5, "x", "misspelt", {"a": 1}, None], k=2)
    first = spoilt(tree, one, by)
    alone = told(tmp_path, first) | told(tmp_path, spoilt(tree, other, by_other))
    assert alone - told(tmp_path, spoilt(first, other, by_other)) == set()


def test_what_is_sound_is_read_beside_what_is_not(tmp_path):
    text = "nodes: shop\nservice: {ocr: {modell: mine, device: 5}}\nstreams: {a: {source: x.mp4}, b: 3}\n"
    config, told = examine(written(tmp_path, text))
    assert config is not None
    assert len(told) == 6
    assert config.node == "shop"
    assert config.services["ocr"].model == "mine"
    assert config.services["ocr"].device == "auto"
    assert not config.streams


def test_on_is_a_word(tmp_path):
    text = "streams: {no: {source: a.mp4, run: [{ocr: {publish: {on: change}}}], publish: {on: %s}}}"
    stream = load(written(tmp_path, text % "change")).streams["no"]
    assert (stream.publish.on, stream.events()) == ("change", {"ocr"})
    assert "streams.no.publish.on: must be 'every' or 'change'" in faults(tmp_path, text % "never")


def test_a_stream_may_be_called_as_a_key(tmp_path):
    said = faults(tmp_path, "streams: {gate: {source: a.mp4, run: [ocr], gate: {fs: 3}, fps: 3}}")
    assert "streams.gate.gate.fs: this key is unknown; did you mean fps?" in said
    assert "streams.gate.fps: this key is unknown; there are source, detect_source," in said


def test_a_variable_that_is_missing_is_told_once(tmp_path):
    said = faults(tmp_path, "streams: {a: {source: '${EDGED_A}${EDGED_B}', run: [ocrr]}}")
    assert [line.partition("yaml: ")[2] for line in said.splitlines()] == [
        "streams.a.source: the environment has no variable EDGED_A",
        "streams.a.source: the environment has no variable EDGED_B",
        "streams.a.run.0: no service is called 'ocrr'; did you mean ocr?",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: b: c", "mapping values"),
        ("- 1", "wants keys with values, as {key: value}; there are node, paths"),
        ("streams: {}\nstreams: {}", "stands twice"),
        ("node: ${EDGED_NO_SUCH}", "node: the environment has no variable EDGED_NO_SUCH"),
        ("health_every: soon", "health_every: a duration is a number of seconds, or written as 500ms, 30s"),
        ("health_every: yes", "health_every: a duration is"),
        ("homeassistant: please", "homeassistant: wants keys with values, as {key: value}; there are prefix"),
        ("rules: {a: {when: {zone: b/c, count: >= 4}}}", "cannot start any token; quote the value"),
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
    said = descriptions(model)
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", said.get(name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys_of(field.annotation, f"{prefix}{name}.")


def test_the_shipped_file_is_valid_and_names_every_key_with_its_default():
    shipped = load(SHIPPED)
    raw = yaml.safe_load(SHIPPED.read_text())
    meant = {"services", "streams"}  # the shipped file shows an example of these
    for key, described in keys_of(Config):
        value, found = raw, True
        for part in key.split("."):
            found = found and isinstance(value, dict) and part in value
            value = value[part] if found else None
        assert found, f"config.yaml lacks {key}"
        assert described, f"{key} has no docstring"
    for name in Config.model_fields.keys() - meant - {"paths"}:
        assert getattr(shipped, name) == getattr(Config(), name), f"config.yaml: {name} is not its default"


def test_a_camera_cannot_feed_a_service_that_compares(tmp_path):
    said = faults(
        tmp_path, "streams: {door: {source: rtsp://cam/1, run: [object-detection, face-similarity]}}"
    )
    assert "streams.door.run.1: face-similarity compares two pictures, so no stream can feed it" in said


def test_a_camera_may_be_watched(tmp_path):
    config = load(
        written(tmp_path, "streams: {door: {source: rtsp://cam/1, run: [video-classification, ocr]}}")
    )
    assert not config.streams["door"].listens


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
        ("source: 'mic:', run: [video-classification]", "run.0: video-classification wants pictures"),
        (
            "source: rtsp://cam/1, run: [video-highlight]",
            "run.0: video-highlight watches videos, so no stream can feed it",
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


@pytest.mark.parametrize(
    ("run", "track", "tracked"),
    [
        ("[ocr, object-detection, instance-segmentation]", "true", "object-detection"),
        ("[object-detection, instance-segmentation]", "instance-segmentation", "instance-segmentation"),
        ("[object-detection]", "false", None),
        (
            "[ocr, object-detection]",
            "false, zones: {till: {polygon: [[0, 0], [1, 0], [1, 1]]}}",
            "object-detection",
        ),
    ],
)
def test_the_first_service_with_boxes_is_followed_or_the_named_one(tmp_path, run, track, tracked):
    text = f"streams: {{door: {{source: rtsp://cam/1, run: {run}, track: {track}}}}}"
    followed = load(written(tmp_path, text)).streams["door"].tracked
    assert (followed and followed.service) == tracked


LINE = "from: [0.2, 0.8], to: [0.7, 0.8]"


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        ("lines: {a: {from: [0.2, 0.8], to: [0.2, 0.8]}}", "lines.a: .*the same point; a line needs two"),
        ("lines: {a: {from: [0.2, 1.8], to: [0.2, 0.8]}}", "lines.a.from.1: .*from 0 to 1"),
        ("lines: {a: {from: [0.2, 0.1]}}", "lines.a.to: "),
        ("lines: {a: {}}", "lines.a.from: this key is missing"),
        (
            "lines: {a: {from: [0.2, 1.8], to: [640, 0.8]}}",
            "lines.a.from.1: (?s:.*)lines.a.to.0: .*from 0 to 1",
        ),
        ("lines: {a: [0, 0, 1, 1]}", "lines.a: wants keys with values.*there are classes, anchor, from, to"),
        ("zones: {z: {polygon: all}}", r"zones.z.polygon: wants a list, as \[a, b\]"),
        ("lines: {a: {from: [0.2], to: [0.1, 0.1]}}", "lines.a.from.1: this entry is missing"),
        (f"lines: {{a: {{{LINE}, form: [0, 0]}}}}", "lines.a.form: .*did you mean from"),
        (f"lines: {{a/b: {{{LINE}}}}}", "lines.a/b: a name is one level"),
        (f"lines: {{a: {{{LINE}, anchor: head}}}}", "lines.a.anchor: .*'foot' or 'centre'"),
        (
            "zones: {z: {polygon: [[0, 0], [1, 1], [1, 0], [0, 1]]}}",
            "zones.z.polygon: .*sides cross each other",
        ),
        ("zones: {z: {polygon: [[0, 0], [0.5, 0.5], [1, 1]]}}", "zones.z.polygon: .*has no area"),
        ("zones: {z: {polygon: [[0, 0], [1, 1]]}}", "zones.z.polygon: .*at least 3"),
        (
            "zones: {z: {polygon: [[0, 0], [-1, 1], [1, 1]]}}",
            "zones.z.polygon.1.0: .*from 0 to 1",
        ),
        (f"lines: {{a: {{{LINE}}}}}, gate: {{key_frames_only: true}}", "gate.key_frames_only: .*every 0.5 s"),
        (f"lines: {{a: {{{LINE}}}}}, gate: {{fps: 1}}", "gate.fps: 1 frames a second .*say 2 or more"),
        (
            f"lines: {{a: {{{LINE}}}}}, run: [{{object-detection: {{every: 2s}}}}]",
            "run: `every: 2s`.*say 0.5s",
        ),
        (
            "zones: {z: {polygon: [[0, 0], [1, 0], [1, 1]]}}, gate: {fps: 0.5}",
            "gate.fps: .*every 1 s .*say 1 or",
        ),
        (f"lines: {{a: {{{LINE}}}}}, run: [ocr]", "lines: counts objects, and needs .*object-detection"),
        (f"lines: {{a: {{{LINE}}}}}, track: ocr", "track: follows objects, and needs"),
    ],
)
def test_a_line_or_a_zone_that_cannot_count_is_a_fault(tmp_path, stream, says):
    run = "" if "run:" in stream else "run: [object-detection], "
    said = faults(tmp_path, f"streams: {{door: {{source: rtsp://cam/1, {run}{stream}}}}}")
    assert re.search(rf"streams\.door\.{says}", said), said


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_names_of_topics_are_no_names_of_streams_or_services(tmp_path, name):
    said = faults(tmp_path, f"streams: {{{name}: {{source: rtsp://cam/1, run: [ocr]}}}}")
    assert f"streams.{name}: '{name}' stands for" in said
    assert name not in SERVICES


@pytest.mark.parametrize(("run", "track"), [("ocr", "true"), ("object-detection", "ocr"), ("ocr", "nothing")])
def test_what_finds_no_objects_is_not_followed(tmp_path, run, track):
    text = f"streams: {{door: {{source: rtsp://cam/1, run: [{run}], track: {track}}}}}"
    with pytest.raises(ConfigError, match=r"streams\.door\.track: follows.*such as object-detection"):
        load(written(tmp_path, text))


@pytest.mark.parametrize(
    ("written_as", "means"),
    [
        ("true", RecordSettings()),
        ("{after: 1m}", RecordSettings(before=5, after=60)),
        ("false", None),
        ("null", None),
    ],
)
def test_recordings_are_switched_on_or_measured(tmp_path, written_as, means):
    text = f"streams: {{door: {{source: rtsp://cam/1, run: [ocr], record: {written_as}}}}}"
    assert load(written(tmp_path, text)).streams["door"].record == means


@pytest.mark.parametrize(
    ("written_as", "means"),
    [
        ("true", HomeAssistantSettings()),
        (
            "{prefix: ha/here, share: [text, picture]}",
            HomeAssistantSettings(prefix="ha/here", share=("text", "picture")),
        ),
        ("{}", HomeAssistantSettings()),
        ("false", None),
        ("null", None),
    ],
)
def test_home_assistant_is_switched_on_or_described(tmp_path, written_as, means):
    assert load(written(tmp_path, f"homeassistant: {written_as}")).homeassistant == means


@pytest.mark.parametrize(
    ("written_as", "says"),
    [
        ("{prefix: ''}", "homeassistant.prefix: each of its levels is a name: a name must not be empty"),
        ("{prefix: ha/}", "homeassistant.prefix: each of its levels is a name"),
        ("{prefix: 'ha/#'}", "homeassistant.prefix: each of its levels is a name"),
        ("{prefix: edged/shop}", "homeassistant.prefix: topics that begin with 'edged' are not for Home"),
        ("{prefix: $SYS}", "homeassistant.prefix: topics that begin with '$SYS' are not for Home"),
        ("{share: [pictures]}", "homeassistant.share.0"),
        ("{shares: []}", "did you mean share"),
    ],
)
def test_what_home_assistant_cannot_be_told(tmp_path, written_as, says):
    assert says in faults(tmp_path, f"homeassistant: {written_as}")


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        ("source: /dev/video0, run: [ocr], record: true", "is for cameras that send encoded video"),
        ("source: rtsp://cam/1, run: [music-detection], record: true", "is for services that look"),
        ("source: 'mic:', run: [music-detection], record: {}", "is for services that look"),
    ],
)
def test_what_cannot_be_recorded(tmp_path, stream, says):
    assert f"streams.door.record: {says}" in faults(tmp_path, f"streams: {{door: {{{stream}}}}}")


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        ("run: [ocr]", "nothing would open `source`: set `record`, or name this as `source`"),
        ("run: [music-detection]", "is for services that look"),
        ("run: [ocr], record: true, detect_source: 'mic:default'", "is a microphone"),
    ],
)
def test_where_a_substream_is_of_no_use(tmp_path, stream, says):
    if "detect_source" not in stream:
        stream += ", detect_source: rtsp://user:secret@cam/2"
    said = faults(tmp_path, f"streams: {{door: {{source: rtsp://cam/1, {stream}}}}}")
    assert f"streams.door.detect_source: {says}" in said
    assert "secret" not in said


def test_a_substream_is_found_as_a_source_is(tmp_path):
    text = "{source: a.mp4, detect_source: b.mp4, run: [ocr], record: true}"
    camera = load(written(tmp_path, f"streams: {{door: {text}}}")).streams["door"]
    assert (camera.source, camera.detect_source) == (str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4"))
    assert "b.mp4" not in repr(camera)


@pytest.mark.parametrize(
    "record", ["{after: 601s}", "{after: 0}", "{before: 3m}", "{before: -1}", "{max_bytes: 9}"]
)
def test_recordings_are_bounded(tmp_path, record):
    said = faults(tmp_path, f"streams: {{door: {{source: rtsp://cam/1, run: [ocr], record: {record}}}}}")
    assert "streams.door.record." in said


def test_a_microphone_is_no_file(tmp_path):
    text = "streams: {counter: {source: 'mic:kitchen', run: [music-detection], gate: {voice: true}}}"
    stream = load(written(tmp_path, text)).streams["counter"]
    assert stream.source == "mic:kitchen"
    assert stream.listens


def test_inner_services_are_configured_and_never_fed(tmp_path):
    config = load(
        written(
            tmp_path,
            "services: {transcription: {model: whisper-small, options: {beam: 2}}, text-embedding: {}}",
        )
    )
    assert set(config.wanted_services()) == {"transcription", "text-embedding"}
    said = faults(
        tmp_path,
        """
services: {transcription: {options: {beam: 9}}}
streams:
  ear: {source: "mic:default", run: [transcription]}
""",
    )
    assert "services.transcription.options.beam" in said
    assert "no service is called 'transcription'" in said


def test_wyoming_is_closed_to_strangers(tmp_path):
    said = faults(tmp_path, "wyoming: {listen: 0.0.0.0:10300}")
    assert "wyoming" in said
    assert "name the `clients` that may connect" in said
    config = load(written(tmp_path, "wyoming: {listen: 0.0.0.0:10300, clients: [192.168.1.0/24]}"))
    assert config.wyoming.admits("192.168.1.7")
    assert load(written(tmp_path, "")).wyoming.listen is None


def test_grpc_is_closed_to_strangers(tmp_path):
    said = faults(tmp_path, "grpc: {listen: 0.0.0.0:8081}")
    assert "grpc.listen" in said
    assert "opens gRPC to the network at 0.0.0.0:8081: give an `http.token`" in said
    for text in (
        "grpc: {listen: 0.0.0.0:8081}\nhttp: {token: a-token-that-nobody-guesses}",
        "grpc: {listen: '[::1]:8081'}",
    ):
        assert load(written(tmp_path, text)).grpc.listen
    assert "host:port" in faults(tmp_path, "grpc: {listen: '8081'}")
    assert load(written(tmp_path, "")).grpc.listen is None
