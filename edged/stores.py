"""The stores of the configuration: artefacts, and what clients send ahead of their requests."""

from functools import partial
from typing import Any

from edged.artefacts.keeper import ArtefactKeeper
from edged.artefacts.settings import ArtefactSettings
from edged.artefacts.store import ArtefactStore
from edged.config import Config
from edged.flow.counters import Counters
from edged.flow.units import Wish
from edged.media.fetch import Fetched


class Stores:
    """Each is made anew only when its settings change."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._made: dict[str, tuple[Any, ArtefactStore]] = {}

    def artefacts(self, settings: Config) -> ArtefactStore:
        """Where artefacts are kept."""
        address = settings.http.artefact_address
        make = partial(ArtefactStore, settings.artefacts, settings.paths.state, self._counters, address)
        return self._kept("artefacts", artefacts_key(settings), make)

    def uploads(self, settings: Config) -> ArtefactStore:
        """Where uploads are kept, for a while."""
        kept = ArtefactSettings(max_bytes=settings.uploads.max_bytes, max_age=settings.uploads.max_age)
        make = partial(ArtefactStore, kept, settings.paths.state, self._counters, name="uploads")
        return self._kept("uploads", uploads_key(settings), make)

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

    def _kept(self, name: str, key: Any, make: "partial[ArtefactStore]") -> ArtefactStore:
        if name not in self._made or self._made[name][0] != key:
            self._made[name] = (key, make())
        return self._made[name][1]


def artefacts_key(settings: Config) -> tuple[Any, ...]:
    """What the store of artefacts is made of; with another one reservations would be forgotten."""
    return settings.artefacts, settings.paths.state, settings.http.artefact_address("")


def uploads_key(settings: Config) -> tuple[Any, ...]:
    """What the store of uploads is made of."""
    return settings.uploads, settings.paths.state
