"""Files that are mapped into this process: pages that nobody reads any more are left to the system."""

import contextlib
import ctypes
import mmap
import re
from collections.abc import Iterable
from pathlib import Path

from edged.flow.footprint import PROC

Ranges = frozenset[tuple[int, int]]
"""Addresses, each from the first byte to the one after the last."""
_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r--[ps] \S+ \S+ \S+ +(/.*)")
"""A mapping of a file that is neither written nor run."""


def mapped(places: Iterable[Path]) -> Ranges:
    """Where these files, and those below these folders, are mapped to be read alone; empty where the system
    does not tell."""
    wanted = [str(place.resolve()) for place in places]
    with contextlib.suppress(OSError):
        lines = map(_LINE.fullmatch, (PROC / "self" / "maps").read_text().splitlines())
        return frozenset(
            (int(line[1], 16), int(line[2], 16))
            for line in lines
            if line and any(line[3] == place or line[3].startswith(f"{place}/") for place in wanted)
        )
    return frozenset()


def forget(ranges: Ranges) -> None:
    """Drop the pages of mappings that stay mapped meanwhile; who reads them gets them from the file again."""
    madvise = ctypes.CDLL(None).madvise
    for first, end in ranges:
        madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), mmap.MADV_DONTNEED)
