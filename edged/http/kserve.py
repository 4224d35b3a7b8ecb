"""KServe's protocol v2 over HTTP: health, metadata, and the graphs of models asked for themselves.

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

from edged.contracts.errors import BadRequest
from edged.contracts.model import Run
from edged.contracts.request import Answer
from edged.http.failures import JSON_BYTES
from edged.http.predict import PredictDesk
from edged.http.sources import Sources
from edged.http.tensors import read, written
from edged.kserve.models import Models, metadata, outputs_of
from edged.repository.isolated import AnyInstance
from edged.repository.outline import Outline


class KServe:
    """What stands below /v2."""

    def __init__(self, sources: Sources, executor: Executor, predict: PredictDesk) -> None:
        self._sources = sources
        self._predict = predict
        self._executor = executor
        self._models = Models(sources.table, sources.idle, executor)

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
        return _json(metadata(await self._models.found(request.path_params["model"])))

    async def model_ready(self, request: Request) -> Response:
        """`GET /v2/models/<model>/ready`: whether it is in memory."""
        found = await self._models.found(request.path_params["model"])
        return _json({"name": found.facts.name, "ready": not isinstance(found, Outline)})

    async def infer(self, request: Request) -> Response:
        """`POST /v2/models/<model>/infer`: takes its turn like a request to the model's service."""
        found = await self._models.found(model := request.path_params["model"])
        work = partial(inferred, model, _json_bytes(request))
        return await self._predict.respond_by(request, found.card.service, work)


def inferred(model: str, json_bytes: int | None, instance: AnyInstance, payload: bytes, run: Run) -> Answer:
    """What a model's graphs give for the tensors in a request. Raises as `read` and `outputs_of`."""
    request, inputs = read(payload, json_bytes)
    outputs = outputs_of(model, instance, inputs, [output.name for output in request.outputs], run)
    head = {"model_name": model, "model_version": instance.facts.variant}
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


def _json(body: Mapping[str, Any], code: int = 200) -> Response:
    return Response(orjson.dumps(body), code, media_type="application/json")
