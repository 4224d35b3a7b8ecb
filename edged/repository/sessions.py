"""Sessions of derived graphs: opened once for whoever wants the same graph on the same device, and warm."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from edged.contracts.card import Graph, ModelCard, VariantName
from edged.contracts.errors import EdgedError
from edged.contracts.graph_input import PictureInput, TensorInput
from edged.contracts.model import Tensors
from edged.contracts.slot import Priority, Slot
from edged.derive.fold import channels
from edged.derive.manifest import Manifest
from edged.flow.counters import Counters
from edged.flow.mapped import Ranges, forget, mapped
from edged.repository.compiled import CompiledGraphs
from edged.repository.shared import Shared
from edged.repository.variants import Candidate
from edged.runtimes.devices import Concurrency
from edged.runtimes.opening import OpenSession, made_by, open_session, spared
from edged.runtimes.ov import OvSession

_DTYPES = {"f32": np.float32, "i64": np.int64, "i32": np.int32, "u8": np.uint8}

FREE_SIDE = 64
"""Pixels with which a graph is warmed up that takes pictures of any size; a multiple of common strides. Few,
since a runtime keeps the memory of the largest one: of 320 SPAN, which eats tiles of 64, held 230 MB more."""

FREE_TOKENS = 16
"""The same of one that takes tokens alone. OpenVINO keeps a copy of the weights for one token, another for
several: warmed up with one token, BERT in int8 held 87 MB more after its first text."""

SessionKey = tuple[str, VariantName, str]
"""Fingerprint of the derived files, variant, device: sessions with one key are one session."""


Watch = Callable[[OpenSession], OpenSession]
"""Puts something before a session."""


def unwatched(session: OpenSession) -> OpenSession:
    """As it is."""
    return session


@dataclass(frozen=True, slots=True)
class Held:
    """The sessions of one model; give them back with `SharedSessions.release`."""

    sessions: Mapping[str, OpenSession]
    """By graph of the card."""
    keys: tuple[SessionKey, ...]


@dataclass(frozen=True, slots=True)
class _Mapped:
    """Files of a session, and where they are mapped for it alone."""

    places: Sequence[Path]
    ranges: Ranges


class SharedSessions:
    """Open sessions by what they run, reference-counted. Safe from all threads.

    Counts `device_failed/<device>` by reason: runs that the CPU did in its place.
    """

    def __init__(
        self, root: Path, concurrency: Concurrency, counters: Counters, watch: Watch = unwatched
    ) -> None:
        """`watch` gets each session when it is open and warm."""
        self._root = root
        self._counters = counters
        self._compiled = CompiledGraphs(root / ".compiled", counters)
        self._watch = watch
        self._concurrency = concurrency
        self._open: Shared[SessionKey, OpenSession] = Shared()
        self._may_rest: WeakKeyDictionary[OvSession, _Mapped] = WeakKeyDictionary()

    def acquire(self, card: ModelCard, candidate: Candidate, manifest: Manifest, slot: Slot) -> Held:
        """The sessions of all graphs of a model.

        Raises `ChecksumError` for a derived file that changed, `VariantError` when one does not open or run.
        """
        sessions, keys = {}, []
        with ExitStack() as undo:
            for name, graph in card.graphs.items():
                key = (manifest.fingerprint(name), candidate.variant, candidate.device)
                make = partial(self._opened, candidate, manifest, name, graph, slot)
                sessions[name] = self._open.acquire(key, make)
                undo.callback(self._open.release, key)
                keys.append(key)
            undo.pop_all()
        return Held(sessions, tuple(keys))

    def release(self, held: Held) -> None:
        """Give them back; what nobody else uses is closed."""
        for key in held.keys:
            self._open.release(key)

    def rest(self, *, at_once: bool = False) -> None:
        """Those that run no more give up what they keep for their next run; as `OvSession.rest`.

        Pages of weights that are mapped are left to the system again: after a rest they are read once more.
        """
        known = dict(self._may_rest)  # none of them closes meanwhile
        for session in known:
            session.rest(at_once=at_once)
        still = mapped(place for one in known.values() for place in one.places)
        forget(still & {own for one in known.values() for own in one.ranges})

    def __len__(self) -> int:
        """Sessions that are open."""
        return len(self._open)

    def _opened(
        self, candidate: Candidate, manifest: Manifest, name: str, graph: Graph, slot: Slot
    ) -> OpenSession:
        """Open one graph and run it once: the first run is slow, and shows whether it runs at all."""
        path = manifest.checked(name, self._root / manifest.model / candidate.variant)
        shared = self._concurrency.together() if graph.alone else self._concurrency
        open_in = partial(open_session, path, candidate.variant, candidate.device, shared)
        places = [path, path.with_suffix(".bin")]
        if compiled_by := made_by(candidate.variant, candidate.device):
            what = {"path": str(path), "files": manifest.fingerprint(name), "how": f"{candidate} {shared}"}
            by = {**compiled_by, "written": str(path.stat().st_mtime_ns)}  # the runtime looks at it as well
            open_in = partial(self._compiled.opened, what, by, open_in)
            places.append(self._compiled.folder(what, by))
        before = mapped(places)
        session = open_in()
        with slot.hold(Priority.JOB):
            session.run(_zeros(graph))
        # A runtime has its own copy of the weights, in the order in which it reads them. What another session
        # had mapped before may go at any time, and its addresses be somebody else's.
        forget(own := mapped(places) - before)
        if isinstance(session, OvSession):
            session.rest(at_once=True)
            self._may_rest[session] = _Mapped(places, own)
        failed = partial(self._failed, candidate.device)
        return self._watch(spared(session, path, candidate.variant, shared, failed))

    def _failed(self, device: str, error: EdgedError) -> None:
        self._counters.count(f"device_failed/{device}", type(error).__name__)


def _zeros(graph: Graph) -> Tensors:
    """Inputs of the right types and shapes; a free axis is 1 long, or see above."""
    free = FREE_TOKENS if all(map(_takes_tokens, graph.inputs.values())) else 1
    return {name: _zero(spec, free) for name, spec in graph.inputs.items()}


def _takes_tokens(spec: PictureInput | TensorInput) -> bool:
    return isinstance(spec, TensorInput) and spec.dtype == "i64"


def _zero(spec: PictureInput | TensorInput, free: int) -> NDArray[Any]:
    if isinstance(spec, PictureInput):
        return np.zeros((1, *(length or FREE_SIDE for length in spec.size), channels(spec)), np.uint8)
    lengths = [length if length > 0 else (free if axis else 1) for axis, length in enumerate(spec.shape)]
    return np.zeros(lengths, _DTYPES[spec.dtype])
