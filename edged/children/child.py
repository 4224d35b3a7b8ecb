"""A child: a function in a process of its own, started again when it dies, set aside when it dies too often.

One thread a child starts it, watches its memory and its life, and starts the next; callers talk to it, one at
a time. Nothing that a child says or does harms more than the call in work.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from edged.children.inside import error_of, failure
from edged.children.process import Process
from edged.children.rooms import Garbled
from edged.children.wire import TICK_S, Gone, Message, Tick, Tree
from edged.contracts.errors import ChildDied, EdgedError, NotReady, TimedOut

log = logging.getLogger(__name__)

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


@dataclass(frozen=True)
class Terms:
    """Under which a child lives."""

    memory_bytes: int = 2_000_000_000
    """That it may hold; who holds more is ended."""
    address_bytes: int | None = None
    """Size of its address space, which the kernel refuses to go over; none: without such a limit."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that it gets beside the few that every child has."""
    start_s: float = 300.0
    """It must be ready within so many seconds."""
    silent_s: float = 60.0
    """A call of which nothing is heard for so long is stuck."""
    again: bool = True
    """Whether it is started again when it has died."""
    rests: tuple[float, ...] = (0.1, 1.0, 5.0, 15.0)
    """Seconds before each new start. One death more, and it is set aside."""
    calm_s: float = 600.0
    """Deaths that are so long ago do not count any more."""
    aside_s: float = 600.0
    """So long it is set aside, then it is tried again."""


@dataclass(frozen=True)
class Work:
    """What a child does."""

    target: str
    """`module:attribute` of a `children.inside.Maker`."""
    given: Tree
    """Handed to it."""


class Child:
    """Give it work, `start` it, `call` it, `close` it. Safe from all threads; one call at a time."""

    def __init__(self, name: str, work: Work, terms: Terms, desk: Desk = no_desk) -> None:
        """`desk` answers while the child makes what it works with."""
        self.name = name
        self._work = work
        self._terms = terms
        self._desk = desk
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._live: Process | None = None
        self._report: Tree | None = None
        self._trouble: str | None = "it is starting"
        self._aside = False
        self._watcher: Callable[[], None] | None = None
        self._failure: EdgedError | None = None
        self._closing = threading.Event()
        self._deaths: deque[float] = deque()
        self._thread = threading.Thread(target=self._live_on, name=f"child-{name}", daemon=True)
        self.died = 0
        """How often."""

    def start(self) -> None:
        """Start its first process; see `report`."""
        self._thread.start()

    def report(self) -> Tree:
        """What it tells of itself once it has started. Raises what kept it from it, and `ChildDied`."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._report is not None or self._failure or self._closing.is_set()
            )
        if self._report is None:
            raise self._failure or NotReady(f"{self.name} is closed")
        return self._report

    def trouble(self) -> str | None:
        """Why it cannot be called now; none when it can."""
        return self._trouble

    def is_aside(self) -> bool:
        """Whether it died so often that it is not started for a while."""
        return self._aside

    def watch(self, changed: Callable[[], None]) -> None:
        """Call it, in the child's thread, when it was set aside, and when it is ready again."""
        self._watcher = changed

    @property
    def process_id(self) -> int | None:
        """Of the process that lives now."""
        live = self._live
        return None if live is None else live.id

    def call(self, message: Message, tick: Tick, answer: Answerer) -> Message:
        """Ask it. `tick` is called all the while: the call is over soon after it raises.

        Raises what `tick` and the child raise, `ChildDied` when it dies of the call or says what is no
        message, `TimedOut` when nothing is heard of it, `NotReady` with the reason while it is set aside.
        """
        with self.turn(tick) as ask:
            return ask(message, tick, answer)

    @contextmanager
    def turn(self, tick: Tick) -> Iterator[Callable[[Message, Tick, Answerer], Message]]:
        """Several calls in a row, of one process, with nobody between them; see `call`."""
        while not self._turn.acquire(timeout=TICK_S):
            tick()
        try:
            process = self._awaited(tick)
            yield lambda message, tick, answer: self._asked(process, message, tick, answer)
        finally:
            self._turn.release()

    def close(self) -> None:
        """End it. A call in work ends with `ChildDied`."""
        self._closing.set()
        if (live := self._live) is not None:
            live.end("the daemon ended it")
        with self._changed:
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def _awaited(self, tick: Tick) -> Process:
        """The process, as soon as it is ready."""
        while True:
            with self._changed:
                if self._live is not None and self._live.lives(0):
                    return self._live
                if self._aside or self._closing.is_set():
                    raise NotReady(f"{self.name} cannot be used: {self._trouble or 'it is closed'}")
                self._changed.wait(TICK_S)
            tick()

    def _asked(self, process: Process, message: Message, tick: Tick, answer: Answerer) -> Message:
        watch = _Watch(tick, self._terms.silent_s)
        try:
            with process.talk:
                if process.closed:
                    raise Gone
                return _conversation(process, message, watch, answer)
        except Gone:
            raise ChildDied(f"{self.name} failed on this item: {process.why()}") from None
        except Garbled as error:
            process.end(f"what it said cannot be understood: {error}")
            raise ChildDied(f"{self.name} failed on this item: {process.why()}") from error
        except _Overdue as overdue:
            process.end(f"its call was not over in time ({overdue.error})")
            process.why()  # the next caller gets another one
            raise overdue.error from None
        except BaseException as error:  # what `answer` raised and could not tell
            if not watch.over:
                process.end(f"its call was broken off: {type(error).__name__}")
                process.why()
            raise

    def _live_on(self) -> None:
        """In the thread of its own: life after life."""
        while not self._closing.is_set():
            process = Process(self.name, dict(self._terms.environment))
            try:
                if self._begin(process):
                    self._watched(process)
            finally:
                if process.lives(0):
                    process.end("it is not wanted any more")
                why = process.why()
                process.close()
            if not self._closing.is_set():
                self._rest(why)

    def _begin(self, process: Process) -> bool:
        """Whether it is ready; else it has been, or shall be, ended."""
        began = time.monotonic()
        work = {"target": self._work.target, "given": self._work.given}
        hello = Message({**work, "address_bytes": self._terms.address_bytes})

        def tick() -> None:
            self._look(process)
            if time.monotonic() - began > self._terms.start_s:
                raise TimedOut(f"{self.name} was not ready within {self._terms.start_s:g} s")

        try:
            with self._desk() as answer:
                watch = _Watch(tick, self._terms.start_s, 0.0)
                report = _conversation(process, hello, watch, answer).tree
        except _Overdue as overdue:
            process.end(str(overdue.error))
            self._fail(overdue.error)
        except EdgedError as error:
            process.end(str(error))
            self._fail(error)
        except (Gone, Garbled):
            process.end("what it said cannot be understood") if process.lives(0.2) else None
            self._fail(ChildDied(f"{self.name} does not start: {process.why()}"))
        else:
            with self._changed:
                self._live, self._report, self._trouble = process, report, None
                was_aside, self._aside = self._aside, False
                self._changed.notify_all()
            self._tell(was_aside)
            return True
        return False

    def _fail(self, error: EdgedError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _watched(self, process: Process) -> None:
        """Until it is dead."""
        while process.lives(TICK_S):
            self._look(process)
        with self._changed:
            self._live, self._trouble = None, "it has died"

    def _look(self, process: Process) -> None:
        """End it when it holds too much, or when nobody wants it any more."""
        held, most = process.memory(), self._terms.memory_bytes
        if held > most:
            process.end(f"it held {held / 1e6:.0f} MB of memory, over its {most / 1e6:.0f}")
        if self._closing.is_set():
            process.end("the daemon ended it")

    def _rest(self, why: str) -> None:
        """Wait before the next start, the longer the oftener it has died."""
        now = time.monotonic()
        self.died += 1
        if not self._terms.again:
            self._trouble, self._aside = why, True
            log.warning("%s: %s", self.name, why)
            self._closing.wait()
            return
        self._deaths.append(now)
        while now - self._deaths[0] > self._terms.calm_s:
            self._deaths.popleft()
        times, rests = len(self._deaths), self._terms.rests
        aside = times > len(rests)
        wait_s = self._terms.aside_s if aside else rests[times - 1]
        told = f"set aside for {wait_s:g} s, having died {times} times; at last {why}" if aside else why
        log.error("%s: %s; it is started again in %g s", self.name, told, wait_s)
        with self._changed:
            was_aside, self._trouble, self._aside = self._aside, told, aside
            self._changed.notify_all()
        self._tell(aside != was_aside)
        self._closing.wait(wait_s)
        if aside:
            self._deaths.clear()

    def _tell(self, changed: bool) -> None:
        if changed and self._watcher is not None and not self._closing.is_set():
            self._watcher()


class _Overdue(Exception):
    """A call is not over although it should."""

    def __init__(self, error: EdgedError) -> None:
        super().__init__()
        self.error = error


class _Watch:
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
        """Raises `_Overdue`."""
        now = time.monotonic()
        if now - self._heard > self._silent_s:
            raise _Overdue(TimedOut(f"nothing was heard of it for {self._silent_s:g} s"))
        try:
            self._tick()
        except EdgedError as error:
            self._over_since = self._over_since or now
            if now - self._over_since >= self._grace_s:
                raise _Overdue(error) from error


def _conversation(process: Process, message: Message, watch: _Watch, answer: Answerer) -> Message:
    """One call from its question to its answer, with all that the child asks in between."""
    channel = process.channel
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
            raise error_of(said.tree["failed"])
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
