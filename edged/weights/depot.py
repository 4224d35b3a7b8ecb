"""A mirror of weights in a store that fsspec reaches, such as `s3://bucket/prefix`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from edged.artefacts.bucket import ArtefactBucket
from edged.artefacts.settings import ArtefactSettings, DriverOptions
from edged.contracts.card import ModelCard
from edged.contracts.errors import ConfigError, EdgedError, OriginError
from edged.contracts.wording import plain


class Depot:
    """Holds the same tree as a `WeightStore`. What its driver raises becomes an `OriginError`."""

    def __init__(self, url: str, options: DriverOptions) -> None:
        """`options`: as of the store of artefacts. Raises `ConfigError` for a URL that is none of a store."""
        try:
            settings = ArtefactSettings(url=url, options=options)
        except ValidationError as error:
            raise ConfigError(*(f"{url}: {plain(fault)}" for fault in error.errors())) from error
        self._url = settings.url
        self._bucket = ArtefactBucket(settings, Path(), told_as=url)

    def __str__(self) -> str:
        return str(self._url)

    def holds(self, card: ModelCard, name: str) -> bool:
        """Whether the file is there, as long as the card says, if it does; not hashed."""
        with self._driver():
            try:
                file, size = self._bucket.open(_place(card, name))
            except FileNotFoundError:
                return False
            file.close()
            return card.weights[name].size in (None, size)

    def put(self, card: ModelCard, name: str, path: Path) -> None:
        """Upload a file that was verified; it is there as a whole, or not at all."""
        with self._driver(), path.open("rb") as file:
            self._bucket.put(_place(card, name), path, file)

    @contextmanager
    def open(self, card: ModelCard, name: str) -> Iterator[IO[bytes]]:
        """The file, to be read to its end. What the block raises of its own is let through."""
        with self._driver():
            try:
                file, _ = self._bucket.open(_place(card, name))
            except FileNotFoundError:
                raise OriginError(f"{self} does not hold {name}") from None
            with file:
                yield file

    @contextmanager
    def _driver(self) -> Iterator[None]:
        try:
            yield
        except EdgedError:
            raise
        except Exception as error:  # the boundary "a driver of fsspec"
            raise OriginError(f"{self} cannot be used: {type(error).__name__}: {error}") from error


Stock = Path | Depot
"""Where a mirror is."""


def _place(card: ModelCard, name: str) -> str:
    return f"weights/{card.weights[name].checksum}/{name}"
