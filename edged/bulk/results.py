"""Where the answers go: a folder, or a prefix of a store, one file a batch, whole or not there at all."""

import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import IO, NamedTuple, TypedDict

import orjson

from edged.bulk.parquet import ParquetRows, has_parquet, parquet_outcomes, parquet_rows, want_parquet
from edged.bulk.piece import local_path
from edged.bulk.question import BulkQuestion, Format
from edged.bulk.stores import file_system, opened, told
from edged.contracts.errors import ConfigError, NotFound, NotMedia

log = logging.getLogger(__name__)

ABOUT = "_question.json"
"""What was asked; readers of Parquet folders pass over names that begin so."""
_DRAFT = ".part-"
_BYTES = 16_000_000
"""Of answers that are in memory until they are written."""


class Reckoning(NamedTuple):
    """Items of a batch, or of all."""

    answered: int = 0
    failed: int = 0

    def __add__(self, other: "Reckoning") -> "Reckoning":  # type: ignore[override]
        return Reckoning(self.answered + other.answered, self.failed + other.failed)


Told = Callable[[Reckoning], None]
"""Hears now and then of the items that have a row since it was called last."""


class Error(TypedDict):
    """Why an item has no answer."""

    code: int
    message: str


class Result(TypedDict):
    """A row of the results."""

    url: str
    answer: str | None
    """JSON of the service's contract; none where there is an error."""
    error: Error | None
    model: str | None
    variant: str | None


def form_of(to: str, wanted: Format | None) -> Format:
    """As it is wished, else by the ending of the target, else Parquet where it can be written.

    Raises `ConfigError` for Parquet where it cannot.
    """
    bare = to.rstrip("/")
    by_ending: Format | None = "jsonl" if bare.endswith((".jsonl", ".ndjson")) else None
    form = wanted or by_ending or ("parquet" if bare.endswith(".parquet") or has_parquet() else "jsonl")
    if form == "parquet":
        want_parquet()
    return form


class Results:
    """Of one target. Cheap to make, on whichever machine; nothing is kept open."""

    def __init__(self, to: str, form: Format) -> None:
        folder = local_path(to)
        self._folder = None if folder is None else folder.absolute()
        self._to = to.rstrip("/") if folder is None else str(self._folder)
        self.url = self._to if self._folder is None else self._folder.as_uri()
        """Of the folder, or the prefix."""
        self._form = form

    @contextmanager
    def taken(self, question: BulkQuestion) -> Iterator[None]:
        """For one run at a time, as far as it is a local folder, and for one question for ever.

        Raises `ConfigError` where another one was asked, or another run is at work, and as `told`.
        """
        asked = orjson.dumps({**question.identity, "format": self._form}, option=orjson.OPT_INDENT_2)
        with told(self._to):
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._check(asked)
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._folder is None:
            yield
            return
        handle = os.open(self._folder, os.O_RDONLY)
        is_ours = False
        try:
            is_ours = _lock(handle, self._to)
            self._sweep(is_ours)
            yield
        finally:
            self._sweep(is_ours)
            os.close(handle)

    def _sweep(self, is_ours: bool) -> None:
        """Remove what workers left that were killed, unless they may be another run's."""
        if self._folder is not None and is_ours:
            for left in self._folder.glob(f"{_DRAFT}*"):
                left.unlink(missing_ok=True)

    def _check(self, asked: bytes) -> None:
        before = None
        with suppress(NotFound), opened(f"{self._to}/{ABOUT}") as file:
            before = file.read()
        if before is None:
            with self._whole(ABOUT) as file:
                file.write(asked)
        elif orjson.loads(before) != orjson.loads(asked):
            raise ConfigError(
                f"{self._to} has answers to another question, which {ABOUT} in it tells: name another folder"
            )

    def names(self) -> set[str]:
        """Of the batches that are there."""
        with told(self._to):
            system, within = file_system(self._to)
            system.invalidate_cache()
            found = (path.rpartition("/")[2] for path in system.ls(within, detail=False))
            ending = f".{self._form}"
            return {
                name.removesuffix(ending)
                for name in found
                if name.startswith("part-") and name.endswith(ending)
            }

    def has(self, name: str) -> bool:
        """Whether that batch is there."""
        with told(self._to):
            system, within = file_system(self._at(name))
            system.invalidate_cache()
            return bool(system.exists(within))

    def there(self) -> dict[str, list[tuple[str, bool]]]:
        """The `outcomes` of every batch that is there, by its name.

        A file that a power cut left damaged is removed: its items are asked again.
        """
        found: dict[str, list[tuple[str, bool]]] = {}
        for name in self.names():
            if (outcomes := self.outcomes(name)) is not None:
                found[name] = outcomes
                continue
            url = self._at(name)
            log.warning("%s is damaged: its items are asked again", url)
            with told(url):
                system, within = file_system(url)
                system.rm_file(within)
        return found

    def outcomes(self, name: str) -> list[tuple[str, bool]] | None:
        """The URL of each item of a batch, and whether it has an answer; none for a damaged file."""
        url = self._at(name)
        with opened(url) as file, suppress(orjson.JSONDecodeError, NotMedia):
            if self._form == "parquet":
                return list(parquet_outcomes(file, url))
            rows = [orjson.loads(line) for line in file]
            return [(row["url"], row["error"] is None) for row in rows]
        return None

    def rows(self, name: str) -> Iterator[Result]:
        """Of a batch that is there, a few in memory at a time. Raises as `opened`."""
        with opened(url := self._at(name)) as file:
            yield from parquet_rows(file, url) if self._form == "parquet" else map(_row_of, file)

    def write(self, name: str, rows: Iterable[Result]) -> None:
        """A batch; it is there when the last row is. Raises as `told`, and what `rows` raises."""
        form = ParquetRows if self._form == "parquet" else JsonRows
        with self._whole(f"{name}.{self._form}") as file, closing(form(file)) as writer:
            for some in _by_size(rows):
                writer.write(some)

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """An empty file beside the answers, or else of this machine, until the end of the block."""
        with told(self._to):
            handle, name = mkstemp(prefix=_DRAFT, dir=self._folder)
        os.close(handle)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _at(self, name: str) -> str:
        return f"{self._to}/{name}.{self._form}"

    @contextmanager
    def _whole(self, name: str) -> Iterator[IO[bytes]]:
        """A file that gets its name at the end of the block, in place of one that has it."""
        with told(f"{self._to}/{name}"), self.draft() as draft:
            with draft.open("wb") as file:
                yield file
            self._publish(draft, name)

    def _publish(self, draft: Path, name: str) -> None:
        if self._folder is not None:
            draft.chmod(0o666 & ~_umask())
            draft.replace(Path(self._to, name))
            return
        system, within = file_system(self._to)
        system.put_file(str(draft), f"{within}/{name}")


class JsonRows:
    """Writes rows of answers as lines of JSON; the answer stands in them as it is."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, rows: Sequence[Result]) -> None:
        """A line each."""
        for row in rows:
            answer = None if row["answer"] is None else orjson.Fragment(row["answer"])
            self._file.write(orjson.dumps({**row, "answer": answer}, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Nothing is left to write."""


def _row_of(line: bytes) -> Result:
    row = orjson.loads(line)
    answer = None if row["answer"] is None else orjson.dumps(row["answer"]).decode()
    return Result(**{**row, "answer": answer})  # type: ignore[typeddict-item]


def _lock(handle: int, folder: str) -> bool:
    """Whether nobody else has it; false where it cannot be told."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(f"another run writes to {folder}: wait for it, or end it") from None
    except OSError as error:
        log.warning("%s cannot be locked (%s): see that one run writes to it", folder, error.strerror)
        return False
    return True


def _by_size(rows: Iterable[Result]) -> Iterator[list[Result]]:
    some: list[Result] = []
    size = 0
    for row in rows:
        some.append(row)
        size += len(row["answer"] or "")
        if size > _BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
