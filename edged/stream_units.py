"""From the settings of a stream to the unit that runs it."""

from functools import partial

from edged.config import StreamSettings
from edged.core import Core
from edged.serving.scheduler import Scheduler
from edged.streams.camera import CameraSource
from edged.streams.feed import Feed
from edged.streams.gates import Gate
from edged.streams.hearing import SoundFeed
from edged.streams.microphone import SoundSource
from edged.streams.publisher import Outlet
from edged.streams.supervise import Supervisor
from edged.streams.unit import StreamUnit


def stream_unit(core: Core, node: str, name: str, stream: StreamSettings, workers: Scheduler) -> StreamUnit:
    """A camera, or what is heard of a source, with the services that it feeds."""
    return (_microphone if stream.listens else _camera)(core, node, name, stream, workers)


def _camera(core: Core, node: str, name: str, stream: StreamSettings, workers: Scheduler) -> StreamUnit:
    sinks, pictures = core.telling.sinks(stream.events()), (core.telling.snapshot,)
    outlet = Outlet(node, name, sinks, core.counters, pictures, core.views.add(name))
    feed = Feed(outlet, stream.run, core.table, workers, stream.publish)
    supervisor = Supervisor(
        name,
        partial(CameraSource, name, stream, core.counters, core.memory),
        feed.put,
        partial(core.telling.state, name),
        core.counters,
        gate=lambda: Gate(stream.gate).refusal,
        stall_s=stream.stall_s,
    )
    return StreamUnit(feed, supervisor, partial(core.views.remove, name))


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
