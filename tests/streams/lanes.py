"""A lane of which only the service is faked."""

from edged.streams.frame_lane import FrameLane
from edged.streams.lane import LaneTools, RunSettings
from edged.streams.rule import PublishSettings


class _Table:
    """Knows one service: whatever `get` gives or raises."""

    def __init__(self, get):
        self._get = get

    def get(self, name):
        return self._get()


def lane(outlet, get, options=(), publish=PublishSettings(), name="object-detection", *, kind=FrameLane):  # noqa: B008 - frozen
    """One service of one stream; `get` gives what fulfils it. Items go to its `work`."""
    return kind(LaneTools(outlet, _Table(get), publish), RunSettings(service=name, options=dict(options)))
