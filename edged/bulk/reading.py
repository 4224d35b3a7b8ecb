"""The items of a batch, one after another; what is far is fetched a little ahead, never more."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from io import BytesIO

from edged.bulk.batches import Batch
from edged.bulk.parquet import cells
from edged.bulk.piece import Piece, local_path
from edged.bulk.question import BulkQuestion
from edged.bulk.stores import brought, opened
from edged.contracts.errors import EdgedError, NotMedia
from edged.contracts.service import Media
from edged.media.fetch import Fetched
from edged.requests.decode import byte_limit

Load = Callable[[], Fetched | str]
"""Gives the media, or the text, or raises an `EdgedError`."""
_AHEAD = 8
"""Items that are fetched at a time by each worker, in memory up to 4 MB each."""


def loads(batch: Batch, question: BulkQuestion) -> Iterator[tuple[Piece, Load]]:
    """Each item, in order, with what gives it."""
    if batch.pieces and batch.pieces[0].row is not None:
        yield from _rows(batch, question)
        return
    with ThreadPoolExecutor(_AHEAD, "fetch") as pool:
        ahead: deque[tuple[Piece, Load | Future[Fetched]]] = deque()
        for piece in batch.pieces:
            load = _load(piece, question)
            is_near = piece.text is not None or local_path(piece.url) is not None
            ahead.append((piece, load if is_near else pool.submit(load)))  # type: ignore[arg-type]
            if len(ahead) > _AHEAD:
                yield _next(ahead)
        while ahead:
            yield _next(ahead)


def _next(ahead: "deque[tuple[Piece, Load | Future[Fetched]]]") -> tuple[Piece, Load]:
    piece, load = ahead.popleft()
    return piece, load.result if isinstance(load, Future) else load


def _load(piece: Piece, question: BulkQuestion) -> Load:
    requests, media = question.settings.requests, question.service.media
    if media == "text":
        return partial(_given, piece.text, media)
    return partial(brought, piece.url, byte_limit(media, requests), requests.fetch)


def _rows(batch: Batch, question: BulkQuestion) -> Iterator[tuple[Piece, Load]]:
    rows = [piece.row for piece in batch.pieces if piece.row is not None]
    left = iter(batch.pieces)
    why: EdgedError = NotMedia("the row is not there any more")
    try:
        with opened(rows[0].file) as file:
            for value, piece in zip(cells(file, question.column or "", rows), left, strict=False):
                yield piece, partial(_given, value, question.service.media)
    except EdgedError as error:
        why = error
    for piece in left:  # none is lost
        yield piece, partial(_raise, why)


def _given(value: bytes | str | None, media: Media) -> Fetched | str:
    if value is None:
        raise NotMedia("there is nothing that could be read")
    data = value.encode() if isinstance(value, str) else value
    if media != "text":
        return Fetched(BytesIO(data), len(data))
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise NotMedia("the text is not UTF-8") from error


def _raise(error: EdgedError) -> Fetched | str:
    raise error
