"""The store of artefacts: drafts become artefacts, or leave nothing behind. Uploads are kept so, too."""

import contextlib
import errno
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from edged.artefacts.artefact import Artefact, OpenArtefact, is_id, media_type, new_id
from edged.artefacts.bucket import ArtefactBucket
from edged.artefacts.drafts import draft_file, sweep
from edged.artefacts.folder import ArtefactFolder
from edged.artefacts.settings import ArtefactSettings
from edged.contracts.errors import EdgedError, NotFound, StoreFailed
from edged.flow.counters import Counters

log = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SHUT = (errno.EROFS, errno.EACCES, errno.EPERM)


class Shelf(Protocol):
    """Where artefacts lie: a folder or a bucket. What goes wrong is raised as it comes."""

    path: Path
    """The folder of the drafts."""

    def uri(self, id: str) -> str:
        """Where an artefact lies, or would."""

    def check(self) -> None:
        """Raise what would keep artefacts from being kept, as far as that can be told now."""

    def prepare(self) -> None:
        """Make the folder of the drafts where it is missing."""

    def put(self, id: str, draft: Path, file: IO[bytes]) -> None:
        """Publish what was written into the draft: all of it, or nothing."""

    def open(self, id: str) -> tuple[IO[bytes], int]:
        """The file and its size."""

    def remove(self, id: str) -> None:
        """Remove an artefact, where that is ours to do."""

    def tidy(self) -> None:
        """Remove what is too old or too much, where that is ours to do."""


@dataclass(slots=True)
class Draft:
    """A file that is being written. Unless it is kept, nothing of it remains."""

    file: IO[bytes]
    """On a disk of this box: to write, seek and read, not to close."""
    path: Path
    """The same, for those who open it themselves."""
    _publish: Callable[[], Artefact]
    _kept: Artefact | None = None

    def keep(self) -> Artefact:
        """Publish it as it is now; once. Raises `StoreFailed`, or `TooLarge` with the limit."""
        if self._kept is None:
            self._kept = self._publish()
        return self._kept


class Reservation:
    """An artefact whose address is told before it is written."""

    def __init__(self, store: "ArtefactStore", artefact: Artefact) -> None:
        self.artefact = artefact
        """Its size is not known yet."""
        self._store = store

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """Write it; when the block ends and it is not kept, there will be no such artefact."""
        try:
            with self._store.drafted(self.artefact.id) as draft:
                yield draft
        finally:
            self.drop()

    def fill(self, source: Path | IO[bytes]) -> Artefact:
        """Keep a copy of this file, from where it stands to its end. Raises as `Draft.keep` does."""
        with contextlib.ExitStack() as opened:
            draft = opened.enter_context(self.draft())
            file = opened.enter_context(source.open("rb")) if isinstance(source, Path) else source
            shutil.copyfileobj(file, draft.file)
            return draft.keep()

    def drop(self) -> None:
        """It will never be written, or is by now."""
        self._store.release(self.artefact.id)


class ArtefactStore:
    """Safe from all threads. Every failure is an error of ours that names the setting."""

    def __init__(
        self,
        settings: ArtefactSettings,
        state: Path,
        counters: Counters,
        address: Callable[[str], str | None] = lambda id: None,
        name: str = "artefacts",
    ) -> None:
        """`state`: the folder beside the journal; `address`: where HTTP gives an artefact, by its id; `name`:
        of what is kept, in the folder, the counters and the configuration."""
        self.max_age = settings.max_age
        """Seconds."""
        self.why = ""
        """Why nothing can be kept: from the first failure until something is kept again."""
        self._counters = counters
        self._address, self._name = address, name
        self._setting = "artefacts.url" if settings.url else "paths.state"
        self._reserved: set[str] = set()
        self._lock = threading.Lock()
        own = state / name
        folder = own if settings.url is None else settings.folder
        self._shelf: Shelf = (
            ArtefactBucket(settings, own)
            if folder is None
            else ArtefactFolder(folder, settings, counters, own=folder == own, name=name)
        )

    @contextmanager
    def draft(self, suffix: str) -> Iterator[Draft]:
        """A file to write, with a suffix such as `.mp4`. Raises `StoreFailed`, also for a full disk."""
        with self.drafted(new_id(suffix)) as draft:
            yield draft

    def reserve(self, suffix: str) -> Reservation:
        """An id and an address, at once; the reservation ends with the process."""
        id = new_id(suffix)
        with self._lock:
            self._reserved.add(id)
        return Reservation(self, self._artefact(id, 0))

    def is_reserved(self, id: str) -> bool:
        """Whether the artefact is still to be written."""
        return id in self._reserved

    def release(self, id: str) -> None:
        """End a reservation."""
        with self._lock:
            self._reserved.discard(id)

    def open(self, id: str) -> OpenArtefact:
        """An artefact to read. Raises `NotFound`, also while it is reserved, and `StoreFailed`."""
        missing = NotFound(f"there is no such {self._name[:-1]}; it may be older than `{self._name}.max_age`")
        if not is_id(id):
            raise missing
        try:
            file, size = self._shelf.open(id)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise missing from None
        except Exception as error:
            raise self._failure(error, "read") from error
        return OpenArtefact(file, size, media_type(id))

    def remove(self, id: str) -> None:
        """Remove an artefact of a folder; in other stores nothing is ever removed. Raises `StoreFailed`."""
        if is_id(id):
            try:
                self._shelf.remove(id)
            except OSError as error:
                raise self._failure(error, "written") from error

    def check(self) -> None:
        """Raises an `EdgedError` that says what would keep artefacts from being kept."""
        with self._told():
            self._shelf.check()

    def tidy(self) -> None:
        """Remove what is too old or too much, and drafts of dead processes. Raises `StoreFailed`."""
        with self._told():
            left = sweep(self._shelf.path)
            self._shelf.tidy()
        if left:
            self._counters.count(self._name, "drafts of the dead removed", left)

    @contextmanager
    def drafted(self, id: str) -> Iterator[Draft]:
        """A draft under an id that is given already; as `draft`."""
        with contextlib.ExitStack() as held:
            with self._told():
                self._shelf.prepare()
                path, file = held.enter_context(draft_file(self._shelf.path, id))
            draft = Draft(file, path, lambda: self._published(id, path, file))
            try:
                yield draft
            except OSError as error:
                if error.errno in _FULL:  # whoever wrote into it met the end of the disk
                    raise self._failed(error) from error
                raise

    def _published(self, id: str, path: Path, file: IO[bytes]) -> Artefact:
        with self._told():
            file.flush()
            size = path.stat().st_size
            self._shelf.put(id, path, file)
        self.why = ""
        self._counters.count(self._name, "kept")
        self._counters.count(f"{self._name[:-1]}_bytes", "kept", size)
        return self._artefact(id, size)

    def _artefact(self, id: str, size: int) -> Artefact:
        return Artefact(id, self._shelf.uri(id), size, self._address(id))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong in the block becomes an error of ours."""
        try:
            yield
        except EdgedError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StoreFailed:
        """Count it, and say it if all was well before."""
        told = self._failure(error, "written")
        self._counters.count(self._name, "failed")
        if not self.why:
            log.error("%s", told)
        self.why = str(told)
        return told

    def _failure(self, error: Exception, verb: str) -> StoreFailed:
        return _failure(error, verb, self._name, self._setting)


def _failure(error: Exception, verb: str, name: str, setting: str) -> StoreFailed:
    why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    number = error.errno if isinstance(error, OSError) else None
    if number in _FULL:
        advice = f"make room on its disk, or lower `{name}.max_bytes`"
        return StoreFailed(f"the store of {name} is full ({why}): {advice}")
    advice = (
        f"`{setting}` must name one that edged may write"
        if number in _SHUT
        else (f"see `{setting}` and `{name}.options`" if name == "artefacts" else f"see `{setting}`")
    )
    return StoreFailed(f"the store of {name} cannot be {verb} ({why}): {advice}")
