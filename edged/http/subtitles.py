"""What is said in a recording in the forms of OpenAI's API: JSON, text, subtitles."""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from edged.contracts.languages import LANGUAGES

_FRAMES = 100
"""Of a second, in Whisper."""
TEXT = "text/plain; charset=utf-8"


def _json(said: Mapping[str, Any], task: str) -> bytes:
    return orjson.dumps({"text": said["text"], "usage": _usage(said)})


def _verbose(said: Mapping[str, Any], task: str) -> bytes:
    code = "en" if task == "translate" and said["language"] else said["language"]
    body = {
        "task": task,
        "language": LANGUAGES.get(code, ""),
        "duration": said["seconds"],
        "text": said["text"],
        "segments": [_segment(number, one) for number, one in enumerate(said["passages"])],
        "usage": _usage(said),
    }
    return orjson.dumps(body)


def _usage(said: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "duration", "seconds": math.ceil(said["seconds"])}


def _segment(number: int, passage: Mapping[str, Any]) -> Mapping[str, Any]:
    text = passage["text"].encode()
    return {
        "id": number,
        "seek": int(passage["start"] * _FRAMES),
        "start": passage["start"],
        "end": passage["end"],
        "text": passage["text"],
        "tokens": [],  # no client reads them without the vocabulary
        "temperature": 0.0,
        "avg_logprob": passage["likelihood"],
        "compression_ratio": round(len(text) / len(zlib.compress(text)), 4),
        "no_speech_prob": passage["silence"],
    }


def _text(said: Mapping[str, Any], task: str) -> bytes:
    return f"{said['text']}\n".encode()


def _srt(said: Mapping[str, Any], task: str) -> bytes:
    cues = (f"{i}\n{cue}" for i, cue in enumerate(_cues(said["passages"], ","), 1))
    return "".join(cues).encode()


def _vtt(said: Mapping[str, Any], task: str) -> bytes:
    return "".join(["WEBVTT\n\n", *_cues(said["passages"], ".")]).encode()


def _cues(passages: Sequence[Mapping[str, Any]], point: str) -> Sequence[str]:
    """Times, text and the empty line that ends it; an arrow within the text would be read as times."""
    return [
        f"{_time(one['start'], point)} --> {_time(one['end'], point)}\n{one['text'].replace('-->', '->')}\n\n"
        for one in passages
    ]


def _time(seconds: float, point: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}{point}{milliseconds:03}"


FORMATS: Mapping[str, tuple[Callable[[Mapping[str, Any], str], bytes], str]] = {
    "json": (_json, "application/json"),
    "verbose_json": (_verbose, "application/json"),
    "text": (_text, TEXT),
    "srt": (_srt, TEXT),
    "vtt": (_vtt, "text/vtt; charset=utf-8"),
}
"""What writes the answer of transcription (its fields, and the task) down, and its media type, by
`response_format`."""
