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
from edged.contracts.errors import ChildDied, EdgedError, InferenceError
from edged.contracts.model import Session, Tensors
from edged.runtimes.checked import are_finite
from edged.runtimes.devices import Concurrency, usable_memory
from edged.runtimes.gpu import SOFTWARE
from edged.runtimes.signature import Ports, Signature

log = logging.getLogger(__name__)

TARGET = "edged.tenants.gpu:open_device"
SILENT_S = 30.0
"""A run that takes so long is stuck: half of a request's time, so that the CPU can still answer it."""
REST_S, LONGEST_REST_S = 0.1, 60.0
"""Seconds in which a device that failed is not asked; twice as long after each failure more in a row."""
LOG_EVERY_S = 10.0
"""A device that fails on every run logs one line in so many seconds."""


class DeviceProcess:
    """The child of one device. Safe from all threads."""

    def __init__(self, device: str, terms: Terms, target: str) -> None:
        self.device = device
        self.users = 0
        """Sessions that are open in it."""
        self.sessions: weakref.WeakSet[RemoteSession] = weakref.WeakSet()
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


class DeviceProcesses:
    """The children of devices, each as long as a session of it is open. Safe from all threads."""

    def __init__(self) -> None:
        self.account: Callable[[], Callable[[int], str | None]] = lambda: unshared
        """Makes what a child's memory is told to, as of `Terms`."""
        self.target = TARGET
        """What a child runs."""
        self.terms = Terms(memory_bytes=usable_memory(), silent_s=SILENT_S)
        """Under which a child lives, but for the account."""
        self._open: dict[str, DeviceProcess] = {}
        self._lock = threading.RLock()  # a session may be collected by whoever holds it

    def enter(self, device: str) -> DeviceProcess:
        """The child of a device, with one user more."""
        with self._lock:
            if (process := self._open.get(device)) is None:
                terms = replace(self.terms, account=self.account())
                process = self._open[device] = DeviceProcess(device, terms, self.target)
            process.users += 1
            return process

    def leave(self, process: DeviceProcess, graph: str) -> None:
        """One user less; with the last one the child ends."""
        with self._lock:
            process.forget(graph)
            process.users -= 1
            if not process.users:
                del self._open[process.device]
                # Whoever collects a session need not wait for it, and may be the child's own thread.
                threading.Thread(target=process.child.close, name="end-process", daemon=True).start()


PROCESSES = DeviceProcesses()


class RemoteSession:
    """A graph that is open in the child of a device. Implements `contracts.model.Session`."""

    def __init__(self, path: Path, device: str, precision: Precision, concurrency: Concurrency) -> None:
        """Raises `VariantError` when it cannot be opened there, and what `run` raises."""
        self.device = device
        self.precision = precision
        self.fallen: Mapping[str, int] = {}
        """Nodes by operator that the CPU runs, since the device cannot; known after a run."""
        self.watchers: list[Callable[[], None]] = []
        """Called, in whatever thread, when the CPU does its work, and when the device does it again."""
        self._graph, self._threads = str(path), concurrency.workers * concurrency.threads
        self._process = PROCESSES.enter(device)
        weakref.finalize(self, PROCESSES.leave, self._process, self._graph).atexit = False
        self._process.sessions.add(self)
        told = self._process.call(self._graph, self._threads).tree
        try:
            ports = unpacked(told.get("ports"), Ports, ())
        except Unfit as error:
            raise ChildDied(f"{device} tells nothing sensible of {path.name}: {error}") from error
        self.signature = Signature(ports.inputs, ports.outputs)

    def run(self, inputs: Tensors) -> Tensors:
        """As `Session.run`. Raises `ChildDied`, `TimedOut`, `NotReady` when the device or its child fails.

        Raises `InferenceError` when it gives what is no number.
        """
        feed = self.signature.feed(inputs)
        said = self._process.call(self._graph, self._threads, list(feed.values()))
        ports, found = self.signature.outputs, list(said.arrays)
        # Their shapes are not what a graph of free size says of them.
        if [array.dtype for array in found] != [port.dtype for port in ports.values()]:
            raise ChildDied(f"{self.device} gives something else than {', '.join(ports)}")
        if isinstance(fallen := said.tree.get("fallen"), dict) and fallen != self.fallen:
            self.fallen = fallen
            log.info("%s: %s leaves to the CPU: %s", self._graph, self.device, fallen or "nothing")
        if not are_finite(outputs := dict(zip(ports, found, strict=True))):
            raise InferenceError(f"{self.device} gives values that are not finite")
        return outputs

    def trouble(self) -> str | None:
        """Why the device cannot be asked now; none when it can."""
        return self._process.child.trouble()

    def is_aside(self) -> bool:
        """Whether its child died so often that it is not started for a while."""
        return self._process.child.is_aside()

    @property
    def process_id(self) -> int | None:
        """Of the child that lives now."""
        return self._process.child.process_id

    def tell(self) -> None:
        """Where it runs may have changed."""
        for changed in list(self.watchers):
            changed()


class SparedSession:
    """A session of a device with a spare: what the device cannot do now runs on the CPU.

    A run is a function of its inputs, so nothing is lost with the device but time. Safe from all threads.
    """

    def __init__(
        self, session: RemoteSession, make: Callable[[], Session], count: Callable[[EdgedError], None]
    ) -> None:
        """`make` opens the same graph on the CPU; `count` is told each failure."""
        self.precision, self.signature = session.precision, session.signature
        self.watchers = session.watchers
        self._session = session
        self._make = make
        self._count = count
        self._spare: Session | None = None
        self._lock = threading.Lock()
        self._why = ""
        self._failures = 0
        self._rests_until = self._logged_at = 0.0

    @property
    def device(self) -> str:
        """Where it runs now."""
        return "cpu" if self._spare is not None or self._session.is_aside() else self._session.device

    def why_not(self) -> str:
        """Why it does not run on its device; empty when it does."""
        return (
            "" if self.device != "cpu" else f"{self._session.device}: {self._session.trouble() or self._why}"
        )

    def run(self, inputs: Tensors) -> Tensors:
        """As `Session.run`."""
        self.signature.feed(inputs)
        if self._session.trouble() is None and time.monotonic() >= self._rests_until:
            try:
                outputs = self._session.run(inputs)
            except EdgedError as error:
                self._failed(error)
            else:
                self._well()
                return outputs
        return self._on_the_cpu().run(inputs)

    def _failed(self, error: EdgedError) -> None:
        now, self._why = time.monotonic(), str(error)
        self._count(error)
        self._rests_until = now + min(REST_S * 2 ** min(self._failures, 10), LONGEST_REST_S)
        self._failures += 1
        if now - self._logged_at > LOG_EVERY_S:
            self._logged_at = now
            log.warning("%s fails, so the CPU does it: %s", self._session.device, error)

    def _well(self) -> None:
        self._failures = 0
        with self._lock:
            was, self._spare = self._spare, None
        if was is not None:
            self._session.tell()

    def _on_the_cpu(self) -> Session:
        with self._lock:
            had = spare = self._spare
            if spare is None:
                spare = self._spare = self._make()
        if had is None:
            self._session.tell()
        return spare


def _given() -> dict[str, bool]:
    return {"software": os.environ.get(SOFTWARE) == "1"}


def _patient() -> None:
    """Nobody ends a run but the child's own terms."""
