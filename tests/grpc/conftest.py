"""A server of gRPC beside that of HTTP, over one box, and clients of it."""

from contextlib import contextmanager
from types import SimpleNamespace

import grpc
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from edged.flow.token import Token
from edged.grpc.methods import SERVICE
from edged.grpc.settings import GrpcSettings
from edged.grpc.sources import GrpcSources
from edged.grpc.unit import GrpcUnit
from edged.http.settings import HttpSettings
from tests.http.small import ended, started

HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""What a client of HTTP/2 says first."""


def unit_over(box, intake=None, token=None, most_bytes=20_000_000, listen="127.0.0.1:0", **replaced):
    """A unit, not started yet; `replaced` of its sources."""
    sources = {
        "version": "1.2.3",
        "token": Token(HttpSettings(token=token).token),
        "most_bytes": most_bytes,
        "intake": intake or box.queue,
        "counters": box.counters,
        "table": box.table,
        "idle": box.idle,
        "why_not_ready": lambda: box.status().why_not_ready(),
    }
    return GrpcUnit(GrpcSettings(listen=listen), GrpcSources(**(sources | replaced)))


@contextmanager
def door(folder, settings=None, graphs=("main",), **given):
    """A box with both servers, that of gRPC as its `grpc`."""
    box = started(folder, graphs, settings)
    box.grpc = unit_over(box, **given)
    try:
        box.grpc.start()
        yield box
    finally:
        box.turns.open.set()
        box.grpc.stop()
        ended(box)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """One that runs for all tests of a module."""
    with door(tmp_path_factory.mktemp("small")) as box:
        yield box


@contextmanager
def client_of(unit):
    """Triton's."""
    with triton.InferenceServerClient(f"127.0.0.1:{unit.port}") as client:
        yield client


@pytest.fixture
def client(small):
    with client_of(small.grpc) as client:
        yield client


def tensor_of(array, name="pictures", datatype=None):
    tensor = triton.InferInput(name, list(array.shape), datatype or np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array)
    return tensor


def refused(call, *args, **more):
    """It failed: its status, and what it says."""
    with pytest.raises(InferenceServerException) as caught:
        call(*args, **more)
    return SimpleNamespace(
        status=caught.value.status().removeprefix("StatusCode."), text=caught.value.message()
    )


@contextmanager
def plain(unit, method="ModelInfer", streams=False):
    """A method as gRPC itself calls it, with bytes in place of messages."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{unit.port}", options=options) as channel:
        way = channel.stream_unary if streams else channel.unary_unary
        yield way(f"/{SERVICE}/{method}", request_serializer=None, response_deserializer=None)
