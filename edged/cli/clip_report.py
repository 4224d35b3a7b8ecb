"""What `edged replay` tells: lines and tables for people, or JSON lines."""

from dataclasses import asdict
from typing import Any

from edged.cli.terminal import print_json, say, table
from edged.events.happening import Happening
from edged.replay.tally import Tally, ZoneTally

_UNTOLD = ("key", "began_at", "actions", "at_end")


class ClipReport:
    """What is told of a clip: lines for people, or JSON lines on stdout."""

    def __init__(self, stream: str, began_at: float, as_json: bool) -> None:
        self._stream, self._began_at, self._as_json = stream, began_at, as_json

    def event(self, one: Happening) -> None:
        """Something happened."""
        at = (one.began_at or 0.0) + (one.lasted or 0.0) - self._began_at
        if self._as_json:
            print_json({"at": round(at, 2), **_facts(one)}, indent=False)
        else:
            say(f"{_clock(at)}  {_sentence(one)}")

    def counts(self, tally: Tally) -> None:
        """What was counted."""
        if self._as_json:
            lines, zones = tally.lines, {name: _rounded(zone) for name, zone in tally.zones.items()}
            print_json({"stream": self._stream, "lines": lines, "zones": zones}, indent=False)
            return
        ways = [
            (line, name, both["in"], both["out"])
            for line, classes in tally.lines.items()
            for name, both in classes.items() or [("-", {"in": 0, "out": 0})]
        ]
        stays = [
            (name, zone.entered, zone.left, zone.most, f"{zone.longest_s:.1f} s")
            for name, zone in tally.zones.items()
        ]
        if ways:
            table(f"lines of {self._stream}", ("line", "class", "in", "out"), ways)
        if stays:
            columns = ("zone", "entered", "left", "most at a time", "longest stay")
            table(f"zones of {self._stream}", columns, stays)


def _rounded(zone: ZoneTally) -> dict[str, Any]:
    return {**asdict(zone), "longest_s": round(zone.longest_s, 2)}


def _clock(seconds: float) -> str:
    """Of a clip: 01:02:03.4."""
    minutes, rest = divmod(round(max(seconds, 0.0), 1), 60)
    return f"{int(minutes // 60):02}:{int(minutes % 60):02}:{rest:04.1f}"


def _facts(one: Happening) -> dict[str, Any]:
    """As the fields of an event message, those that it has; and how long it lasted."""
    named = {"kind": "event", "class_name": "class"}
    lasted = None if one.lasted is None else round(one.lasted, 2)
    facts = {named.get(key, key): value for key, value in {**asdict(one), "lasted": lasted}.items()}
    return {key: value for key, value in facts.items() if value is not None and key not in _UNTOLD}


def _sentence(one: Happening) -> str:
    """`rule loiterer begins: person 17`, `line entrance: person 3, in`."""
    verb = {"begin": " begins", "end": " ends", "once": ""}[one.phase]
    name = {"line": one.line, "zone": one.zone, "rule": one.rule}[one.kind]
    who = " ".join(str(part) for part in (one.class_name, one.track) if part is not None)
    more = [part for part in (who, one.direction, one.text and repr(one.text), _end(one)) if part]
    return f"{one.kind} {name}{verb}" + (f": {', '.join(more)}" if more else "")


def _end(one: Happening) -> str:
    if one.lasted is None:
        return ""
    why = (
        ""
        if one.reason == "over"
        else ", when the clip ended"
        if one.reason == "stopped"
        else f" ({one.reason})"
    )
    return f"after {one.lasted:.1f} s{why}"
