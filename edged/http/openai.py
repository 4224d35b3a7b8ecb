"""`/v1/models`, and what all addresses of OpenAI's API have in common."""

from collections.abc import Callable, Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response

from edged.contracts.errors import NotFound
from edged.contracts.request import Answer
from edged.http.failures import as_openai, response

Names = Callable[[str], tuple[str, ...]]
"""By which a service's model may be called: its own id first, then those of the models that it builds on;
none where none is installed."""
ALIASES: Mapping[str, tuple[str, ...]] = {"transcription": ("whisper-1",)}
"""What clients have built in, by service."""


def check_model(model: str, service: str, names: Names) -> None:
    """Raises `NotFound` for a model that does not fulfil the service here; without one installed the pipeline
    says so."""
    known = (*names(service), *ALIASES.get(service, ()))
    if model and names(service) and model not in known:
        raise NotFound(f"the field `model`: there is no {model[:100]!r} here, but {', '.join(known)}")


def refused(failed: Answer, field: str = "input") -> Response:
    """A failed answer of the pipeline. `field` brought what it calls `input.url`."""
    message: str = orjson.loads(failed.body)["error_msg"]
    for inner in ("input.url", "text"):
        message = message.replace(f"`{inner}`", f"`{field}`")
    return response(as_openai(failed, message))


def answered(answer: Answer, body: bytes, media_type: str = "application/json") -> Response:
    """A successful answer, written in another form."""
    told = response(answer)
    headers = {name: value for name, value in told.headers.items() if name.startswith(("x-", "edged-"))}
    return Response(body, answer.code, headers, media_type)


class ModelPages:
    """What can be asked for."""

    def __init__(self, names: Names, services: tuple[str, ...]) -> None:
        self._names = names
        self._services = services

    async def list(self, request: Request) -> Response:
        """`GET /v1/models`"""
        return _json({"object": "list", "data": [_model(name) for name in self._known()]})

    async def one(self, request: Request) -> Response:
        """`GET /v1/models/<model>`"""
        name: str = request.path_params["model"]
        if name not in self._known():
            raise NotFound(f"there is no model {name[:100]!r} here; GET /v1/models lists those that are")
        return _json(_model(name))

    def _known(self) -> dict[str, None]:
        """Those of installed services, in their order."""
        return dict.fromkeys(
            name
            for service in self._services
            if (names := self._names(service))
            for name in (*names, *ALIASES.get(service, ()))
        )


def _model(name: str) -> Mapping[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "edged"}


def _json(body: Mapping[str, object]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
