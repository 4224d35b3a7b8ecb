"""From the settings of a stream to the unit that runs it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from edged.artefacts.store import ArtefactStore
from edged.config.settings import StreamSettings
from edged.contracts.items import Frame
from edged.contracts.message import StreamState
from edged.core import Core
from edged.serving.scheduler import Scheduler
from edged.streams.camera import CameraSource
from edged.streams.feed import Feed
from edged.streams.gates import NO_MOTION, GateSettings
from edged.streams.hearing import SoundFeed
from edged.streams.keeper import KeptSource
from edged.streams.microphone import SoundSource
from edged.streams.publisher import Outlet
from edged.streams.recordings import Recordings, StateBoard
from edged.streams.supervise import Refusal, Supervisor
from edged.streams.thrift import Openings
from edged.streams.unit import StreamUnit
from edged.wiring.witnesses import Attention


def camera(
    core: Core,
    node: str,
    name: str,
    stream: StreamSettings,
    workers: Scheduler,
    *,
    attention: Attention,
    store: ArtefactStore,
) -> StreamUnit:
    """With the services that look at it; recordings go to the store."""
    core.telling.opening(name)
    board = StateBoard(partial(core.telling.state, name))
    recordings = (
        Recordings(name, stream.record, store, core.counters, board.put_recordings) if stream.record else None
    )
    outlet = attention.outlet(_outlet(core, node, name, stream, recordings), stream.run)
    tracking = attention.tracking(stream)
    feed = Feed(outlet, stream.run, core.table, workers, stream.publish, tracking=tracking)
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
        partial(_told, board.put, attention),
        core.counters,
        gate=lambda: _telling(openings.gate(), feed, attention),
        stall_s=stream.stall_s,
    )
    kept = None
    if recordings is not None and looked_at is not stream:
        kept = _kept(f"{name}/source", stream, recordings, board, core)

    def stopped() -> None:
        core.views.remove(name)
        attention.stopped()

    return StreamUnit(feed, supervisor, stopped, recordings, kept, stopping=attention.stopping)


def _outlet(
    core: Core, node: str, name: str, stream: StreamSettings, recordings: Recordings | None
) -> Outlet:
    sinks, pictures = core.telling.sinks(stream.events()), (core.telling.snapshot,)
    outlet = Outlet(node, name, sinks, core.counters, pictures, core.views.add(name, stream))
    return outlet if recordings is None else replace(outlet, record=recordings.of_event)


def _gate(stream: StreamSettings) -> GateSettings:
    """With lines and zones all is decoded: between two key frames somebody may walk through."""
    counts = bool(stream.lines or stream.zones)
    return stream.gate.model_copy(update={"key_frames_only": False}) if counts else stream.gate


def _told(tell: Callable[[StreamState], None], attention: Attention, state: StreamState) -> None:
    tell(state)
    attention.told(state)


def _telling(refusal: Refusal, feed: Feed, attention: Attention) -> Refusal:
    """The same, and it is known when nothing moves."""

    def refused(frame: Frame) -> str | None:
        if (reason := refusal(frame)) == NO_MOTION:
            feed.still(frame)
            attention.still(frame)
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


def microphone(
    core: Core, node: str, name: str, stream: StreamSettings, workers: Scheduler, *, attention: Attention
) -> StreamUnit:
    """What is heard of a source, with the services that listen."""
    core.telling.opening(name)
    outlet = Outlet(node, name, core.telling.sinks(stream.events()), core.counters)
    feed = SoundFeed(
        attention.outlet(outlet),
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
        partial(_told, partial(core.telling.state, name), attention),
        core.counters,
        on_end=feed.end,
        stall_s=stream.stall_s,
    )
    return StreamUnit(feed, supervisor, attention.stopped, stopping=attention.stopping)
