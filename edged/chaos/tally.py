"""What became of each request and of each stream's messages, in numbers. Pure: nothing waits here."""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

FINE = frozenset({200, 429, 503, 504})
"""What a good request may be answered: the result, or that there is no room, model or time for it now."""
REFUSED = frozenset(range(400, 429))
"""What garbage may be answered."""
_REMEMBERED = 5000
"""Messages of a stream by which a redelivery is told from a new life."""


@dataclass(slots=True)
class Question:
    """A request that was asked, and the answers that came."""

    asked_at: float
    """Seconds, monotonic."""
    wants: Collection[int]
    """The codes that it may be answered."""
    answers: list[tuple[float, int]] = field(default_factory=list)
    """When each came, seconds, monotonic; and its code, as HTTP."""
    doubtful: bool = False
    """The broker had acknowledged it lately and was killed before the answer came: it may have forgotten."""


@dataclass(frozen=True, slots=True)
class Count:
    """Of the requests that were asked during a fault. `asked` = `once` + `twice` + `never` + `forgotten`."""

    asked: int
    once: int
    twice: int
    """Answered more than once."""
    never: int
    forgotten: int
    """Never answered, and the broker that was killed may have forgotten the request or its answer."""
    wrong: int
    """Answered, and an answer had a code that it may not have."""


def count(questions: Iterable[Question]) -> Count:
    """Add up what became of requests."""
    once = twice = never = forgotten = wrong = 0
    for question in questions:
        answers = len(question.answers)
        once += answers == 1
        twice += answers > 1
        never += answers == 0 and not question.doubtful
        forgotten += answers == 0 and question.doubtful
        wrong += any(code not in question.wants for _, code in question.answers)
    return Count(once + twice + never + forgotten, once, twice, never, forgotten, wrong)


def answered_since(questions: Iterable[Question], moment: float) -> float | None:
    """When the first request that was asked at this moment or later was answered; none: not yet."""
    first = [q.answers[0][0] for q in questions if q.asked_at >= moment and q.answers]
    return min(first, default=None)


class Gaps:
    """The messages of one stream, by their `seq`: which are missing.

    `seq` counts from 0 whenever the daemon opens the stream. A message that comes again (QoS 1) is no new
    one; one with a lower `seq` that did not come before begins a new life. What a life had yet to send when
    it ended, nobody can count.
    """

    def __init__(self) -> None:
        self.heard = 0
        """Messages, each once."""
        self.lost = 0
        """Messages that are missing before one that came."""
        self._last = -1
        self._known: set[tuple[int, str]] = set()
        self._order: deque[tuple[int, str]] = deque()

    def hear(self, seq: int, captured_at: str) -> None:
        """A message came. `captured_at` tells two of the same number apart."""
        name = (seq, captured_at)
        if name in self._known:
            return
        self._remember(name)
        self.heard += 1
        if seq <= self._last:  # the stream was opened anew
            self._last = -1
        self.lost += seq - self._last - 1
        self._last = seq

    def _remember(self, name: tuple[int, str]) -> None:
        self._known.add(name)
        self._order.append(name)
        if len(self._order) > _REMEMBERED:
            self._known.discard(self._order.popleft())
