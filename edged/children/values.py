"""Values as messages hold them: JSON and arrays, read back by their type and by nothing else.

A value is what dataclasses, arrays, numbers, texts, enumerations, sequences and mappings make. What comes
from a child is built of the type that its reader names: no name in a message ever chooses a class.
"""

import types
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

Arrays = list[NDArray[Any]]

_PLAIN = (bool, int, float, str, type(None))


class Unfit(Exception):
    """What was sent is not of the type that was expected."""


def packed(value: Any, arrays: Arrays) -> Any:
    """The JSON of a value; its arrays are added to `arrays`. Raises `TypeError` for what is no value."""
    match value:
        case Enum():
            return value.value
        case np.generic():
            return value.item()
        case np.dtype():
            return value.str
        case np.ndarray():
            arrays.append(value)
            return {"array": len(arrays) - 1}
        case bool() | int() | float() | str() | None:
            return value
    return _packed_parts(value, arrays)


def _packed_parts(value: Any, arrays: Arrays) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: packed(getattr(value, field.name), arrays) for field in fields(value)}
    if isinstance(value, Mapping):
        return {"items": [[packed(key, arrays), packed(one, arrays)] for key, one in value.items()]}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [packed(one, arrays) for one in value]
    raise TypeError(f"a {type(value).__name__} cannot be sent to another process")


def unpacked(tree: Any, kind: Any, arrays: Sequence[NDArray[Any]]) -> Any:
    """The value of a type that JSON and arrays hold. Raises `Unfit`."""
    inner = get_args(kind)
    found: Any
    match get_origin(kind) or kind:
        case t.Union | types.UnionType:
            found = _first_that_fits(tree, inner, arrays)
        case t.Literal:
            found = _fits(tree, tree in inner and type(tree) in map(type, inner), kind)
        case np.ndarray:
            found = _array(tree, arrays)
        case np.dtype:
            found = _dtype(tree)
        case origin if is_dataclass(origin):
            found = _dataclass(tree, origin, arrays)
        case origin if inner:
            found = _collection(tree, origin, inner, arrays)
        case _:
            found = _plain(tree, kind, arrays)
    return found


def _plain(tree: Any, kind: Any, arrays: Sequence[NDArray[Any]]) -> Any:
    if kind is Any or isinstance(kind, TypeVar):
        return _array(tree, arrays) if isinstance(tree, dict) and "array" in tree else tree
    if kind in (None, type(None)):
        return _fits(tree, tree is None, kind)
    if kind is float:
        return float(_fits(tree, type(tree) in (int, float), kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(tree)
        except ValueError as error:
            raise Unfit(f"{tree!r} is no {kind.__name__}") from error
    return _fits(tree, kind in _PLAIN and type(tree) is kind, kind)


def _fits(tree: Any, does: bool, kind: Any) -> Any:
    if not does:
        raise Unfit(f"{str(tree)[:80]!r} is no {kind}")
    return tree


def _first_that_fits(tree: Any, kinds: Sequence[Any], arrays: Sequence[NDArray[Any]]) -> Any:
    for kind in kinds:
        try:
            return unpacked(tree, kind, arrays)
        except Unfit:
            continue
    raise Unfit(f"{str(tree)[:80]!r} is none of {kinds}")


def _array(tree: Any, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    number = tree.get("array") if isinstance(tree, dict) else None
    if type(number) is not int or not 0 <= number < len(arrays):
        raise Unfit(f"{str(tree)[:80]!r} is no array")
    return arrays[number]


def _dtype(tree: Any) -> np.dtype[Any]:
    try:
        found: np.dtype[Any] = np.dtype(_fits(tree, isinstance(tree, str), np.dtype))
    except TypeError as error:
        raise Unfit(f"{tree!r} is no type of arrays") from error
    _fits(found, found.kind in "biuf", np.dtype)
    return found


def _dataclass(tree: Any, kind: Any, arrays: Sequence[NDArray[Any]]) -> Any:
    hints = _hints(kind)
    if not isinstance(tree, dict) or not hints.keys() <= tree.keys():
        raise Unfit(f"{str(tree)[:80]!r} is no {kind.__name__}")
    return kind(**{name: unpacked(tree[name], hint, arrays) for name, hint in hints.items()})


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _collection(tree: Any, origin: Any, inner: Sequence[Any], arrays: Sequence[NDArray[Any]]) -> Any:
    if issubclass(origin, Mapping):
        pairs = tree.get("items") if isinstance(tree, dict) else None
        if not isinstance(pairs, list) or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
            raise Unfit(f"{str(tree)[:80]!r} is no mapping")
        return {unpacked(k, inner[0], arrays): unpacked(v, inner[1], arrays) for k, v in pairs}
    if not issubclass(origin, Sequence) or not isinstance(tree, list):
        raise Unfit(f"{str(tree)[:80]!r} is no {origin.__name__}")
    if origin is tuple and Ellipsis not in inner:
        if len(tree) != len(inner):
            raise Unfit(f"{len(tree)} values are not {len(inner)}")
        return tuple(unpacked(one, kind, arrays) for one, kind in zip(tree, inner, strict=True))
    found = [unpacked(one, inner[0], arrays) for one in tree]
    return tuple(found) if origin is tuple else found
