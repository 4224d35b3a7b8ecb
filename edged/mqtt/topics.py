"""All there is to know about topics: how ours are built, read back, and which ones an answer may go to.

Pure functions and one frozen value; nothing here knows a broker.
"""

import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

from edged.contracts.errors import BadRequest

PREFIX = "edged"
ANY = "any"
"""Stands for the node in requests that any box of the fleet may take; no node may be called so."""

DISCOVERY = "homeassistant"
"""Prefix of the topics on which Home Assistant looks for devices, unless it is told another one."""

MAX_NAME = 64
"""Characters of a node's or a stream's name."""
MAX_TOPIC = 1000
"""Characters of a response topic."""
MAX_LEVELS = 100
"""Levels of a response topic; mosquitto throws a client out that publishes to more than 200."""
MAX_ID = 600
"""Characters of a request's id within a topic, after escaping."""

RESERVED = frozenset(("event", "line", "zone", "rule"))
"""Stand for what happens before cameras: no stream, and no service, may be called so."""
FLEET = tuple(f"{PREFIX}/+/{told}" for told in ("availability", "info", "health", "stream/+/state"))
"""Filters of what all nodes tell of themselves, retained."""
_TAKEN = frozenset(("availability", "info", "health", "request", "progress", "stream", "control", "rule"))
"""What stands below a node and is not for answers."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one node."""

    node: str
    prefix: str = DISCOVERY
    """Of the topics on which Home Assistant looks for devices."""

    @property
    def availability(self) -> str:
        """Retained: `online` or `offline`."""
        return self._own("availability")

    @property
    def info(self) -> str:
        """Retained: version and services."""
        return self._own("info")

    @property
    def health(self) -> str:
        """Retained: counters and latency, every 30 s."""
        return self._own("health")

    @property
    def requests(self) -> str:
        """Filter of the requests for this node."""
        return self._own("request", "+")

    @property
    def controls(self) -> str:
        """Filter of the verbs; does not match the responses, which we publish ourselves."""
        return self._own("control", "+")

    def shared_requests(self, service: str) -> str:
        """Filter of the requests to a service that this node shares with its fleet; MQTT 5."""
        return f"$share/{PREFIX}/{PREFIX}/{ANY}/request/{service}"

    def response(self, service: str, request_id: str) -> str:
        """Where an answer goes when the request names no place."""
        return self._own("response", service, as_level(request_id))

    def progress(self, request_id: str) -> str:
        """How far long work is."""
        return self._own("progress", as_level(request_id))

    def stream(self, stream: str, service: str) -> str:
        """Results of a service on a stream."""
        return self._own("stream", stream, service)

    def stream_state(self, stream: str) -> str:
        """Retained: state of a stream."""
        return self._own("stream", stream, "state")

    def snapshot(self, stream: str) -> str:
        """Annotated JPEG of a stream."""
        return self._own("stream", stream, "snapshot")

    def event(self, stream: str) -> str:
        """What happens before a camera or a microphone."""
        return self._own("stream", stream, "event")

    def rule(self, rule: str) -> str:
        """Retained: whether a rule holds."""
        return self._own("rule", rule)

    def place(self, stream: str, kind: str, place: str) -> str:
        """Retained: what is counted there; `kind` is `line` or `zone`."""
        return self._own("stream", stream, kind, place)

    def control(self, verb: str) -> str:
        """Where a verb is told."""
        return self._own("control", verb)

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it is there: `online`."""
        return f"{self.prefix}/status"

    def discovery(self, device: str) -> str:
        """Retained: what Home Assistant shall know of a device; its id has letters, digits, `_` and `-`."""
        return f"{self.prefix}/device/{device}/config"

    def control_response(self, verb: str) -> str:
        """What came of a verb."""
        return self._own("control", verb, "response")

    def requested(self, topic: str) -> str | None:
        """The service that a message on `topic` asks for, of this node or of any; else none."""
        match topic.split("/"):
            case [prefix, node, "request", service] if prefix == PREFIX and node in (self.node, ANY):
                return service
        return None

    def commanded(self, topic: str) -> str | None:
        """The verb of a message on `topic`; else none."""
        match topic.split("/"):
            case [prefix, node, "control", verb] if (prefix, node) == (PREFIX, self.node):
                return verb
        return None

    def _own(self, *levels: str) -> str:
        return "/".join((PREFIX, self.node, *levels))


def told_by(topic: str) -> tuple[str, str, str] | None:
    """Of a topic of `FLEET`: the node, what it tells, and of which stream (empty: none); else none."""
    match topic.split("/"):
        case [prefix, node, ("availability" | "info" | "health") as what] if prefix == PREFIX:
            return node, what, ""
        case [prefix, node, "stream", stream, "state"] if prefix == PREFIX:
            return node, "state", stream
    return None


def as_level(text: str) -> str:
    """Any text as one level of a topic: letters, digits and `_.-~` as they are, the rest percent-escaped."""
    return quote(text[:MAX_ID], safe="")[:MAX_ID]


def response_topic(topic: str, prefix: str = DISCOVERY) -> str:
    """The topic, if an answer may go there. Raises `BadRequest` that says why not.

    `prefix`: of Home Assistant's discovery, where a message makes devices.
    """
    if fault := _topic_fault(topic, prefix):
        raise BadRequest(f"the response topic {fault}")
    return topic


def node_fault(name: str) -> str | None:
    """Why this cannot be the name of a node; none: it can."""
    if name == ANY:
        return f"{ANY!r} stands for all nodes, choose another name"
    return place_fault(name)


def stream_fault(name: str) -> str | None:
    """Why this cannot be the name of a stream; none: it can."""
    if name in RESERVED:
        return f"{name!r} stands for what happens before cameras, choose another name"
    return place_fault(name)


def place_fault(name: str) -> str | None:
    """Why this cannot be the name of a line, a zone, a rule or an action; none: it can."""
    if not name or name != name.strip():
        return "a name must not be empty, nor begin or end with a space"
    if len(name) > MAX_NAME:
        return f"a name has at most {MAX_NAME} characters"
    if found := next((c for c in name if c in "/+#"), None):
        return f"a name is one level of MQTT topics and must not contain {found!r}"
    return "a name must not contain control characters" if _unprintable(name) else None


def _topic_fault(topic: str, prefix: str) -> str | None:
    levels = topic.split("/")
    to_home = any(f"{topic}/".startswith(f"{one}/") for one in (DISCOVERY, prefix))
    rules = (
        (not topic, "is empty"),
        (len(topic) > MAX_TOPIC, f"has more than {MAX_TOPIC} characters"),
        (len(levels) > MAX_LEVELS, f"has more than {MAX_LEVELS} levels"),
        ("+" in topic or "#" in topic, "must not contain the wildcards `+` and `#`"),
        (topic.startswith("$"), "must not start with `$`: such topics are the broker's own"),
        (_unprintable(topic), "must not contain NUL or other control characters"),
        (
            levels[0] == PREFIX and len(levels) > 2 and levels[2] in _TAKEN,
            f"is one of edged's own; take one outside of `{PREFIX}/`, or none at all",
        ),
        (to_home, "is one of those by which Home Assistant learns of devices"),
    )
    return next((fault for broken, fault in rules if broken), None)


def _unprintable(text: str) -> bool:
    """Holds what mosquitto takes for malformed UTF-8: it would throw us out, for ever, at each try."""
    return any(
        unicodedata.category(c) in ("Cc", "Cs") or ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF
        for c in text
    )
