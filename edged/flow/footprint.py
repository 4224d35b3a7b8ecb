"""What a process holds of the box's memory, and giving back what it does not use; what a disk has left."""

import contextlib
import ctypes
import shutil
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


def resident() -> tuple[int, int]:
    """Resident set of this process, bytes: now, and at its most since this was asked the last time.

    Pages of files count, too. Some 40 us. Zeros where the system does not tell.
    """
    try:
        told = (PROC / "self" / "status").read_text()
        now, most = (int(told.partition(f"{key}:")[2].split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))
    except (OSError, IndexError):
        return 0, 0
    try:
        (PROC / "self" / "clear_refs").write_text("5")  # the peak begins anew from what is held now
    except OSError:
        return now, now
    return now, most


def give_back() -> None:
    """Have the C library return what was freed to the system, where it can; no lock of Python's is held.

    *Measured*: 30 times OCR opened and closed leave 220 MB, and 116 MB after this.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, others do not
    if trim is not None:
        trim(0)


def disk_free(folder: Path) -> int | None:
    """Bytes that can still be written to a folder; none before it is made, and when its disk is gone."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
