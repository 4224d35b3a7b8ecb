"""The lives of a child, one after another: started, watched, ended, and started again.

A thread of its own does it, for the kernel ends a process with the thread that started it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from edged.children.process import Process
from edged.children.rooms import Garbled
from edged.children.talk import Desk, Overdue, Watch, conversation
from edged.children.terms import Terms, Work
from edged.children.wire import TICK_S, Gone, Message, Spent, Tree
from edged.contracts.errors import ChildDied, EdgedError, NotReady, TimedOut

log = logging.getLogger(__name__)


class Deaths:
    """How often a child has died of late, and how long it rests therefore."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._at: deque[float] = deque()

    def another(self, why: str) -> tuple[float | None, bool, str]:
        """One more: seconds to rest, or none for ever; whether it is set aside for them; and in words."""
        now, rests, terms = time.monotonic(), self._terms.rests, self._terms
        if not terms.again:
            return None, True, why
        self._at.append(now)
        while now - self._at[0] > terms.calm_s:
            self._at.popleft()
        if (times := len(self._at)) <= len(rests):
            return rests[times - 1], False, f"{why}; it is started again in {rests[times - 1]:g} s"
        self._at.clear()
        told = f"set aside for {terms.aside_s:g} s, having died {times} times; at last {why}"
        return terms.aside_s, True, told


class Lives:
    """Of one child. Safe from all threads."""

    def __init__(self, name: str, work: Work, terms: Terms, desk: Desk) -> None:
        """`desk` answers while the child makes what it works with."""
        self.name = name
        self.trouble: str | None = "it is starting"
        """Why it cannot be called now; none when it can."""
        self.aside = False
        """Whether it died so often that it is not started for a while."""
        self.deaths = Deaths(terms)
        self.watcher: Callable[[], None] | None = None
        """Called, in the thread of this, whenever `aside` changed."""
        self._work = work
        self._terms = terms
        self._desk = desk
        self._changed = threading.Condition()
        self._live: Process | None = None
        self._report: Tree | None = None
        self._failure: EdgedError | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._live_on, name=f"child-{name}", daemon=True)

    def start(self) -> None:
        """Start its first process."""
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

    def ready(self, wait_s: float) -> Process | None:
        """The process, if it is ready within so many seconds. Raises `NotReady` where it will not be."""
        with self._changed:
            if (live := self._alive()) is not None:
                return live
            if self.aside or self._closing.is_set():
                raise NotReady(f"{self.name} cannot be used: {self.trouble or 'it is closed'}")
            self._changed.wait(wait_s)
            return self._alive()

    def close(self) -> None:
        """End it."""
        self._closing.set()
        if (live := self._live) is not None:
            live.end("the daemon ended it")
        with self._changed:
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def process_id(self) -> int | None:
        """Of the process that lives now."""
        live = self._live
        return None if live is None else live.id

    def _alive(self) -> Process | None:
        return self._live if self._live is not None and self._live.lives(0) else None

    def _live_on(self) -> None:
        """In the thread of its own: life after life."""
        while not self._closing.is_set():
            try:
                why = self._one_life(Process(self.name, dict(self._terms.environment)))
            except OSError as error:  # no memory, no descriptor, no process to be had
                why = f"no process can be started: {error.strerror}"
                self._fail(ChildDied(f"{self.name}: {why}"))
            if not self._closing.is_set():
                self._rest(why)

    def _one_life(self, process: Process) -> str:
        """From its start to its end; returns of what it died."""
        try:
            if self._begin(process):
                while process.lives(TICK_S):
                    self._look(process)
                with self._changed:
                    self._live, self.trouble = None, process.why()
        finally:
            if process.lives(0):
                process.end("it is not wanted any more")
            why = process.why()
            self._terms.account(0)
            process.close()
        return why

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
                watch = Watch(tick, self._terms.start_s, 0.0)
                report = conversation(process.channel, hello, watch, answer).tree
        except (Overdue, Spent, EdgedError) as error:
            self._fail(error if isinstance(error, EdgedError) else error.error)
            process.end(str(self._failure))
        except (Gone, Garbled):
            if process.lives(0.2):
                process.end("what it said cannot be understood")
            self._fail(ChildDied(f"{self.name} does not start: {process.why()}"))
        else:
            with self._changed:
                self._live, self._report, self.trouble = process, report, None
                was_aside, self.aside = self.aside, False
                self._changed.notify_all()
            self._tell(was_aside)
            return True
        return False

    def _fail(self, error: EdgedError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _look(self, process: Process) -> None:
        """End it when it holds too much, or when nobody wants it any more."""
        if (why := self._terms.too_much(process.memory())) is not None:
            process.end(why)
        if self._closing.is_set():
            process.end("the daemon ended it")

    def _rest(self, why: str) -> None:
        """Wait before the next start, the longer the oftener it has died."""
        wait_s, aside, told = self.deaths.another(why)
        log.error("%s: %s", self.name, told)
        with self._changed:
            was_aside, self.trouble, self.aside = self.aside, told, aside
            self._changed.notify_all()
        self._tell(aside != was_aside)
        self._closing.wait(wait_s)

    def _tell(self, changed: bool) -> None:
        if changed and self.watcher is not None and not self._closing.is_set():
            self.watcher()
