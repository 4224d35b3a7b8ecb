"""The fields of an answer: dataclasses whose names, types and docstrings are what is published.

One rule for what is sent and what the schema says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema


def published_name(field: str) -> str:
    """Name in JSON of a field: `class_` is published as `class`, which Python keeps for itself."""
    return field.removesuffix("_")


PUBLISHED = ConfigDict(use_attribute_docstrings=True, alias_generator=published_name)
"""`__pydantic_config__` of every type of fields: its schema has the published names and the docstrings."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Annotation of an array that is published as lists of numbers: encoded from the array, never copied."""

    depth: int
    """Axes of the array."""
    numbers: Literal["integer", "number"]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        integer = self.numbers == "integer"
        schema: CoreSchema = core_schema.int_schema() if integer else core_schema.float_schema()
        for _ in range(self.depth):
            schema = core_schema.list_schema(schema)
        return core_schema.no_info_after_validator_function(np.asarray, schema)


Floats = NDArray[np.floating]
Vector = Annotated[Floats, Listed(1, "number")]
"""[n]."""
Numbers = Annotated[NDArray[np.integer], Listed(1, "integer")]
"""[n] of whole numbers."""
Table = Annotated[Floats, Listed(2, "number")]
"""[n, m], or [height, width] of numbers."""
NumberTable = Annotated[NDArray[np.integer], Listed(2, "integer")]
"""[height, width] of whole numbers."""
Stack = Annotated[Floats, Listed(3, "number")]
"""[classes, height, width], or [n, m, l]."""

PIXEL_DIGITS = 2
"""Of a coordinate in pixels, of years, and of a similarity of 0 to 100."""
SCORE_DIGITS = 4
"""Of a score of 0 to 1."""
SHARE_DIGITS = 6
"""Of a probability among many classes, and of a distance."""


def rounded(numbers: Floats, digits: int) -> NDArray[np.float32]:
    """The same, of any shape, with so many digits, contiguous, f32: its JSON is as short."""
    return np.ascontiguousarray(np.round(np.asarray(numbers, np.float32), digits))


def top_left_first(boxes: Floats) -> NDArray[np.float32]:
    """[n, 4] of x1, y1, x2, y2 as top, left, bottom, right, rounded."""
    return rounded(boxes[:, [1, 0, 3, 2]], PIXEL_DIGITS)


def by_name(names: Sequence[str], probabilities: Floats) -> dict[str, float]:
    """[n] probabilities by the names of their classes, rounded."""
    shares = np.asarray(probabilities, np.float64).round(SHARE_DIGITS).tolist()
    return dict(zip(names, shares, strict=True))


def is_finite(value: Any) -> bool:
    """Whether a field's numbers are finite: an array's, probabilities' by name, or one.

    Lists and runs are not looked at: they are made of arrays that the host has checked.
    """
    if isinstance(value, np.ndarray):
        return value.dtype.kind != "f" or bool(np.isfinite(value).all())
    if isinstance(value, dict):
        return all(map(math.isfinite, value.values()))
    return not isinstance(value, float) or math.isfinite(value)


def published(answer: Any) -> dict[str, Any]:
    """The fields by their published names, not copied; a field that is none is left out."""
    named = ((published_name(field.name), getattr(answer, field.name)) for field in fields(answer))
    return {name: value for name, value in named if value is not None}


def published_schema(kind: type[Any]) -> dict[str, Any]:
    """JSON Schema of what is published of a type of fields: a field that may be none may be left out."""
    schema = TypeAdapter(kind).json_schema()
    for base in filter(is_dataclass, kind.__mro__[1:]):  # pydantic reads the docstrings of the class alone
        for name, body in TypeAdapter(base).json_schema()["properties"].items():
            schema["properties"][name] = {**body, **schema["properties"][name]}
    schema["properties"] = {name: _present(body) for name, body in schema["properties"].items()}
    schema.setdefault("required", [])
    return schema


def _present(body: dict[str, Any]) -> dict[str, Any]:
    """A property as it is when it is there."""
    if "anyOf" not in body:
        return body
    choices = [choice for choice in body["anyOf"] if choice != {"type": "null"}]
    rest = {key: value for key, value in body.items() if key not in ("anyOf", "default")}
    return {**choices[0], **rest} if len(choices) == 1 else {**rest, "anyOf": choices}
