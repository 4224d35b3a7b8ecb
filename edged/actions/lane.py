"""The way of one action's messages: one after another, in a thread that waits for its own receiver alone."""

import logging
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from edged.actions.order import Order
from edged.actions.parcel import Parcel
from edged.actions.rate import Window
from edged.actions.receiver import Receiver, Undelivered
from edged.actions.rows import ActionRows, Due
from edged.actions.settings import ActionSettings
from edged.contracts.happenings import EventMessage
from edged.flow.counters import Counters

log = logging.getLogger(__name__)

POLL_S = 1.0
"""So often is looked what is to be done, woken or not."""
IDLE_S = 60.0
"""After so long without a message the receiver may rest."""
LONGEST_PAUSE_S = 300.0
STEPS_ASIDE = 3
"""After so many tries a message lets others by: it may be what the receiver cannot bear."""
_SLACK_S = 120.0
"""Beside the timeout a delivery may take so long: a child starts, a picture is written."""


def pause_after(tries: int) -> float:
    """Seconds before the next try: 1, 2, 4 ... 300."""
    return float(min(2.0 ** min(tries - 1, 20), LONGEST_PAUSE_S))


@dataclass(frozen=True)
class Surface:
    """What a lane has to do with the rest."""

    rows: ActionRows
    pack: Callable[[EventMessage, ActionSettings, int], Parcel]
    """An event as an action tells it, and how many messages before it were left out."""
    counters: Counters
    changed: Callable[[], object] = lambda: None
    """The reason why the lane cannot deliver is another one, or gone."""
    pause: Callable[[int], float] = pause_after


class ActionLane:
    """Of one action. Safe from all threads."""

    def __init__(self, name: str, settings: ActionSettings, receiver: Receiver, surface: Surface) -> None:
        self.name = name
        self.why = ""
        """Why the newest try failed; empty when it did not."""
        self._settings = settings
        self._receiver = receiver
        self._rows, self._surface = surface.rows, surface
        self._order, self._sent = Order(settings.at_most), Window(settings.at_most)
        self._over: set[int] = set()
        """Rows that are done, which could not be written yet: they are not sent again."""
        self._failures = 0
        """In a row."""
        self._rests_until = self._busy_at = self._alive_until = time.monotonic()
        self._stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"action-{name}", daemon=True)

    def start(self) -> None:
        """Deliver what waits, and all that comes."""
        self._alive_until = time.monotonic() + _SLACK_S
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def stop(self) -> None:
        """Deliver nothing any more; what is on its way is broken off, and comes again with the next run."""
        self._stopping = True
        self._receiver.stop()
        self._wake.set()

    def join(self, wait_s: float) -> None:
        """Wait a little for its end."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, wait_s))

    def beat(self) -> float:
        """Of its thread: now, unless it takes longer than anything may take it."""
        return min(time.monotonic(), self._alive_until)

    def _run(self) -> None:
        while not self._stopping:
            wait_s = self._turn()
            self._alive_until = time.monotonic() + _SLACK_S
            self._wake.wait(min(wait_s, POLL_S))
            self._wake.clear()

    def _turn(self) -> float:
        """Deliver what can be delivered; seconds until there is more to do."""
        while not self._stopping:
            now = time.monotonic()
            self._over = {row for row in self._over if not self._rows.over(row)}
            if now < self._rests_until:
                return self._rests_until - now
            if (due := self._next(now)) is None:
                if now - self._busy_at > IDLE_S:
                    self._receiver.rest()
                return POLL_S
            if (wait_s := self._sent.wait(now)) > 0:
                return wait_s
            self._busy_at = now
            self._alive_until = now + self._settings.timeout + _SLACK_S
            self._deliver(due)
        return 0.0

    def _next(self, now: float) -> Due | None:
        """The oldest message that may be sent now."""
        if (found := self._rows.due(self.name)) is None:
            return None
        rows = [one for one in found if one.row not in self._over]
        for one in self._order.excess(rows, now):
            self._finish(one, "left out")
        return self._order.next(rows)

    def _deliver(self, one: Due) -> None:
        if (age := self._order.age(one)) > self._settings.give_up:
            self._give_up(one, f"it is {age:.0f} s old, over `give_up`; at last: {self.why or 'not tried'}")
            return
        try:
            event, left_out = EventMessage.model_validate_json(one.event), self._order.left_out_before(one)
            self._receiver.deliver(self._surface.pack(event, self._settings, left_out))
        except Undelivered as error:
            self._failed(one, error)
        except ValidationError:
            self._failed(one, Undelivered("the event is of another version of edged", again=False))
        except Exception as error:  # noqa: BLE001 - the boundary of one delivery
            where = traceback.extract_tb(error.__traceback__)[-1]  # what it says may hold a secret
            log.error("action %s: %s at %s:%s", self.name, type(error).__name__, where.filename, where.lineno)
            self._failed(one, Undelivered(f"it fails with {type(error).__name__}"))
        else:
            if self.why:
                log.warning("action %s works again", self.name)
            self._met("")
            self._failures = 0
            self._sent.take(time.monotonic())
            self._finish(one, "delivered")

    def _failed(self, one: Due, error: Undelivered) -> None:
        if self._stopping:
            return  # it may have been broken off
        if not self.why:
            log.warning("action %s: %s", self.name, error)
        self._met(str(error))
        self._surface.counters.count(f"actions/{self.name}", "failed")
        if not error.again:
            self._give_up(one, self.why)
            return
        self._failures += 1
        rest_s = max(self._surface.pause(self._failures), error.after_s)
        self._rests_until = time.monotonic() + rest_s
        if one.tries + 1 >= STEPS_ASIDE:
            self._order.let_by(one, self._rests_until + self._surface.pause(one.tries + 1))
        self._rows.failed(one.row, time.time() + rest_s, self.why)

    def _met(self, why: str) -> None:
        is_news, self.why = why != self.why, why
        if is_news:
            self._surface.changed()

    def _give_up(self, one: Due, why: str) -> None:
        log.error("action %s gives up a message: %s", self.name, why)
        self._order.given_up(one)
        self._finish(one, "given up")

    def _finish(self, one: Due, how: str) -> None:
        self._surface.counters.count(f"actions/{self.name}", how)
        if not self._rows.over(one.row):
            self._over.add(one.row)
