"""Published files by their checksum, SHA-256 where it is known: `<root>/weights/<checksum>/<name>`.

A file keeps its name, because runtimes look at suffixes and neighbours. Nothing is opened unchecked.
"""

from collections.abc import Iterable
from hashlib import file_digest
from pathlib import Path

from edged.contracts.card import ModelCard, Weights
from edged.contracts.errors import ChecksumError, RepositoryError
from edged.contracts.slot import Report
from edged.weights.depot import Stock


class WeightStore:
    """The files of all cards under one root. Several processes may pull at the same time."""

    def __init__(self, root: Path) -> None:
        self._root = root / "weights"

    def find(self, card: ModelCard, name: str) -> Path | None:
        """The file if it is there and as long as the card says, if it does; not hashed."""
        weights = card.weights[name]
        path = self._path(name, weights)
        try:
            return path if weights.size in (None, path.stat().st_size) else None
        except OSError:
            return None

    def installed(self, card: ModelCard, names: Iterable[str]) -> bool:
        """Whether all of these files are there; not hashed."""
        return all(self.find(card, name) is not None for name in names)

    def verified(self, card: ModelCard, name: str) -> Path:
        """The file, hashed just now.

        Raises `RepositoryError` if it was not pulled, `ChecksumError` if it is not what the card names.
        """
        if name not in card.weights:
            raise RepositoryError(f"{card.id} has no file {name!r}; it has {', '.join(card.weights)}")
        path = self.find(card, name)
        if path is None:
            raise RepositoryError(f"{name} of {card.id} is not installed; run `edged pull {card.id}`")
        try:
            with path.open("rb") as file:
                digest = file_digest(file, card.weights[name].algorithm).hexdigest()
        except OSError as error:
            raise RepositoryError(f"{path} cannot be read: {error.strerror or error}") from error
        if digest != card.weights[name].checksum:
            raise ChecksumError(f"{path} is damaged; run `edged pull {card.id}` to fetch it again")
        return path

    def ensure(
        self, card: ModelCard, names: Iterable[str], report: Report, folder: Stock | None = None
    ) -> dict[str, Path]:
        """Fetch what is missing or damaged; with `folder` from there and from nowhere else.

        Raises `OriginError` with what each origin said, `RepositoryError` when the disk is full.
        """
        return {name: self._ensured(card, name, report, folder) for name in names}

    def _ensured(self, card: ModelCard, name: str, report: Report, folder: Stock | None) -> Path:
        from edged.weights.fetching import alone, fetch  # noqa: PLC0415 - who pulls nothing needs no HTTP

        path = self._path(name, card.weights[name])
        with alone(path.parent):
            try:
                return self.verified(card, name)
            except RepositoryError:
                fetch(card, name, path, report, folder)
        return path

    def _path(self, name: str, weights: Weights) -> Path:
        if name in ("", ".", "..") or Path(name).name != name:
            raise RepositoryError(f"{name!r} is no file name; a card names its weights without folders")
        return self._root / weights.checksum / name
