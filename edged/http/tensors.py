"""Tensors as KServe's protocol v2 writes them: in JSON, or behind it as bytes (its binary extension)."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from edged.contracts.errors import BadRequest
from edged.contracts.model import Tensors

_KINDS: Mapping[str, str] = {"f": "FP", "i": "INT", "u": "UINT"}
_DTYPES = {
    "BOOL": np.dtype(np.bool_),
    **{f"{_KINDS[kind]}{8 * size}": np.dtype(f"<{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
"""By the name of a datatype."""
_READ_FROM = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}
"""Kinds of numbers in JSON that are taken for a kind of tensor."""
_MOST_AXES = 32
_NOT_HERE = ("sequence_id", "shared_memory_region", "classification")
"""Parameters of Triton that change what is meant; others that are not known change nothing."""


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    parameters: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("parameters")
    @classmethod
    def _meant(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if there := [name for name in _NOT_HERE if value.get(name)]:
            raise ValueError(f"the parameter {there[0]} is nothing that edged can do")
        return value


class InputTensor(_Said):
    """One input of a request."""

    name: str
    shape: list[Annotated[int, Field(ge=0)]] = Field(max_length=_MOST_AXES)
    datatype: str
    data: Any = None
    """Numbers in the order of rows, nested or not; none where they come as bytes."""


class OutputTensor(_Said):
    """One output that is wanted."""

    name: str


class TensorRequest(_Said):
    """The JSON of a request."""

    id: str | None = None
    inputs: list[InputTensor] = Field(min_length=1)
    outputs: list[OutputTensor] = Field(default_factory=list)

    def as_bytes(self, name: str) -> bool:
        """Whether an output is wanted behind the JSON."""
        usual = self.parameters.get("binary_data_output", False)
        said = {output.name: output.parameters.get("binary_data", usual) for output in self.outputs}
        return bool(said.get(name, usual))


def read(payload: bytes, json_bytes: int | None) -> tuple[TensorRequest, Tensors]:
    """A request, and its inputs by name: what came as bytes is read where it lies.

    Raises `BadRequest`.
    """
    end = len(payload) if json_bytes is None else json_bytes
    if end > len(payload):
        raise BadRequest(f"the request has {len(payload)} bytes, and its JSON shall have {end}")
    request, rest = _parsed(memoryview(payload)[:end]), memoryview(payload)[end:]
    inputs: dict[str, NDArray[Any]] = {}
    for tensor in request.inputs:
        if tensor.name in inputs:
            raise BadRequest(f"the input {tensor.name[:100]!r} is there twice")
        if (size := tensor.parameters.get("binary_data_size")) is None:
            inputs[tensor.name] = _from_json(tensor)
        else:
            inputs[tensor.name] = _from_bytes(tensor, size, rest)
            rest = rest[size:]
    if rest:
        raise BadRequest(f"{len(rest)} bytes after the JSON belong to no input")
    return request, inputs


def written(head: Mapping[str, Any], outputs: Tensors, request: TensorRequest) -> tuple[bytes, int | None]:
    """The body of an answer, and where its bytes begin, if there are any."""
    tensors: list[dict[str, Any]] = []
    tail: list[Any] = []
    for name, array in outputs.items():
        values = np.asarray(array, order="C")
        told = {"name": name, "datatype": datatype(values.dtype), "shape": list(values.shape)}
        if request.as_bytes(name):
            tail.append(values.reshape(-1).view(np.uint8).data if values.size else b"")
            tensors.append(told | {"parameters": {"binary_data_size": values.nbytes}})
        else:
            tensors.append(told | {"data": values.reshape(-1)})
    json = orjson.dumps({**head, "outputs": tensors}, option=orjson.OPT_SERIALIZE_NUMPY)
    return (b"".join([json, *tail]), len(json)) if tail else (json, None)


def datatype(dtype: np.dtype[Any]) -> str:
    """As KServe calls it: `FP32`, `UINT8`, `BOOL`."""
    return "BOOL" if dtype.kind == "b" else f"{_KINDS[dtype.kind]}{8 * dtype.itemsize}"


def _parsed(json: memoryview) -> TensorRequest:
    try:
        return TensorRequest.model_validate(orjson.loads(json))
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the request is not JSON: {error}") from error
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)[:5]
        ]
        raise BadRequest("; ".join(faults)) from error


def _dtype(tensor: InputTensor) -> np.dtype[Any]:
    if (dtype := _DTYPES.get(tensor.datatype)) is None:
        raise BadRequest(
            f"the input {tensor.name[:100]!r} has the datatype {tensor.datatype[:20]!r}, which is none of "
            f"{', '.join(_DTYPES)}"
        )
    return dtype


def _from_bytes(tensor: InputTensor, size: object, rest: memoryview) -> NDArray[Any]:
    dtype, name = _dtype(tensor), tensor.name[:100]
    wanted = math.prod(tensor.shape) * dtype.itemsize
    if type(size) is not int or size != wanted:
        raise BadRequest(f"the input {name!r} has {wanted} bytes, and not `binary_data_size` of {size}")
    if tensor.data is not None or size > len(rest):
        raise BadRequest(f"the input {name!r} wants {size} bytes after the JSON, and no `data` in it")
    found = np.frombuffer(rest[:size], dtype).reshape(tensor.shape)
    return np.require(found, requirements="A")  # a copy only where its first byte lies askew


def _from_json(tensor: InputTensor) -> NDArray[Any]:
    dtype, name = _dtype(tensor), tensor.name[:100]
    if tensor.data is None:
        raise BadRequest(f"the input {name!r} has neither `data` nor `binary_data_size`")
    try:
        found = np.asarray(tensor.data)
    except ValueError as error:
        raise BadRequest(f"the `data` of the input {name!r} is not of one shape") from error
    if found.size != math.prod(tensor.shape):
        raise BadRequest(
            f"the input {name!r} has {found.size} values, and not those of its shape {tensor.shape}"
        )
    if found.size == 0:
        return np.zeros(tensor.shape, dtype)
    if found.dtype.kind not in _READ_FROM[dtype.kind] or not _holds(dtype, found):
        raise BadRequest(f"the `data` of the input {name!r} is not all {tensor.datatype}")
    return found.astype(dtype, copy=False).reshape(tensor.shape)


def _holds(dtype: np.dtype[Any], found: NDArray[Any]) -> bool:
    """Whether all numbers are within the range of a type."""
    if dtype.kind == "b":
        return True
    most = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return bool(most.min <= found.min() and found.max() <= most.max)
