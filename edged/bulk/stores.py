"""Files of any store that fsspec reaches; what its drivers raise becomes an error of ours."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import IO, Any

from edged.bulk.piece import local_path
from edged.contracts.errors import BadRequest, ConfigError, EdgedError, NotAllowed, NotFound, StoreFailed
from edged.media.download import CHUNK
from edged.media.fetch import ByteLimit, Fetched, fetch, spooled
from edged.media.policy import FetchSettings, scheme_of

_PACKAGES = {"s3": "'edged[s3]'", "gs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "oss": "ossfs"}
"""What to install, by scheme."""


@contextmanager
def told(what: str) -> Iterator[None]:
    """What goes wrong with a file in the block becomes an error that names it."""
    try:
        yield
    except EdgedError:
        raise
    except FileNotFoundError as error:
        raise NotFound(f"{what} does not exist") from error
    except PermissionError as error:
        raise NotAllowed(f"{what} cannot be read or written: {error.strerror or error}") from error
    except Exception as error:  # the boundary "a driver of fsspec"
        why = (error.strerror if isinstance(error, OSError) else None) or f"{type(error).__name__}: {error}"
        raise StoreFailed(f"{what}: {why}") from error


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it. Raises `ConfigError` where its driver is missing."""
    import fsspec  # noqa: PLC0415 - takes a moment

    scheme = scheme_of(url)
    if "::" in url:
        raise BadRequest("a URL that chains stores with `::` is not followed")
    try:
        found: tuple[Any, str] = fsspec.url_to_fs(url)
    except ImportError:
        package = _PACKAGES.get(scheme, f"fsspec's driver for {scheme}")
        raise ConfigError(f"no driver for {scheme}:// is installed; pip install {package}") from None
    except ValueError:
        raise ConfigError(f"fsspec knows no store {scheme}://") from None
    return found


@contextmanager
def opened(url: str) -> Iterator[IO[bytes]]:
    """A file to read and to seek. Raises as `told`, as does what is read of it in the block."""
    with told(url):
        path = local_path(url)
        if path is not None:
            with path.open("rb") as file:
                yield file
            return
        system, within = file_system(url)
        with system.open(within, "rb") as file:
            yield file


def brought(url: str, limit: ByteLimit, settings: FetchSettings) -> Fetched:
    """The bytes of a URL, here: in memory or in a temporary file, unless they are a file already.

    http and https by the rules of `requests.fetch`: URLs in a table may be anybody's.
    """
    if scheme_of(url) in ("http", "https"):
        return fetch(url, settings, limit)
    path = local_path(url)
    with told(url):
        if path is not None:
            file = path.open("rb")
            return Fetched(file, path.stat().st_size)
        return spooled(_chunks(url), limit)


def _chunks(url: str) -> Generator[bytes]:
    system, within = file_system(url)
    with system.open(within, "rb", cache_type="none") as file:
        while chunk := file.read(CHUNK):
            yield chunk
