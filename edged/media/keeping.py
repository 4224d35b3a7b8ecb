"""A camera that is recorded and not looked at: its packets are kept as they come, and none is decoded."""

import itertools
import threading
from collections.abc import Iterable, Iterator

from edged.contracts.errors import SourceError
from edged.media.playing import Playing
from edged.media.ring import Packet, PacketRing
from edged.media.source import SourceOptions, is_file, opened, redact


def keep_packets(
    source: str, options: SourceOptions, ring: PacketRing, stop: threading.Event
) -> Iterator[Packet]:
    """Those of its pictures, after the ring has got them and those of the sound.

    Until a file's end or until `stop` is set. Raises `SourceError`; a live source that ends is one.
    """
    is_a_file = is_file(source)
    playing = Playing(stop if options.real_time else None)
    for _ in itertools.count() if is_a_file and options.loop else range(1):
        kept = 0
        with opened(source, options) as container:
            if not container.streams.video:
                raise SourceError(f"{redact(source)} has no video")
            packets = container.demux(*ring.open(container, is_file=is_a_file))
            for packet in _kept(playing.timed(packets) if is_a_file else packets, ring, stop):
                kept += 1
                yield packet
        if stop.is_set():
            return
        if not is_a_file:
            raise SourceError(f"{redact(source)} ended its stream")
        if not kept:
            raise SourceError(f"{redact(source)} holds nothing that can be recorded")


def _kept(packets: Iterable[Packet], ring: PacketRing, stop: threading.Event) -> Iterator[Packet]:
    """Puts all into the ring; those of the pictures come on, but for empty ones."""
    for packet in packets:
        if stop.is_set():
            return
        is_video = packet.stream.type == "video"
        ring.put(packet, is_video=is_video)
        if is_video and packet.size:
            yield packet
