"""What travels over gRPC: the same as the protocol says, and its tensors as numpy has them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from edged.contracts.errors import BadRequest
from edged.grpc import kserve_pb2 as pb
from edged.grpc.messages import parsed, read

ROOT = Path(__file__).parent.parent.parent
PROTO = "edged/grpc/kserve.proto"
CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}
DTYPES = {name: np.dtype(name.lower().replace("fp", "float")) for name in CONTENTS if name != "BOOL"}
DTYPES |= {"BOOL": np.dtype(bool), "FP16": np.dtype("float16")}


def request(array, datatype, raw=None, contents=None, **more):
    tensor = {"name": "x", "datatype": datatype, "shape": array.shape}
    if contents is not None:
        tensor["contents"] = contents
    said = pb.ModelInferRequest(model_name="small", inputs=[tensor], **more)
    if raw is not None:
        said.raw_input_contents.extend(raw if isinstance(raw, list) else [raw])
    return said


def inputs(said):
    return read(said.SerializeToString())[1]


def numbers(datatype):
    """At the ends of what it holds."""
    dtype = DTYPES[datatype]
    if dtype.kind == "b":
        return np.array([[True, False, True]])
    ends = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return np.array([[ends.min, 1, ends.max]], dtype)


def test_the_module_is_made_of_the_proto(tmp_path):
    made = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        "-I.",
        f"--python_out={tmp_path}",
        f"--pyi_out={tmp_path}",
    ]
    subprocess.run([*made, PROTO], cwd=ROOT, check=True)
    for name in ("kserve_pb2.py", "kserve_pb2.pyi"):
        there = (ROOT / "edged/grpc" / name).read_text("utf-8")
        assert (tmp_path / "edged/grpc" / name).read_text("utf-8") == there, f"see {PROTO}"


def fields(of, package):
    """All that decides how a message travels: numbers, types and labels, by name."""
    return {
        field.name: (
            *(field.number, field.type, field.is_repeated),
            field.message_type and field.message_type.full_name.removeprefix(package),
            field.containing_oneof and field.containing_oneof.name,
        )
        for field in of.fields
    } | {nested.name: fields(nested, package) for nested in of.nested_types}


@pytest.mark.parametrize("name", pb.DESCRIPTOR.message_types_by_name)
def test_messages_travel_as_tritons_do(name):
    ours = fields(pb.DESCRIPTOR.message_types_by_name[name], "edged.kserve.")
    assert ours == fields(service_pb2.DESCRIPTOR.message_types_by_name[name], "inference.")


@pytest.mark.parametrize("datatype", DTYPES)
def test_bytes_are_read_where_they_lie_in_any_type(datatype):
    array = numbers(datatype)
    found = inputs(request(array, datatype, array.tobytes()))["x"]
    assert found.dtype == array.dtype and np.array_equal(found, array)
    assert not found.flags.owndata


@pytest.mark.parametrize("datatype", CONTENTS)
def test_numbers_are_read_in_any_type(datatype):
    array = numbers(datatype)
    found = inputs(request(array, datatype, contents={CONTENTS[datatype]: array.ravel().tolist()}))["x"]
    assert found.dtype == array.dtype and np.array_equal(found, array)


def test_tensors_may_be_empty():
    nothing = np.zeros((0, 3), np.float32)
    assert inputs(request(nothing, "FP32", b""))["x"].shape == (0, 3)
    assert inputs(request(nothing, "FP32", contents={}))["x"].shape == (0, 3)


ONE = np.ones((1, 3), np.float32)
THREE = {"fp32_contents": [1, 2, 3]}
TWICE = {"name": "x", "datatype": "FP32", "shape": [1, 3], "contents": THREE}
WRONG = [
    (request(ONE, "FP32"), "'x' has neither `contents` nor `raw_input_contents`"),
    (request(ONE, "FP32", ONE.tobytes(), THREE), "both `contents` and `raw_input_contents`"),
    (request(ONE, "FP32", b"\0" * 11), "'x' has 12 bytes, and not `raw_input_contents` of 11"),
    (request(ONE, "FP32", [b"", b""]), "there are 1 `inputs`, and 2 `raw_input_contents`"),
    (pb.ModelInferRequest(model_name="small"), "there are 0 `inputs`"),
    (pb.ModelInferRequest(inputs=[TWICE, TWICE]), "'x' is there twice"),
    (request(ONE, "FP32", contents={"int_contents": [1, 2, 3]}), "has 0 values, and not those of its shape"),
    (request(ONE, "INT8", contents={"int_contents": [1, 2, 128]}), "not all INT8"),
    (request(ONE, "FP16", contents=THREE), "'x' is FP16: send it in `raw_input_contents`"),
    (request(ONE, "BYTES", contents={"bytes_contents": [b"a"] * 3}), "'BYTES', which is none of BOOL"),
    (request(ONE, "BF16", b"\0" * 6), "'BF16', which is none of BOOL"),
    (request(np.ones([1] * 33), "FP32", b"\0" * 4), "a shape that none can have"),
    (request(ONE, "FP32", ONE.tobytes(), parameters={"sequence_id": {"int64_param": 7}}), "sequence_id"),
    (
        pb.ModelInferRequest(
            inputs=[TWICE | {"parameters": {"shared_memory_region": {"string_param": "r"}}}]
        ),
        "shared_memory_region",
    ),
    (
        pb.ModelInferRequest(
            inputs=[TWICE], outputs=[{"name": "y", "parameters": {"classification": {"int64_param": 3}}}]
        ),
        "classification",
    ),
]


@pytest.mark.parametrize(("said", "why"), WRONG, ids=[why[:40] for _, why in WRONG])
def test_what_is_wrong_is_named(said, why):
    with pytest.raises(BadRequest) as caught:
        inputs(said)
    assert why in str(caught.value)


@pytest.mark.parametrize("shape", [[-1, 3], [0, 2**62, 2**62]])
def test_a_shape_that_there_is_not(shape):
    said = request(ONE, "FP32", b"")
    said.inputs[0].shape[:] = shape
    with pytest.raises(BadRequest) as caught:
        inputs(said)
    assert str(caught.value).endswith(f"none can have: {shape}")


def test_parameters_that_mean_nothing_here_change_nothing():
    more = {"priority": {"uint64_param": 1}, "sequence_id": {"int64_param": 0}, "nothing": {}}
    assert inputs(request(ONE, "FP32", ONE.tobytes(), parameters=more)).keys() == {"x"}


def test_what_is_no_message():
    with pytest.raises(BadRequest, match="no ModelInferRequest"):
        parsed(pb.ModelInferRequest, b"\xff\xff\xff")
