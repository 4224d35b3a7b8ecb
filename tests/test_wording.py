"""Whatever stands at whichever key of config.yaml: it is accepted, or the fault is told in plain words."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import get_args, get_origin

import orjson
import pytest
import yaml
from pydantic import BaseModel, ValidationError

from edged.config.mend import mended
from edged.config.settings import Config
from edged.contracts.card import ModelCard
from edged.contracts.errors import BadRequest
from edged.contracts.objections import objections
from edged.contracts.services import ASKED, SERVICES
from edged.contracts.settings import FOLDER
from edged.contracts.wording import either
from edged.http.tensors import TensorRequest, read
from edged.requests.parse import validated
from edged.serving.table import option_faults

PROGRAMMERS = re.compile(
    r"Input|should (be|have|match)|validation|Tuple|List|Dict|dictionary|Extra inputs|[Ff]ield required"
    r"|instance of|error,|Assertion|pars|Keys|boolean|integer|None|valid (string|number|path|IP)|pydantic"
)
"""What only those who know pydantic understand."""
SCALARS = [None, True, -1, 0, 5, 1.5, 10**30, float("inf"), float("nan"), "", "x", "x" * 300, "-3", "2s"]
WRONG = [*SCALARS, date(2026, 1, 1), b"x", [], ["x"], [5], [None], [[1]], [1, 2, 3], {}, {"x": "y"}, {5: 5}]

SENT = [None, True, -1, 0, 5, 1.5, 10**18, 1e308, "", "x", "x" * 70_000, "2s", [], ["x"], [None], [[1]], {}]
"""What JSON may hold."""
CARD = yaml.safe_load((Path(__file__).parent.parent / "plugins/picodet-416/card.yaml").read_text())


def keys_of(model, path=()):
    """The ways to all fields of settings; where a name is the user's it is x."""
    for name, field in model.model_fields.items():
        here = (*path, field.alias or name)
        yield here
        yield from keys_within(field.annotation, here)


def keys_within(annotation, path):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from keys_of(annotation, path)
    is_mapping = get_origin(annotation) is Mapping
    for part in get_args(annotation):
        yield from keys_within(part, (*path, "x") if is_mapping else path)


KEYS = sorted(set(keys_of(Config)))


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_what_is_wrong_is_told_in_plain_words(key):
    for value in WRONG:
        tree, faults = value, {}
        for part in reversed(key):
            tree = {part: tree}
        settings = mended(Config, tree, {FOLDER: Path("/nowhere")}, faults, {"source": "rtsp://camera"})
        assert settings is not None or faults, f"nothing is told of {value!r}"
        for place, told in faults.items():
            assert place.split(".")[0] == key[0]
            assert not PROGRAMMERS.search(told), told


def test_there_are_settings_of_all_floors():
    named = {".".join(key) for key in KEYS}
    assert {"mqtt.tls.ca", "streams.x.lines.x.from", "streams.x.run.options", "actions.x.headers"} <= named


@pytest.mark.parametrize("service", [*SERVICES.values(), *ASKED.values()], ids=lambda one: one.name)
def test_what_is_wrong_with_options_is_told_in_plain_words(service):
    for name in (*service.options.model_fields, "no_such_option"):
        for value in WRONG:
            for place, told in option_faults(service, {name: value}).items():
                assert place.split(".")[0] == name
                assert not PROGRAMMERS.search(told), told


def with_value(key, value):
    for part in reversed(key):
        value = {part: value}
    return value


def refused(service, fields):
    """What is told of a request; nothing where it is accepted."""
    try:
        validated(service, fields)
    except BadRequest as error:
        return str(error)
    return ""


@pytest.mark.parametrize("service", [*SERVICES.values(), *ASKED.values()], ids=lambda one: one.name)
def test_what_is_wrong_with_requests_is_told_in_plain_words(service):
    for key in sorted({*keys_of(service.request), ("no_such",), ("input", "no_such")}):
        for value in SENT:
            told = refused(service, {"request_id": "r", **with_value(key, value)})
            assert not PROGRAMMERS.search(told), told
            assert len(told) < 1000, told


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"image": 5}, "the field `image` is wrong: wants a text; here is a number; quote it"),
        ({"imgae": ""}, "the field `imgae` is unknown; did you mean image?"),
        ({"image": "x", "max_faces": 0}, "the field `max_faces` is wrong: must be at least 1"),
        ({"input": {"ulr": "x"}}, "the field `input.ulr` is unknown; did you mean url?"),
        ({"image": "x", "timeout_s": "1"}, "the field `timeout_s` is wrong: wants a number; here is a text"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_is_told_of_a_request(fields, told):
    assert told in refused(SERVICES["face-attributes"], fields)


def test_what_is_wrong_with_tensors_is_told_in_plain_words():
    sound = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [0]}]}
    for key in sorted(set(keys_of(TensorRequest))):
        for value in SENT:
            fields = {**sound, **with_value(key, value)}
            if key[0] == "inputs" and len(key) > 1:
                fields = {"inputs": [{**sound["inputs"][0], key[1]: value}]}
            try:
                read(orjson.dumps(fields), None)
            except BadRequest as error:
                assert not PROGRAMMERS.search(str(error)), error
    with pytest.raises(BadRequest, match=r"the field `inputs.0.shape.0` is wrong: must be at least 0"):
        read(orjson.dumps({"inputs": [{**sound["inputs"][0], "shape": [-1]}]}), None)


def faults_of_card(**fields):
    tree = {**CARD, "folder": Path("/x"), **fields}
    try:
        ModelCard.model_validate(tree)
    except ValidationError as error:
        return objections(ModelCard, tree, error)
    return {}


@pytest.mark.parametrize("key", sorted(set(keys_of(ModelCard))), ids=".".join)
def test_what_is_wrong_with_cards_is_told_in_plain_words(key):
    for value in WRONG:
        for place, told in faults_of_card(**with_value(key, value)).items():
            assert place.split(".")[0] in (key[0], ""), "it stands where it is wrong"
            assert not PROGRAMMERS.search(told), told


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"shape": ["x"]}, {"shape.0": "wants a whole number; here is a text"}),
        ({"shape": [1], "size": 2}, {"size": "this key is unknown; there are kind, shape, dtype"}),
        (
            {"size": [8, 8], "fit": "strech", "colour": "rgb"},
            {"fit": "must be 'stretch', 'letterbox' or 'crop'"},
        ),
        (
            {"size": [8, 8], "fit": "crop", "color": "rgb"},
            {"colour": "this key is missing", "color": "this key is unknown; did you mean colour?"},
        ),
        ({"kind": "tensr", "size": [8, 8], "fit": "crop", "colour": "rgb"}, {"kind": "must be 'picture'"}),
    ],
    ids=["tensor", "of the other kind", "picture", "misspelt", "of no kind"],
)
def test_of_an_input_of_a_graph_what_is_wrong_is_told_of_the_kind_that_was_meant(given, told):
    graph = {"weights": ["a"], "inputs": {"x": given}, "outputs": ["y"], "variants": ["onnxruntime-f32"]}
    found = faults_of_card(graphs={"main": graph})
    assert found == {f"graphs.main.inputs.x.{at}": fault for at, fault in told.items()}


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"http": {"listen": 8080}}, "http.listen: wants a text; here is a number; quote it"),
        ({"http": {"token": 12345}}, "http.token: wants a text; here is a number; quote it"),
        ({"streams": {5: {}}}, "streams.5: as a key it wants a text; here is a number; quote it"),
        (
            {"runtime": {"workers": 1.5}},
            "runtime.workers: wants a whole number, or must be 'auto'; here is a number",
        ),
        ({"runtime": {"workers": 0}}, "runtime.workers: must be at least 1, or must be 'auto'"),
        ({"health_every": []}, "health_every: wants a number; here is a list"),
        ({"services": None}, "services: wants keys with values, as {key: value}; here is nothing"),
        ({"mqtt": {"window": "soon"}}, "mqtt.window: wants a whole number; here is a text"),
        ({"requests": {"durability": "all"}}, "requests.durability: must be 'memory', 'process' or 'power'"),
    ],
    ids=lambda one: one.partition(":")[0] if isinstance(one, str) else "",
)
def test_what_is_told(tree, told):
    faults = {}
    mended(Config, tree, {}, faults, {"source": "rtsp://camera"})
    assert f"{(place := told.partition(': ')[0])}: {faults[place]}" == told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"from": [1], "to": [0, 1]}, {"from.1": "this entry is missing"}),
        ({"from": [0, 0, 1], "to": [0, 1]}, {"from": "wants at most 2 entries"}),
        (
            {"from": [0, 2], "to": [0, 1]},
            {"from.1": "a share of the picture goes from 0 to 1; divide pixels by its width, or its height"},
        ),
    ],
    ids=["too few", "too many", "outside"],
)
def test_points_that_are_none_are_told(line, told):
    """The number of the missing entry stands among those that are there."""
    faults = {}
    door = {"source": "rtsp://camera", "run": ["object-detection"], "lines": {"a": line}}
    mended(Config, {"streams": {"door": door}}, {}, faults, {})
    assert faults == {f"streams.door.lines.a.{at}": fault for at, fault in told.items()}


def test_of_a_value_that_may_be_one_or_the_other_one_sentence_is_told():
    assert either(["wants a; here is x"]) == "wants a; here is x"
    assert either([f"wants {wish}; here is x" for wish in "aba"]) == "wants a, or wants b; here is x"
    assert either(["must be 1", "must be 2"]) == "must be 1, or must be 2"
