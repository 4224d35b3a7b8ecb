"""Whatever stands at whichever key of config.yaml: it is accepted, or the fault is told in plain words."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import get_args, get_origin

import pytest
from pydantic import BaseModel

from edged.config.mend import mended
from edged.config.settings import Config
from edged.contracts.services import ASKED, SERVICES
from edged.contracts.settings import FOLDER
from edged.contracts.wording import either
from edged.serving.table import option_faults

PROGRAMMERS = re.compile(
    r"Input|should (be|have|match)|validation|Tuple|List|Dict|dictionary|Extra inputs|[Ff]ield required"
    r"|instance of|error,|Assertion|pars|Keys|boolean|integer|None|valid (string|number|path|IP)|pydantic"
)
"""What only those who know pydantic understand."""
SCALARS = [None, True, -1, 0, 5, 1.5, 10**30, float("inf"), float("nan"), "", "x", "x" * 300, "-3", "2s"]
WRONG = [*SCALARS, date(2026, 1, 1), b"x", [], ["x"], [5], [None], [[1]], [1, 2, 3], {}, {"x": "y"}, {5: 5}]


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
