"""A form with a file in it (`multipart/form-data`), bounded, the file spooled as media of requests is."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import IO, NamedTuple, cast

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from edged.contracts.errors import BadRequest, TooLarge
from edged.media.fetch import IN_MEMORY, ByteLimit

MOST_FIELDS = 32
MOST_OF_A_FIELD = 65_536
"""Bytes."""


class Form(NamedTuple):
    """What was filled in."""

    fields: Mapping[str, Sequence[str]]
    """What was said under each name, in its order; `[]` at the end of a name is left out."""
    file: IO[bytes]
    """At its beginning. To be closed by who takes it."""


class _Parser(MultiPartParser):
    spool_max_size = IN_MEMORY


async def read_form(request: Request, name: str, limit: ByteLimit) -> Form:
    """The form with the one file `name`.

    Raises `BadRequest`, `TooLarge` as soon as that is clear, `ClientDisconnect`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise BadRequest("the request must be a form, `multipart/form-data`")
    stream = _bounded(request, limit)
    parser = _Parser(
        *(request.headers, stream), max_files=1, max_fields=MOST_FIELDS, max_part_size=MOST_OF_A_FIELD
    )
    try:
        said = (await parser.parse()).multi_items()
    except MultiPartException as error:
        raise BadRequest(f"the form cannot be read: {error.message}") from error
    except OSError as error:
        raise TooLarge(f"the media cannot be kept on this box: {error.strerror}; send less") from error
    finally:
        await stream.aclose()
    fields, file = dict[str, list[str]](), None
    for key, value in said:
        if not isinstance(value, UploadFile):
            fields.setdefault(key.removesuffix("[]"), []).append(value)
        elif key == name:
            file = cast(IO[bytes], value.file)
        else:
            value.file.close()
    if file is None:
        raise BadRequest(f"the field `{name}` is missing; it holds the file itself")
    return Form(fields, file)


async def _bounded(request: Request, limit: ByteLimit) -> AsyncGenerator[bytes]:
    most, size = limit.most + (MOST_FIELDS + 1) * MOST_OF_A_FIELD, 0
    if int(request.headers.get("content-length", 0)) > most:
        raise limit.exceeded()
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise limit.exceeded()
        yield chunk
