"""Time that nobody can set: what is waited for across a restart is counted by the kernel.

`time.time()` may step by an hour or by ten years, and on a box without a battery it begins wrong.
CLOCK_BOOTTIME counts on while the process is away and while the box sleeps; the boot's id tells whether it is
still the same count.
"""

import ctypes
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from edged.contracts.message import ClockState

RELEASED = 1_793_491_200.0
"""`time.time()` on 1 November 2026: a clock that shows less was never set."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SYNCED = Path("/run/systemd/timesync/synchronized")
"""Made by systemd-timesyncd as soon as it has set the clock."""
_CPUS = Path("/proc/cpuinfo")
_BATTERY_CLOCK = Path("/sys/class/rtc/rtc0/since_epoch")
_BATTERY_CLOCK_SLACK_S = 60.0
_TIME_ERROR = 5
_TIMEX_BYTES = 512
"""More than `struct timex` has anywhere."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, as far as it can be told."""

    boot: str
    """Of the kernel; empty: unknown."""
    ticks: float
    """Seconds of CLOCK_BOOTTIME: since the boot."""
    wall: float
    """`time.time()`."""
    trusted: bool
    """Whether the wall clock may be right."""

    def since(self, then: "Moment") -> float:
        """Seconds from `then` to this moment, never negative.

        Within one boot nothing but the kernel's count is asked. Over a reboot it is at least the time since
        the boot; the wall clock may say more, but only where it was right both times.
        """
        if self.boot and self.boot == then.boot:
            return max(0.0, self.ticks - then.ticks)
        told = self.wall - then.wall if self.trusted and then.trusted else 0.0
        return max(0.0, told, self.ticks if then.boot else 0.0)


def now() -> Moment:
    """This moment."""
    return Moment(boot_id(), ticks(), time.time(), state() != "unsynced")


def ticks() -> float:
    """Seconds since the boot, those of sleep too; no step of the wall clock changes them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def boot_id() -> str:
    """Another one after each boot; empty where the kernel does not tell."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def state() -> ClockState:
    """Whether somebody has set the wall clock since the boot.

    `unknown` where nobody may ask the kernel, or where nobody but the boot itself has set it.
    """
    if time.time() < RELEASED:
        return "unsynced"
    told = _adjtimex()
    if _SYNCED.exists() or (told >= 0 and told != _TIME_ERROR):
        return "synced"
    return "unsynced" if told == _TIME_ERROR and not _begun_right() else "unknown"


def _begun_right() -> bool:
    """Whether the boot had the time of what goes on while the box is off: a hypervisor, a battery clock.

    One without a battery shows another time than the system, which took its own from a file then.
    """
    return _is_guest() or abs(_battery_clock() - time.time()) < _BATTERY_CLOCK_SLACK_S


@cache
def _is_guest() -> bool:
    try:
        return re.search(r"^flags\s*:.*\bhypervisor\b", _CPUS.read_text("utf-8"), re.MULTILINE) is not None
    except OSError:
        return False


def _battery_clock() -> float:
    """Seconds since the epoch; 0 where there is none."""
    try:
        return float(_BATTERY_CLOCK.read_text("ascii"))
    except (OSError, ValueError):
        return 0.0


def _adjtimex() -> int:
    """What the kernel thinks of its clock; negative: it may not be asked (seccomp)."""
    try:
        return int(_c().adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (OSError, AttributeError):
        return -1


@cache
def _c() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def iso_utc(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
