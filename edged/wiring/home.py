"""Home Assistant: from the configuration to what it is told, and when."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from edged import __version__
from edged.config.settings import Config, StreamSettings
from edged.contracts.errors import NotReady
from edged.contracts.verb import Verb
from edged.events.settings import RuleSettings
from edged.homeassistant.devices import Announcement, ShownBox, ShownRule, ShownStream, devices
from edged.mqtt.topics import Topics
from edged.telling import Telling


def announced(settings: Config) -> list[Announcement]:
    """The devices of this configuration; none where Home Assistant is not to know of it."""
    if settings.homeassistant is None:
        return []
    streams = {name: _shown(settings, name, stream) for name, stream in settings.streams.items()}
    box = ShownBox(settings.node, __version__, settings.http.public_url, streams)
    return devices(box, settings.homeassistant)


def announce(telling: Telling, settings: Config) -> None:
    """Tell Home Assistant what changed."""
    path = settings.paths.state / "homeassistant.json"
    telling.to_home(telling.home.want(path, announced(settings), time.time()))


def topics_of(settings: Config) -> Topics:
    """Those of the node, and of Home Assistant for it."""
    home = settings.homeassistant
    return Topics(settings.node) if home is None else Topics(settings.node, home.prefix)


def birth(telling: Telling, settings: Config, verbs: Mapping[str, Verb]) -> Callable[[], None] | None:
    """What is done when Home Assistant has started; none: nobody wants to know."""
    home = settings.homeassistant
    return None if home is None else partial(_tell_again, telling, "picture" in home.share, verbs)


def _tell_again(telling: Telling, shows: bool, verbs: Mapping[str, Verb]) -> None:
    """It knows nothing; and pictures are not retained, so it is shown new ones."""
    telling.to_home(telling.home.all())
    if shows:
        threading.Thread(target=_show, args=(verbs["snapshot"],), name="pictures", daemon=True).start()


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
