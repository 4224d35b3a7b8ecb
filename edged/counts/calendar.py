"""Days and hours as people at the box count them: a day may have 23 or 25 hours."""

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LOCAL = Path("/etc/localtime")


def zone_named(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises `ValueError` that says what to do."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        hint = "say one as Europe/Berlin or UTC; Debian's are in the package tzdata"
        raise ValueError(f"this box knows no time zone {name[:100]!r}; {hint}") from error


def box_zone() -> ZoneInfo:
    """The box's own: `$TZ`, else /etc/localtime, else UTC."""
    try:
        if name := os.environ.get("TZ", "").removeprefix(":"):
            return zone_named(name)
        with _LOCAL.open("rb") as file:
            return ZoneInfo.from_file(file, key=_name_of(_LOCAL.resolve()))
    except (ValueError, OSError):
        return zone_named("UTC")


def _name_of(path: Path) -> str:
    """`Europe/Berlin`, where the box says so, else `local`."""
    _, found, name = path.as_posix().partition("/zoneinfo/")
    return name if found else "local"


class Calendar:
    """Spans of time are seconds since the epoch, the end not included."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone: tzinfo = zone
        self.name = zone.key or "local"

    def day(self, at: float) -> tuple[float, float]:
        """The day in which this moment lies."""
        first = self._local(at).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return first.timestamp(), (first + timedelta(days=1)).timestamp()

    def hour(self, at: float) -> tuple[float, float]:
        """The hour in which this moment lies; one that comes twice, in autumn, is two."""
        offset = self._local(at).utcoffset() or timedelta()
        past = (at + offset.total_seconds()) % 3600
        return at - past, at - past + 3600

    def clock(self, at: float) -> str:
        """What a clock on the wall shows, such as 06:00."""
        return self._local(at).strftime("%H:%M")

    def iso(self, at: float) -> str:
        """With the distance from UTC, such as 2026-10-25T02:00:00+02:00."""
        return self._local(at).isoformat(timespec="seconds")

    def seconds(self, text: str) -> float:
        """Of ISO 8601, a date alone too; without a distance from UTC it is local. Raises `ValueError`."""
        if "T" in text:
            text = text.replace(" ", "+")  # what a plus becomes in an address
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).timestamp()

    def _local(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, self.zone)
