"""How a result becomes the fields of an answer: one rule for what is published and what the schema says."""

from dataclasses import fields
from typing import Any

from pydantic import ConfigDict


def published_name(field: str) -> str:
    """Name in JSON of a result's field: `class_` is published as `class`, which Python keeps for itself."""
    return field.removesuffix("_")


RESULT = ConfigDict(use_attribute_docstrings=True, alias_generator=published_name)
"""`__pydantic_config__` of every result type: its schema has the published names and the docstrings."""


def result_fields(result: Any) -> dict[str, Any]:
    """The fields of a result by their published names, not copied."""
    return {published_name(field.name): getattr(result, field.name) for field in fields(result)}
