"""KServe's protocol v2: health, metadata, and the graphs of models asked for themselves.

What a model is for has a contract of its own, `/api/predict`; here its tensors go in and out as they are.
"""

import asyncio
import uuid
from collections.abc import Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from edged.contracts.errors import BadRequest, NotFound
from edged.contracts.model import Run
from edged.contracts.request import Answer
from edged.http.failures import JSON_BYTES
from edged.http.predict import PredictDesk
from edged.http.sources import Sources
from edged.http.tensors import datatype, read, written
from edged.repository.isolated import AnyInstance
from edged.repository.outline import Outline
from edged.requests.graphs import input_places, output_places, run_graphs
from edged.runtimes.signature import Port

_PLATFORMS: Mapping[str, str] = {"onnxruntime": "onnxruntime_onnx", "openvino": "openvino_ir"}


class KServe:
    """What stands below /v2."""

    def __init__(self, sources: Sources, executor: Executor, predict: PredictDesk) -> None:
        self._sources = sources
        self._predict = predict
        self._executor = executor

    async def server(self, request: Request) -> Response:
        """`GET /v2`"""
        return _json(
            {"name": "edged", "version": self._sources.version, "extensions": ["binary_tensor_data"]}
        )

    async def live(self, request: Request) -> Response:
        """`GET /v2/health/live`: this event loop turns."""
        return _json({"live": True})

    async def ready(self, request: Request) -> Response:
        """`GET /v2/health/ready`: 503 with the reason while a service is not up."""
        loop = asyncio.get_running_loop()
        status = await loop.run_in_executor(self._executor, self._sources.status)
        why = status.why_not_ready()
        return _json({"ready": not why, "why": why}, 503 if why else 200)

    async def model(self, request: Request) -> Response:
        """`GET /v2/models/<model>`: one that loads when it is asked for is not loaded for this."""
        return _json(metadata(await self._found(request.path_params["model"])))

    async def model_ready(self, request: Request) -> Response:
        """`GET /v2/models/<model>/ready`: whether it is in memory."""
        found = await self._found(request.path_params["model"])
        return _json({"name": found.facts.name, "ready": not isinstance(found, Outline)})

    async def infer(self, request: Request) -> Response:
        """`POST /v2/models/<model>/infer`: takes its turn like a request to the model's service."""
        found = await self._found(model := request.path_params["model"])
        work = partial(inferred, model, _json_bytes(request))
        return await self._predict.respond_by(request, found.card.service, work)

    async def _found(self, model: str) -> AnyInstance | Outline:
        for served in self._sources.table.ready():
            if served.instance.facts.name == model:
                return served.instance
        loop = asyncio.get_running_loop()
        idle = await loop.run_in_executor(self._executor, self._sources.idle, model)
        if idle is None:
            raise NotFound(f"no model {model[:100]!r} is served; /api/status lists those that are")
        return idle


def metadata(of: AnyInstance | Outline) -> dict[str, Any]:
    """Of a model: the tensors of its graphs as the runtime knows them, a free length being -1.

    Where there are several graphs, a tensor's name begins with that of its graph: `det/x`. Labels
    are the names of its classes by id; none, where it has no fixed list of them.
    """
    card, facts = of.card, of.facts
    runtime = facts.variant.partition("-")[0]
    return {
        "name": card.id,
        "versions": [facts.variant],
        "platform": _PLATFORMS.get(runtime, runtime),
        "inputs": [_tensor(name, place.port) for name, place in input_places(of.signatures).items()],
        "outputs": [_tensor(name, place.port) for name, place in output_places(card, of.signatures).items()],
        "labels": list(card.class_names()),
        "parameters": {"service": card.service, "device": facts.device},
    }


def inferred(model: str, json_bytes: int | None, instance: AnyInstance, payload: bytes, run: Run) -> Answer:
    """What a model's graphs give for the tensors in a request. Raises as `read` and `run_graphs`, and
    `NotFound` where another model serves by now."""
    facts = instance.facts
    if facts.name != model:
        raise NotFound(f"{model} has left; {facts.name} serves now")
    request, inputs = read(payload, json_bytes)
    outputs = run_graphs(instance, inputs, [output.name for output in request.outputs], run)
    head = {"model_name": model, "model_version": facts.variant}
    body, begin = written(head if request.id is None else {**head, "id": request.id}, outputs, request)
    return Answer(request.id or str(uuid.uuid4()), body, 200, model, json_bytes=begin)


def _json_bytes(request: Request) -> int | None:
    """Where the bytes of a body begin, if any. Raises `BadRequest`."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise BadRequest("the body is compressed; send it as it is")
    if (said := request.headers.get(JSON_BYTES)) is None:
        return None
    if not (said.isascii() and said.isdigit() and len(said) < 12):
        raise BadRequest(f"the header `{JSON_BYTES}` is no number of bytes")
    return int(said)


def _tensor(name: str, port: Port) -> dict[str, Any]:
    shape = [-1 if length is None else length for length in port.shape]
    return {"name": name, "datatype": datatype(port.dtype), "shape": shape}


def _json(body: Mapping[str, Any], code: int = 200) -> Response:
    return Response(orjson.dumps(body), code, media_type="application/json")
