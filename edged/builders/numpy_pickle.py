"""What stands in place of numpy's functions that pickles name: arrays of numbers, and nothing else."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_AXES = 32
_MOST_ELEMENTS = 2**48
_NUMBERS = frozenset(["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
"""Types of elements that are admitted; objects, texts and records are not."""


@dataclass(slots=True)
class DtypeInTheMaking:
    """`numpy.dtype(code)`, of which a later state says the byte order."""

    dtype: np.dtype[Any]
    memo: list[int] = field(default_factory=list)
    """Where the pickle remembers it."""

    def with_state(self, state: Any) -> np.dtype[Any]:
        """`(version, byte order, None, None, None, -1, -1, flags)`. Raises `ValueError`."""
        _, order, *record = state
        if order not in ("<", ">", "|", "=") or any(part is not None for part in record[:3]):
            raise ValueError("it holds an array of records")
        return self.dtype.newbyteorder(order)


@dataclass(slots=True)
class ArrayInTheMaking:
    """`numpy.ndarray` without shape, type and content, which its state brings."""

    memo: list[int] = field(default_factory=list)
    """Where the pickle remembers it."""

    def with_state(self, state: Any) -> NDArray[Any]:
        """`(version, shape, dtype, Fortran order, content)`. Raises `ValueError`."""
        _, shape, dtype, fortran, content = state
        return _array(content, dtype, shape, "F" if fortran else "C")


def latin1(text: Any, encoding: Any = "latin1") -> bytes:
    """Bytes that Python 2, or an old protocol, wrote as text. Raises `ValueError`."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError(f"it encodes a {type(text).__name__} as {encoding}, not a text as latin1")
    return text.encode("latin1")


def lengths(value: Any) -> tuple[int, ...]:
    """A shape or strides: a tuple of counts. Raises `ValueError`."""
    if not isinstance(value, tuple) or len(value) > _MOST_AXES or not all(is_count(n) for n in value):
        raise ValueError("it holds an array without a shape, or with one that cannot be")
    return value


def is_count(value: Any) -> bool:
    """Whether this is a number of elements."""
    return isinstance(value, int) and 0 <= value < _MOST_ELEMENTS


def _dtype(code: Any, *_: Any) -> DtypeInTheMaking:
    if not isinstance(code, str) or code not in _NUMBERS:
        raise ValueError(f"it holds an array of the type {code!r:.40}, not of numbers")
    return DtypeInTheMaking(np.dtype(code))


def _array(content: Any, dtype: Any, shape: Any, order: Any = "C") -> NDArray[Any]:
    content = latin1(content) if isinstance(content, str) else content
    dtype = dtype.dtype if isinstance(dtype, DtypeInTheMaking) else dtype
    if not isinstance(content, bytes) or not isinstance(dtype, np.dtype) or order not in ("C", "F"):
        raise ValueError("it holds an array that is not made of bytes and a type of numbers")
    if math.prod(lengths(shape)) * dtype.itemsize != len(content):
        raise ValueError(f"it holds an array of the shape {shape} in {len(content)} bytes")
    array = np.frombuffer(content, dtype).reshape(shape, order=order)
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _reconstruct(*_: Any) -> ArrayInTheMaking:
    """It becomes a plain array, whatever class and shape the arguments say."""
    return ArrayInTheMaking()


def _no_bytes() -> bytes:
    """How old protocols say `b""`."""
    return b""


def _scalar(dtype: Any, content: Any) -> bool | int | float:
    number: bool | int | float = _array(content, dtype, ()).item()
    return number


def _both(module: str, **calls: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """A module of numpy's core, which version 2 renamed."""
    return {f"numpy.{core}.{module}.{name}": do for core in ("core", "_core") for name, do in calls.items()}


NUMPY: Mapping[str, Callable[..., Any] | None] = {
    "numpy.dtype": _dtype,
    "numpy.ndarray": None,
    **_both("multiarray", _reconstruct=_reconstruct, scalar=_scalar),
    **_both("numeric", _frombuffer=_array),
    "_codecs.encode": latin1,
    "__builtin__.bytes": _no_bytes,
}
"""By the name in the pickle; none: it may be named, but not called."""
