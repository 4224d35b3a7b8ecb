"""Memory of a process and of those that it started, from /proc."""

import contextlib

from edged.flow.footprint import PROC, pss_of


def pss_bytes(process: int) -> int:
    """Proportional set size of a process and all below it; what has ended meanwhile counts nothing."""
    return sum(pss_of(one) for one in family(process))


def family(process: int) -> list[int]:
    """A process and all below it."""
    found, seen = [process], 0
    while seen < len(found):
        with contextlib.suppress(OSError):
            for task in (PROC / str(found[seen]) / "task").iterdir():
                found += map(int, (task / "children").read_text().split())
        seen += 1
    return found
