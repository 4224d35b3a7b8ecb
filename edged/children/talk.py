"""One call from its question to its answer: what the child asks in between, and how long it may take."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from edged.children.inside import error_of, failure
from edged.children.rooms import Garbled
from edged.children.wire import Channel, Message, Spent, Tick
from edged.contracts.errors import ChildDied, EdgedError, TimedOut

Answerer = Callable[[Message], Message | None]
"""Answers what a child asks within a call; none where it only told something."""

Desk = Callable[[], AbstractContextManager[Answerer]]
"""Opened for a call; what the child held of ours is given back when it is closed."""

GRACE_S = 0.5
"""After its deadline a call may take so long to notice."""


def nothing_to_answer(said: Message) -> Message | None:
    """For calls within which nothing is asked."""
    raise ChildDied(f"nobody answers {str(said.tree.get('said'))[:80]!r}")


@contextmanager
def no_desk() -> Iterator[Answerer]:
    """For children that ask nothing."""
    yield nothing_to_answer


class Overdue(Exception):
    """A call is not over although it should."""

    def __init__(self, error: EdgedError) -> None:
        super().__init__()
        self.error = error


class Watch:
    """Whether a call still has time; asked while nothing comes."""

    def __init__(self, tick: Tick, silent_s: float, grace_s: float = GRACE_S) -> None:
        self._tick = tick
        self._silent_s = silent_s
        self._grace_s = grace_s
        self._heard = time.monotonic()
        self._over_since: float | None = None
        self.over = False
        """Whether the child has answered."""

    def heard(self) -> None:
        """A sign of life."""
        self._heard = time.monotonic()

    def look(self) -> None:
        """Raises `Overdue`."""
        now = time.monotonic()
        if now - self._heard > self._silent_s:
            raise Overdue(TimedOut(f"nothing was heard of it for {self._silent_s:g} s"))
        try:
            self._tick()
        except EdgedError as error:
            self._over_since = self._over_since or now
            if now - self._over_since >= self._grace_s:
                raise Overdue(error) from error


def conversation(channel: Channel, message: Message, watch: Watch, answer: Answerer) -> Message:
    """One call, with all that the child asks in between.

    Raises what the child says is wrong, `Overdue`, `Gone` and `Garbled`.
    """
    channel.send(message, watch.look)
    while True:
        said = channel.receive(watch.look)
        watch.heard()
        if "said" in said.tree:
            watch.look()  # who talks all the time is looked at, too
            if (reply := _reply(said, answer)) is not None:
                channel.send(reply, watch.look)
            watch.heard()
            continue
        kept = said.tree.get("kept", [])
        channel.lender.settle(kept if isinstance(kept, list) else [])
        watch.over = True
        if "failed" in said.tree:
            error = error_of(said.tree["failed"])
            raise Spent(error) if said.tree.get("spent") is True else error
        if not isinstance(done := said.tree.get("done"), dict):
            raise Garbled("a call ends with `done` or `failed`")
        return Message(done, said.arrays)


def _reply(said: Message, answer: Answerer) -> Message | None:
    """What the child is answered; an error of edged's is raised in it."""
    try:
        reply: Message | None = answer(said)
    except EdgedError as error:
        reply = Message({"failed": failure(error)})
    if said.tree.get("wants_answer") is not True:
        return None
    return reply or Message({})
