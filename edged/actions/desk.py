"""All actions as one unit: a lane each, so that none waits for another's receiver."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from edged.actions.lane import ActionLane, Surface
from edged.actions.notify import Notify
from edged.actions.parcel import Parcel, Pictures, parcel
from edged.actions.receiver import Receiver
from edged.actions.rows import ActionRows
from edged.actions.settings import ActionSettings
from edged.actions.webhook import Webhook
from edged.contracts.happenings import EventMessage
from edged.contracts.message import ActionReach
from edged.flow.counters import Counters

STOP_S = 3.0
"""So long the end waits for deliveries that are broken off."""


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """How an action is."""

    name: str
    kind: Literal["notify", "webhook"]
    waiting: int
    """Messages that have not arrived yet."""
    why: str
    """Why the newest try failed; empty when it did not."""


class ActionDesk:
    """A unit. Nothing raises: what cannot be delivered waits on the disk."""

    def __init__(
        self,
        actions: Mapping[str, ActionSettings],
        rows: ActionRows,
        zone: tzinfo,
        pictures: Pictures,
        counters: Counters,
        *,
        changed: Callable[[], object],
    ) -> None:
        """`changed` is called, from any thread, when one can or cannot deliver any more, or for another
        reason."""

        def pack(event: EventMessage, action: ActionSettings, left_out: int) -> Parcel:
            return parcel(event, action.share, left_out, zone, pictures)

        self._rows, self._counters = rows, counters
        self._kinds: dict[str, Literal["notify", "webhook"]] = {
            name: "webhook" if action.webhook else "notify" for name, action in actions.items()
        }
        surface = Surface(rows, pack, counters, changed)
        self._lanes = [
            ActionLane(name, action, receiver_of(name, action), surface) for name, action in actions.items()
        ]

    def start(self) -> None:
        """Forget what was to be told to those who are gone, and deliver the rest."""
        if gone := self._rows.keep_only(self._kinds):
            self._counters.count("actions_dropped", "the configuration has the action no more", gone)
        for lane in self._lanes:
            lane.start()

    def stop(self) -> None:
        """What has not arrived waits for the next run."""
        for lane in self._lanes:
            lane.stop()
        ends_at = time.monotonic() + STOP_S
        for lane in self._lanes:
            lane.join(ends_at - time.monotonic())

    def wake(self) -> None:
        """Something may have to be done."""
        for lane in self._lanes:
            lane.wake()

    def state(self) -> str:
        """`running`, or why which actions fail."""
        return "; ".join(f"{lane.name}: {lane.why}" for lane in self._lanes if lane.why) or "running"

    def beat(self) -> float:
        """Of the lane that gave the oldest sign of life."""
        return min((lane.beat() for lane in self._lanes), default=time.monotonic())

    def queued(self) -> dict[str, int]:
        """Messages that have not arrived, by action."""
        return {f"actions/{one.name}": one.waiting for one in self.facts()}

    def facts(self) -> list[ActionFacts]:
        """How each action is."""
        waiting = self._rows.waiting()
        return [
            ActionFacts(lane.name, self._kinds[lane.name], waiting.get(lane.name, 0), lane.why)
            for lane in self._lanes
        ]

    def reaches(self) -> list[ActionReach]:
        """Whether each can deliver now; nothing is read for it."""
        return [
            ActionReach(name=lane.name, kind=self._kinds[lane.name], why=lane.why) for lane in self._lanes
        ]


def receiver_of(name: str, action: ActionSettings) -> Receiver:
    """Who is told by an action of this name."""
    if action.webhook is not None:
        headers = {key: value.get_secret_value() for key, value in action.headers.items()}
        return Webhook(action.webhook.get_secret_value(), headers, action.ca, action.timeout)
    url = "" if action.notify is None else action.notify.get_secret_value()
    return Notify(name, url, action.timeout)
