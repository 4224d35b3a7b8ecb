"""One round: fault after fault, each while a client goes on asking."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from edged.chaos.endured import NOTHING, Endured, faults_of
from edged.chaos.faults import FAULTS, Fault
from edged.chaos.tally import Question, count
from edged.chaos.world import REQUEST_S, World
from edged.contracts.errors import BadRequest, EdgedError
from edged.contracts.spelling import hint

SHARE = 3
"""One of so many requests that the box could answer is asked, so that it is not the load that is measured."""
MEASURED_S = 1.0
SETTLED_S = REQUEST_S + 20.0
"""Wait at most so long for the answers and for a recovery; at the deadline there must be one."""
QUIET_S = 0.3
"""After the last answer, in which a second one of anything would come."""
CALM_S = 0.5
"""Of asking, before a fault and after the recovery."""
_AT_ONCE = 4
_WARM = 20
_LEAST = 2.0
"""Requests a second."""
_TICK_S = 0.02

Report = Callable[[int, int], None]
"""Gets how many faults are done, of how many."""


@dataclass(slots=True)
class _Suffered:
    """A fault as it was inflicted, while its answers are still counted."""

    fault: Fault
    endured: Endured
    questions: list[Question]

    def counted(self) -> Endured:
        """With what became of its requests by now."""
        counted = count(self.questions)
        broken = (*faults_of(counted, self.fault.doubles), *self.endured.broken)
        return replace(self.endured, count=counted, broken=broken)


def chosen(names: Sequence[str]) -> list[Fault]:
    """Faults by name; none named: all. Raises `BadRequest` for one that there is not."""
    if unknown := next((name for name in names if name not in FAULTS), None):
        there_are = f"there are {', '.join(FAULTS)}"
        raise BadRequest(f"no fault is called {unknown!r}; {hint(unknown, FAULTS, there_are, likeness=0.6)}")
    return [fault for name, fault in FAULTS.items() if not names or name in names]


def measured_rate(world: World, wanted: float) -> float:
    """Requests a second to ask: `wanted`, or a share of what the box can answer where that is less."""
    until = time.monotonic() + MEASURED_S
    waiting: list[Question] = []
    while time.monotonic() < until:
        waiting = [question for question in waiting if not question.answers]
        while len(waiting) < _AT_ONCE:
            waiting.append(world.customer.ask())
        time.sleep(0.002)
    asked = world.customer.forget()
    done = sum(any(at < until for at, _ in question.answers) for question in asked)
    return max(_LEAST, min(wanted, done / MEASURED_S / SHARE))


def play(world: World, faults: Sequence[Fault], rate: float, seconds: float, report: Report) -> list[Endured]:
    """All faults, in about so many seconds, each once at least."""
    began = time.monotonic()
    suffered = []
    for number, fault in enumerate(faults):
        report(number, len(faults))
        left = began + seconds - time.monotonic()
        suffered.append(_suffer(world, fault, rate, left / (len(faults) - number)))
    report(len(faults), len(faults))
    endured = [one.counted() for one in suffered]
    world.customer.drop()
    return endured


def _suffer(world: World, fault: Fault, rate: float, share_s: float) -> _Suffered:
    """One fault, again and again as long as its share of the time lasts."""
    why = fault.why_not()
    if why is not None:
        return _Suffered(fault, Endured(fault.name, 0, NOTHING, 0, 0.0, 0, 0, not_tried=why), [])
    before, lost, began = world.daemon.memory_bytes(), world.customer.lost(), time.monotonic()
    recovered: list[float] = []
    broken: list[str] = []
    world.customer.ask_steadily(rate)
    try:
        for _ in _again(began + share_s):
            time.sleep(CALM_S)
            recovered.append(_once(world, fault, broken))
        time.sleep(CALM_S)
    finally:
        world.customer.rest()
    questions = world.customer.forget()
    _wait(world, lambda: all(question.answers for question in questions), broken)
    time.sleep(QUIET_S)
    endured = Endured(
        fault.name,
        len(recovered),
        NOTHING,
        world.customer.lost() - lost,
        max(recovered),
        before,
        world.daemon.memory_bytes(),
        tuple(dict.fromkeys(broken)),
    )
    return _Suffered(fault, endured, questions)


def _again(until: float) -> Iterator[None]:
    """Once, and again while one more as long as the last would end before `until`."""
    while True:
        began = time.monotonic()
        yield
        now = time.monotonic()
        if now + (now - began) > until:
            return


def _once(world: World, fault: Fault, broken: list[str]) -> float:
    """Inflict a fault and wait until all is well: seconds from its end. What did not hold is added."""
    try:
        fault.inflict(world)
    except EdgedError as error:
        broken.append(str(error))
    ended = time.monotonic()
    if not _wait(world, lambda: _well(world, fault, ended) is not None, broken):
        broken.append(f"not well again within {SETTLED_S:g} s")
    return (_well(world, fault, ended) or time.monotonic()) - ended


def _well(world: World, fault: Fault, since: float) -> float | None:
    """When the world was well again; none: not yet."""
    answered = world.customer.answered_since(since)
    if fault.camera is None or answered is None:
        return answered
    heard = world.customer.heard(fault.camera)
    return max(answered, heard) if heard > since else None


def _wait(world: World, condition: Callable[[], bool], broken: list[str]) -> bool:
    """Whether it is met in time. A daemon that ends by itself is started again, and that is added."""
    until = time.monotonic() + SETTLED_S
    while not (met := condition()) and time.monotonic() < until:
        if (status := world.revive()) is not None:
            broken.append(f"the daemon ended by itself ({status})")
        time.sleep(_TICK_S)
    return met


def ready(world: World) -> None:
    """Wait until some requests are answered. Raises `EdgedError` when they are not."""
    questions = [world.customer.ask() for _ in range(_WARM)]
    if not _wait(world, lambda: all(question.answers for question in questions), []):
        raise EdgedError("the scratch daemon does not answer")
    world.customer.forget()
