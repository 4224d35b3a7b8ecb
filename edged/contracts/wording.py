"""What is wrong with a value, in plain words: pydantic's own are made for programmers."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pydantic_core import ErrorDetails

_LIST, _KEYS = "a list, as [a, b]", "keys with values, as {key: value}"
_WISHES = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "a text",
    "path": "a path, as a text",
    "date": "a date, as 2026-11-26",
    "list": _LIST,
    "tuple": _LIST,
    "dict": _KEYS,
    "mapping": _KEYS,
    "ip_v4_network": "a network, as 10.0.0.0/8 or fd00::/8",
    "ip_v6_network": "a network, as 10.0.0.0/8 or fd00::/8",
}
"""What is wanted, by what pydantic's name of the fault begins with; it ends with how that was missed."""
_MISSED = (
    "_type",
    "_parsing",
    "_parsing_size",
    "_from_float",
    "_from_datetime_parsing",
    "_from_datetime_inexact",
    "",
)
_LIMITS = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "too_short": "wants at least {min_length} entries; here are {actual_length}",
    "too_long": "wants at most {max_length} entries",
    "string_too_short": "wants at least {min_length} characters",
    "string_too_long": "wants at most {max_length} characters",
    "string_pattern_mismatch": "must have the form {pattern}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "invalid_key": "keys are texts; quote it",
}
"""By pydantic's name of a fault, with what it tells of it."""
_OURS = ("value_error", "assertion_error")
"""Of these the sentence is ours, behind a few words of pydantic's."""
_KEY = "[key]"
"""What pydantic calls the key itself."""


def plain(fault: ErrorDetails) -> str:
    """A sentence without the value, which may be a secret."""
    kind, told = fault["type"], fault.get("ctx", {})
    if kind in _OURS:
        return fault["msg"].partition(", ")[2]
    if told.get("min_length") == 1:
        return "must not be empty"
    if kind in _LIMITS:
        return _LIMITS[kind].format(**{name: str(value).removesuffix(".0") for name, value in told.items()})
    for end in _MISSED:
        if kind.endswith(end) and (wish := _WISHES.get(kind.removesuffix(end))) is not None:
            what = "as a key it wants" if fault["loc"][-1:] == (_KEY,) else "wants"
            return f"{what} {wish}; {_found(fault['input'], is_text=kind == 'string_type')}"
    return fault["msg"]  # of a fault that is ours, name and all


def either(sentences: Sequence[str]) -> str:
    """Of a value that may be one or the other, and is neither: what is wrong with it."""
    wishes, _, found = sentences[0].partition("; ")
    others = (sentence.partition("; ")[0] for sentence in sentences[1:])
    wanted = ", or ".join(dict.fromkeys((wishes, *others)))
    return f"{wanted}; {found}" if found else wanted


def _found(value: Any, *, is_text: bool) -> str:
    """What stands there; and what to do, where a text is wanted, if YAML takes one for something else."""
    if value is None:
        return "here is nothing"
    if isinstance(value, Mapping):
        return "here are keys with values"
    scalars = {bool: "true or false", int: "a number", float: "a number", date: "a date", str: "a text"}
    name = next((name for of, name in scalars.items() if isinstance(value, of)), None)
    if name is None:
        return "here is a list" if isinstance(value, list) else "here is something else"
    return f"here is {name}; quote it" if is_text else f"here is {name}"
