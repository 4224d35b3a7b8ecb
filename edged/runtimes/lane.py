"""Sessions of a GPU. They live in a child, for its driver may crash, hang, or lose the device.

One child has all graphs of a device and runs one at a time. When it has died another takes its place, which
opens a graph when it is run; what the device cannot do meanwhile the CPU does.
"""

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edged.children.child import Child
from edged.children.talk import nothing_to_answer
from edged.children.terms import Terms, Work, unshared
from edged.children.values import Unfit, unpacked
from edged.children.wire import Message
from edged.contracts.card import Precision
from edged.contracts.errors import ChildDied, EdgedError
from edged.contracts.model import Session, Tensors
from edged.runtimes.devices import Concurrency, usable_memory
from edged.runtimes.gpu import SOFTWARE
from edged.runtimes.signature import Ports, Signature

log = logging.getLogger(__name__)

TARGET = "edged.tenants.gpu:open_device"
LOG_EVERY_S = 10.0
"""A device that fails on every run logs one line in so many seconds."""


class Lane:
    """The child of one device. Safe from all threads."""

    def __init__(self, device: str, terms: Terms, target: str) -> None:
        self.device = device
        self.users = 0
        """Sessions that are open in it."""
        self.sessions: weakref.WeakSet[LaneSession] = weakref.WeakSet()
        self.child = Child(f"the process of the {device}", Work(target, _given()), terms)
        self.child.watch(self._tell)
        self.child.start()
        self._gone: deque[str] = deque()

    def call(self, graph: str, threads: int, arrays: Sequence[NDArray[Any]] = ()) -> Message:
        """Run a graph; without arrays only open it. Raises as `Child.call`, and what the child raises."""
        gone = [self._gone.popleft() for _ in range(len(self._gone))]
        said = {"graph": graph, "threads": threads, "forget": [one for one in gone if one != graph]}
        return self.child.call(Message(said, arrays), _patient, nothing_to_answer)

    def forget(self, graph: str) -> None:
        """Nobody runs it any more; the child is told with the next call."""
        self._gone.append(graph)

    def _tell(self) -> None:
        for session in list(self.sessions):
            session.tell()


class Lanes:
    """The children of devices, each as long as a session of it is open. Safe from all threads."""

    def __init__(self) -> None:
        self.account: Callable[[], Callable[[int], str | None]] = lambda: unshared
        """Makes what a child's memory is told to, as of `Terms`."""
        self.target = TARGET
        """What a child runs."""
        self.terms = Terms(memory_bytes=usable_memory())
        """Under which a child lives, but for the account."""
        self._lanes: dict[str, Lane] = {}
        self._lock = threading.RLock()  # a session may be collected by whoever holds it

    def enter(self, device: str) -> Lane:
        """The child of a device, with one user more."""
        with self._lock:
            if (lane := self._lanes.get(device)) is None:
                terms = replace(self.terms, account=self.account())
                lane = self._lanes[device] = Lane(device, terms, self.target)
            lane.users += 1
            return lane

    def leave(self, lane: Lane, graph: str) -> None:
        """One user less; with the last one the child ends."""
        with self._lock:
            lane.forget(graph)
            lane.users -= 1
            if not lane.users:
                del self._lanes[lane.device]
                # Whoever collects a session need not wait for it, and may be the child's own thread.
                threading.Thread(target=lane.child.close, name="end-lane", daemon=True).start()


LANES = Lanes()


class LaneSession:
    """A graph that is open in the child of a device. Implements `contracts.model.Session`."""

    def __init__(self, path: Path, device: str, precision: Precision, concurrency: Concurrency) -> None:
        """Raises `VariantError` when it cannot be opened there, and what `run` raises."""
        self.device = device
        self.precision = precision
        self.fallen: Mapping[str, int] = {}
        """Nodes by operator that the CPU runs, since the device cannot; known after a run."""
        self.watchers: list[Callable[[], None]] = []
        """Called, in a thread of the lane's, when the device was set aside, and when it is back."""
        self._graph, self._threads = str(path), concurrency.workers * concurrency.threads
        self._lane = LANES.enter(device)
        weakref.finalize(self, LANES.leave, self._lane, self._graph).atexit = False
        self._lane.sessions.add(self)
        told = self._lane.call(self._graph, self._threads).tree
        try:
            ports = unpacked(told.get("ports"), Ports, ())
        except Unfit as error:
            raise ChildDied(f"{device} tells nothing sensible of {path.name}: {error}") from error
        self.signature = Signature(ports.inputs, ports.outputs)

    def run(self, inputs: Tensors) -> Tensors:
        """As `Session.run`. Raises `ChildDied`, `TimedOut`, `NotReady` when the device or its child fails."""
        feed = self.signature.feed(inputs)
        said = self._lane.call(self._graph, self._threads, list(feed.values()))
        ports, found = self.signature.outputs, list(said.arrays)
        # Their shapes are not what a graph of free size says of them.
        if [array.dtype for array in found] != [port.dtype for port in ports.values()]:
            raise ChildDied(f"{self.device} gives something else than {', '.join(ports)}")
        if isinstance(fallen := said.tree.get("fallen"), dict) and fallen != self.fallen:
            self.fallen = fallen
            log.info("%s: %s leaves to the CPU: %s", self._graph, self.device, fallen or "nothing")
        return dict(zip(ports, found, strict=True))

    def trouble(self) -> str | None:
        """Why the device cannot be asked now; none when it can."""
        return self._lane.child.trouble()

    def is_aside(self) -> bool:
        """Whether its child died so often that it is not started for a while."""
        return self._lane.child.is_aside()

    @property
    def process_id(self) -> int | None:
        """Of the child that lives now."""
        return self._lane.child.process_id

    def tell(self) -> None:
        """The device was set aside, or is back."""
        for changed in self.watchers:
            changed()


class SparedSession:
    """A session of a device with a spare: what the device cannot do now runs on the CPU.

    A run is a function of its inputs, so nothing is lost with the device but time.
    """

    def __init__(self, session: LaneSession, make: Callable[[], Session]) -> None:
        """`make` opens the same graph on the CPU."""
        self.precision, self.signature = session.precision, session.signature
        self.watchers = session.watchers
        self._session = session
        self._make = make
        self._spare: Session | None = None
        self._lock = threading.Lock()
        self._logged_at = 0.0

    @property
    def device(self) -> str:
        """Where it runs now."""
        return "cpu" if self._spare is not None or self._session.is_aside() else self._session.device

    def why_not(self) -> str | None:
        """Why it does not run on its device; none when it does."""
        return None if self._spare is None else (self._session.trouble() or "it failed on the last item")

    def run(self, inputs: Tensors) -> Tensors:
        """As `Session.run`."""
        self.signature.feed(inputs)
        if self._session.trouble() is None:
            try:
                outputs = self._session.run(inputs)
            except EdgedError as error:
                self._log(error)
            else:
                self._spare = None
                return outputs
        return self._on_the_cpu().run(inputs)

    def _on_the_cpu(self) -> Session:
        with self._lock:
            if (spare := self._spare) is None:
                spare = self._spare = self._make()
            return spare

    def _log(self, error: EdgedError) -> None:
        now = time.monotonic()
        if now - self._logged_at > LOG_EVERY_S:
            self._logged_at = now
            log.warning("%s fails, so the CPU does it: %s", self._session.device, error)


def _given() -> dict[str, bool]:
    return {"software": os.environ.get(SOFTWARE) == "1"}


def _patient() -> None:
    """Nobody ends a run but the child's own terms."""
