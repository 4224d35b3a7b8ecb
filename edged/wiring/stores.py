"""The stores of the configuration: artefacts, and what clients send ahead of their requests."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from edged.artefacts.keeper import ArtefactKeeper
from edged.artefacts.settings import ArtefactSettings
from edged.artefacts.store import ArtefactStore
from edged.config.settings import Config
from edged.flow.counters import Counters
from edged.flow.units import Wish
from edged.media.fetch import Fetched

T = TypeVar("T")


class MadeOf(Generic[T]):
    """One thing, made anew only when what it is made of changes."""

    def __init__(self) -> None:
        self._made: tuple[Any, T] | None = None
        self._lock = threading.Lock()

    def of(self, key: Any, make: Callable[[], T]) -> T:
        """That of this key; all threads get the same."""
        with self._lock:
            if self._made is None or self._made[0] != key:
                self._made = (key, make())
            return self._made[1]


class Stores:
    """Each is made anew only when its settings change."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._artefacts, self._uploads = MadeOf[ArtefactStore](), MadeOf[ArtefactStore]()

    def artefacts(self, settings: Config) -> ArtefactStore:
        """Where artefacts are kept."""
        address = settings.http.artefact_address
        make = partial(ArtefactStore, settings.artefacts, settings.paths.state, self._counters, address)
        return self._artefacts.of(artefacts_key(settings), make)

    def uploads(self, settings: Config) -> ArtefactStore:
        """Where uploads are kept, for a while."""
        kept = ArtefactSettings(max_bytes=settings.uploads.max_bytes, max_age=settings.uploads.max_age)
        make = partial(ArtefactStore, kept, settings.paths.state, self._counters, name="uploads")
        return self._uploads.of(uploads_key(settings), make)

    def upload(self, settings: Config, id: str) -> Fetched:
        """One of them, open. Raises `NotFound`, `StoreFailed`."""
        found = self.uploads(settings).open(id)
        return Fetched(found.file, found.size)

    def wishes(self, settings: Config) -> dict[str, Wish]:
        """The units that look after them."""
        wishes = {
            "artefacts": Wish(
                artefacts_key(settings), lambda: ArtefactKeeper(self.artefacts(settings)), order=5
            )
        }
        if settings.http.listen is not None:
            wishes["uploads"] = Wish(
                uploads_key(settings), lambda: ArtefactKeeper(self.uploads(settings), "uploads"), order=5
            )
        return wishes


def artefacts_key(settings: Config) -> tuple[Any, ...]:
    """What the store of artefacts is made of; with another one reservations would be forgotten."""
    return settings.artefacts, settings.paths.state, settings.http.artefact_address("")


def uploads_key(settings: Config) -> tuple[Any, ...]:
    """What the store of uploads is made of."""
    return settings.uploads, settings.paths.state
