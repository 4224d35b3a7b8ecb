"""Cameras whose substream is looked at while the other stream is recorded: real RTSP servers, and files."""

from contextlib import ExitStack
from types import SimpleNamespace

import av
import pytest

from edged.artefacts.settings import ArtefactSettings
from edged.artefacts.store import ArtefactStore
from edged.config.settings import StreamSettings
from edged.contracts.errors import NotReady
from edged.core import Core
from edged.flow.counters import Counters
from edged.serving.scheduler import Scheduler
from edged.streams.live import LiveView
from edged.wiring.streams import camera
from edged.wiring.witnesses import Attention
from tests.broker import until
from tests.media.cameras_films import write_film
from tests.streams.cameras import RtspServer, write_stream

LARGE, SMALL = (192, 256), (48, 64)
"""Height and width of what is recorded and of what is looked at."""


class Running:
    """A stream as the daemon runs it."""

    def __init__(self, folder, source, detect_source, **more):
        self.core = Core(Counters())
        self.workers = Scheduler("frames", 1, self.core.counters)
        self.workers.start()
        self.store = ArtefactStore(ArtefactSettings(), folder, self.core.counters, lambda id: f"/{id}")
        given = {
            "source": source,
            "detect_source": detect_source,
            "run": ["object-detection"],
            "timeout_s": 1,
        }
        settings = StreamSettings.model_validate({"record": {"before": "1s", "after": "1s"}, **given, **more})
        given = (self.core, "box", "door", settings, self.workers)
        self.unit = camera(*given, attention=Attention(), store=self.store)
        self._view = self.core.views.get("door") or LiveView()
        assert self.unit.recordings
        self.recordings = self.unit.recordings
        self.unit.start()

    @property
    def state(self):
        return self.core.telling.states().get("door", SimpleNamespace(state="", source="", why=""))

    def looks(self, *wanted):
        """Wait for a picture of that size in the live view."""

        def seen():
            frame = self._view._frame
            return frame is not None and (frame.height, frame.width) in wanted

        until(seen, f"a picture of {wanted}: {self.state}", 60)

    def recorded(self):
        """Size of a recording of a second, once the camera's clock is known."""
        known = self.kept() + 20
        until(lambda: self.kept() >= known, f"some packets: {self.state}", 60)

        def begun():
            try:
                return self.recordings.begin()
            except NotReady:
                return None

        until(begun, f"something to record: {self.state}", 60)
        id = begun().removeprefix("/")
        until(lambda: not self.store.is_reserved(id), "it is written", 60)
        with self.store.open(id) as found, av.open(found.file.name) as film:
            frames = list(film.decode(video=0))
            assert len(frames) >= 20
            return frames[0].height, frames[0].width

    def kept(self):
        """Packets of the source."""
        return self.counted("frames/door/source").get("kept", 0)

    def counted(self, name):
        return self.core.counters.counts().get(name, {})

    def stop(self):
        self.unit.stop()
        self.workers.stop()


@pytest.fixture
def run(tmp_path):
    running = []

    def start(source, detect_source, **more):
        running.append(Running(tmp_path / "store", str(source), str(detect_source), **more))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def servers(tmp_path, gstreamer):
    """One for the large stream, one for the small one."""
    with ExitStack() as stack:
        made = []
        for name, size in (("large", LARGE), ("small", SMALL)):
            server = RtspServer({"x": write_stream(tmp_path / f"{name}.h264", size)})
            stack.callback(server.kill)
            server.start()
            made.append(server)
        yield made


def test_one_is_looked_at_and_the_other_recorded(run, servers):
    camera = run(*(f"rtsp://{server.address}/x" for server in servers))
    camera.looks(SMALL)
    assert camera.recorded() == LARGE
    until(lambda: camera.state.state == "online" and camera.state.source == "", "both run")
    assert camera.unit.state() == "running"
    assert camera.counted("frames/door")["decoded"] > 20


def test_each_is_opened_again_by_itself(run, servers):
    large, small = servers
    camera = run(*(f"rtsp://{server.address}/x" for server in servers))
    camera.looks(SMALL)
    until(lambda: camera.state.state == "online" and camera.state.source == "", "both run")

    large.kill()
    until(lambda: camera.state.source, "it is said that nothing can be recorded", 60)
    until(lambda: "listens" in camera.state.source or "ended" in camera.state.source, "and why", 60)
    assert camera.state.state == "online"
    assert camera.unit.state() == camera.state.source
    decoded = camera.counted("frames/door")["decoded"]
    until(lambda: camera.counted("frames/door")["decoded"] > decoded + 20, "the other one is looked at")
    with pytest.raises(NotReady, match="not connected"):
        camera.recordings.begin()

    large.start()
    until(lambda: not camera.state.source, "it has come back", 60)
    assert camera.recorded() == LARGE

    small.kill()
    until(lambda: camera.state.state == "offline", "nothing is looked at", 60)
    assert camera.state.source == ""
    assert camera.recorded() == LARGE
    small.start()
    until(lambda: camera.state.state == "online", "it is again", 60)


def test_files_play_two_streams_of_a_camera(run, tmp_path):
    film = write_film(tmp_path / "large.mp4", 3)
    with av.open(str(film)) as opened:
        size = opened.streams.video[0].height, opened.streams.video[0].width
    small = write_stream(tmp_path / "small.h264", SMALL, frames=50)
    camera = run(film, small, loop=True)
    camera.looks(SMALL)
    until(lambda: camera.kept() > 25 * 4, "the file is played again", 60)
    assert camera.recorded() == size


def test_a_file_without_loop_ends_and_the_other_goes_on(run, tmp_path):
    film = write_film(tmp_path / "large.mp4", 1)
    camera = run(film, write_stream(tmp_path / "small.h264", SMALL))
    until(lambda: "end" in camera.state.source, "the end of the file", 60)
