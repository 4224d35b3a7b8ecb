"""Graphs as a runtime compiled them, kept for the next start; opened only when they are what was written.

`<root>/<what>-<by what>/` holds the files of one compilation and a seal with the SHA-256 of each. Compiled
anew is whatever is not sealed, not as it was, or was made by another runtime, driver or device.
"""

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256 as hasher
from pathlib import Path

from edged.contracts.errors import VariantError
from edged.derive.manifest import sha256
from edged.flow.counters import Counters
from edged.runtimes.opening import OpenSession

log = logging.getLogger(__name__)

SEAL = "seal.json"
"""SHA-256 by name of all files beside it."""
_FORGOTTEN_S = 86_400.0
"""What a process that was killed left behind is removed after so many seconds."""

Open = Callable[[Path | None], OpenSession]
"""Opens a graph, given the folder where the runtime keeps what it compiles, or none."""


class CompiledGraphs:
    """A folder of compilations. Safe from all threads and processes: each is put in place whole."""

    def __init__(self, root: Path, counters: Counters) -> None:
        """`root` is made when it is needed; where it cannot be written to nothing is kept."""
        self._root = root
        self._counters = counters

    def opened(self, what: Mapping[str, str], by: Mapping[str, str], open_in: Open) -> OpenSession:
        """The session that `open_in` opens, with what was compiled before where that can be trusted.

        `what` was compiled, `by` which runtime and driver, for which device. Raises what `open_in` raises.
        """
        if not self._writable():
            return open_in(None)
        folder = self.folder(what, by)
        if self._trusted(folder):
            before = _names(folder)
            try:
                session = open_in(folder)
            except VariantError as error:
                self._throw_away(folder, "refused", f"the runtime refuses it: {error}")
            else:
                if _names(folder) != before:  # it was compiled anew, beside what is sealed
                    self._throw_away(folder, "unused", "the runtime does not use it")
                return session
        return self._compiled(folder, open_in)

    def folder(self, what: Mapping[str, str], by: Mapping[str, str]) -> Path:
        """Where it is kept, once it is."""
        return self._root / f"{_digest(what)}-{_digest(by)}"

    def _trusted(self, folder: Path) -> bool:
        if not folder.is_dir():
            return False
        try:
            sealed = json.loads((folder / SEAL).read_bytes())
            if sealed == _sums(folder):
                return True
        except (OSError, ValueError) as error:
            self._throw_away(folder, "damaged", f"its seal cannot be read: {error}")
        else:
            self._throw_away(folder, "damaged", "its files are not those that were written")
        return False

    def _compiled(self, folder: Path, open_in: Open) -> OpenSession:
        """Compile in a folder aside, seal it, put it in place; another process may have been first."""
        try:
            partial = Path(tempfile.mkdtemp(prefix=".", suffix=f"-{folder.name}", dir=self._root))
        except OSError as error:
            log.debug("%s is not kept: %s", folder.name, error)
            return open_in(None)
        try:
            session = open_in(partial)
            try:
                self._keep(partial, folder)
            except OSError as error:
                log.debug("%s is not kept: %s", folder.name, error)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return session

    def _keep(self, partial: Path, folder: Path) -> None:
        if not (sums := _sums(partial)):
            return
        (partial / SEAL).write_text(json.dumps(sums), "utf-8")
        partial.chmod(0o755)  # mkdtemp makes it for us alone, but the daemon may be another user
        partial.rename(folder)
        for outdated in self._outdated(folder):
            shutil.rmtree(outdated, ignore_errors=True) if outdated.is_dir() else outdated.unlink(True)

    def _outdated(self, folder: Path) -> Iterator[Path]:
        """Made of the same by something else, half made, or by a release that had one folder for all."""
        what, _, _ = folder.name.partition("-")
        long_ago = time.time() - _FORGOTTEN_S
        for other in self._root.iterdir():
            same = other.name.startswith(f"{what}-") and other != folder
            left = other.name.startswith(".") or other.suffix == ".blob"
            if same or (left and other.stat().st_mtime < long_ago):
                yield other

    def _throw_away(self, folder: Path, reason: str, why: str) -> None:
        self._counters.count("compiled_graphs_dropped", reason)
        log.warning("a compiled graph is thrown away and compiled again: %s (%s)", why, folder)
        shutil.rmtree(folder, ignore_errors=True)

    def _writable(self) -> bool:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError:
            return False
        return os.access(self._root, os.W_OK)


def _digest(facts: Mapping[str, str]) -> str:
    return hasher(json.dumps(dict(sorted(facts.items()))).encode()).hexdigest()[:24]


def _names(folder: Path) -> list[str]:
    """All files but the seal, by their path within."""
    files = (path for path in folder.rglob("*") if path.is_file() and path != folder / SEAL)
    return sorted(path.relative_to(folder).as_posix() for path in files)


def _sums(folder: Path) -> dict[str, str]:
    return {name: sha256(folder / name) for name in _names(folder)}
