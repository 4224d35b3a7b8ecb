"""Memory of a process and of those that it started, from /proc."""

import contextlib
from pathlib import Path

_PROC = Path("/proc")


def pss_bytes(process: int) -> int:
    """Proportional set size of a process and all below it; what has ended meanwhile counts nothing."""
    return sum(_pss(one) for one in family(process))


def family(process: int) -> list[int]:
    """A process and all below it."""
    found, seen = [process], 0
    while seen < len(found):
        with contextlib.suppress(OSError):
            for task in (_PROC / str(found[seen]) / "task").iterdir():
                found += map(int, (task / "children").read_text().split())
        seen += 1
    return found


def _pss(process: int) -> int:
    with contextlib.suppress(OSError):
        for line in (_PROC / str(process) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
