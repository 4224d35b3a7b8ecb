"""A video's way: opened in a child, looked at by the model, and what it makes of it kept as an artefact.

The model gives a value: a class, a span, pictures. Cutting, encoding and keeping are the host's, so that a
model never sees a file.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import IO, Any, NamedTuple

from edged.artefacts.artefact import Artefact
from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import TooLarge
from edged.contracts.items import Pixels
from edged.contracts.model import Options, Run
from edged.contracts.slot import Priority
from edged.contracts.video import EnlargedVideo, EnlargementOptions, Highlight
from edged.media.footage import VideoLimits
from edged.requests.decoders import Decoders
from edged.requests.far_video import FarVideo
from edged.requests.films import Films
from edged.requests.screening import Screening, naming_the_field, screened
from edged.serving.table import Served

MOST_PIXELS = 7680 * 4320
"""Of a picture that is made larger: 8K is the most that H.264 has a level for."""
_SUFFIX = ".mp4"


class FilmTools(NamedTuple):
    """What is needed to read videos and to make new ones."""

    decoders: Decoders
    films: Films
    store: Callable[[], ArtefactStore]
    """As it is now. Raises `StoreFailed`."""
    limits: VideoLimits


def produced(
    screening: Screening, served: Served, options: Options, run: Run, tools: FilmTools
) -> tuple[Any, Artefact | None]:
    """What a service finds in a video, and the file that was made of it, if any.

    Raises what `screened` and the model do, and `StoreFailed`.
    """
    if served.service.makes_video:
        tools.store().check()  # before work of minutes, not after it
    with screened(screening, tools.limits, tools.decoders, run.check) as video:
        if isinstance(options, EnlargementOptions):
            _check_size(video, options)
        result = served.instance.infer(video, options, run, Priority.JOB)
        if isinstance(result, EnlargedVideo):
            pictures, span_us = _counted(result.pictures, video, run), (0, screening.play_duration_us)
            encode = partial(tools.films.encode, screening.file, span_us)
            with closing(pictures):
                kept = _filmed(partial(encode, pictures), run, tools)
            return replace(result, uri=kept.uri, note=video.damaged or ""), kept
        note = video.damaged or ""
    if isinstance(result, Highlight):  # the child that decoded has ended, and with it its memory
        cut = partial(tools.films.cut, screening.file, result.start_us, result.end_us)
        with naming_the_field():
            kept = _filmed(cut, run, tools)
        return replace(result, uri=kept.uri, note=note), kept
    return result, None


def _filmed(film: Callable[[IO[bytes], Callable[[], None]], None], run: Run, tools: FilmTools) -> Artefact:
    """What `film` writes into a file, in the store."""
    with tools.store().draft(_SUFFIX) as draft:
        film(draft.file, run.check)
        run.check()
        return draft.keep()


def _check_size(video: FarVideo, options: EnlargementOptions) -> None:
    """Raises `TooLarge` for a film that would be larger than any player plays."""
    width, height = video.width * options.scale, video.height * options.scale
    if width * height > MOST_PIXELS:
        raise TooLarge(
            f"the field `scale`: pictures of {width} x {height} have more than the {MOST_PIXELS} pixels that "
            "a video can have; ask for a smaller one, or send a smaller video"
        )


def _counted(
    pictures: Iterator[tuple[Pixels, int]], video: FarVideo, run: Run
) -> Generator[tuple[Pixels, int]]:
    """The pictures; how far they are is told while they are taken. Closed early it closes them, too."""
    with ExitStack() as held:
        if isinstance(pictures, Generator):
            held.callback(pictures.close)
        for bgr, at_us in pictures:
            if video.seconds:
                run.progress(min(1.0, at_us / 1e6 / video.seconds))
            yield bgr, at_us
