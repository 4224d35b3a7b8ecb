"""`POST /v1/embeddings`: a text, or a list of texts, as vectors."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import orjson
import pybase64
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from edged.contracts.errors import BadRequest
from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.http.connection import left
from edged.http.failures import failure
from edged.http.openai import Names, answered, check_model, refused
from edged.http.predict import TOO_SOON, UNANSWERED, Bodies
from edged.requests.asking import Asking
from edged.requests.parse import json_object

EMBEDDING = "text-embedding"
"""The service that answers."""
MOST_TEXTS = 2048
AT_A_TIME = 4
"""Texts of a request that are in the queue: a long list leaves room for others."""
_FIELDS = ("input", "model", "encoding_format", "dimensions", "user")


class EmbeddingDesk:
    """Lives in the loop's thread. Each text is a request of its own to the pipeline."""

    def __init__(self, asking: Asking, bodies: Bodies, names: Names, counters: Counters) -> None:
        self._asking = asking
        self._bodies = bodies
        self._names = names
        self._counters = counters

    async def respond(self, request: Request) -> Response:
        """All vectors, or the first error. Raises `TooLarge`, `QueueFull`, `BadRequest`, `NotFound`."""
        try:
            async with self._bodies.read(request) as body:
                fields = json_object(body)
        except ClientDisconnect:
            self._counters.count("http_requests", TOO_SOON)
            return failure(400, "the request ended too soon", path=request.url.path)
        texts, in_base64 = _checked(fields)
        check_model(fields.get("model") or "", EMBEDDING, self._names)
        answers = await self._answers(texts, request)
        if left(request.scope):
            self._counters.count("http_requests", UNANSWERED)
        if (last := answers[-1]).code != 200:
            return refused(last)
        return answered(last, _written(answers, in_base64=in_base64))

    async def _answers(self, texts: Sequence[str], request: Request) -> list[Answer]:
        """Of all texts in their order, or as far as the first that fails."""
        answers, has_left = list[Answer](), partial(left, request.scope)
        for first in range(0, len(texts), AT_A_TIME):
            payloads = (orjson.dumps({"text": text}) for text in texts[first : first + AT_A_TIME])
            asked = [self._asking.ask(EMBEDDING, payload, has_left, inner=True) for payload in payloads]
            for answer in await asyncio.gather(*asked):
                answers.append(answer)
                if answer.code != 200:
                    return answers
        return answers


def _checked(fields: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The texts, and whether their vectors go as Base64. Raises `BadRequest` that names the field."""
    if unknown := [name for name in fields if name not in _FIELDS]:
        raise BadRequest(f"the field `{unknown[0][:60]}` is unknown; this address knows {', '.join(_FIELDS)}")
    if fields.get("dimensions") is not None:
        raise BadRequest("the field `dimensions`: vectors are as long as the model makes them; leave it out")
    form = fields.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise BadRequest("the field `encoding_format` must be float or base64")
    if not isinstance(fields.get("model") or "", str):
        raise BadRequest("the field `model` must be a string")
    given = fields.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not 1 <= len(texts) <= MOST_TEXTS:
        raise BadRequest(f"the field `input` must be a text or a list of 1 to {MOST_TEXTS} texts")
    if not all(isinstance(text, str) for text in texts):
        raise BadRequest("the field `input` must hold texts: numbers of tokens belong to another vocabulary")
    return texts, form == "base64"


def _written(answers: Sequence[Answer], *, in_base64: bool) -> bytes:
    found = [orjson.loads(answer.body) for answer in answers]
    tokens = sum(one["tokens"] for one in found)
    vectors = (_encoded(one["vector"]) if in_base64 else one["vector"] for one in found)
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return orjson.dumps({"object": "list", "data": data, "model": answers[-1].model, "usage": usage})


def _encoded(vector: Sequence[float]) -> str:
    """f32, little-endian, as the clients read it."""
    encoded: str = pybase64.b64encode_as_string(np.array(vector, "<f4").tobytes())
    return encoded
