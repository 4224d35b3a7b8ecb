"""Fixtures of the tests that need a broker or a microphone."""

import pytest

from tests.broker import Mosquitto
from tests.pulse import NullSink, require_pulseaudio


@pytest.fixture
def mosquitto(tmp_path):
    """Starts brokers, with more lines of configuration where wanted; all are stopped at the end."""
    made: list[Mosquitto] = []

    def make(*lines, anonymous=True):
        folder = tmp_path / f"mosquitto-{len(made)}"
        folder.mkdir()
        made.append(Mosquitto(folder, *lines, anonymous=anonymous))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def null_sink():
    """A sound server whose sinks are microphones, for a process that has its `environment`."""
    require_pulseaudio()
    sink = NullSink()
    try:
        sink.start()
        yield sink
    finally:
        sink.stop()
