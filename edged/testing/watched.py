"""Sessions around the real ones: they look at what is given, spoil what comes, or take the time."""

import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edged.contracts.card import Graph
from edged.contracts.graph_input import PictureInput
from edged.contracts.items import Colour
from edged.contracts.model import Session, Shape, Tensors

_DTYPES = {"f32": np.float32, "i64": np.int64, "i32": np.int32, "u8": np.uint8}

Spoiling = Literal["numbers that are none", "one axis more", "one value less along its last axis"]
"""What is done to an output."""


class WatchedSession:
    """Checks what the graph is given against the card."""

    def __init__(self, session: Session, graph: Graph) -> None:
        self._session = session
        self._graph = graph

    def run(self, inputs: Tensors) -> Tensors:
        """Asserts, then runs."""
        assert inputs.keys() == self._graph.inputs.keys(), (
            f"inputs {sorted(inputs)} are not those of the card"
        )
        for name, wanted in self._graph.inputs.items():
            given = inputs[name]
            if isinstance(wanted, PictureInput):
                channels = 1 if wanted.colour is Colour.GRAY else 3
                assert given.dtype == np.uint8, f"{name}: a picture is fed as bytes, not {given.dtype}"
                sides = zip(given.shape[1:], (*wanted.size, channels), strict=True)
                assert all(b in (None, a) for a, b in sides), f"{name}: {given.shape}"
            else:
                assert given.dtype == _DTYPES[wanted.dtype], f"{name}: {given.dtype}"
        return self._session.run(inputs)


class SpoiltSession:
    """Spoils one output."""

    def __init__(self, session: Session, output: str, how: Spoiling) -> None:
        self._session = session
        self.output = output
        self.how = how
        self.ran = False
        """Whether it was asked."""

    def run(self, inputs: Tensors) -> Tensors:
        """Runs, and spoils."""
        self.ran = True
        outputs = self._session.run(inputs)
        return {**outputs, self.output: _spoil(outputs[self.output], self.how)}


class RememberedSession:
    """Runs once for the same inputs, so that what is around it can be tried often."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[bytes, Tensors] = {}

    def run(self, inputs: Tensors) -> Tensors:
        """Runs, or remembers."""
        digest = sha256()
        for name, array in inputs.items():
            digest.update(f"{name} {array.shape} {array.dtype}".encode() + array.tobytes())
        key = digest.digest()
        if key not in self._known:
            self._known[key] = self._session.run(inputs)
        return self._known[key]


class TimedSession:
    """Adds up the time in `seconds`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.seconds = 0.0
        """Of all runs until now."""

    def run(self, inputs: Tensors) -> Tensors:
        """Runs."""
        started = time.perf_counter()
        outputs = self._session.run(inputs)
        self.seconds += time.perf_counter() - started
        return outputs


def spoilt(shape: Shape | None) -> Iterator[Spoiling]:
    """What must be refused of an output of that shape; none: the model tells no shape."""
    yield "numbers that are none"
    yield "one axis more"
    if shape and isinstance(shape[-1], int):
        yield "one value less along its last axis"


def _spoil(values: NDArray[Any], how: Spoiling) -> NDArray[Any]:
    if how == "one axis more":
        return values[..., None]
    if how == "numbers that are none":
        return np.full_like(values, np.nan) if values.dtype.kind == "f" else values
    return values[..., :-1] if values.ndim else values
