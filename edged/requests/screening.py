"""A video's way: decoded in a child, picture by picture, while a model looks at it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from edged.contracts.errors import NotMedia, NotUsable, TooLarge
from edged.media.footage import VideoLimits
from edged.requests.decoders import Decoders
from edged.requests.far_video import FarVideo


@dataclass(frozen=True, slots=True)
class Screening:
    """A video of a request, here and not yet opened."""

    file: IO[bytes]
    play_duration_us: int | None
    """Only so much of the beginning is looked at; none is all of it."""


@contextmanager
def screened(
    screening: Screening, limits: VideoLimits, decoders: Decoders, check: Callable[[], None]
) -> Iterator[FarVideo]:
    """The video, open. Raises what `Decoders.open_video` does, naming the field, and what `check` does."""
    opened = decoders.open_video(screening.file, limits, screening.play_duration_us, check)
    with naming_the_field(), opened as video:
        yield video


@contextmanager
def naming_the_field() -> Iterator[None]:
    """What is wrong with the video is said of the field that brought it."""
    try:
        yield
    except (NotMedia, NotUsable, TooLarge) as error:
        named = "`input." in str(error) or "field `" in str(error)
        raise error if named else type(error)(f"the media of the field `input.url` {error}") from error
