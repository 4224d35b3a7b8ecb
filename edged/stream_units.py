"""From the settings of a stream to the unit that runs it."""

from functools import partial

from edged.artefacts.store import ArtefactStore
from edged.config import StreamSettings
from edged.core import Core
from edged.serving.scheduler import Scheduler
from edged.streams.camera import CameraSource
from edged.streams.feed import Feed
from edged.streams.hearing import SoundFeed
from edged.streams.keeper import KeptSource
from edged.streams.microphone import SoundSource
from edged.streams.publisher import Outlet
from edged.streams.recordings import Recordings, StateBoard
from edged.streams.supervise import Supervisor
from edged.streams.thrift import Openings
from edged.streams.unit import StreamUnit


def stream_unit(
    core: Core, node: str, name: str, stream: StreamSettings, workers: Scheduler, *, store: ArtefactStore
) -> StreamUnit:
    """A camera, or what is heard of a source, with the services that it feeds; recordings go to the store."""
    if stream.listens:
        return _microphone(core, node, name, stream, workers)
    return _camera(core, node, name, stream, workers, store=store)


def _camera(
    core: Core, node: str, name: str, stream: StreamSettings, workers: Scheduler, *, store: ArtefactStore
) -> StreamUnit:
    board = StateBoard(partial(core.telling.state, name))
    recordings = (
        Recordings(name, stream.record, store, core.counters, board.put_recordings) if stream.record else None
    )
    sinks, pictures = core.telling.sinks(stream.events()), (core.telling.snapshot,)
    record = {} if recordings is None else {"record": recordings.of_event}
    outlet = Outlet(node, name, sinks, core.counters, pictures, core.views.add(name), **record)
    feed = Feed(outlet, stream.run, core.table, workers, stream.publish)

    openings = Openings(stream.gate, workers.phase(), feed.wants, board.put_decodes)

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
        board.put,
        core.counters,
        gate=openings.gate,
        stall_s=stream.stall_s,
    )
    kept = None
    if recordings is not None and looked_at is not stream:
        kept = _kept(f"{name}/source", stream, recordings, board, core)
    return StreamUnit(feed, supervisor, partial(core.views.remove, name), recordings, kept)


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
