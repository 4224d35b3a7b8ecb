"""Home Assistant: from the configuration to what it is told, and when."""

import time

from edged import __version__
from edged.config import Config, StreamSettings
from edged.core import Core
from edged.homeassistant.devices import Announcement, ShownBox, ShownStream, devices


def announced(settings: Config) -> list[Announcement]:
    """The devices of this configuration; none where Home Assistant is not to know of it."""
    if settings.homeassistant is None:
        return []
    streams = {name: _shown(stream) for name, stream in settings.streams.items()}
    box = ShownBox(settings.node, __version__, settings.http.public_url, streams)
    return devices(box, settings.homeassistant)


def announce(core: Core, settings: Config) -> None:
    """Tell Home Assistant what changed."""
    path = settings.paths.state / "homeassistant.json"
    for topic, body in core.home.want(path, announced(settings), time.time()):
        core.telling.retained(topic, body)


def announce_again(core: Core) -> None:
    """Home Assistant has started, and knows nothing."""
    for topic, body in core.home.all():
        core.telling.retained(topic, body)


def _shown(stream: StreamSettings) -> ShownStream:
    return ShownStream(
        listens=stream.listens,
        lines=[*stream.lines],
        zones=dict.fromkeys(stream.zones, False),
    )
