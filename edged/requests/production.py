"""A video's way: opened in a child, looked at by the model, and what it makes of it kept as an artefact.

The model gives a value: a class, a span, pictures. Cutting, encoding and keeping are the host's, so that a
model never sees a file.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from edged.artefacts.artefact import Artefact
from edged.artefacts.store import ArtefactStore
from edged.contracts.items import Pixels
from edged.contracts.model import Options, Run
from edged.contracts.slot import Priority
from edged.contracts.video import EnlargedVideo, Highlight
from edged.media.footage import VideoLimits
from edged.requests.decoders import Decoders
from edged.requests.far_video import FarVideo
from edged.requests.films import Films
from edged.requests.screening import Screening, screened
from edged.serving.table import Served

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
        result = served.instance.infer(video, options, run, Priority.JOB)
        if not isinstance(result, Highlight | EnlargedVideo):
            return result, None
        file, films, check = screening.file, tools.films, run.check
        with tools.store().draft(_SUFFIX) as draft:
            if isinstance(result, Highlight):
                films.cut(file, result.start_us, result.end_us, draft.file, check)
            else:
                span_us, pictures = (0, screening.play_duration_us), _counted(result.pictures, video, run)
                films.encode(file, span_us, pictures, draft.file, check)
            check()
            kept = draft.keep()
        return replace(result, uri=kept.uri, note=video.damaged or ""), kept


def _counted(
    pictures: Iterator[tuple[Pixels, int]], video: FarVideo, run: Run
) -> Iterator[tuple[Pixels, int]]:
    """The pictures; how far they are is told while they are taken."""
    for bgr, at_us in pictures:
        if video.seconds:
            run.progress(min(1.0, at_us / 1e6 / video.seconds))
        yield bgr, at_us
