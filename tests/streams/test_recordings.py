"""Recordings of cameras: files, RTSP with sound, web cameras; what ends them, and stores that fail."""

import threading
import time
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import orjson
import pytest

from edged.artefacts.settings import ArtefactSettings
from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import NotFound, NotReady, NotUsable
from edged.contracts.message import StreamMessage, StreamState
from edged.contracts.services import service
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.media.picture import encode_jpeg
from edged.serving.table import Served
from edged.streams.camera import CameraSettings, CameraSource
from edged.streams.gates import Gate
from edged.streams.publisher import Outlet
from edged.streams.recordings import Recordings, RecordSettings, StateBoard
from edged.streams.rule import PublishSettings
from edged.streams.supervise import Supervisor
from tests.broker import until
from tests.media.cameras_films import FPS, RATE, beeps, flashes, pictures, write_film
from tests.media.sounds import encoded, tone
from tests.streams.cameras import MJPEG, RtspServer, http_camera, mjpeg, write_stream
from tests.streams.lanes import lane
from tests.streams.test_feed import FACTS, OPTIONS, boxes


class Recorded:
    """A camera that is supervised and recorded."""

    def __init__(self, folder, source, record=None, store=None, **settings):
        self.counters = Counters()
        self.store = ArtefactStore(
            ArtefactSettings(**(store or {})), folder, self.counters, lambda id: f"/artefacts/{id}"
        )
        self.states: list[StreamState] = []
        self.frames = 0
        board = StateBoard(self.states.append)
        record = RecordSettings.model_validate(record or {"before": "2s", "after": "1s"})
        self.recordings = Recordings("door", record, self.store, self.counters, board.put_recordings)
        camera = CameraSettings.model_validate({"source": str(source), "timeout_s": 1, **settings})
        self.unit = Supervisor(
            "door",
            lambda: CameraSource("door", camera, self.counters, ring=self.recordings.opening()),
            self._saw,
            board.put,
            self.counters,
            gate=lambda: Gate(camera.gate).refusal,
            back_off=lambda: repeat(0.3),
        )
        self.unit.start()

    def _saw(self, frame):
        self.frames += 1

    def shows(self, count):
        """Wait for so many frames."""
        until(lambda: self.frames >= count, f"{count} frames: {self.states}")

    def id(self, address):
        return address.removeprefix("/artefacts/")

    def written(self, address) -> Path:
        """Wait for the file."""
        until(lambda: not self.store.is_reserved(self.id(address)), "it is written")
        with self.store.open(self.id(address)) as opened:
            assert opened.size
            return Path(opened.file.name)

    def counts(self):
        return self.counters.counts().get("recordings/door", {})

    def close(self):
        self.unit.stop()
        self.recordings.stop()


@pytest.fixture
def record(tmp_path):
    made = []

    def start(source, **how):
        made.append(Recorded(tmp_path / "state", source, **how))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("films") / "film.mp4", 12)


def test_a_file_that_is_played_as_it_was_recorded(record, film):
    camera = record(film, loop=True)
    camera.shows(80)
    began = time.monotonic()
    address = camera.recordings.begin()
    assert camera.recordings.begin() == address, "one at a time"
    made = camera.written(address)
    assert time.monotonic() - began >= 0.9
    taken, source = pictures(made)[:-3], [luma for _, luma in pictures(film)]
    first = source.index(taken[0][1])
    assert [luma for _, luma in taken] == source[first : first + len(taken)]
    assert first % FPS == 0
    assert 2.7 <= taken[-1][0] <= 4.3
    assert beeps(made) == pytest.approx(flashes(made), abs=0.045)
    assert camera.counts() == {"kept": 1}
    assert camera.states[-1].recordings == ""
    assert camera.recordings.begin() != address


def test_it_begins_where_it_can_and_ends_with_the_file(record, tmp_path):
    film = write_film(tmp_path / "film.mp4", 7)
    camera = record(film, record={"before": "0s", "after": "60s"})
    camera.shows(30)
    made = camera.written(camera.recordings.begin())
    assert pictures(made)[-1][1] == pictures(film)[-1][1], "up to the last picture"
    assert camera.counts() == {"cut short: the camera broke off": 1}
    with pytest.raises(NotReady, match="'door' cannot be recorded now: it is not connected"):
        camera.recordings.begin()
    assert camera.recordings.of_event() is None
    assert camera.counts()["not begun"] == 1
    assert "not connected" in camera.states[-1].recordings


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    """H.264, and H.265, whose clocks stand still, and a film."""
    folder = tmp_path_factory.mktemp("streams")
    picture = write_stream(folder / "a.h264", (48, 64), frames=100)
    other = write_stream(folder / "b.h265", (96, 128), frames=100)
    sound = folder / "b.aac"
    sound.write_bytes(encoded(tone(5, RATE), "adts", "aac", RATE))
    film = write_film(folder / "film.mp4", 20)
    return {"door": f"{picture}+{sound}", "yard": str(other), "film": str(film)}


@pytest.fixture
def rtsp(streams, gstreamer):
    """A server, not yet started."""
    server = RtspServer(streams)
    yield server
    server.kill()


@pytest.mark.parametrize(("path", "codec", "tracks"), [("door", "h264", 2), ("yard", "hevc", 1)])
def test_a_network_camera(record, rtsp, path, codec, tracks):
    rtsp.start()
    camera = record(f"rtsp://{rtsp.address}/{path}")
    camera.shows(80)
    made = camera.written(camera.recordings.begin(1.5))
    with av.open(str(made)) as opened:
        assert opened.format.name.startswith("mov")
        assert opened.streams.video[0].codec_context.name == codec
        assert len(opened.streams) == tracks
        assert 3.2 <= (opened.duration or 0) / 1e6 <= 4.4
        frames = list(opened.decode(video=0))
    assert frames[0].key_frame
    assert frames[0].time == 0
    assert len(frames) == pytest.approx(frames[-1].time * FPS, abs=4)
    shades = {frame.to_ndarray(format="gray")[0, 0] for frame in frames}
    assert len(shades) > 40, "they are decoded, one like the other"
    if tracks > 1:
        with av.open(str(made)) as opened:
            sound = list(opened.decode(audio=0))
        assert sound[0].time == pytest.approx(0, abs=0.1)
        assert sound[-1].time == pytest.approx(frames[-1].time, abs=0.3)


def test_the_sound_of_a_network_camera_stays_beside_its_picture(record, rtsp, streams):
    rtsp.start()
    camera = record(f"rtsp://{rtsp.address}/film", record={"before": "3s", "after": "2s"})
    camera.shows(90)
    made = camera.written(camera.recordings.begin())
    heard, seen = beeps(made), flashes(made)
    assert len(heard) == len(seen) >= 2
    assert heard == pytest.approx(seen, abs=0.06)
    source, taken = [luma for _, luma in pictures(streams["film"])], pictures(made)[:-3]
    first = source.index(taken[0][1])
    assert first % FPS == 0
    assert [luma for _, luma in taken] == source[first : first + len(taken)]
    assert 4.7 <= taken[-1][0] <= 6.3


def test_a_camera_that_breaks_off_ends_its_recording_and_begins_another_one(record, rtsp):
    rtsp.start()
    camera = record(f"rtsp://{rtsp.address}/door", record={"before": "2s", "after": "60s"})
    camera.shows(80)
    address = camera.recordings.begin()
    camera.shows(100)
    rtsp.kill()
    made = camera.written(address)
    assert 2 <= pictures(made)[-1][0] <= 8
    assert camera.counts() == {"cut short: the camera broke off": 1}
    rtsp.start()
    camera.shows(camera.frames + 60)
    other = camera.recordings.begin(1)
    assert other != address
    assert pictures(camera.written(other))[0][0] == 0


def test_a_web_camera_that_sends_jpegs_tells_no_times(record):
    with http_camera(mjpeg, MJPEG) as port:
        camera = record(f"http://127.0.0.1:{port}/video")
        camera.shows(60)
        began = time.monotonic()
        made = camera.written(camera.recordings.begin(1))
        taken = pictures(made)
        passed = time.monotonic() - began
    assert 2.7 <= taken[-1][0] <= 2.3 + passed, "by the clock of this box"
    assert len(taken) > 40


def test_pictures_are_no_video(record, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(encode_jpeg(np.zeros((48, 64, 3), np.uint8)))
    camera = record(folder, loop=True, gate={"fps": 5})
    camera.shows(2)
    with pytest.raises(NotReady, match="single pictures, and no video"):
        camera.recordings.begin()


def test_a_store_that_is_full_costs_the_camera_nothing(record, film):
    camera = record(film, loop=True, store={"max_bytes": 1000}, record={"before": "1s", "after": "200ms"})
    camera.shows(40)
    address = camera.recordings.begin()
    until(lambda: camera.counts() == {"failed": 1}, "it failed")
    until(lambda: camera.states[-1].recordings, "the state says it")
    assert "artefacts.max_bytes" in camera.states[-1].recordings
    assert camera.states[-1].state == "online"
    assert not camera.store.is_reserved(camera.id(address))
    with pytest.raises(NotFound):
        camera.store.open(camera.id(address))
    camera.shows(camera.frames + 20)


def test_a_store_that_cannot_be_written_and_then_can(record, film, tmp_path):
    folder = tmp_path / "state" / "artefacts"
    folder.parent.mkdir()
    folder.write_text("in the way")
    camera = record(film, loop=True, record={"before": "1s", "after": "200ms"})
    camera.shows(40)
    camera.recordings.begin()
    until(lambda: camera.counts() == {"failed": 1}, "it failed")
    until(lambda: camera.states[-1].recordings, "the state says it")
    folder.unlink()
    camera.written(camera.recordings.begin())
    until(lambda: camera.states[-1].recordings == "", "all is well again")


def test_a_disk_that_hangs_does_not_hold_up_the_camera(record, film, monkeypatch):
    """Whoever opens the draft waits; the camera and whoever tells of events do not."""
    camera = record(film, loop=True, record={"before": "1s", "after": "200ms"})
    camera.shows(40)
    hangs = threading.Event()
    prepare = camera.store._shelf.prepare
    monkeypatch.setattr(camera.store._shelf, "prepare", lambda: (hangs.wait(60), prepare()))
    began = time.monotonic()
    address = camera.recordings.of_event()
    assert time.monotonic() - began < 30
    camera.shows(camera.frames + 50)
    assert camera.store.is_reserved(camera.id(address))
    hangs.set()
    assert pictures(camera.written(address))


# What is told of events.


def frame(seq=0):
    return PictureFrame(np.zeros((30, 50, 3), np.uint8), time.time(), seq)


@pytest.fixture
def told():
    """Messages of a stream whose recordings are numbered."""
    lines, numbers = [], iter(range(100))
    made = Outlet(
        "shop-1",
        "door",
        (lambda stream, name, body: lines.append(orjson.loads(body)),),
        Counters(),
        record=lambda: f"/artefacts/{next(numbers)}",
    )
    return SimpleNamespace(outlet=made, lines=lines)


def served(infer):
    return Served(service("object-detection"), SimpleNamespace(infer=infer, facts=FACTS), OPTIONS)


def test_events_carry_the_address(told):
    infer = boxes((), ("cat",), ("cat",), ("cat",), (), ())
    route = lane(told.outlet, lambda: served(infer), publish=PublishSettings(on="change"))
    for seq in range(6):
        route.work(frame(seq))
    for message in told.lines:
        StreamMessage.model_validate(message)
    assert [message.get("recording") for message in told.lines] == [None, "/artefacts/0", "/artefacts/1"]
    assert [len(message["result"]["detection_boxes"]) for message in told.lines] == [0, 1, 0]


def test_what_is_seen_at_once_is_an_event_but_no_failure(told):
    def refuses(*_):
        raise NotUsable("two faces")

    publish = PublishSettings(on="change")
    lane(told.outlet, lambda: served(refuses), publish=publish).work(frame())
    lane(told.outlet, lambda: served(boxes(("cat",))), publish=publish).work(frame())
    assert [message.get("recording") for message in told.lines] == [None, "/artefacts/0"]


def test_results_that_are_all_told_are_no_events(told):
    lane(told.outlet, lambda: served(boxes(("cat",)))).work(frame())
    assert "recording" not in told.lines[0]
