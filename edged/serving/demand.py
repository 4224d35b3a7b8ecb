"""Services that nobody configured: what is installed loads when it is asked, and leaves when it is not."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from edged.contracts.errors import EdgedError
from edged.contracts.services import SERVICES
from edged.flow.budget import Budget
from edged.flow.footprint import pss_of
from edged.repository.opener import Opener
from edged.serving.table import Served, ServiceTable
from edged.serving.unit import ServiceSettings, is_isolated, opened_or_why

log = logging.getLogger(__name__)

AS_IT_COMES = ServiceSettings()
"""How a service is opened that the configuration does not name."""
LOOK_S = 10.0
"""Seconds between two looks at what is installed: a model may be pulled beside the running daemon."""
FORGIVE_S = 30.0
"""So long requests are told why a service could not be loaded; then the next one has it tried again."""
_TICK_S = 1.0

State = Literal["idle", "loading", "ready"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A service that nobody configured and that can be asked all the same."""

    service: str
    model: str
    """Id of the model that fulfils it, or would."""
    state: State
    served: Served | None = None
    """When it is ready."""
    bytes: int = 0
    """What it holds: by how much the process grew while it was opened. Approximate, for others take memory
    and give it back in that time; what it shares with another service counts for the one that came first."""


class Demand:
    """A unit. Loads one service at a time, in its own thread.

    A service leaves when nobody asked for it for `idle_s`, when it is configured (then it has a unit of its
    own), and when `memory` would be passed: least lately asked first, none with an answer in work. Those
    whose model lives in a process of its own are not offered.
    """

    def __init__(
        self,
        table: ServiceTable,
        opener: Opener,
        idle_s: Callable[[], float],
        memory: Budget,
        *,
        changed: Callable[[], None],
        footprint: Callable[[], int] = pss_of,
    ) -> None:
        """`changed` is called, in the thread of this unit, when a service has another state."""
        self._table = table
        self._opener = opener
        self._idle_s = idle_s
        self._memory = memory
        self._account = memory.account()
        self._changed = changed
        self._footprint = footprint
        self._models: dict[str, str] = {}
        """Of those that are installed and not configured, by service."""
        self._asked: dict[str, None] = {}
        """Those that load, in their order."""
        self._held: dict[str, Served] = {}
        self._sizes: dict[str, int] = {}
        """Bytes, of those that were ever loaded."""
        self._failed: dict[str, float] = {}
        """Until when nobody tries; `time.monotonic()`."""
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._look_at = 0.0
        self._thread = threading.Thread(target=self._work, name="demand", daemon=True)

    def start(self) -> None:
        """Offer what is installed."""
        self._table.on_demand(self.ask)
        self._memory.on_shortage(self._wake.set)
        self._thread.start()

    def stop(self) -> None:
        """Offer nothing more, and give all instances back."""
        self._table.on_demand(None)
        with self._lock:
            self._stopping = True
            held, asked, failed = list(self._held), list(self._asked), list(self._failed)
            self._asked.clear()
        self._wake.set()
        for name in asked:
            self._table.withdraw(name, None)
        for name in failed:
            self._table.forgive(name)
        for name in held:
            self._let_go(name)
        self._changed()

    def state(self) -> str:
        """`running`: what cannot be loaded is told where it is asked for."""
        return (
            "running" if self._thread.is_alive() else "nothing loads on demand any more: its thread has died"
        )

    def beat(self) -> float:
        """Opening a model may take long and is no fault: always alive."""
        return time.monotonic()

    def ask(self, name: str) -> bool:
        """Whether a service begins to load, or does so already; whoever asks may be any thread."""
        if name not in SERVICES:
            return False
        model = self._models.get(name) or self._installed(name)
        with self._lock:
            if self._stopping or model is None or name in self._table.wanted or name in self._failed:
                return False
            if name in self._held:
                return False
            if name not in self._asked:
                self._models[name] = model
                self._asked[name] = None
                self._table.load(name)
        self._wake.set()
        return True

    def offers(self) -> list[Offer]:
        """All that are not configured and can be asked, by name."""
        with self._lock:
            wanted = self._table.wanted
            return [
                Offer(
                    name,
                    model if (served := self._held.get(name)) is None else served.instance.facts.name,
                    self._state(name),
                    served,
                    self._sizes.get(name, 0) if served else 0,
                )
                for name, model in sorted(self._models.items())
                if name not in wanted and name not in self._failed
            ]

    def why_not(self) -> Mapping[str, str]:
        """Why those cannot be asked that could not be loaded, by name."""
        reasons = self._table.why_not()
        return {name: reasons[name] for name in self._failed.copy() if name in reasons}

    def _state(self, name: str) -> State:
        return "ready" if name in self._held else "loading" if name in self._asked else "idle"

    def _installed(self, name: str) -> str | None:
        """The model that fulfils a service; none: it is not offered."""
        catalogue = self._opener.catalogue
        try:
            model = catalogue.preferred(name)
        except EdgedError:
            return None
        return None if is_isolated(name, AS_IT_COMES, catalogue) else model

    def _work(self) -> None:
        while not self._stopping:
            if time.monotonic() >= self._look_at:
                self._look()
            if (name := next(iter(self._asked.copy()), None)) is not None:
                self._load(name)
            self._tidy()
            if not self._asked:
                self._wake.wait(min(_TICK_S, self._idle_s() / 4))
                self._wake.clear()

    def _look(self) -> None:
        """See what is installed now."""
        self._look_at = time.monotonic() + LOOK_S
        found = {name: model for name in SERVICES if (model := self._installed(name)) is not None}
        with self._lock:
            kept = {name: model for name, model in self._models.items() if self._state(name) != "idle"}
            now = {**found, **kept}
            is_new, self._models = now != self._models, now
        if is_new:
            self._changed()

    def _load(self, name: str) -> None:
        self._changed()
        self._make_room(self._expected(name))
        before = self._footprint()
        opened = opened_or_why(name, AS_IT_COMES, self._opener)
        if isinstance(opened, str):
            self._fail(name, opened)
            return
        size = max(0, self._footprint() - before)
        self._sizes[name] = size
        total = self._memory.total
        if size > total:
            self._opener.release(opened.instance)
            self._fail(
                name, f"its model takes {size} bytes of memory, over `runtime.memory` of {total}; raise it"
            )
            return
        with self._lock:
            self._asked.pop(name, None)
            if welcome := not self._stopping and name not in self._table.wanted:
                self._held[name] = opened
                self._table.put(opened)
        if not welcome:  # it has a unit of its own now
            self._opener.release(opened.instance)
        self._tell_size()
        self._make_room(but=name)
        self._changed()

    def _fail(self, name: str, why: str) -> None:
        log.error("%s cannot be loaded on demand: %s", name, why)
        with self._lock:
            if name in self._asked and name not in self._table.wanted:
                self._failed[name] = time.monotonic() + FORGIVE_S
                self._table.withdraw(name, why)
            self._asked.pop(name, None)
        self._changed()

    def _tidy(self) -> None:
        """Those leave that are not asked for any more, that are configured, and whose memory others need."""
        now, wanted = time.monotonic(), self._table.wanted
        for name in [name for name, until in self._failed.items() if now >= until or name in wanted]:
            with self._lock:
                del self._failed[name]
            self._table.forgive(name)
        for name, served in self._held.copy().items():
            usage = served.usage
            if name in wanted:
                left = not self._table.is_loading(name)  # until its own unit has the instance, it stays open
            else:
                left = not usage.is_busy and now - usage.last >= self._idle_s()
            if left:
                self._let_go(name)
                self._changed()
        self._make_room()

    def _make_room(self, size: int = 0, but: str = "") -> None:
        """For so many bytes more, and for whoever waits: the least lately asked leave, but for one."""
        while self._memory.held + size > self._memory.total or self._memory.lacking:
            free = [n for n, served in self._held.items() if n != but and not served.usage.is_busy]
            if not free:
                return
            self._let_go(min(free, key=lambda name: self._held[name].usage.last))
            self._changed()

    def _expected(self, name: str) -> int:
        """Bytes that a service will hold: as it did before, else as much as the files of its model."""
        if (known := self._sizes.get(name)) is not None:
            return known
        catalogue = self._opener.catalogue
        try:
            folder = catalogue.root / self._models[name] / catalogue.choice(self._models[name]).variant
            return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        except (EdgedError, OSError):
            return 0

    def _let_go(self, name: str) -> None:
        with self._lock:
            served = self._held.pop(name, None)
        if served is not None:
            self._table.retire(served)
            self._opener.release(served.instance)
            self._tell_size()
            log.info("%s left memory", name)

    def _tell_size(self) -> None:
        self._account(sum(self._sizes[name] for name in self._held.copy()))
