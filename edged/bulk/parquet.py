"""Parquet in and out, by pyarrow, which the extra `bulk` brings."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import IO, Any

from edged.bulk.piece import Cell, Piece, local_path
from edged.contracts.errors import ConfigError, NotMedia

_AT_A_TIME = 16
"""Rows with pictures that are decoded from Parquet together: they may be large."""


_MISSING = "Parquet wants pyarrow: pip install 'edged[bulk]', or use JSON lines"


def has_parquet() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def want_parquet() -> None:
    """Raises `ConfigError` where pyarrow is not installed."""
    if not has_parquet():
        raise ConfigError(_MISSING)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow  # noqa: PLC0415 - takes a moment, and may be missing
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise ConfigError(_MISSING) from None
    return pyarrow, pyarrow.parquet


def _opened(file: IO[bytes], url: str) -> Any:
    pyarrow, parquet = _pyarrow()
    try:
        return parquet.ParquetFile(file)
    except pyarrow.ArrowInvalid as error:
        raise NotMedia(f"{url} is no Parquet file: {error}") from error


def column_pieces(file: IO[bytes], url: str, column: str, of_texts: bool) -> Iterator[Piece]:
    """The items of a column: of URLs, or with the bytes or texts themselves.

    A column of structs with `bytes` (as Hugging Face's datasets have it) is one of bytes. Raises
    `ConfigError` for a column that there is not, `NotMedia` for another kind of file.
    """
    pyarrow, _ = _pyarrow()
    table = _opened(file, url)
    if column not in table.schema_arrow.names:
        raise ConfigError(f"{url} has no column {column!r}; it has {', '.join(table.schema_arrow.names)}")
    kind = table.schema_arrow.field(column).type
    names_urls = not of_texts and (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind))
    number = 0
    for group in range(table.num_row_groups):
        meta = table.metadata.row_group(group)
        if names_urls:
            for value in table.read_row_group(group, columns=[column])[column].to_pylist():
                yield Piece(_named(value)) if value else _cell(url, number, group, 0)
                number += 1
            continue
        size = meta.total_byte_size // max(1, meta.num_rows)
        for _ in range(meta.num_rows):
            yield _cell(url, number, group, size)
            number += 1


def _named(value: str) -> str:
    """A URL as it is; a path from its root, for workers may have another folder."""
    path = local_path(value)
    return value if path is None or path.is_absolute() else str(path.absolute())


def _cell(url: str, number: int, group: int, size: int) -> Piece:
    return Piece(f"{url}#row={number}", size, row=Cell(url, number, group))


def cells(file: IO[bytes], column: str, rows: Sequence[Cell]) -> Iterator[bytes | str | None]:
    """What stands in these rows, which are of one file and in order; a few are in memory at a time."""
    table = _opened(file, rows[0].file)
    counts = [table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)]
    wanted = iter(rows)
    row = next(wanted, None)
    while row is not None:
        group, number = row.group, sum(counts[: row.group])
        for batch in table.iter_batches(_AT_A_TIME, row_groups=[group], columns=[column]):
            while row is not None and row.group == group and row.number < number + len(batch):
                yield _plain(batch.column(0)[row.number - number].as_py())
                row = next(wanted, None)
            number += len(batch)
            if row is None or row.group != group:
                break


def _plain(value: Any) -> bytes | str | None:
    inner = value.get("bytes") if isinstance(value, dict) else value
    return inner if isinstance(inner, bytes | str) else None


class ParquetRows:
    """Writes rows of answers into a file; the answer is a text of JSON."""

    def __init__(self, file: IO[bytes]) -> None:
        pyarrow, parquet = _pyarrow()
        error = pyarrow.struct([("code", pyarrow.int32()), ("message", pyarrow.string())])
        texts = [(name, pyarrow.string()) for name in ("url", "answer", "model", "variant")]
        self._schema = pyarrow.schema([*texts[:2], ("error", error), *texts[2:]])
        self._pyarrow, self._writer = pyarrow, parquet.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """A row group."""
        self._writer.write_table(self._pyarrow.Table.from_pylist(rows, self._schema))

    def close(self) -> None:
        """Write its end."""
        self._writer.close()


def parquet_rows(file: IO[bytes], url: str) -> Iterator[Any]:
    """What was given to `ParquetRows`, a row group in memory at a time."""
    table = _opened(file, url)
    for group in range(table.num_row_groups):
        yield from table.read_row_group(group).to_pylist()


def parquet_outcomes(file: IO[bytes], url: str) -> Iterator[tuple[str, bool]]:
    """The URL of each row of `ParquetRows`, and whether it has an answer."""
    table = _opened(file, url).read(columns=["url", "error"])
    failed = table["error"].is_valid().to_pylist()
    return ((url, not bad) for url, bad in zip(table["url"].to_pylist(), failed, strict=True))
