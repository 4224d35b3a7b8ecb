"""JSON Schemas gathered in one document, as OpenAPI and AsyncAPI want them."""

from collections.abc import Mapping
from typing import Any

PLACE = "#/components/schemas/"
"""Where both kinds of document keep schemas that have a name."""


def reference(name: str) -> dict[str, str]:
    """What stands in place of a schema of that name."""
    return {"$ref": PLACE + name}


def gathered(schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The schemas by name, and beside them what they define within, each once and referred to from there.

    `$id` goes: it would make the references relative to itself. Raises `ValueError` when two schemas of one
    name differ.
    """
    components: dict[str, Any] = {}
    for name, schema in schemas.items():
        inner = schema.get("$defs", {})
        own = {key: value for key, value in schema.items() if key not in ("$defs", "$id")}
        for title, body in {**inner, name: own}.items():
            moved = _moved(body)
            if components.setdefault(title, moved) != moved:
                raise ValueError(f"two schemas are called {title}")
    return dict(sorted(components.items()))


def _moved(body: Any) -> Any:
    """The same with references to inner definitions pointing to `PLACE`."""
    if isinstance(body, Mapping):
        return {key: _moved_value(key, value) for key, value in body.items()}
    return [_moved(value) for value in body] if isinstance(body, list) else body


def _moved_value(key: str, value: Any) -> Any:
    is_reference = key == "$ref" and isinstance(value, str)
    return value.replace("#/$defs/", PLACE) if is_reference else _moved(value)
