"""Health and metadata as KServe's protocol v2 has them. Predictions have a contract of their own."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response

from edged.contracts.errors import NotFound
from edged.http.sources import Sources
from edged.repository.isolated import AnyInstance
from edged.repository.outline import Outline
from edged.runtimes.signature import Port

_PLATFORMS: Mapping[str, str] = {"onnxruntime": "onnxruntime_onnx", "openvino": "openvino_ir"}
_KINDS: Mapping[str, str] = {"f": "FP", "i": "INT", "u": "UINT"}


class KServe:
    """What stands below /v2."""

    def __init__(self, sources: Sources, executor: Executor) -> None:
        self._sources = sources
        self._executor = executor

    async def server(self, request: Request) -> Response:
        """`GET /v2`"""
        return _json({"name": "edged", "version": self._sources.version, "extensions": []})

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
    card, facts, signatures = of.card, of.facts, of.signatures
    runtime = facts.variant.partition("-")[0]
    within = {graph: f"{graph}/" if len(signatures) > 1 else "" for graph in signatures}
    return {
        "name": card.id,
        "versions": [facts.variant],
        "platform": _PLATFORMS.get(runtime, runtime),
        "inputs": [
            _tensor(within[graph], port) for graph, it in signatures.items() for port in it.inputs.values()
        ],
        "outputs": [  # a runtime may know several names of one
            _tensor(within[graph], it.outputs[name])
            for graph, it in signatures.items()
            for name in card.graphs[graph].outputs
            if name in it.outputs
        ],
        "labels": list(card.class_names()),
        "parameters": {"service": card.service, "device": facts.device},
    }


def _tensor(within: str, port: Port) -> dict[str, Any]:
    shape = [-1 if length is None else length for length in port.shape]
    return {"name": within + port.name, "datatype": _datatype(port.dtype), "shape": shape}


def _datatype(dtype: np.dtype[Any]) -> str:
    """As KServe calls it: `FP32`, `UINT8`, `BOOL`."""
    return "BOOL" if dtype.kind == "b" else f"{_KINDS[dtype.kind]}{8 * dtype.itemsize}"


def _json(body: Mapping[str, Any], code: int = 200) -> Response:
    return Response(orjson.dumps(body), code, media_type="application/json")
