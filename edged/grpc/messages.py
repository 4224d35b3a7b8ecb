"""Requests and answers of `ModelInfer` as they travel, and the tensors in them."""

import uuid
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from edged.contracts.errors import BadRequest
from edged.contracts.model import Run, Tensors
from edged.contracts.request import Answer
from edged.grpc import kserve_pb2 as pb
from edged.kserve.models import outputs_of
from edged.kserve.tensors import InputHead, check_parameters, datatype
from edged.repository.isolated import AnyInstance

MessageT = TypeVar("MessageT", bound=Message)

_FIELDS: Mapping[str, tuple[str, str]] = {
    "b1": ("bool_contents", "b1"),
    **dict.fromkeys(("i1", "i2", "i4"), ("int_contents", "i4")),
    **dict.fromkeys(("u1", "u2", "u4"), ("uint_contents", "u4")),
    "i8": ("int64_contents", "i8"),
    "u8": ("uint64_contents", "u8"),
    "f4": ("fp32_contents", "f4"),
    "f8": ("fp64_contents", "f8"),
}
"""Where `contents` has numbers of a kind and size, and as what; there is no place for halves of floats."""


def parsed(kind: type[MessageT], message: bytes) -> MessageT:
    """A message of that kind. Raises `BadRequest`."""
    try:
        found: MessageT = kind.FromString(message)
    except DecodeError as error:
        raise BadRequest(f"the message is no {kind.__name__}") from error
    return found


def written(message: Message) -> bytes:
    """As it travels."""
    body: bytes = message.SerializeToString()
    return body


def named(payload: bytes) -> tuple[str, str]:
    """Model and version that a request names. Raises `BadRequest`.

    It is read once more by the worker: what waits is its payload, which is what the queue counts.
    """
    request = parsed(pb.ModelInferRequest, payload)
    return request.model_name, request.model_version


def inferred(model: str, instance: AnyInstance, payload: bytes, run: Run) -> Answer:
    """What a model's graphs give for the tensors in a request, all as bytes. Raises as `read` and
    `outputs_of`."""
    request, inputs = read(payload)
    outputs = outputs_of(model, instance, inputs, [output.name for output in request.outputs], run)
    answer = pb.ModelInferResponse(
        model_name=model,
        model_version=instance.facts.variant,
        id=request.id,
        outputs=[
            {"name": name, "datatype": datatype(array.dtype), "shape": array.shape}
            for name, array in outputs.items()
        ],
        raw_output_contents=[array.tobytes() for array in outputs.values()],
    )
    return Answer(request.id or str(uuid.uuid4()), written(answer), 200, model)


def read(payload: bytes) -> tuple[pb.ModelInferRequest, Tensors]:
    """A request, and its inputs by name. Raises `BadRequest`."""
    request = parsed(pb.ModelInferRequest, payload)
    for said in (request, *request.inputs, *request.outputs):
        _check(said.parameters)
    raw = request.raw_input_contents
    if not request.inputs or (raw and len(raw) != len(request.inputs)):
        raise BadRequest(f"there are {len(request.inputs)} `inputs`, and {len(raw)} `raw_input_contents`")
    inputs: dict[str, NDArray[Any]] = {}
    for place, tensor in enumerate(request.inputs):
        if tensor.name in inputs:
            raise BadRequest(f"the input {tensor.name[:100]!r} is there twice")
        inputs[tensor.name] = _from_raw(tensor, raw[place]) if raw else _from_contents(tensor)
    return request, inputs


def _check(parameters: Mapping[str, pb.InferParameter]) -> None:
    said = {name: value.WhichOneof("parameter_choice") for name, value in parameters.items()}
    try:
        check_parameters({name: kind and getattr(parameters[name], kind) for name, kind in said.items()})
    except ValueError as error:
        raise BadRequest(str(error)) from error


def _from_raw(tensor: pb.ModelInferRequest.InferInputTensor, raw: bytes) -> NDArray[Any]:
    head = InputHead.of(tensor.name, tensor.shape, tensor.datatype)
    if tensor.HasField("contents"):
        raise BadRequest(f"the input {head.name!r} has both `contents` and `raw_input_contents`")
    if len(raw) != head.nbytes:
        raise BadRequest(
            f"the input {head.name!r} has {head.nbytes} bytes, and not `raw_input_contents` of {len(raw)}"
        )
    return head.from_bytes(raw)


def _from_contents(tensor: pb.ModelInferRequest.InferInputTensor) -> NDArray[Any]:
    head = InputHead.of(tensor.name, tensor.shape, tensor.datatype)
    if not tensor.HasField("contents"):
        raise BadRequest(f"the input {head.name!r} has neither `contents` nor `raw_input_contents`")
    if (field := _FIELDS.get(head.dtype.str[1:])) is None:
        raise BadRequest(f"the input {head.name!r} is {tensor.datatype}: send it in `raw_input_contents`")
    where, kind = field
    return head.from_values(np.array(getattr(tensor.contents, where), kind), where)
