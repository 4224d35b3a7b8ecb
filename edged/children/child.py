"""A child: a function in a process of its own, started again when it dies, set aside when it dies too often.

Callers talk to it, one at a time. Nothing that a child says or does harms more than the call in work.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edged.children.lives import Lives
from edged.children.process import Process
from edged.children.rooms import Garbled
from edged.children.talk import Answerer, Desk, Overdue, Watch, conversation, no_desk
from edged.children.terms import Terms, Work
from edged.children.wire import TICK_S, Gone, Message, Spent, Tick, Tree
from edged.contracts.errors import ChildDied


class Child:
    """Give it work, `start` it, `call` it, `close` it. Safe from all threads; one call at a time."""

    def __init__(self, name: str, work: Work, terms: Terms, desk: Desk = no_desk) -> None:
        """`desk` answers while the child makes what it works with."""
        self.name = name
        self._terms = terms
        self._turn = threading.Lock()
        self._lives = Lives(name, work, terms, desk)

    def start(self) -> None:
        """Start its first process; see `report`."""
        self._lives.start()

    def report(self) -> Tree:
        """What it tells of itself once it has started. Raises what kept it from it, and `ChildDied`."""
        return self._lives.report()

    def trouble(self) -> str | None:
        """Why it cannot be called now; none when it can."""
        return self._lives.trouble

    def is_aside(self) -> bool:
        """Whether it died so often that it is not started for a while."""
        return self._lives.aside

    def watch(self, changed: Callable[[], None]) -> None:
        """Call it, in a thread of the child's, when it was set aside, and when it is ready again."""
        self._lives.watcher = changed

    @property
    def process_id(self) -> int | None:
        """Of the process that lives now."""
        return self._lives.process_id

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
        self._lives.close()

    def _awaited(self, tick: Tick) -> Process:
        """The process, as soon as it is ready."""
        while (process := self._lives.ready(TICK_S)) is None:
            tick()
        return process

    def _asked(self, process: Process, message: Message, tick: Tick, answer: Answerer) -> Message:
        watch = Watch(tick, self._terms.silent_s)
        try:
            with process.talk:
                if process.closed:
                    raise Gone
                return conversation(process.channel, message, watch, answer)
        except Gone:
            raise ChildDied(f"{self.name} failed on this item: {process.why()}") from None
        except Garbled as error:
            process.end(f"what it said cannot be understood: {error}")
            raise ChildDied(f"{self.name} failed on this item: {process.why()}") from error
        except Overdue as overdue:
            process.end(f"its call was not over in time ({overdue.error})")
            process.why()  # the next caller gets another one
            raise overdue.error from None
        except Spent as spent:
            process.end(str(spent))
            process.why()
            raise spent.error from None
        except BaseException as error:  # what `answer` raised and could not tell
            if not watch.over:
                process.end(f"its call was broken off: {type(error).__name__}")
                process.why()
            raise
