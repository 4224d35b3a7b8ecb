"""Units: what can be started and stopped, and the one function that makes what runs what should run.

Start-up, reload and shutdown are the same call with another wish.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

log = logging.getLogger(__name__)

UnitT = TypeVar("UnitT")


class Unit(Protocol):
    """Something that runs: a stream, a broker, a connection, a model that serves."""

    def start(self) -> None:
        """Begin; returns soon. What takes long or may fail later goes on in the unit's own thread."""

    def stop(self) -> None:
        """End, and give everything back. Safe to call after a `start` that raised."""

    def state(self) -> str:
        """`running`, or one sentence why not."""

    def beat(self) -> float:
        """`time.monotonic()` of the last sign of life of its thread; now, if it has none."""


@dataclass(frozen=True)
class Wish:
    """A unit that should run: it is made anew only when its settings change."""

    settings: Any
    """Compared with `==`."""
    make: Callable[[], Unit]
    order: int = 0
    """Lower starts first and stops last."""


class Units:
    """The units that run now. Changed by one thread at a time; asked by any."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[Wish, Unit]] = {}
        self._failed: dict[str, str] = {}

    def reconcile(self, wishes: Mapping[str, Wish]) -> dict[str, str]:
        """Stop what is not wished or has changed, start what is missing. Returns the failures by name.

        A unit that fails to start is reported and left out; the others are not affected. It is tried
        again at the next call.
        """
        stale = [
            (old.order, name)
            for name, (old, _) in self._running.items()
            if name not in wishes or wishes[name].settings != old.settings
        ]
        for _, name in sorted(stale, reverse=True):
            self._stop(name)
        self._failed = {}
        for name, wish in sorted(wishes.items(), key=lambda pair: pair[1].order):
            if name not in self._running:
                self._start(name, wish)
        return dict(self._failed)

    def _start(self, name: str, wish: Wish) -> None:
        unit: Unit | None = None
        try:
            unit = wish.make()
            unit.start()
        except Exception as error:  # noqa: BLE001 - the boundary of a unit
            log.error("%s does not start: %s", name, error)
            self._failed[name] = str(error)
            if unit is not None:
                self._quietly_stop(name, unit)
        else:
            self._running[name] = (wish, unit)

    def _stop(self, name: str) -> None:
        _, unit = self._running.pop(name)
        self._quietly_stop(name, unit)

    @staticmethod
    def _quietly_stop(name: str, unit: Unit) -> None:
        try:
            unit.stop()
        except Exception:
            log.exception("%s does not stop cleanly", name)

    def states(self) -> dict[str, str]:
        """State of each unit, the failed ones too."""
        return {**{n: unit.state() for n, (_, unit) in self._running.copy().items()}, **self._failed}

    def oldest_beat(self) -> float | None:
        """The oldest sign of life of all units; none when nothing runs."""
        return min((unit.beat() for _, unit in self._running.copy().values()), default=None)

    def get(self, name: str, kind: type[UnitT]) -> UnitT | None:
        """The running unit of that name and type."""
        found = self._running.get(name)
        return found[1] if found is not None and isinstance(found[1], kind) else None
