"""`edged infer` of texts, and what no service can be asked on the command line."""

import orjson
import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from edged.answers.schema import answer_schema
from edged.cli import app
from edged.cli.items import request_of
from edged.contracts.errors import BadRequest
from edged.contracts.services import service

NAME = "text-vectorization"


@pytest.fixture(scope="module")
def infer(instance_of, models_root, tmp_path_factory):
    """The exit code and the answer of the command."""
    instance_of("bge-small-zh")
    config = tmp_path_factory.mktemp("infer") / "config.yaml"
    config.write_text(f"paths: {{models: {models_root}}}\nservices: {{{NAME}: {{model: bge-small-zh}}}}\n")

    def run(*args):
        done = CliRunner().invoke(app, ["infer", *map(str, args), "--config", str(config)])
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, orjson.loads(done.stdout)

    return run


def test_a_text_and_a_pair(infer):
    code, alone = infer(NAME, "你好")
    assert code == 0
    Draft202012Validator(answer_schema(service(NAME))).validate(alone)
    assert len(alone["all_hidden_outputs"].split(";")) == 4
    code, pair = infer(NAME, "你好", "世界")
    assert (code, len(pair["all_hidden_outputs"].split(";"))) == (0, 7)


def test_other_fields_come_from_a_file(infer, tmp_path):
    path = tmp_path / "request.json"
    path.write_text('{"id": "mine", "second_sequence": "今天天气很好", "sequence_length": 6}')
    code, answer = infer(NAME, "你", "--request", path)
    assert (code, answer["id"], answer["truncated"]) == (0, "mine", True)
    assert len(answer["all_hidden_outputs"].split(";")) == 6


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((NAME,), "`first_sequence` is missing"),
        ((NAME, ""), "`first_sequence`"),
        ((NAME, "a", "b", "c"), "one text or two, not 3"),
        ((NAME, "a\udcff"), "not UTF-8"),
        ((NAME, "a", "--save", "drawn.png"), "no picture to draw into"),
        (("music-detection", "a.wav", "--save", "drawn.png"), "no picture to draw into"),
        (("ocr", "a.jpg", "--save", "drawn.xyz"), "--save writes .png or .jpg or .jpeg"),
    ],
)
def test_what_is_wrong_is_an_answer(infer, args, says):
    code, answer = infer(*args)
    assert (code, answer["error_code"]) == (1, 400)
    assert says in answer["error_msg"]


def test_what_is_said_of_a_video_beside_its_file_counts():
    asked = {"input": {"play_duration": "150000"}, "timeout_s": 60}
    request = orjson.loads(request_of(service("video-highlight"), ["/a/clip.mp4"], asked))
    assert request == {"input": {"url": "/a/clip.mp4", "play_duration": "150000"}, "timeout_s": 60}
    assert orjson.loads(request_of(service("video-highlight"), ["/a/clip.mp4"], {}))["timeout_s"] > 3600


def test_a_second_picture_is_the_reference(tmp_path):
    night, day = tmp_path / "night.jpg", tmp_path / "day.jpg"
    night.write_bytes(b"a")
    day.write_bytes(b"b")
    colours = service("image-colorization")
    assert orjson.loads(request_of(colours, [str(night)], {})) == {"image": "YQ=="}
    both = orjson.loads(request_of(colours, [str(night), str(day)], {}))
    assert both == {"image": "YQ==", "reference": "Yg=="}
    with pytest.raises(
        BadRequest, match="takes one picture, and a reference where its model wants one, not 3"
    ):
        request_of(colours, [str(night)] * 3, {})


def test_what_there_is_is_told_of_all_plugins(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"paths: {{models: {tmp_path}}}")
    arguments = ["infer", NAME, "text", "--model", "yolox-nan", "-c", str(config)]
    assert "did you mean yolox-nano" in CliRunner().invoke(app, arguments).stdout
