"""One connection of Home Assistant: it asks what there is, then sends what somebody says."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info
from wyoming.ping import Ping, Pong

from edged.contracts.errors import BadRequest, RequestError
from edged.contracts.languages import LANGUAGES, code_of
from edged.media.fetch import ByteLimit
from edged.requests.asking import Asking
from edged.wyoming.events import read_event
from edged.wyoming.spoken_file import SpokenFile

SERVICE = "transcription"
"""The service that answers."""
PATIENCE_S = 60.0
"""So long a client may say nothing, or not read what is said to it."""
MOST_PROMPT = 4000
"""Characters of names and terms that are listened for; those at the end count most."""
TOO_SOON = "the client left before the end of its request"
_SOURCE = Attribution("edged", "https://github.com/openai/whisper")


@dataclass(frozen=True)
class Household:
    """What all dialogues share."""

    asking: Asking
    names: Callable[[str], tuple[str, ...]]
    """By which the model of a service may be called; none where none is installed."""
    node: str
    """Of this box: Home Assistant shows several side by side."""
    version: str
    """Of edged."""
    longest_s: float
    """Of what is said."""
    limit: ByteLimit
    """Of the same."""
    count: Callable[[str], None]
    """Is told what becomes of each request."""


class Dialogue:
    """Lives in a loop's thread, as long as the connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, given: Household) -> None:
        self._reader = reader
        self._writer = writer
        self._given = given
        self._asked: Mapping[str, str] = {}
        self._spoken: SpokenFile | None = None
        self._fault: RequestError | None = None
        """Why the rest of what is said is not listened to; told when all of it is said, or nobody would read
        it, and at the end of patience."""
        self._until = 0.0

    async def run(self) -> None:
        """Until the client leaves, says nothing for too long, or says what cannot be understood."""
        try:
            while (event := await asyncio.wait_for(read_event(self._reader), PATIENCE_S)) is not None:
                await self._take(event)
            if self._spoken is not None:
                self._given.count(TOO_SOON)
        except RequestError as error:
            self._given.count(f"refused {error.code}")
            await self._say(Error(str(error), str(error.code)))
        finally:
            self._let_go()

    async def _take(self, event: Event) -> None:
        """What is unknown is passed over, as the protocol wants it."""
        kind, data = event.type, event.data
        if Describe.is_type(kind):
            await self._say(self._info())
        elif Ping.is_type(kind):
            await self._say(Pong(text=data.get("text")))
        elif AudioStop.is_type(kind):
            await self._answer()
        else:
            self._listen(event)

    def _listen(self, event: Event) -> None:
        """Raises what was wrong before, for who goes on and on."""
        kind, data, given = event.type, event.data, self._given
        if self._fault is not None and time.monotonic() > self._until:
            raise self._fault
        try:
            if Transcribe.is_type(kind):
                self._begin(data)
            elif AudioStart.is_type(kind):
                self._let_go()
                self._spoken = SpokenFile(data, given.longest_s, given.limit)
            elif AudioChunk.is_type(kind) and self._fault is None:
                self._spoken = self._spoken or SpokenFile(data, given.longest_s, given.limit)
                self._spoken.put(event.payload or b"")
        except RequestError as error:
            self._let_go()
            if self._fault is None:
                self._fault, self._until = error, time.monotonic() + PATIENCE_S

    def _begin(self, data: Mapping[str, Any]) -> None:
        """Raises `BadRequest` for a model that is not here, or for what is no list of words."""
        name, known = data.get("name"), self._given.names(SERVICE)
        if name and known and name not in known:
            raise BadRequest(f"there is no model {str(name)[:100]!r} here, but {', '.join(known)}")
        prompt = ", ".join([*_words(data, "transcript_terms"), *_words(data, "transcript_names")])
        language = code_of(str(data.get("language") or ""))
        self._asked = {"language": language, "prompt": prompt[-MOST_PROMPT:]}

    async def _answer(self) -> None:
        """What was said. Raises what was wrong with it."""
        if self._fault is not None:
            raise self._fault
        if self._spoken is None:
            raise BadRequest("`audio-stop` came without any sound before")
        file = self._spoken.taken()
        self._spoken = None
        answer = await self._given.asking.ask(
            *(SERVICE, orjson.dumps(self._asked), self._has_left), inner=True, recording=file
        )
        if self._has_left():
            self._given.count("the client left before its answer")
            return
        said = orjson.loads(answer.body)
        if answer.code != 200:
            await self._say(Error(said["error_msg"], str(answer.code)))
            self._writer.close()  # clients that know no errors notice the end
            return
        await self._say(Transcript(said["text"], language=said["language"] or None))

    def _info(self) -> Info:
        names, version = self._given.names(SERVICE), self._given.version
        called = f"edged {self._given.node}"
        about = "speech to text in 99 languages, on this box"
        models = [
            AsrModel(name, _SOURCE, True, about, version, languages=sorted(LANGUAGES)) for name in names[:1]
        ]
        return Info(asr=[AsrProgram(called, _SOURCE, bool(names), about, version, models=models)])

    async def _say(self, said: Eventable) -> None:
        await asyncio.wait_for(async_write_event(said.event(), self._writer), PATIENCE_S)

    def _has_left(self) -> bool:
        """Cheap, for it is asked between the steps of long work, from other threads."""
        reader = self._reader
        return reader.at_eof() or reader.exception() is not None or self._writer.is_closing()

    def _let_go(self) -> None:
        if self._spoken is not None:
            self._spoken.close()
            self._spoken = None


def _words(data: Mapping[str, Any], name: str) -> list[str]:
    words = data.get(name) or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise BadRequest(f"`{name}` must be a list of words")
    return words
