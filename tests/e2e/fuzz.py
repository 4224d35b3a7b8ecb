"""Requests as nobody should send them: mutations of good ones, the same ones for the same seed."""

import io
import random
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pybase64

CODES = frozenset({200, 400, 403, 404, 413, 415, 422, 429, 503, 504})
"""What a client may be answered by a daemon that is well: 500 would be a fault of ours."""
KINDS = (".jpg", ".png", ".webp", ".tiff", ".bmp", ".gif")
STRANGE: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**63, -(2**63), 1e308, 5e-324, "", " ", "\0", "x" * 100_000, "ä" * 300),
    *(
        [],
        {},
        [[]],
        [None] * 1000,
        {"": ""},
        {"url": 1},
        {"url": "http://[::1"},
        {"url": "file:///etc/passwd"},
    ),
    *({"url": "http://169.254.169.254/"}, {"url": "\r\nx"}, {"url": "s3://a/b"}, "true", "NaN", "-0"),
)
RAW = (
    *(b"", b"{", b"null", b"0", b'""', b"[]", b"NaN", b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"\xed\xa0\x80"),
    *(b"[" * 100_000, b'{"image":' * 5_000, b'{"a":1' + b"0" * 5_000 + b"}", b'{"image": NaN}', b"\0" * 100),
    *(
        b'{"image":"a","image":"b"}',
        b'{"image": "\\ud800"}',
        b'{"timeout_s": 1e999}',
        b'{"request_id": "\xff"}',
    ),
)
PLACES = ("$SYS/x", "edged/box/request/object-detection", "edged/any/request/ocr", "replies/" + "x" * 300)
"""Where answers may not go, but for the last."""


@dataclass
class Case:
    """One message to be sent."""

    service: str
    payload: bytes
    reply_to: str = "replies/fuzz"
    more: dict[str, Any] = field(default_factory=dict)
    """Further properties of MQTT 5."""


class Fuzz:
    """Makes cases; recordings are written to `folder`."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._random = random.Random()
        self._seed = seed
        self._cases = 0
        self._folder = folder
        self._recordings = 0
        noise = np.random.default_rng(seed).integers(0, 255, (24, 32, 4), np.uint8)
        self._pictures = [
            cv2.imencode(kind, noise[..., :channels])[1].tobytes()
            for kind in KINDS
            for channels in ((3, 4) if kind in (".png", ".webp", ".tiff") else (3,))
        ]
        self._recording = _recording()
        self._good: tuple[tuple[str, Callable[[], dict[str, Any]]], ...] = (
            ("object-detection", lambda: {"image": self._picture(), "score_threshold": 0.3}),
            ("image-similarity", lambda: {"imagea": self._picture(), "imageb": self._picture()}),
            ("music-detection", lambda: {"input": {"url": self._sound(), "play_duration": "900000"}}),
            ("text-vectorization", lambda: {"id": "1", "first_sequence": "一 text", "sequence_length": 16}),
        )

    def case(self) -> Case:
        """The next one."""
        self._cases += 1
        self._random.seed(f"{self._seed} {self._cases}")  # a path in one may be longer elsewhere
        service, good = self._random.choice(self._good)
        fields = {"request_id": f"r{self._random.random()}", "timeout_s": 30, **good()}
        case = Case(service, self._spoilt(fields))
        if self._chance(0.1):
            case.reply_to = self._random.choice(PLACES)
        if self._chance(0.1):
            case.service = self._random.choice(("none", "ocr", "Ä", "object-detection ", "x" * 1000, "$SYS"))
        if self._chance(0.3):
            case.more = self._random.choice(
                (
                    {"PayloadFormatIndicator": 1},
                    {"ContentType": "x/" + "y" * 1000},
                    {"UserProperty": [("request_id", "é"), ("", ""), ("code", "200")] * 50},
                    {"MessageExpiryInterval": 2**32 - 1},
                )
            )
        return case

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _spoilt(self, fields: dict[str, Any]) -> bytes:
        way = self._random.randrange(12)  # half of them are as they should be, but for their media
        if way == 0:
            return self._random.choice(RAW)
        if way == 1:
            place = self._random.choice(list(fields))
            fields[place] = self._random.choice(STRANGE)
        elif way == 2:
            del fields[self._random.choice(list(fields))]
        elif way == 3:
            fields[self._random.choice(("reply_to", "drawing", "é", "function_name", "x" * 1000))] = (
                self._random.choice((*STRANGE, "replies/#", "+", "$share/a/b"))
            )
        said = orjson.dumps(fields, option=orjson.OPT_NON_STR_KEYS)
        if way == 4:
            return said[: self._random.randrange(len(said))]
        if way == 5:
            return self._flipped(said, len(said))
        return said

    def _flipped(self, data: bytes, within: int) -> bytes:
        """Some bytes of the first ones are others."""
        changed = bytearray(data)
        for _ in range(self._random.randrange(1, 6)):
            at = self._random.randrange(min(within, len(data)))
            changed[at] = self._random.choice((0, 1, 0x7F, 0x80, 0xFF, self._random.randrange(256)))
        return bytes(changed)

    def _media(self, data: bytes) -> bytes:
        way = self._random.randrange(5)
        if way == 0:
            return data
        if way == 1:
            return data[: self._random.randrange(len(data))]
        if way == 2:
            return data + self._random.randbytes(500)
        return self._flipped(data, 64 if way == 3 else len(data))

    def _picture(self) -> str:
        text = str(pybase64.b64encode_as_string(self._media(self._random.choice(self._pictures))))
        way = self._random.randrange(12)
        if way == 0:
            return self._random.choice(("data:image/png;base64,", "data:,", "\n \t", "====")) + text
        if way == 1:
            return text[:-1] if len(text) > 1 else text
        if way == 2:
            return text.replace("A", "-")
        return text

    def _sound(self) -> str:
        self._recordings += 1
        path = self._folder / f"{self._recordings}.wav"
        path.write_bytes(self._media(self._recording))
        return str(path)


def _recording() -> bytes:
    whole = io.BytesIO()
    with wave.open(whole, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.sin(np.arange(16_000) / 5) * 9000).astype("<i2").tobytes())
    return whole.getvalue()
