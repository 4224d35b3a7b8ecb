"""From URLs, globs, folders and Parquet files to items; no media is read."""

from collections.abc import Iterable, Iterator, Sequence
from glob import has_magic
from pathlib import Path
from typing import IO, Any

from edged.bulk.parquet import column_pieces
from edged.bulk.piece import Piece, local_path
from edged.bulk.stores import file_system, opened
from edged.contracts.errors import BadRequest, NotFound
from edged.contracts.service import Media
from edged.media.policy import scheme_of


def pieces(given: Sequence[str], media: Media, column: str | None, results: str) -> list[Piece]:
    """All items, each once, in the order of what is given and then of their names, but those in `results`.

    Raises `NotFound` for what leads to nothing, `BadRequest` for Parquet without a column, `StoreFailed`, and
    what `column_pieces` does.
    """
    found = (piece for one in given for piece in _of(one, media, column, f"{results}/"))
    return list({piece.url: piece for piece in found}.values())


def _of(given: str, media: Media, column: str | None, results: str) -> Iterator[Piece]:
    some = False
    for url, size in _files(given):
        if url.startswith(results):
            continue
        some = True
        if column is not None:
            with opened(url) as file:
                yield from column_pieces(file, url, column, media == "text")
        elif url.endswith((".parquet", ".pq")):
            raise BadRequest(f"{url} is a table: name its column of URLs, bytes or texts with --column")
        elif media == "text":
            with opened(url) as file:
                yield from _lines(file, url)
        else:
            yield Piece(url, size)
    if not some:
        raise NotFound(f"{given} leads to no file")


def _lines(file: IO[bytes], url: str) -> Iterator[Piece]:
    """A text a line; blank lines are none."""
    for number, line in enumerate(file, 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            text = ""
            yield Piece(f"{url}#line={number}")
        if text:
            yield Piece(f"{url}#line={number}", len(line), text)


def _files(given: str) -> Iterator[tuple[str, int]]:
    """URLs of files, with their bytes as far as they are known."""
    if scheme_of(given) in ("http", "https") and not has_magic(given):
        yield given, 0  # asked when its turn comes, within the rules of `requests.fetch`
        return
    path = local_path(given)
    if path is not None and path.is_file():  # whatever its name looks like
        yield path.absolute().as_uri(), path.stat().st_size
        return
    system, within = file_system(given if path is None else str(path.absolute()))
    for name, facts in sorted(_matching(system, within)):
        shown = Path(name).as_uri() if path is not None else system.unstrip_protocol(name)
        yield shown, int(facts.get("size") or 0)


def _matching(system: Any, within: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """Files below a folder, or that a pattern means; hidden ones, and those that begin with `_`, are none."""
    try:
        if system.isdir(within):  # whatever its name looks like
            found = system.find(within, detail=True)
        elif has_magic(within):
            found = system.glob(within, detail=True)
        else:
            found = {within: system.info(within)}
    except FileNotFoundError:
        return []
    seen = ((name, facts) for name, facts in found.items() if facts["type"] == "file")
    return [(name, facts) for name, facts in seen if not name.rpartition("/")[2].startswith((".", "_"))]
