"""Tensors as KServe's protocol v2 names and counts them, whatever they travel in."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.contracts.errors import BadRequest

MOST_AXES = 32
"""Of a tensor."""
_MOST_NUMBERS = 2**48
"""In a tensor, lengths of 0 left out: numpy counts no further than 2^63 bytes, even where there are none."""
_KINDS: Mapping[str, str] = {"f": "FP", "i": "INT", "u": "UINT"}
_DTYPES = {
    "BOOL": np.dtype(np.bool_),
    **{f"{_KINDS[kind]}{8 * size}": np.dtype(f"<{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
"""By the name of a datatype."""
_READ_FROM = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}
"""Kinds of numbers that are taken for a kind of tensor."""
_NOT_HERE = ("sequence_id", "shared_memory_region", "classification")
"""Parameters of Triton that change what is meant; others that are not known change nothing."""


@dataclass(frozen=True, slots=True)
class InputHead:
    """An input as it is told, without its numbers."""

    name: str
    shape: list[int]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, name: str, shape: Iterable[int], datatype: str) -> "InputHead":
        """Raises `BadRequest` for a datatype or a shape that there is not."""
        name, shape = name[:100], list(shape)
        if (
            len(shape) > MOST_AXES
            or min(shape, default=0) < 0
            or math.prod(filter(None, shape)) > _MOST_NUMBERS
        ):
            raise BadRequest(f"the input {name!r} has a shape that none can have: {shape[:MOST_AXES]}")
        if (dtype := _DTYPES.get(datatype)) is None:
            known = ", ".join(_DTYPES)
            raise BadRequest(
                f"the input {name!r} has the datatype {datatype[:20]!r}, which is none of {known}"
            )
        return cls(name, shape, dtype)

    @property
    def nbytes(self) -> int:
        """Of its numbers."""
        return math.prod(self.shape) * self.dtype.itemsize

    def from_bytes(self, raw: bytes | memoryview) -> NDArray[Any]:
        """Of `nbytes`, read where they lie: a copy only where the first lies askew."""
        return np.require(np.frombuffer(raw, self.dtype).reshape(self.shape), requirements="A")

    def from_values(self, values: Any, where: str) -> NDArray[Any]:
        """Of numbers in the order of rows, nested or not, that stand in the field `where`. Raises
        `BadRequest`."""
        try:
            found = _integers(values, np.asarray(values)) if self.dtype == np.uint64 else np.asarray(values)
        except ValueError as error:
            raise BadRequest(f"the `{where}` of the input {self.name!r} is not of one shape") from error
        if found.size != math.prod(self.shape):
            raise BadRequest(
                f"the input {self.name!r} has {found.size} values, and not those of its shape {self.shape}"
            )
        if found.size == 0:
            return np.zeros(self.shape, self.dtype)
        if found.dtype.kind not in _READ_FROM[self.dtype.kind] or not _holds(self.dtype, found):
            raise BadRequest(f"the `{where}` of the input {self.name!r} is not all {datatype(self.dtype)}")
        return found.astype(self.dtype, copy=False).reshape(self.shape)


def datatype(dtype: np.dtype[Any]) -> str:
    """As KServe calls it: `FP32`, `UINT8`, `BOOL`."""
    return "BOOL" if dtype.kind == "b" else f"{_KINDS[dtype.kind]}{8 * dtype.itemsize}"


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Of a request, an input, or an output. Raises `ValueError` for one that wants what edged cannot do."""
    if there := [name for name in _NOT_HERE if parameters.get(name)]:
        raise ValueError(f"the parameter {there[0]} is nothing that edged can do")


def _integers(values: Any, found: NDArray[Any]) -> NDArray[Any]:
    """What numpy made of numbers for UINT64; it makes floats of integers where some are beyond INT64, others
    not."""
    if found.dtype.kind != "f":
        return found
    plain = np.asarray(values, object)
    is_whole = all(type(value) is int and value >= 0 for value in plain.flat)
    return plain.astype(np.uint64) if is_whole else found


def _holds(dtype: np.dtype[Any], found: NDArray[Any]) -> bool:
    """Whether all numbers are within the range of a type."""
    if dtype.kind == "b":
        return True
    most = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return bool(most.min <= found.min() and found.max() <= most.max)
