"""Runs the `source` of a camera whose `detect_source` the services look at: it is kept for recordings."""

import threading
from collections.abc import Callable

from edged.media.keeping import keep_packets
from edged.media.ring import Packet, PacketRing
from edged.media.source import SourceOptions
from edged.streams.camera import CameraSettings


class KeptSource:
    """Runs one opening of it."""

    def __init__(self, settings: CameraSettings, ring: PacketRing) -> None:
        self._settings = settings
        self._ring = ring

    def run(self, emit: Callable[[Packet], None], stop: threading.Event) -> None:
        """Call `emit` with each packet of its pictures, until `stop` is set or a file has ended. Raises
        `SourceError`."""
        options = SourceOptions(
            timeout_s=self._settings.timeout_s,
            rtsp_transport=self._settings.rtsp_transport,
            redirect_hosts=self._settings.redirect_hosts,
            loop=self._settings.loop,
            real_time=self._settings.real_time,
        )
        try:
            for packet in keep_packets(self._settings.source, options, self._ring, stop):
                emit(packet)
        finally:
            self._ring.close()
