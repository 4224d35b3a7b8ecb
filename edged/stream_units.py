"""From the settings of a stream to the unit that runs it."""

from collections.abc import Callable
from functools import partial

from edged.artefacts.store import ArtefactStore
from edged.config import StreamSettings
from edged.contracts.items import Frame
from edged.contracts.message import StreamState
from edged.core import Core
from edged.counts.stream import StreamCounts
from edged.serving.scheduler import Scheduler
from edged.streams.camera import CameraSource
from edged.streams.counting import Counting
from edged.streams.feed import Feed
from edged.streams.gates import NO_MOTION, GateSettings
from edged.streams.hearing import SoundFeed
from edged.streams.keeper import KeptSource
from edged.streams.microphone import SoundSource
from edged.streams.publisher import Outlet
from edged.streams.recordings import Recordings, StateBoard
from edged.streams.supervise import Refusal, Supervisor
from edged.streams.thrift import Openings
from edged.streams.tracking import Tracking
from edged.streams.unit import StreamUnit


def stream_unit(
    core: Core, node: str, name: str, stream: StreamSettings, workers: Scheduler, *, store: ArtefactStore
) -> StreamUnit:
    """A camera, or what is heard of a source, with the services that it feeds; recordings go to the store."""
    core.telling.opening(name)
    if stream.listens:
        return _microphone(core, node, name, stream, workers)
    return _camera(core, node, name, stream, workers, store=store)


def _camera(
    core: Core, node: str, name: str, stream: StreamSettings, workers: Scheduler, *, store: ArtefactStore
) -> StreamUnit:
    counts = core.counts().open(name, [*stream.lines], [*stream.zones]) if stream.tracked else None
    board = StateBoard(partial(core.telling.state, name))
    recordings = (
        Recordings(name, stream.record, store, core.counters, board.put_recordings) if stream.record else None
    )
    sinks, pictures = core.telling.sinks(stream.events()), (core.telling.snapshot,)
    record = {} if recordings is None else {"record": recordings.of_event}
    outlet = Outlet(node, name, sinks, core.counters, pictures, core.views.add(name, stream), **record)
    feed = Feed(outlet, stream.run, core.table, workers, stream.publish, tracking=_tracking(stream, counts))

    openings = Openings(_gate(stream), workers.phase(), feed.wants, board.put_decodes)

    looked_at = stream
    if stream.detect_source is not None:
        looked_at = stream.model_copy(update={"source": stream.detect_source})

    def source() -> CameraSource:
        ring = recordings.opening() if recordings is not None and looked_at is stream else None
        return CameraSource(name, looked_at, core.counters, core.memory, ring=ring, need=openings.need)

    supervisor = Supervisor(
        name,
        source,
        feed.put,
        board.put if counts is None else partial(_told, board.put, counts),
        core.counters,
        gate=lambda: _telling(openings.gate(), feed),
        stall_s=stream.stall_s,
    )
    kept = None
    if recordings is not None and looked_at is not stream:
        kept = _kept(f"{name}/source", stream, recordings, board, core)

    def stopped() -> None:
        core.views.remove(name)
        if counts is not None:
            counts.close()

    return StreamUnit(feed, supervisor, stopped, recordings, kept)


def _gate(stream: StreamSettings) -> GateSettings:
    """With lines and zones all is decoded: between two key frames somebody may walk through."""
    counts = bool(stream.lines or stream.zones)
    return stream.gate.model_copy(update={"key_frames_only": False}) if counts else stream.gate


def _tracking(stream: StreamSettings, counts: StreamCounts | None) -> Tracking | None:
    if stream.tracked is None or counts is None:
        return None
    return Tracking(stream.tracked.service, counts, Counting(stream, counts), stream.wanted())


def _told(tell: Callable[[StreamState], None], counts: StreamCounts, state: StreamState) -> None:
    """How the stream is; who is in its zones is known only while it shows something."""
    tell(state)
    if state.state != "online":
        counts.unknown()


def _telling(refusal: Refusal, feed: Feed) -> Refusal:
    """The same, and the feed knows when nothing moves."""

    def refused(frame: Frame) -> str | None:
        if (reason := refusal(frame)) == NO_MOTION:
            feed.still(frame)
        return reason

    return refused


def _kept(
    name: str, stream: StreamSettings, recordings: Recordings, board: StateBoard, core: Core
) -> Supervisor:
    """Of the source that nobody looks at."""
    return Supervisor(
        name,
        lambda: KeptSource(stream, recordings.opening()),
        lambda _: None,
        board.put_source,
        core.counters,
        counted="kept",
        stall_s=stream.stall_s,
    )


def _microphone(core: Core, node: str, name: str, stream: StreamSettings, workers: Scheduler) -> StreamUnit:
    outlet = Outlet(node, name, core.telling.sinks(stream.events()), core.counters)
    feed = SoundFeed(
        outlet,
        stream.run,
        core.table,
        workers,
        stream.publish,
        waiting=core.waiting,
        voice_only=stream.gate.voice,
    )
    supervisor = Supervisor(
        name,
        partial(SoundSource, name, stream, core.counters),
        feed.put,
        partial(core.telling.state, name),
        core.counters,
        on_end=feed.end,
        stall_s=stream.stall_s,
    )
    return StreamUnit(feed, supervisor)
