"""How a result becomes the fields of an answer: one rule for what is published and what the schema says."""

from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema


def published_name(field: str) -> str:
    """Name in JSON of a result's field: `class_` is published as `class`, which Python keeps for itself."""
    return field.removesuffix("_")


RESULT = ConfigDict(use_attribute_docstrings=True, alias_generator=published_name)
"""`__pydantic_config__` of every result type: its schema has the published names and the docstrings."""


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


Vector = Annotated[NDArray[np.floating], Listed(1, "number")]
"""[n]."""
Table = Annotated[NDArray[np.floating], Listed(2, "number")]
"""[n, m], or [height, width] of numbers."""
Numbers = Annotated[NDArray[np.integer], Listed(2, "integer")]
"""[height, width] of whole numbers."""
Stack = Annotated[NDArray[np.floating], Listed(3, "number")]
"""[classes, height, width], or [n, m, l]."""
Picture = Annotated[NDArray[np.uint8], Listed(3, "integer")]
"""[height, width, 3], BGR."""


def result_fields(result: Any) -> dict[str, Any]:
    """The fields of a result by their published names, not copied; a field that is none is left out."""
    named = ((published_name(field.name), getattr(result, field.name)) for field in fields(result))
    return {name: value for name, value in named if value is not None}


def result_schema(kind: type[Any]) -> dict[str, Any]:
    """JSON Schema of what is published of a result type: a field that may be none may be left out."""
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
