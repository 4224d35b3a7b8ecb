"""Any store that fsspec reaches: finished drafts are uploaded, and nothing is ever removed."""

import contextlib
import shutil
import threading
from pathlib import Path
from typing import IO, Any

from edged.artefacts.artefact import media_type
from edged.artefacts.settings import ArtefactSettings, plain
from edged.contracts.errors import ConfigError
from edged.flow.private import private_folder

_PART = 8_000_000
"""Bytes that are held at a time; S3 takes 10,000 parts, so 80 GB."""
_READ_AHEAD = 1_000_000
_PACKAGES = {"s3": "'edged[s3]'", "s3a": "'edged[s3]'", "oss": "ossfs"}
"""What to install, by scheme, where fsspec's own advice is not enough."""


class ArtefactBucket:
    """Safe from all threads. Raises whatever its driver does: who calls says what that means."""

    def __init__(
        self, settings: ArtefactSettings, staging: Path, *, told_as: str = "`artefacts.url`"
    ) -> None:
        """`told_as`: what its errors blame."""
        self._told_as = told_as
        self.path = staging
        """Drafts lie here until they are uploaded."""
        self._settings = settings
        self._url = settings.url or ""
        self._lock = threading.Lock()
        self._opened: tuple[Any, str] | None = None

    def uri(self, id: str) -> str:
        return f"{self._url}/{id}"

    def check(self) -> None:
        """Look for the driver; the store itself is not asked. Raises `ConfigError` and `OSError`."""
        self.prepare()
        self._system()

    def prepare(self) -> None:
        """Make the folder of the drafts where it is missing. Raises `OSError`."""
        private_folder(self.path)

    def put(self, id: str, draft: Path, file: IO[bytes]) -> None:
        """Upload a finished draft; a failed one is taken back, as far as the driver can."""
        system, folder = self._system()
        file.seek(0)
        more = {"ContentType": media_type(id)} if "s3" in system.protocol else {}
        target = system.open(f"{folder}/{id}", "wb", block_size=_PART, autocommit=False, **more)
        try:
            shutil.copyfileobj(file, target, _PART)
            target.close()
            target.commit()
        except BaseException:
            target.forced = True  # whatever closes it later must upload nothing
            with contextlib.suppress(Exception):  # nothing is published yet; the first error is what counts
                target.discard()
            raise
        finally:
            system.transaction.files.clear()  # where fsspec keeps it for a transaction that nobody ends

    def open(self, id: str) -> tuple[IO[bytes], int]:
        """The file, which is read in ranges, and its size."""
        system, folder = self._system()
        file = system.open(f"{folder}/{id}", "rb", block_size=_READ_AHEAD, cache_type="readahead")
        return file, int(file.size)

    def remove(self, id: str) -> None:
        """Nothing: buckets have rules of their own."""

    def tidy(self) -> None:
        """Nothing: buckets have rules of their own."""

    def _system(self) -> tuple[Any, str]:
        """The file system, and the path in it that `url` names."""
        with self._lock:
            if self._opened is None:
                self._opened = _opened(self._url, plain(self._settings.options), self._told_as)
            return self._opened


def _opened(url: str, options: dict[str, object], told_as: str) -> tuple[Any, str]:
    import fsspec  # noqa: PLC0415 - whose store is a folder does without

    scheme = url.partition(":")[0]
    try:
        found: tuple[Any, str] = fsspec.url_to_fs(url, skip_instance_cache=True, **options)
    except ImportError:
        package = _PACKAGES.get(scheme, f"fsspec's driver for {scheme}")
        raise ConfigError(
            f"{told_as}: no driver for {scheme}:// is installed; pip install {package}"
        ) from None
    except ValueError:
        raise ConfigError(f"{told_as}: fsspec knows no store {scheme}://") from None
    except TypeError:
        raise ConfigError(f"`artefacts.options`: the driver of {scheme}:// takes no such options") from None
    return found
