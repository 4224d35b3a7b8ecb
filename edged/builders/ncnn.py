"""Networks of ncnn: a `.param` text that lists layers, and a `.bin` with their arrays one after the other."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.builders.reading import check_bytes, mapped, reading

Number = int | float

_MAGIC = "7767517"
_F32 = 0
_F16 = 0x01306B47
_ARRAY = -23300
"""A key from here down is that of a list: -23300 - key."""


_BARE = ("BinaryOp", "Concat", "Input", "Interp", "PixelShuffle", "ReLU", "Sigmoid", "Split", "Swish", "TanH")
"""Kinds of layers without arrays."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of the text with its arrays."""

    kind: str
    """As `Convolution`."""
    name: str
    inputs: tuple[str, ...]
    """Names of what it eats."""
    outputs: tuple[str, ...]
    """Names of what it gives."""
    parameters: Mapping[int, Number | tuple[Number, ...]]
    """By number, as ncnn's list of operations explains them; those that are not there have their default."""
    arrays: tuple[NDArray[np.float32], ...]
    """Of Convolution: weight [outputs, inputs, height, width] and, where it has one, bias [outputs]; of
    MemoryData: the constant, [channels, height, width] or fewer axes."""


def ncnn_layers(param: Path, model: Path) -> list[Layer]:
    """The layers in their order, which is one in which they can be computed.

    Raises `RepositoryError` that names the file and what in it is refused or damaged.
    """
    with reading(param, "ncnn's list of layers"):
        check_bytes(param.stat().st_size)
        lines = param.read_text("ascii").splitlines()
        described = [_described(line) for line in lines[2:] if line.strip()]
        if lines[0].strip() != _MAGIC or len(described) != int(lines[1].split()[0]):
            raise ValueError("it has another beginning, or another number of layers, than it says")
    with reading(model, "ncnn's arrays"), mapped(model) as data:
        layers = [_with_arrays(layer, data) for layer in described]
        if data.tell() != len(data):
            raise ValueError(
                f"{len(data) - data.tell()} bytes are left over: it does not belong to {param.name}"
            )
        return layers


def _described(line: str) -> Layer:
    """`type name inputs outputs, their names, key=value...`."""
    kind, name, inputs, outputs, *rest = line.split()
    first, second = int(inputs), int(inputs) + int(outputs)
    if min(int(inputs), int(outputs)) < 0 or len(rest) < second or kind not in _ARRAYS:
        raise ValueError(f"{name} is a layer of the kind {kind} that is not read")
    parameters = dict(_parameter(pair) for pair in rest[second:])
    return Layer(kind, name, tuple(rest[:first]), tuple(rest[first:second]), parameters, ())


def _parameter(pair: str) -> tuple[int, Number | tuple[Number, ...]]:
    key, _, value = pair.partition("=")
    if int(key) > _ARRAY:
        return int(key), _number(value)
    return _ARRAY - int(key), tuple(_number(one) for one in value.split(",")[1:])


def _number(text: str) -> Number:
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)


def _with_arrays(layer: Layer, data: mmap) -> Layer:
    arrays = tuple(_ARRAYS[layer.kind](layer.parameters, data))
    return Layer(layer.kind, layer.name, layer.inputs, layer.outputs, layer.parameters, arrays)


def _none(parameters: Mapping[int, Any], data: mmap) -> list[NDArray[np.float32]]:
    return []


def _convolution(parameters: Mapping[int, Any], data: mmap) -> list[NDArray[np.float32]]:
    if parameters.get(8):
        raise ValueError("it is quantized to int8, which is not read")
    outputs, width, size = parameters[0], parameters[1], parameters[6]
    height = parameters.get(11, width)
    weight = _flagged(data, size).reshape(outputs, -1, height, width)
    return [weight, _plain(data, outputs)] if parameters.get(5) else [weight]


def _constant(parameters: Mapping[int, Any], data: mmap) -> list[NDArray[np.float32]]:
    shape = [parameters[key] for key in (2, 11, 1, 0) if parameters.get(key)]
    read = _flagged if parameters.get(21, 1) == 0 else _plain
    return [read(data, math.prod(shape)).reshape(shape)]


_ARRAYS: Mapping[str, Callable[[Mapping[int, Any], mmap], Sequence[NDArray[np.float32]]]] = {
    "Convolution": _convolution,
    "ConvolutionDepthWise": _convolution,
    "MemoryData": _constant,
    **dict.fromkeys(_BARE, _none),
}
"""How the arrays of each kind are read. Other kinds are refused: how long their arrays are is not known."""


def _flagged(data: mmap, count: int) -> NDArray[np.float32]:
    """Numbers behind a word that says how they are stored; padded to four bytes."""
    flag = int.from_bytes(data.read(4), "little")
    if flag == _F32:
        return _plain(data, count)
    if flag != _F16:
        raise ValueError(f"its arrays are stored in the way {flag:#010x}, which is not read")
    halves = _read(data, 2 * count)
    _read(data, -2 * count % 4)
    return np.frombuffer(halves, "<f2").astype(np.float32)


def _plain(data: mmap, count: int) -> NDArray[np.float32]:
    return np.frombuffer(_read(data, 4 * count), "<f4")


def _read(data: mmap, size: int) -> bytes:
    if size < 0 or len(found := data.read(size)) != size:
        raise ValueError("it is cut off")
    return found
