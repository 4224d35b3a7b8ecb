"""What each method of KServe's service answers, to whom, and what is counted of it.

All methods are served as if their requests were streams, so that a call is judged before its message is read.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
import orjson
from grpc import aio

from edged.contracts.errors import EdgedError, NotFound, TimedOut, TooLarge
from edged.flow.token import TOKEN_WANTED
from edged.grpc import kserve_pb2 as pb
from edged.grpc.guests import Guests
from edged.grpc.messages import inferred, named, parsed, written
from edged.grpc.sources import GrpcSources
from edged.kserve.models import Models, metadata
from edged.repository.isolated import AnyInstance
from edged.repository.outline import Outline
from edged.requests.asking import Asking

log = logging.getLogger(__name__)

SERVICE = "inference.GRPCInferenceService"
"""Its name on the way."""
OPEN = ("ServerLive", "ServerReady")
"""What wants no token."""
MOST_READ = 16
"""Messages that are read at the same time; more wait for their turn."""
READ_S = 120.0
"""Within so long a message must have come."""
STATUS: Mapping[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,  # as gRPC itself says of a message that is too long
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""Of our codes; all others are a defect: INTERNAL."""
_UNANSWERED = "the client left before its answer"

Context = aio.ServicerContext[Any, Any]
"""A call, as gRPC gives it."""


class _Refused(Exception):
    """With a code and a reason."""


class Methods:
    """Lives in the loop's thread."""

    def __init__(self, sources: GrpcSources, executor: Executor, guests: Guests) -> None:
        """`executor`: for what would hold up the loop."""
        self._sources = sources
        self._executor = executor
        self._guests = guests
        self._models = Models(sources.table, sources.idle, executor)
        self._count = partial(sources.counters.count, "grpc_requests")
        self._asking = Asking(sources.intake, self._count)
        self._readers = asyncio.Semaphore(MOST_READ)

    def handler(self) -> grpc.GenericRpcHandler:
        """What gRPC calls."""
        methods = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ServerMetadata": self._server,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model,
            "ModelInfer": self._infer,
        }
        served: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            name: grpc.stream_unary_rpc_method_handler(partial(self._answered, do, name not in OPEN))
            for name, do in methods.items()
        }
        return grpc.method_handlers_generic_handler(SERVICE, served)

    def close(self) -> None:
        """Answer whoever still waits that the box goes down."""
        self._asking.close()

    async def _answered(
        self, do: Callable[[Context], Awaitable[bytes]], guarded: bool, _: object, call: Context
    ) -> bytes:
        """One call: its answer, or why there is none."""
        try:
            answer = await (self._guarded(do, call) if guarded else do(call))
        except _Refused as refused:
            code, why = refused.args
        except EdgedError as error:
            code, why = error.code, str(error)
        except Exception:  # the boundary "one call"
            log.exception("a call over gRPC failed")
            code, why = 500, "the daemon failed on this request; its log says why"
        else:
            self._sources.counters.count("grpc_answers", "OK")
            return answer
        status = STATUS.get(code, grpc.StatusCode.INTERNAL)
        self._sources.counters.count("grpc_answers", status.name)
        await call.abort(status, why)

    async def _guarded(self, do: Callable[[Context], Awaitable[bytes]], call: Context) -> bytes:
        if not self._sources.token.brought_by(_authorization(call)):
            raise _Refused(401, TOKEN_WANTED)
        with self._guests.at_work(call.peer()):
            return await do(call)

    async def _live(self, call: Context) -> bytes:
        return written(pb.ServerLiveResponse(live=True))

    async def _ready(self, call: Context) -> bytes:
        loop = asyncio.get_running_loop()
        why = await loop.run_in_executor(self._executor, self._sources.why_not_ready)
        return written(pb.ServerReadyResponse(ready=not why))

    async def _server(self, call: Context) -> bytes:
        return written(pb.ServerMetadataResponse(name="edged", version=self._sources.version))

    async def _model_ready(self, call: Context) -> bytes:
        async with self._message(call) as message:
            request = parsed(pb.ModelReadyRequest, message)
        found = await self._found(request.name, request.version)
        return written(pb.ModelReadyResponse(ready=not isinstance(found, Outline)))

    async def _model(self, call: Context) -> bytes:
        async with self._message(call) as message:
            request = parsed(pb.ModelMetadataRequest, message)
        told = metadata(await self._found(request.name, request.version))
        fields = pb.ModelMetadataResponse.DESCRIPTOR.fields_by_name
        known = {name: value for name, value in told.items() if name in fields}
        return written(pb.ModelMetadataResponse(**known))

    async def _infer(self, call: Context) -> bytes:
        """Takes its turn like a request to the model's service."""
        gone = threading.Event()
        try:
            async with self._message(call) as payload:
                model, version = named(payload)
                service = (await self._found(model, version)).card.service
                work, until = partial(inferred, model), _until(call)
                coming = self._asking.ask(service, payload, gone.is_set, work=work, until=until)
            answer = await coming
        except asyncio.CancelledError:
            gone.set()
            self._count(_UNANSWERED)
            raise
        if answer.code != 200:
            raise _Refused(answer.code, orjson.loads(answer.body)["error_msg"])
        return answer.body

    @asynccontextmanager
    async def _message(self, call: Context) -> AsyncIterator[bytes]:
        """The message of a call, for the length of the block. Raises `TimedOut`, and `TooLarge`."""
        async with self._readers:
            try:
                async with asyncio.timeout(READ_S):
                    message = await call.read()
            except TimeoutError as error:
                raise TimedOut(f"the message of the call did not come within {READ_S:g} s") from error
            if message is aio.EOF:  # gRPC has told the client already, but not us
                most = self._sources.most_bytes
                raise TooLarge(f"no message, or one with more than the {most} bytes of `http.max_body_bytes`")
            yield message

    async def _found(self, model: str, version: str) -> AnyInstance | Outline:
        found = await self._models.found(model)
        if version not in ("", variant := found.facts.variant):
            raise NotFound(f"{model} runs as {variant}, and not in the version {version[:100]!r}")
        return found


def _authorization(call: Context) -> str:
    found = [value for key, value in call.invocation_metadata() or () if key == "authorization"]
    return str(found[0]) if len(found) == 1 else ""


def _until(call: Context) -> float:
    """When the caller waits no longer; `time.monotonic()`."""
    left = call.time_remaining()
    return math.inf if left is None else time.monotonic() + left
