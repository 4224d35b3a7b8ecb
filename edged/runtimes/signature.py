"""What a graph eats and gives: checked before a runtime sees it, so that the error names the input."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.contracts.errors import InferenceError
from edged.contracts.model import Tensors

_NUMBERS = "biuf"
"""Kinds of numpy's types."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a graph."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    """None: any length."""

    def fits(self, array: object) -> bool:
        """Whether `array` can be fed as it is."""
        if not isinstance(array, np.ndarray) or array.dtype != self.dtype:
            return False
        return array.shape == self.shape or (
            len(array.shape) == len(self.shape)
            and all(wanted in (None, given) for wanted, given in zip(self.shape, array.shape, strict=True))
        )

    def __str__(self) -> str:
        lengths = ", ".join("?" if length is None else str(length) for length in self.shape)
        return f"{self.dtype} [{lengths}]"


@dataclass(frozen=True, slots=True)
class Ports:
    """A `Signature` as a value, which goes to another process."""

    inputs: Sequence[Port]
    outputs: Sequence[Port]


class Signature:
    """The inputs and outputs of a graph, as the runtime that opened it knows them."""

    def __init__(self, inputs: Iterable[Port], outputs: Iterable[Port] = ()) -> None:
        self.inputs = {port.name: port for port in inputs}
        """By name."""
        self.outputs = {port.name: port for port in outputs if port.dtype.kind in _NUMBERS}
        """By name, without those of a type that is no number."""

    def feed(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """The arrays as a runtime may read them in place: copied only where they are not contiguous.

        Raises `InferenceError` that names an input that is missing, unknown, or of another type or shape.
        """
        if inputs.keys() != self.inputs.keys():
            raise InferenceError(self._wrong_names(inputs))
        for name, port in self.inputs.items():
            if not port.fits(inputs[name]):
                raise InferenceError(f"input {name!r} should be {port}, but is {_described(inputs[name])}")
        return {name: np.asarray(array, order="C") for name, array in inputs.items()}

    def _wrong_names(self, inputs: Tensors) -> str:
        missing = [name for name in self.inputs if name not in inputs]
        unknown = [name for name in inputs if name not in self.inputs]
        faults = [f"lacks the input {n!r}" for n in missing] + [f"has no input {n!r}" for n in unknown]
        return f"wrong names: the call {faults[0]}" if missing else f"wrong names: the graph {faults[0]}"


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return type(value).__name__
