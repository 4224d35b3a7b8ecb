"""Tensors as KServe's protocol v2 writes them over HTTP: in JSON, or behind it as bytes, its extension."""

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from edged.contracts.errors import BadRequest
from edged.contracts.model import Tensors
from edged.kserve.tensors import MOST_AXES, InputHead, check_parameters, datatype
from edged.requests.parse import objected


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    parameters: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("parameters")
    @classmethod
    def _meant(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        check_parameters(value)
        return value


class InputTensor(_Said):
    """One input of a request."""

    name: str
    shape: list[Annotated[int, Field(ge=0)]] = Field(max_length=MOST_AXES)
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


def _parsed(json: memoryview) -> TensorRequest:
    try:
        fields = orjson.loads(json)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the request is not JSON: {error}") from error
    try:
        return TensorRequest.model_validate(fields)
    except ValidationError as error:
        raise BadRequest("; ".join(islice(objected(TensorRequest, fields, error), 5))) from error


def _from_bytes(tensor: InputTensor, size: object, rest: memoryview) -> NDArray[Any]:
    head = InputHead.of(tensor.name, tensor.shape, tensor.datatype)
    if type(size) is not int or size != head.nbytes:
        raise BadRequest(
            f"the input {head.name!r} has {head.nbytes} bytes, and not `binary_data_size` of {size}"
        )
    if tensor.data is not None or size > len(rest):
        raise BadRequest(f"the input {head.name!r} wants {size} bytes after the JSON, and no `data` in it")
    return head.from_bytes(rest[:size])


def _from_json(tensor: InputTensor) -> NDArray[Any]:
    head = InputHead.of(tensor.name, tensor.shape, tensor.datatype)
    if tensor.data is None:
        raise BadRequest(f"the input {head.name!r} has neither `data` nor `binary_data_size`")
    return head.from_values(tensor.data, "data")
