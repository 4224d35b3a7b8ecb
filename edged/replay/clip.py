"""A clip in the place of a stream's source: it goes through the same lanes, tracks, lines, zones and rules.

One picture goes after the other, so that none is dropped however slow the box is. Nothing is kept, and nobody
is told.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from edged.config.settings import StreamSettings
from edged.contracts.errors import NotMedia, NotUsable, SourceError
from edged.contracts.items import Frame
from edged.contracts.services import service
from edged.events.happening import Happening
from edged.events.look import Moved
from edged.flow.counters import Counters
from edged.media.chunks import SoundChunk
from edged.media.footage import Footage, VideoLimits, open_footage
from edged.media.frame import AskedFrame
from edged.media.sound import RATE
from edged.media.source import SourceOptions
from edged.media.track import open_track
from edged.replay.tally import Tally
from edged.serving.scheduler import Scheduler
from edged.serving.table import ServiceTable
from edged.streams.counting import Counting
from edged.streams.feed import Feed
from edged.streams.hearing import SoundFeed
from edged.streams.lane import RunSettings
from edged.streams.noticing import Interest, concerns
from edged.streams.publisher import Outlet
from edged.streams.supervise import nothing
from edged.streams.tracking import Tracking
from edged.streams.witness import Judge, Witness

USUAL_FPS = 5.0
"""Pictures a second, where neither the stream nor who asks says another number."""
TICK_S = 1.0
"""So often time passes for the rules, as in the daemon."""
_LIMITS = VideoLimits(max_pixels=2**28, max_seconds=1e7)
"""Of a file of the operator's own: none to speak of."""


class Replay:
    """Of one stream. Used by one thread."""

    def __init__(
        self,
        name: str,
        stream: StreamSettings,
        table: ServiceTable,
        *,
        judge: Judge,
        wanted: Interest,
        classes: Mapping[str, Collection[str]],
        began_at: float,
        tell: Callable[[Happening], None],
    ) -> None:
        """`judge` and `wanted`: of the stream's rules; `classes`: that are wanted of the service that is
        followed, by place in the configuration; `began_at`: when the clip did, seconds since the
        epoch; `tell` is called with what happens, as it comes."""
        self.counters = Counters()
        self.tally = Tally(stream, tell)
        self._witness = Witness(judge, self.tally, wanted, lambda at: (at - began_at, at))
        self._workers = Scheduler("replay", 0, self.counters)
        self._classes = classes
        outlet = Outlet("replay", name, (), self.counters, notice=self._witness.notice)
        given = (outlet, needed(stream, wanted), table, self._workers)
        self._put: Callable[[Any], None]
        self._rest: Callable[[], None] = nothing
        if stream.listens:
            sound = SoundFeed(*given, voice_only=stream.gate.voice)
            self._put, self._rest = sound.put, sound.end
            sound.start()
        else:
            pictures = Feed(*given, tracking=self._tracking(stream))
            self._put = pictures.put
            pictures.start()
        self._began_at = began_at
        self._now: float | None = None
        self._tick_at = 0.0

    @property
    def seconds(self) -> float:
        """Of the clip, so far."""
        return (self._now or self._began_at) - self._began_at

    def put(self, item: Frame | SoundChunk) -> None:
        """The next picture, or more sound: what comes of it has come when this returns."""
        if self._now is None:
            self._tick_at = item.captured_at
            self._witness.reached("online", item.captured_at)
        while self._tick_at + TICK_S <= item.captured_at:
            self._tick_at += TICK_S
            self._witness.tick(self._tick_at)
        self._now = item.captured_at
        self._put(item)
        self._workers.work_off()

    def end(self) -> None:
        """The clip has ended: what was said last is an utterance, and what goes on ends."""
        self._rest()
        self._workers.work_off()
        self._witness.close(lambda kind, name: "stopped", self._now)

    def _tracking(self, stream: StreamSettings) -> Tracking | None:
        if stream.tracked is None:
            return None
        counting = Counting(stream, self.tally, self._moved)
        return Tracking(stream.tracked.service, self.tally, counting, self._classes)

    def _moved(self, captured_at: float, moved: Moved) -> None:
        self.tally.moved(captured_at, moved)
        self._witness.moved(captured_at, moved)


def needed(stream: StreamSettings, wanted: Interest) -> list[RunSettings]:
    """The services of a stream of which its lines, zones and rules know anything. The one whose objects are
    followed looks at each picture that is given."""
    tracked = stream.tracked
    return [
        run.model_copy(update={"every": None}) if run is tracked else run
        for run in stream.run
        if run is tracked or concerns(service(run.service).result, wanted)
    ]


def fps_of(stream: StreamSettings) -> float:
    """So many pictures a second the daemon looks at, as far as the configuration says it."""
    every = stream.tracked.every if stream.tracked is not None else None
    said = [rate for rate in (stream.gate.fps, 1 / every if every else None) if rate is not None]
    return min(said, default=USUAL_FPS)


def pictures_of(footage: Footage, fps: float, began_at: float) -> Iterator[Frame]:
    """So many a second of a clip that began then, each once."""
    last = -1
    for frame in footage.frames(rate=fps):
        if frame.seq != last:
            last, size = frame.seq, (frame.height, frame.width)
            yield AskedFrame(frame.pixels, size, began_at + frame.captured_at, frame.seq, {})


@contextmanager
def footage_of(path: Path) -> Iterator[Footage]:
    """Raises `SourceError` for what is no video."""
    try:
        with path.open("rb") as file, open_footage(file, _LIMITS) as footage:
            yield footage
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    except (NotMedia, NotUsable) as error:
        raise SourceError(f"{path} {error}") from error


def sound_of(path: Path, began_at: float) -> Iterator[SoundChunk]:
    """All of a recording that began then. Raises `SourceError`."""
    for chunk in open_track(str(path), SourceOptions(real_time=False), threading.Event()):
        yield replace(chunk, captured_at=began_at + chunk.position / RATE)
