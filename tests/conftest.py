"""Fixtures of the tests that need a broker, a browser, an RTSP server or a microphone."""

import os
import signal

import pytest

from tests.broker import Mosquitto
from tests.http.browser import chromium, programs
from tests.pulse import NullSink, require_pulseaudio
from tests.streams.cameras import require_gstreamer

# Who is started in the background of a shell ignores Ctrl-C, and so would every process that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium, the same one for all tests of a module."""
    if programs() is None:
        assert os.environ.get("CI") != "true", "chromium and chromedriver are needed"
        pytest.skip("chromium and chromedriver are not installed")
    with chromium(tmp_path_factory.mktemp("profile")) as driven:
        yield driven


@pytest.fixture
def gstreamer():
    """For a test that starts RTSP servers."""
    require_gstreamer()


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
