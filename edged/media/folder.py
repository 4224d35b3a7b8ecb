"""A folder of pictures that plays a camera."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from edged.contracts.errors import RequestError, SourceError
from edged.contracts.items import Frame
from edged.media.picture import PictureLimits, decode_picture, decoding_bytes
from edged.media.source import Pace
from edged.media.video import VideoOptions

PATIENCE_S = 5.0
"""A picture for which no memory gets free for so long is passed over."""
SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))
"""What counts as a picture, by its name; other files are ignored."""


def is_folder(source: str) -> bool:
    """Whether it is there and is a folder; what cannot be looked at is for others to complain about."""
    try:
        return "://" not in source.removeprefix("file://") and _path(source).is_dir()
    except OSError:
        return False


def open_folder(source: str, options: VideoOptions, stop: threading.Event) -> Iterator[Frame]:
    """The pictures of a folder, not of those below it, in the order of their names.

    The folder is read at the start of each round: with `loop` a new picture is shown in the next round.
    What is no picture, or has gone meanwhile, is passed over and told to `options.damaged`. Raises
    `SourceError` when a round shows nothing at all. `seq` begins anew in each round, as that of a video does,
    for nobody walks from the last picture into the first; but not where there is one, which others replace.
    """
    folder, seq, shown, pace = _path(source), 0, 0, Pace()
    for _ in itertools.count() if options.loop else range(1):
        before = shown
        for path in _pictures(folder):
            if stop.wait(pace.delay(shown / options.pictures_a_second) if options.real_time else 0):
                return
            if (frame := _frame(path, seq, options)) is not None:
                yield frame
                seq, shown = seq + 1, shown + 1
        if shown == before:
            raise SourceError(f"{folder} holds no picture that can be decoded")
        if shown > before + 1:
            seq = 0


def _path(source: str) -> Path:
    return Path(source.removeprefix("file://"))


def _pictures(folder: Path) -> list[Path]:
    """Without hidden files: programs that copy pictures into a folder name them so until they are whole."""
    try:
        pictures = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error.strerror}") from error
    if not (shown := sorted(path for path in pictures if not path.name.startswith("."))):
        raise SourceError(f"{folder} holds no picture: no file in it ends in {', '.join(sorted(SUFFIXES))}")
    return shown


def _frame(path: Path, seq: int, options: VideoOptions) -> Frame | None:
    limits = PictureLimits()
    try:
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)
        with ExitStack() as held:
            if options.memory is not None:
                need = decoding_bytes(data, limits)
                held.enter_context(options.memory.hold(need, time.monotonic() + PATIENCE_S))
            return decode_picture(data, limits, time.time(), seq)
    except OSError as error:
        options.damaged(f"{path.name} cannot be read: {error.strerror}")
    except RequestError as error:
        options.damaged(f"{path.name}: {error}")
    return None
