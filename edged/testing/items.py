"""What models are tried on: for each kind of service a usual item, and odd ones."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edged.contracts.errors import BadRequest, NotFound
from edged.contracts.items import AudioClip, FramePair, Pixels, TextPair
from edged.contracts.service import Media, Service
from edged.media.footage import Footage, VideoLimits
from edged.media.picture import PictureLimits, decode_picture
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.testing.fakes import VideoOfPictures, frame_of

_TOKENS = 512
_LONGEST_US = 20_000_000
_GIVEN: Mapping[Media, Sequence[int]] = {
    "picture": (1,),
    "pictures": (2,),
    "recording": (1,),
    "video": (1,),
    "text": (1, 2),
}
"""How many items of the user's make one."""


@dataclass(frozen=True, slots=True)
class Items:
    """What one model is tried on."""

    usual: Any
    odd: Mapping[str, Any] = field(default_factory=dict)
    """By what is odd about them."""


def items_for(of: Service, given: Sequence[str] = (), *, reference: bool = False) -> Items:
    """Made by calculation, the same each time; `given`: the usual one, as of `usual_of`, which raises.

    `reference`: for a model that wants one with each picture.
    """
    items = _pairs() if reference else _ITEMS[of.media]()
    return replace(items, usual=usual_of(of, given, reference=reference)) if given else items


def usual_of(of: Service, given: Sequence[str], *, reference: bool = False) -> Any:
    """The item of files, as for `edged infer`: a picture, two, a recording, a video; or a text or two.

    The first 20 s of a recording are one clip, in which somebody speaks all the time; so long is a video.
    Raises `NotMedia`, `NotFound` for what cannot be read, `BadRequest` for another number of them.
    """
    wanted = (2,) if reference else _GIVEN[of.media]
    if len(given) not in wanted:
        numbers = " or ".join(map(str, wanted))
        raise BadRequest(f"{of.name} is tried on {numbers} item(s) of yours, not on {len(given)}")
    if of.media == "text":
        return TextPair("1", given[0], "".join(given[1:]), _TOKENS)
    try:
        files = [Path(name).read_bytes() for name in given]
    except OSError as error:
        raise NotFound(f"{error.filename} cannot be read: {error.strerror}") from error
    if of.media == "video":
        return Footage(io.BytesIO(files[0]), VideoLimits(), _LONGEST_US)
    if of.media == "recording":
        with open_sound(io.BytesIO(files[0]), SoundLimits(), _LONGEST_US) as sound:
            samples = np.concatenate(list(sound.pieces))
        return AudioClip(samples, RATE, 0, ((0, len(samples)),))
    frames = [decode_picture(data, PictureLimits(), 0.0) for data in files]
    return frames[0] if len(frames) == 1 else FramePair(*frames)


def coloured(height: int = 240, width: int = 320, shift: int = 0) -> Pixels:
    """A picture: a red, a green and a blue square on a ground that is lighter to the right, BGR."""
    row = np.linspace(60, 200, width).astype(np.uint8)
    bgr = np.repeat(np.repeat(row[None, :, None], height, axis=0), 3, axis=2)
    for place, (channel, part) in enumerate(((2, 0.1), (1, 0.4), (0, 0.7))):
        top, left = (height // 4 + place * height // 12), int(part * width) + shift
        square = bgr[top : top + height // 3, left : left + width // 5]
        square[:] = 30
        square[..., channel] = 220
    return bgr


def _pictures() -> Items:
    return Items(frame_of(coloured()), {name: frame_of(bgr) for name, bgr in _odd_pictures().items()})


def _odd_pictures() -> Mapping[str, Pixels]:
    return {
        "a picture of one pixel": np.full((1, 1, 3), 90, np.uint8),
        "a very wide picture": coloured(8, 2000),
        "a very high picture": coloured(2000, 8),
        "a black picture": np.zeros((60, 80, 3), np.uint8),
    }


def _pairs() -> Items:
    usual = frame_of(coloured())
    odd = {name: FramePair(frame_of(bgr), usual) for name, bgr in _odd_pictures().items()}
    return Items(
        FramePair(usual, frame_of(coloured(shift=20))), {**odd, "twice the same": FramePair(usual, usual)}
    )


def _sounds() -> Items:
    """A hum that rises and falls for two seconds, as a voice does; silence; a single sample."""
    at = np.arange(2 * RATE) / RATE
    hum = 0.3 * np.sin(2 * np.pi * 4 * at) * sum(np.sin(2 * np.pi * 150 * n * at) / n for n in range(1, 6))
    return Items(
        AudioClip(hum.astype(np.float32), RATE, 0, ((0, len(hum)),)),
        {
            "silence": AudioClip(np.zeros(RATE, np.float32), RATE, 0),
            "a single sample": AudioClip(np.full(1, 0.5, np.float32), RATE, 0, ((0, 1),)),
            "as loud as can be": AudioClip(np.sign(hum).astype(np.float32), RATE, 0, ((0, len(hum)),)),
        },
    )


def _videos() -> Items:
    moving = [coloured(120, 160, shift) for shift in range(0, 24, 2)]
    sound = _sounds().usual
    return Items(
        VideoOfPictures(moving, 4.0, sound),
        {
            "a single picture": VideoOfPictures(moving[:1], 4.0),
            "pictures of one pixel": VideoOfPictures([np.full((1, 1, 3), 90, np.uint8)] * 3, 25.0),
        },
    )


def _texts() -> Items:
    return Items(
        TextPair("1", "今天天气很好", "We go to the park.", _TOKENS),
        {
            "an empty text": TextPair("", "", "", _TOKENS),
            "signs that nobody knows": TextPair("1", "\U0001f600\u200b\ufffd", "", _TOKENS),
            "a text that is too long": TextPair("1", "天" * 4000, "x" * 4000, 16),
            "the fewest tokens": TextPair("1", "今天", "", 3),
        },
    )


_ITEMS: Mapping[Media, Callable[[], Items]] = {
    "picture": _pictures,
    "pictures": _pairs,
    "recording": _sounds,
    "video": _videos,
    "text": _texts,
}
