"""Services that nobody configured: what is installed loads when it is asked, and leaves when it is not."""

import logging
import threading
import time
from collections.abc import Callable

from edged.contracts.services import ASKED
from edged.flow.budget import Budget
from edged.flow.footprint import give_back
from edged.repository.opener import Opener
from edged.serving.offers import Offer, lacking, offered_model, offered_models
from edged.serving.residents import Residents
from edged.serving.table import ServiceTable

log = logging.getLogger(__name__)

LOOK_S = 10.0
"""Seconds between two looks at what is installed: a model may be pulled beside the running daemon."""
FORGIVE_S = 30.0
"""So long requests are told why a service could not be loaded; then the next one has it tried again."""
_TICK_S = 1.0


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
    ) -> None:
        """`changed` is called when a service has another state."""
        self._table = table
        self._opener = opener
        self.growth = opener.growth  # for whoever tells what this process holds
        self._idle_s = idle_s
        self._residents = Residents(table, opener, memory, changed)
        self._changed = changed
        self._models: dict[str, str] = {}
        """Of those that are installed and not configured, by service."""
        self._asked: dict[str, None] = {}
        """Those that load, in their order."""
        self._failed: dict[str, float] = {}
        """Until when nobody tries; `time.monotonic()`."""
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._memory = memory
        memory.on_shortage(self._wake.set)
        self._stopping, self._look_at = False, 0.0
        self._thread = threading.Thread(target=self._work, name="demand", daemon=True)

    def start(self) -> None:
        """Offer what is installed."""
        self._table.on_demand(self.ask, lambda name: lacking(name, self._opener.catalogue))
        self._thread.start()

    def stop(self) -> None:
        """Offer nothing more, and give all instances back."""
        self._table.on_demand(None)
        self._memory.off_shortage(self._wake.set)
        with self._lock:
            self._stopping = True
            given_up = [*self._asked, *self._failed]
            self._asked.clear()
        self._wake.set()
        for name in given_up:
            self._table.withdraw(name, None)
        self._residents.clear()
        self._changed()

    def state(self) -> str:
        """`running`: what cannot be loaded is told where it is asked for."""
        return "running" if self._thread.is_alive() else "nothing loads any more: its thread has died"

    def beat(self) -> float:
        """Opening a model may take long and is no fault: always alive."""
        return time.monotonic()

    def ask(self, name: str) -> bool:
        """Whether a service begins to load, or does so already; whoever asks may be any thread."""
        if name not in ASKED or name in self._table.wanted or name in self._failed:
            return False
        model = self._models.get(name) or offered_model(name, self._opener.catalogue)
        with self._lock:
            if self._stopping or model is None or self._residents.get(name) is not None:
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
                self._offer(name, model)
                for name, model in sorted(self._models.items())
                if name not in wanted and name not in self._failed
            ]

    def _offer(self, name: str, model: str) -> Offer:
        if (served := self._residents.get(name)) is None:
            return Offer(name, model, "loading" if name in self._asked else "idle")
        return Offer(name, served.instance.facts.name, "ready", served)

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
        """See what is installed now, and give back what nobody uses: a page of OCR leaves 100 MB."""
        self._opener.sessions.rest()
        give_back()
        self._look_at = time.monotonic() + LOOK_S
        found = offered_models(self._opener.catalogue)
        with self._lock:
            kept = {n: m for n, m in self._models.items() if n in self._asked or self._residents.get(n)}
            now = {**found, **kept}
            is_new, self._models = now != self._models, now
        if is_new:
            self._changed()

    def _load(self, name: str) -> None:
        self._changed()
        if isinstance(opened := self._residents.open(name, self._models[name]), str):
            self._fail(name, opened)
            return
        with self._lock:
            self._asked.pop(name, None)
            if welcome := not self._stopping and name not in self._table.wanted:
                self._residents.add(opened)
        if not welcome:  # it has a unit of its own now
            self._opener.release(opened.instance)
        self._residents.make_room(but=name)
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
        """Those leave whose time is over; those that failed may be tried again."""
        now, wanted = time.monotonic(), self._table.wanted
        for name in [name for name, until in self._failed.items() if now >= until or name in wanted]:
            with self._lock:
                del self._failed[name]
            self._table.forgive(name)
            self._changed()
        self._residents.tidy(self._idle_s())
