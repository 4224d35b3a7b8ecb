"""Values as messages hold them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edged.children.values import Unfit, packed, unpacked
from edged.contracts.items import AudioClip, Colour, Fit, PixelFormat
from edged.contracts.services import PARTS, SERVICES
from edged.contracts.speech import Clips
from tests.answers import examples

BY_PICTURES = [name for name, known in SERVICES.items() if known.media != "video"]


def there_and_back(value, kind):
    arrays = []
    tree = json.loads(json.dumps(packed(value, arrays)))
    return unpacked(tree, kind, arrays)


def assert_same(a, b):
    if is_dataclass(a):
        assert type(a) is type(b)
        for field in fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and np.array_equal(a, b)
    elif isinstance(a, Mapping):
        assert dict(a) == dict(b)
    elif isinstance(a, Sequence) and not isinstance(a, str):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    else:
        assert a == b and type(a) is type(b)


@pytest.mark.parametrize("name", BY_PICTURES)
@pytest.mark.parametrize("n", range(examples.LAST + 1))
def test_every_result_comes_back_as_it_was(name, n):
    result = examples.finding(name, n).result
    results = [found for _, found in result.results] if isinstance(result, Clips) else [result]
    for found in results:
        assert_same(found, there_and_back(found, SERVICES[name].result))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (PixelFormat((3, 4), Fit.CROP, Colour.GRAY, 7, 9), PixelFormat),
        (AudioClip(np.zeros(3, np.float32), 16_000, 5, ((1, 2), (3, 4))), AudioClip),
        (
            PARTS["speech-understanding"].result("a", "zh", -0.5, 0.1, {"zh": 0.5}),
            PARTS["speech-understanding"].result,
        ),
        (None, int | None),
        ({1: "a"}, Sequence[str] | Mapping[int, str]),
        (("a", "b"), tuple[str, ...]),
        (np.dtype("u1"), np.dtype[Any]),
    ],
)
def test_other_values_come_back_too(value, kind):
    assert_same(value, there_and_back(value, kind))


def test_numbers_of_numpy_are_numbers():
    assert there_and_back(np.float32(0.5), float) == 0.5
    assert there_and_back(3, float) == 3.0


class Dish(StrEnum):
    SOUP = "soup"


@dataclass
class Meal:
    dish: Dish
    guests: int
    taste: NDArray[np.float32]
    when: Literal["noon", "evening"] = "noon"


@pytest.mark.parametrize(
    "tree",
    [
        None,
        [],
        {},
        {"dish": "soup", "guests": 1, "taste": {"array": 0}},
        {"dish": "stone", "guests": 1, "taste": {"array": 0}, "when": "noon"},
        {"dish": "soup", "guests": True, "taste": {"array": 0}, "when": "noon"},
        {"dish": "soup", "guests": "1", "taste": {"array": 0}, "when": "noon"},
        {"dish": "soup", "guests": 1, "taste": {"array": 1}, "when": "noon"},
        {"dish": "soup", "guests": 1, "taste": {"array": -1}, "when": "noon"},
        {"dish": "soup", "guests": 1, "taste": [1.0], "when": "noon"},
        {"dish": "soup", "guests": 1, "taste": {"array": 0}, "when": "night"},
    ],
)
def test_what_is_not_of_the_type_is_refused(tree):
    with pytest.raises(Unfit):
        unpacked(tree, Meal, [np.zeros(2, np.float32)])


@pytest.mark.parametrize(
    ("tree", "kind"),
    [
        ("O", np.dtype[Any]),
        ("__import__", np.dtype[Any]),
        ([1, 2], tuple[int, int, int]),
        ({"items": [[1]]}, Mapping[int, str]),
        ({"items": [[[], 1]]}, Mapping[int, int]),
        ("abc", Sequence[str]),
        ([1], Sequence[str]),
        ({}, int | str),
    ],
)
def test_so_are_collections_of_something_else(tree, kind):
    with pytest.raises(Unfit):
        unpacked(tree, kind, [])


def test_what_is_no_value_is_not_sent():
    with pytest.raises(TypeError, match="a object cannot be sent"):
        packed(object(), [])
