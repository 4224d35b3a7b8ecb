"""Home Assistant: from the configuration to what it is told, and when."""

import contextlib
import threading
import time

from edged import __version__
from edged.config import Config, StreamSettings
from edged.contracts.errors import NotReady
from edged.contracts.verb import Verb
from edged.core import Core
from edged.events.settings import RuleSettings
from edged.homeassistant.devices import Announcement, ShownBox, ShownRule, ShownStream, devices
from edged.homeassistant.settings import HomeAssistantSettings


def announced(settings: Config) -> list[Announcement]:
    """The devices of this configuration; none where Home Assistant is not to know of it."""
    if settings.homeassistant is None:
        return []
    streams = {name: _shown(settings, name, stream) for name, stream in settings.streams.items()}
    box = ShownBox(settings.node, __version__, settings.http.public_url, streams)
    return devices(box, settings.homeassistant)


def announce(core: Core, settings: Config) -> None:
    """Tell Home Assistant what changed."""
    path = settings.paths.state / "homeassistant.json"
    for topic, body in core.home.want(path, announced(settings), time.time()):
        core.telling.retained(topic, body)


def announce_again(core: Core, settings: HomeAssistantSettings, snapshot: Verb) -> None:
    """Home Assistant has started, and knows nothing; pictures are not retained, so it is shown new ones."""
    for topic, body in core.home.all():
        core.telling.retained(topic, body)
    if "picture" in settings.share:
        threading.Thread(target=_show, args=(snapshot,), name="pictures", daemon=True).start()


def _show(snapshot: Verb) -> None:
    """In a thread of its own: pictures are encoded, and the broker's connection waits for nobody."""
    with contextlib.suppress(NotReady):  # no camera has a picture yet
        snapshot({})


def _shown(settings: Config, name: str, stream: StreamSettings) -> ShownStream:
    return ShownStream(
        listens=stream.listens,
        lines=[*stream.lines],
        zones={zone: place.events for zone, place in stream.zones.items()},
        rules=[_rule(at, rule) for at, rule in settings.rules.items() if rule.stream == name],
    )


def _rule(name: str, rule: RuleSettings) -> ShownRule:
    is_of_many = rule.when.text is not None or rule.when.stays is not None
    return ShownRule(name, rule.is_moment, is_of_many)
