"""A transcript as server-sent events: what is said in each clip as soon as it is heard, and at the end all of
it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse

from edged.contracts.languages import UNSPACED
from edged.contracts.request import Answer
from edged.http.openai import refused

EVENTS = "text/event-stream"
Ask = Callable[[Callable[[bytes], None]], asyncio.Future[Answer]]
"""Asks for a transcript; what is given is told of each clip ahead."""


async def streamed(ask: Ask, ended: Callable[[], None]) -> Response:
    """Events from the first clip on; whoever is refused before that has a status of its own.

    `ended` is called when nothing more will be sent.
    """
    heard: asyncio.Queue[bytes | Answer] = asyncio.Queue()
    ask(heard.put_nowait).add_done_callback(lambda answer: heard.put_nowait(answer.result()))
    first = await heard.get()
    if isinstance(first, Answer) and first.code != 200:
        ended()
        return refused(first, "file")
    return StreamingResponse(
        _events(first, heard, ended), media_type=EVENTS, headers={"Cache-Control": "no-store"}
    )


async def _events(
    event: bytes | Answer, heard: asyncio.Queue[bytes | Answer], ended: Callable[[], None]
) -> AsyncIterator[bytes]:
    """All deltas together are the text at the end."""
    begun = False
    try:
        while not isinstance(event, Answer):
            if delta := _delta(orjson.loads(event), begun=begun):
                begun = True
                yield _event({"type": "transcript.text.delta", "delta": delta})
            event = await heard.get()
        if event.code == 200:
            text = orjson.loads(event.body)["text"]
            yield _event({"type": "transcript.text.done", "text": text})
        else:
            yield b"data: %s\n\n" % bytes(refused(event, "file").body)
    finally:
        ended()


def _delta(clip: dict[str, Any], *, begun: bool) -> str:
    """What a clip adds to the text; nothing, where nobody speaks in it."""
    text: str = clip["text"]
    spaced = text and begun and clip["passages"][0]["language"] not in UNSPACED
    return f" {text}" if spaced else text


def _event(fields: dict[str, str]) -> bytes:
    return b"data: %s\n\n" % orjson.dumps(fields)
