"""Which results of a stream are told: all, or only what changes; not too often; only some classes."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BeforeValidator, Field

from edged.answers.kind import State
from edged.contracts.settings import Settings, seconds

T = TypeVar("T")

SETTLE_S = 1.0
"""A change that nothing confirms or contradicts for so many seconds is told all the same."""


class PublishSettings(Settings):
    """Which results are published."""

    on: Literal["every", "change"] = "every"
    """`every`: each result. `change`: when other classes, another number of them, or other texts are seen in
    two results in a row; the last one is retained at the broker. Results that cannot be compared, such as
    pictures and vectors, are all told. A clip in which nobody says anything is no result."""
    min_interval: Annotated[float, BeforeValidator(seconds), Field(ge=0)] = 0.0
    """At most one message in so many seconds; the newest that had to wait is sent when they are over."""
    classes: tuple[str, ...] = ()
    """Only objects of these classes; without any of them nothing is sent, but under `change` once that they
    are gone. Empty: all classes."""
    snapshot: bool = False
    """With each message also an annotated JPEG on `.../snapshot`."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The state of a stream whose item failed. When it begins and when it ends is told at once."""

    code: int


NOTHING = ()
"""The state when nothing is seen of the classes that are wanted."""


_UNTOLD = object()  # the state before the first one: no other equals it


@dataclass(frozen=True, slots=True)
class _Held(Generic[T]):
    item: T
    state: Hashable
    since: float
    steady: bool


class Rule(Generic[T]):
    """Lets results through. A pure machine: time comes in (seconds, monotonic), nothing runs in here.

    Under `change` the first result is told, whatever it shows. Later a change is told when two results in a
    row differ from what was told last (a flicker of one frame is none, while a crowd whose number never
    stays the same is still told), or when it stands alone for `SETTLE_S`. Not thread-safe.
    """

    def __init__(self, settings: PublishSettings, suppressed: Callable[[str], Any]) -> None:
        """`suppressed` is called with the reason for each result that will not be told."""
        self._settings = settings
        self._suppressed = suppressed
        self._told: Hashable = _UNTOLD
        self._sent_at = float("-inf")
        self._held: _Held[T] | None = None

    def offer(self, item: T, state: Hashable, now: float, *, sure: bool = False) -> T | None:
        """A new result and what it shows; the one to tell now, which is this one or none.

        `sure`: a change needs no other result that confirms it, as of what somebody has said.
        """
        if state is State.SILENT:
            self._suppressed("silent")
            return None
        every = self._settings.on == "every" or state is State.NEW
        if every and state == NOTHING and self._settings.classes:
            self._suppressed("classes")
            return None
        before, self._held = self._held, None
        if before is not None:
            self._suppressed("min_interval" if before.steady else "flicker")
        if not every and state == self._told:
            self._suppressed("unchanged")
            return None
        steady = sure or every or before is not None or self._is_told_at_once(state)
        self._held = _Held(item, state, now, steady)
        return self.release(now)

    def due(self) -> float | None:
        """When `release` will have something to tell; none: never, unless more is offered."""
        held = self._held
        if held is None:
            return None
        settled = held.since if held.steady else held.since + SETTLE_S
        return max(settled, self._sent_at + self._settings.min_interval)

    def release(self, now: float) -> T | None:
        """What had to wait, once it is due."""
        held, due = self._held, self.due()
        if held is None or due is None or now < due:
            return None
        self._held, self._told, self._sent_at = None, held.state, now
        return held.item

    def _is_told_at_once(self, state: Hashable) -> bool:
        return self._told is _UNTOLD or isinstance(state, Failed) or isinstance(self._told, Failed)
