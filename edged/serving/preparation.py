"""What a model lacks that serves already: derived and measured beside the running work, then swapped in."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from edged.contracts.card import VariantName
from edged.contracts.errors import EdgedError
from edged.flow.counters import Counters
from edged.repository.opener import Opener
from edged.repository.unfinished import Unfinished, all_tried, bytes_of, unfinished, used_first
from edged.repository.workshop import alone
from edged.serving.table import ServiceTable
from edged.serving.workshops import Step, Workshops

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""Seconds until it is tried again to prepare a model for which there was no memory."""


class Preparation:
    """A unit. Finishes one model at a time, once all services are up or have failed to.

    What is derived is derived in a child that gets what time the others leave; what is measured is measured
    in another, one run of a session at a time, each in its device's slot. They leave when memory is short,
    and go on later. Whatever fails, the model serves on as it does; it is tried again after the next start.
    """

    def __init__(
        self,
        table: ServiceTable,
        opener: Opener,
        workshops: Workshops,
        counters: Counters,
        *,
        wanted: Callable[[], list[str]],
        renew: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        """`wanted`: ids of the models that are configured; `renew` has services take what runs best now;
        `changed` is called when there is something else to tell."""
        self._table = table
        self._opener = opener
        self._workshops = workshops
        self._counters = counters
        self._wanted = wanted
        self._renew = renew
        self._changed = changed
        self._told: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._finished: set[str] = set()
        self._later: dict[str, float] = {}
        """Not before then, by model; `time.monotonic()`."""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="preparation", daemon=True)

    def start(self) -> None:
        """Begin as soon as the services are up."""
        self._table.watch(self._wake.set)
        self._thread.start()

    def stop(self) -> None:
        """End what is in work; nothing half made stays."""
        if self._stopping.is_set() or self._thread.ident is None:
            return
        self._stopping.set()
        self._table.unwatch(self._wake.set)
        self._wake.set()
        self._workshops.close()
        self._thread.join()

    def state(self) -> str:
        """`running`, or what could not be made."""
        if not self._thread.is_alive():
            return "nothing is prepared any more: its thread has died"
        failed = [f"{model} serves without some variants: {why}" for model, why in self._failed.items()]
        return "; ".join(failed) or "running"

    def beat(self) -> float:
        """Deriving may take long and is no fault: always alive."""
        return time.monotonic()

    def told(self) -> dict[str, str]:
        """What is being made, by model."""
        return self._told.copy()

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            if (model := self._next()) is None:
                self._wake.wait(LOOK_S)
            else:
                self._finish(model)

    def _next(self) -> str | None:
        """A model that serves and lacks something; those that it uses come first."""
        if any(map(self._table.is_loading, self._table.wanted)):
            return None
        serving = [served.instance.card.id for served in self._table.ready()]
        for model in used_first(self._opener.catalogue, [*self._wanted(), *serving]):
            if (
                model in self._finished
                or model in self._failed
                or self._later.get(model, 0) > time.monotonic()
            ):
                continue
            if unfinished(self._opener.catalogue, model):
                return model
            self._finished.add(model)
        return None

    def _finish(self, model: str) -> None:
        catalogue = self._opener.catalogue
        try:
            self._make_all(model, unfinished(catalogue, model))
            all_tried(catalogue, model)
        except (EdgedError, OSError) as error:
            self._broken_off(model, error)
        else:
            self._finished.add(model)
            self._counters.count(f"preparations/{model}", "finished")
        finally:
            self._told.pop(model, None)
        if not self._stopping.is_set():
            self._opener.renewals.renew(model)
            self._renew()
        self._changed()

    def _broken_off(self, model: str, error: Exception) -> None:
        with suppress(OSError), alone(self._opener.catalogue.root / model, waits=False):
            pass  # what the child was making is removed; else by the next who works there
        if self._stopping.is_set():
            return
        if self._workshops.short.is_set():
            self._counters.count(f"preparations/{model}", "no memory")
            self._later[model] = time.monotonic() + LOOK_S
            log.info("%s: its variants wait for memory: %s", model, error)
            return
        self._counters.count(f"preparations/{model}", type(error).__name__)
        self._failed[model] = str(error)
        log.error("%s serves without some variants: %s", model, error)

    def _make_all(self, model: str, lacking: Unfinished) -> None:
        """Derive, then measure. Raises when that must end, or cannot begin."""
        weights = bytes_of(self._opener.catalogue, model)
        if lacking.derive:
            with self._workshops.open(model, weights, yields=True) as step:
                for done, variant in enumerate(lacking.derive):
                    self._tell(model, f"{variant} is derived, {done + 1} of {len(lacking.derive)} variants")
                    self._derive(model, variant, step)
        if lacking.measure:
            with self._workshops.open(model, weights, yields=False) as step:
                step({"derive": [], "measure": True}, lambda done: self._tell_measured(model, done))

    def _derive(self, model: str, variant: VariantName, step: Step) -> None:
        if why := step({"derive": [variant], "measure": False}, None).tree["why_not"]:
            self._counters.count(f"preparations/{model}", f"without {variant}")
            log.warning("%s: %s is left out: %s", model, variant, why)

    def _tell_measured(self, model: str, done: float) -> None:
        self._tell(model, f"its variants are compared, {done:.0%}")

    def _tell(self, model: str, what: str) -> None:
        if self._told.get(model) != what:
            self._told[model] = what
            self._changed()
