"""A camera that is recorded and not looked at: its packets are kept as they come, and none is decoded."""

import itertools
import threading
from collections.abc import Iterator

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
    playing = Playing(stop if options.real_time else None)
    for _ in itertools.count() if is_file(source) and options.loop else range(1):
        kept = 0
        with opened(source, options) as container:
            if not container.streams.video:
                raise SourceError(f"{redact(source)} has no video")
            packets = container.demux(*ring.open(container, is_file=is_file(source)))
            for packet in playing.timed(packets) if is_file(source) else packets:
                if stop.is_set():
                    return
                is_video = packet.stream.type == "video"
                ring.put(packet, is_video=is_video)
                if is_video and packet.size:
                    kept += 1
                    yield packet
        if not kept and is_file(source) and not stop.is_set():
            raise SourceError(f"{redact(source)} holds nothing that can be recorded")
    if not is_file(source) and not stop.is_set():
        raise SourceError(f"{redact(source)} ended its stream")
