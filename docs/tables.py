"""JSON Schemas as tables of Markdown, for people."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from edged.contracts.media import DIGITS

Schema = Mapping[str, Any]

_LONG = 10**9
"""Of a limit from here on only the number of its digits is told."""


def fields(schema: Schema, without: frozenset[str] = frozenset()) -> Iterator[str]:
    """A row for each field, also for those within; `without` leaves some of the outermost out.

    What has no fields is one row, called *the answer*.
    """
    yield "| field | type | what it is |\n|---|---|---|"
    if "properties" not in schema and "patternProperties" not in schema:
        yield f"| *the whole* | {kind(schema, schema)} | {one_line(schema['description'])} |"
    yield from _rows({**schema, "properties": _but(schema, without)}, schema, "")


def request_fields(
    schema: Schema, missing: Mapping[str, str], without: frozenset[str] = frozenset()
) -> Iterator[str]:
    """The same of a request; `missing`: what a field is that is left out, where the schema does not say."""
    yield "| field | type | when left out | what it is |\n|---|---|---|---|"
    for name, body, what in _walked({**schema, "properties": _but(schema, without)}, schema, ""):
        left_out = "**required**" if body["required"] else missing.get(name) or _default(body)
        yield f"| `{name}` | {kind(body, schema)} | {left_out} | {what} |"


def _default(body: Schema) -> str:
    value = body.get("default")
    return "-" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


def _but(schema: Schema, without: frozenset[str]) -> dict[str, Any]:
    return {name: body for name, body in schema.get("properties", {}).items() if name not in without}


def _rows(schema: Schema, root: Schema, prefix: str) -> Iterator[str]:
    for body in schema.get("patternProperties", {}).values():
        what = f"{one_line(schema['description'])} {one_line(body['description'])}"
        yield f"| `{prefix}<start>` | {kind(body, root)} | {what} |"
    for name, body, what in _walked(schema, root, prefix):
        optional = "" if body["required"] else " (optional)"
        yield f"| `{name}` | {kind(body, root)}{optional} | {what} |"


def _walked(schema: Schema, root: Schema, prefix: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Name, schema with whether it is `required`, and description of each field."""
    for name, body in schema.get("properties", {}).items():
        required = name in schema.get("required", [])
        yield f"{prefix}{name}", {**body, "required": required}, one_line(body.get("description", ""))
        inner = _resolved(body, root)
        if "properties" in inner:
            yield from _walked(inner, root, f"{prefix}{name}.")


def _resolved(body: Schema, root: Schema) -> dict[str, Any]:
    """The schema that a `$ref` (also one in a list or beside null) points to."""
    options = [body, *body.get("anyOf", []), body.get("items", {})]
    ref = next((option["$ref"] for option in options if "$ref" in option), None)
    found: dict[str, Any] = root["$defs"][ref.rsplit("/", 1)[1]] if ref else {}
    return found


def kind(body: Schema, root: Schema) -> str:
    """What a value may be, in words."""
    if "anyOf" in body:
        return " or ".join(kind(o, root) for o in body["anyOf"] if o.get("type") != "null")
    if "const" in body:
        return f"`{json.dumps(body['const'])}`"
    if "enum" in body:
        return ", ".join(f"`{value}`" for value in body["enum"])
    if body.get("type") == "array":
        return f"array of {kind(body.get('items', {}), root)}"
    if "$ref" in body:
        return "object"
    return f"{body.get('type', 'any')}{_limits(body)}"


def _limits(body: Schema) -> str:
    least, most = body.get("minimum"), body.get("maximum")
    over, below = body.get("exclusiveMinimum"), body.get("exclusiveMaximum")
    letters = "digits" if body.get("pattern") == DIGITS else "characters"
    if least is not None and most is not None and most < _LONG:
        limits = [f"{number(least)} to {number(most)}"]
    else:
        said = {"at least": least, "over": over, "at most": most, "below": below}
        limits = [f"{word} {number(limit)}" for word, limit in said.items() if limit is not None]
    limits += [f"at most {number(body['maxLength'])} {letters}"] if "maxLength" in body else []
    return f", {', '.join(limits)}" if limits else ""


def number(value: float) -> str:
    """As people write it: 0.5, 1,000, or of a large one how many digits it has."""
    if value >= _LONG:
        return f"{len(str(int(value)))} digits"
    return f"{value:,g}" if value < _LONG / 1000 else f"{value:,.0f}"


def size(count: int) -> str:
    """Bytes as people write them: 20 MB."""
    return f"{number(count / 1e9)} GB" if count >= 1e9 else f"{number(count / 1e6)} MB"


def one_line(text: str) -> str:
    """May stand in a cell."""
    return " ".join(text.split()).replace("|", "\\|")
