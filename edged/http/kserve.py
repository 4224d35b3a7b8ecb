"""Health and metadata as KServe's protocol v2 has them. Predictions have a contract of their own."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from edged.contracts.card import ModelCard, PictureInput
from edged.contracts.errors import NotFound
from edged.contracts.items import Colour
from edged.http.sources import Sources
from edged.pipeline.served import Served

_PLATFORMS: Mapping[str, str] = {"onnxruntime": "onnxruntime_onnx", "openvino": "openvino_ir"}
_DATATYPES: Mapping[str, str] = {"f32": "FP32", "i64": "INT64", "i32": "INT32", "u8": "UINT8"}


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
        """`GET /v2/models/<model>`"""
        return _json(metadata(self._served(request.path_params["model"])))

    async def model_ready(self, request: Request) -> Response:
        """`GET /v2/models/<model>/ready`"""
        served = self._served(request.path_params["model"])
        return _json({"name": served.instance.facts.name, "ready": True})

    def _served(self, model: str) -> Served:
        for served in self._sources.table.ready():
            if served.instance.facts.name == model:
                return served
        raise NotFound(f"no model {model[:100]!r} is served; /api/status lists those that are")


def metadata(served: Served) -> dict[str, Any]:
    """Of a model. With several graphs, a tensor's name begins with that of its graph."""
    card, facts = served.instance.card, served.instance.facts
    runtime = facts.variant.partition("-")[0]
    return {
        "name": card.id,
        "versions": [facts.variant],
        "platform": _PLATFORMS.get(runtime, runtime),
        "inputs": [
            {"name": _within(card, graph) + name, **_input(spec)}
            for graph, of in card.graphs.items()
            for name, spec in of.inputs.items()
        ],
        "outputs": [  # of which the card knows the names only
            {"name": _within(card, graph) + name, "datatype": "FP32", "shape": [-1]}
            for graph, of in card.graphs.items()
            for name in of.outputs
        ],
        "parameters": {"service": card.service, "device": facts.device},
    }


def _within(card: ModelCard, graph: str) -> str:
    return f"{graph}/" if len(card.graphs) > 1 else ""


def _input(spec: Any) -> dict[str, Any]:
    if isinstance(spec, PictureInput):
        sides = [side or -1 for side in spec.size]
        channels = 1 if spec.colour is Colour.GRAY else 3
        return {"datatype": "UINT8", "shape": [-1, *sides, channels]}
    return {"datatype": _DATATYPES[spec.dtype], "shape": [side or -1 for side in spec.shape]}


def _json(body: Mapping[str, Any], code: int = 200) -> Response:
    return Response(orjson.dumps(body), code, media_type="application/json")
