"""A camera that is recorded and not looked at: its packets are kept as they come, and none is decoded."""

import itertools
import threading
from collections.abc import Iterator

from edged.contracts.errors import SourceError
from edged.media.ring import Packet, PacketRing
from edged.media.source import Pace, SourceOptions, is_file, opened, redact


def keep_packets(
    source: str, options: SourceOptions, ring: PacketRing, stop: threading.Event
) -> Iterator[Packet]:
    """Those of its pictures, after the ring has got them and those of the sound.

    Until a file's end or until `stop` is set. Raises `SourceError`; a live source that ends is one.
    """
    pace, begun = Pace() if is_file(source) and options.real_time else None, 0.0
    for _ in itertools.count() if is_file(source) and options.loop else range(1):
        ended = begun
        for packet, second in _timed_packets(source, options, ring):
            if stop.wait(pace.delay(begun + second)) if pace is not None else stop.is_set():
                return
            is_video = packet.stream.type == "video"
            ring.put(packet, is_video=is_video)
            ended = max(ended, begun + second + float((packet.duration or 0) * packet.time_base))
            if is_video:
                yield packet
        if ended == begun and is_file(source):
            raise SourceError(f"{redact(source)} holds nothing that can be recorded")
        begun = ended
    if not is_file(source) and not stop.is_set():
        raise SourceError(f"{redact(source)} ended its stream")


def _timed_packets(source: str, options: SourceOptions, ring: PacketRing) -> Iterator[tuple[Packet, float]]:
    """Packets, and when each is decoded, seconds since the first one."""
    with opened(source, options) as container:
        if not container.streams.video:
            raise SourceError(f"{redact(source)} has no video")
        if not container.streams.video[0].codec_context.width or container.format.name == "image2":
            ring.refuse("it gives single pictures, and no video")
        first, second = None, 0.0
        for packet in container.demux(*ring.open(container, is_file=is_file(source))):
            if not packet.size:
                continue
            if packet.dts is not None:
                at = float(packet.dts * packet.time_base)
                first = at if first is None else first
                second = max(second, at - first)
            yield packet, second
