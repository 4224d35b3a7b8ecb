"""`POST /v1/audio/transcriptions` and `/v1/audio/translations`: a form with a recording in it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import IO, Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from edged.contracts.errors import BadRequest, QueueFull
from edged.contracts.languages import code_of
from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.http.connection import left, take_time
from edged.http.failures import failure
from edged.http.form import read_form
from edged.http.openai import Names, answered, check_model, refused
from edged.http.predict import TOO_SOON, UNANSWERED
from edged.http.subtitles import FORMATS
from edged.http.transcript_events import streamed
from edged.media.fetch import ByteLimit
from edged.requests.asking import Asking

TRANSCRIPTION = "transcription"
"""The service that answers."""
MOST_AT_A_TIME = 4
"""Recordings that come in; one more is answered 429."""
_FIELDS = (
    *("model", "prompt", "response_format", "temperature"),
    *("language", "timestamp_granularities", "stream"),  # of transcriptions alone
)

_YES, _NO = ("true", "1"), ("false", "0", "")


class TranscriptionDesk:
    """Lives in the loop's thread."""

    def __init__(self, asking: Asking, names: Names, limit: ByteLimit, counters: Counters) -> None:
        self._asking = asking
        self._names = names
        self._limit = limit
        self._counters = counters
        self._coming = 0

    async def transcribe(self, request: Request) -> Response:
        """What is said. Raises `TooLarge`, `QueueFull`, `BadRequest`, `NotFound`."""
        return await self._respond(request, "transcribe")

    async def translate(self, request: Request) -> Response:
        """The same in English."""
        return await self._respond(request, "translate")

    async def _respond(self, request: Request, task: str) -> Response:
        if self._coming >= MOST_AT_A_TIME:
            raise QueueFull(f"{MOST_AT_A_TIME} recordings are coming in already; try again later")
        self._coming += 1
        take_time(request.scope)
        try:
            form = await read_form(request, "file", self._limit)
        except ClientDisconnect:
            self._counters.count("http_requests", TOO_SOON)
            return failure(400, "the request ended too soon", path=request.url.path)
        finally:
            self._coming -= 1
        return await self._answer(request, task, form.fields, form.file)

    async def _answer(
        self, request: Request, task: str, fields: Mapping[str, Sequence[str]], file: IO[bytes]
    ) -> Response:
        try:
            asked = asked_of(fields, task)
            check_model(asked.pop("model"), TRANSCRIPTION, self._names)
            write, media_type = FORMATS[asked.pop("response_format")]
        except BaseException:
            file.close()
            raise
        has_left, streams = partial(left, request.scope), asked.pop("stream")
        payload = orjson.dumps({**asked, "task": task})

        def ended() -> None:
            if has_left():
                self._counters.count("http_requests", UNANSWERED)

        def ask(ahead: Callable[[bytes], None] | None) -> asyncio.Future[Answer]:
            return self._asking.ask(TRANSCRIPTION, payload, has_left, inner=True, recording=file, ahead=ahead)

        if streams:
            return await streamed(ask, ended)
        answer = await ask(None)
        ended()
        if answer.code != 200:
            return refused(answer, "file")
        return answered(answer, write(orjson.loads(answer.body), task), media_type)


def asked_of(fields: Mapping[str, Sequence[str]], task: str) -> dict[str, Any]:
    """`model`, `response_format` and the options of the service. Raises `BadRequest` that names the field."""
    known = _FIELDS if task == "transcribe" else _FIELDS[:4]
    for name, values in fields.items():
        if name not in known:
            raise BadRequest(
                f"the field `{name[:60]}` is unknown; this address knows file, {', '.join(known)}"
            )
        if len(values) > 1 and name != "timestamp_granularities":
            raise BadRequest(f"the field `{name}` is there {len(values)} times")
    said = {name: values[-1] for name, values in fields.items()}
    _check(said, fields.get("timestamp_granularities", ()))
    return {
        "model": said.get("model", ""),
        "response_format": said.get("response_format", "json"),
        "language": code_of(said.get("language", "")),
        "prompt": said.get("prompt", ""),
        "stream": said.get("stream", "").lower() in _YES,
    }


def _check(said: Mapping[str, str], granularities: Sequence[str]) -> None:
    """Refuse what cannot be had, rather than leave it out silently."""
    if (form := said.get("response_format", "json")) not in FORMATS:
        raise BadRequest(f"the field `response_format` must be one of {', '.join(FORMATS)}")
    if not _is_zero(said.get("temperature", "0")):
        raise BadRequest("the field `temperature` must be 0: the likeliest text is written, always the same")
    if (stream := said.get("stream", "").lower()) not in (*_YES, *_NO):
        raise BadRequest("the field `stream` must be true or false")
    if stream in _YES and form != "json":
        raise BadRequest("the field `stream` wants `response_format` to be json")
    if unknown := set(granularities) - {"segment"}:
        raise BadRequest(
            "the field `timestamp_granularities` may hold `segment` alone, for words have no times here, not "
            f"{sorted(unknown)[0][:20]!r}"
        )
    if granularities and form != "verbose_json":
        raise BadRequest("the field `timestamp_granularities` wants `response_format` to be verbose_json")


def _is_zero(number: str) -> bool:
    try:
        return float(number or 0) == 0
    except ValueError:
        return False
