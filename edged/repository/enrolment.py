"""The pictures in a gallery's folder: which there are, and how one is decoded."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edged.contracts.errors import EdgedError, TimedOut
from edged.contracts.items import Frame
from edged.contracts.product import UNKNOWN
from edged.flow.budget import Budget
from edged.media.picture import DECODED, PictureLimits, decode_picture, decoding_bytes
from edged.repository.skus import numbered

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""Files of other kinds are left alone."""
PATIENCE_S = 5.0
"""A picture for which no memory gets free for so long waits for the next look: who asks holds some itself."""


class NoRoom(EdgedError):
    """Others use the memory at the moment."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A picture in the folder; equal as long as it is the same file of the same time."""

    sku: str
    name: str
    size: int
    changed_ns: int


def enrolled(folder: Path) -> Iterator[Enrolled]:
    """The pictures in a gallery's folder, by SKU and name; hidden ones and other files are none."""
    for sku in sorted(_entries(folder)):
        if sku.name == UNKNOWN:
            continue
        for picture in sorted(_entries(sku)):
            if picture.suffix.lower() in SUFFIXES:
                try:
                    facts = picture.stat()
                except OSError:
                    continue  # gone since it was listed
                yield Enrolled(sku.name, picture.name, facts.st_size, facts.st_mtime_ns)


def picture_bytes(path: Path) -> bytes:
    """Of the file; of one that is too large only as much as shows it. Raises `OSError`."""
    with path.open("rb") as file:
        return file.read(PictureLimits().max_bytes + 1)


@contextmanager
def decoded(data: bytes, memory: Budget, check: Callable[[], None] = lambda: None) -> Iterator[Frame]:
    """The picture; it holds its part of the `memory`, which requests share, until the end of the block.

    Raises `NotMedia`, `TooLarge` before anything is decoded, `NoRoom`, and what `check` raises.
    """
    limits = PictureLimits()
    with ExitStack() as held:
        try:
            need = decoding_bytes(data, limits)
            share = held.enter_context(memory.hold(need, time.monotonic() + PATIENCE_S, check))
        except TimedOut as error:
            check()
            raise NoRoom(str(error)) from error
        picture = decode_picture(data, limits, time.time())
        share.keep(picture.width * picture.height * DECODED)
        yield picture


def sku_ids(folder: Path, memory: Budget) -> dict[str, int]:
    """As `numbered`, of the SKUs in a gallery's folder that have a picture that can be used."""
    ids = numbered(folder, ())
    new = set[str]()
    for one in enrolled(folder):
        if one.sku not in ids and one.sku not in new and _usable(folder / one.sku / one.name, memory):
            new.add(one.sku)
    return numbered(folder, new) if new else ids


def _usable(path: Path, memory: Budget) -> bool:
    try:
        with decoded(picture_bytes(path), memory):
            return True
    except (OSError, EdgedError):
        return False


def _entries(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return []
