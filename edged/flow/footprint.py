"""What a process holds of the box's memory, from /proc."""

import contextlib
from pathlib import Path

PROC = Path("/proc")


def pss_of(process: int | str = "self") -> int:
    """Proportional set size, bytes: pages that several processes share count by their share.

    0 for one that has ended, and where the system does not tell.
    """
    with contextlib.suppress(OSError):
        for line in (PROC / str(process) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
