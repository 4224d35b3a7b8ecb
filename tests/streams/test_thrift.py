"""What of a camera is decoded: as little as gate and services allow, while motion is noticed in time."""

import threading
from fractions import Fraction

import av
import numpy as np
import pytest

from edged.contracts.items import Frame
from edged.contracts.message import StreamState
from edged.flow.counters import Counters
from edged.media.decoding import Need
from edged.streams.camera import CameraSettings, CameraSource
from edged.streams.gates import GateSettings
from edged.streams.recordings import StateBoard
from edged.streams.supervise import Supervisor
from edged.streams.thrift import LARGE, SIZES, Openings, Thrift
from tests.broker import until
from tests.media.clips import write_clip

NOW = 1.76e9
FPS = 25


class FakeGate:
    """Says what it is told to."""

    def __init__(self, *, still: bool = True, due: bool = True) -> None:
        self.still, self.due = still, due

    def is_still(self, now):
        return self.still

    def would(self, captured_at):
        return self.due


class Camera:
    """A scene whose packets are all alike; `group` seconds from key frame to key frame."""

    def __init__(self, gate, settings=None, group=2.0, wanted=True):
        self.now, self.gate, self.group = NOW, gate, round(group * FPS)
        self.told: list[str] = []
        self.wanted = wanted
        self._count = 0
        settings = GateSettings(motion=True) if settings is None else settings
        self._thrift = Thrift(settings, gate, lambda at: self.wanted, self.told.append, lambda: self.now)

    def show(self, seconds, size=1000):
        """What was needed of each packet."""
        needs = []
        for _ in range(round(seconds * FPS)):
            is_key = self._count % self.group == 0
            needs.append(self._thrift.need(is_key=is_key, size=20_000 if is_key else size))
            self._count += 1
            self.now += 1 / FPS
        return needs


def test_key_frames_alone_while_nothing_moves():
    camera = Camera(FakeGate())
    before = camera.show(7)
    assert set(before[: 6 * FPS]) == {Need.ALL}, "it must be seen how far they are apart"
    assert set(camera.show(20)) == {Need.KEY_FRAMES}
    assert camera.told == ["all", "key frames"]
    camera.gate.still = False
    assert set(camera.show(1)) == {Need.ALL}
    assert camera.told == ["all", "key frames", "all"]


@pytest.mark.parametrize(
    ("settings", "group"),
    [
        (GateSettings(), 2),
        (GateSettings(motion=True), 4),
        (GateSettings(motion={"react": "1s"}), 2),
        (GateSettings(motion=True, key_frames_only=False), 2),
    ],
    ids=["no motion gate", "too far apart", "too far apart for this gate", "switched off"],
)
def test_all_where_motion_would_be_missed(settings, group):
    gate = FakeGate(still=settings.motion is not None)
    assert set(Camera(gate, settings, group).show(40)) == {Need.ALL}


def test_a_gate_that_reacts_slowly_may_have_fewer():
    camera = Camera(FakeGate(), GateSettings(motion={"react": "5s"}), 4)
    camera.show(17)
    assert set(camera.show(8)) == {Need.KEY_FRAMES}


def test_key_frames_only_is_for_ever():
    camera = Camera(FakeGate(still=False), GateSettings(key_frames_only=True), 10)
    assert set(camera.show(30)) == {Need.KEY_FRAMES_EVER}
    assert camera.told == ["key frames"]


def test_a_key_frame_that_does_not_come_is_not_waited_for():
    camera = Camera(FakeGate())
    camera.show(9)
    camera._count = 1  # the next one comes in two seconds, and one is due
    camera.show(0.5)
    camera.group = 10**6
    assert camera.show(3)[-1] is Need.ALL


def test_a_large_packet_is_looked_into():
    camera = Camera(FakeGate())
    camera.show(8 + SIZES / FPS)
    assert camera.show(0.3, size=int(1000 * LARGE))[-1] is Need.KEY_FRAMES, "a camera's packets vary"
    camera.show(SIZES / FPS + 1)
    assert set(camera.show(0.2, size=int(1001 * LARGE))) == {Need.ALL}
    looks = camera.show(3)
    assert looks[0] is Need.ALL
    assert looks[-1] is Need.KEY_FRAMES, "it was nothing that moves"


def test_a_clock_that_is_set_back_does_not_keep_it_looking():
    camera = Camera(FakeGate())
    camera.show(8 + SIZES / FPS)
    camera.show(0.2, size=5000)
    camera.now -= 3600
    camera.show(9)
    assert camera.show(1)[-1] is Need.KEY_FRAMES


def test_what_nobody_would_look_at_is_not_needed():
    camera = Camera(FakeGate(still=False), wanted=False)
    assert set(camera.show(1)) == {Need.REFERENCES}
    camera.wanted = True
    assert set(camera.show(1)) == {Need.ALL}
    camera.gate.due = False
    assert set(camera.show(1)) == {Need.REFERENCES}


def write_scene(path, still_s, moving_s):
    """A noisy room where nothing moves, and then something does; two key frames a second."""
    chance, room = np.random.default_rng(0), np.full((120, 160, 3), 90, np.uint8)
    room[40:80, 30:70] = 160
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=FPS, options={"g": str(FPS // 2), "bf": "0", "crf": "28"}
        )
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for i in range((still_s + moving_s) * FPS):
            picture = room.copy()
            if i >= still_s * FPS:
                left = 4 * (i % 30)
                picture[30:90, left : left + 30] = 230
            noisy = np.clip(picture + chance.normal(0, 1.5, picture.shape), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, "bgr24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class Watched:
    """A camera as the daemon runs it, that plays a file once."""

    def __init__(self, path, **gate):
        settings = CameraSettings.model_validate({"source": str(path), "gate": {"motion": True, **gate}})
        self.counters = Counters()
        self.states: list[StreamState] = []
        self.frames: list[Frame] = []
        board = StateBoard(self.states.append)
        openings = Openings(settings.gate, 0.5, lambda at: True, board.put_decodes)
        self.unit = Supervisor(
            "door",
            lambda: CameraSource("door", settings, self.counters, need=openings.need),
            self.frames.append,
            board.put,
            self.counters,
            gate=openings.gate,
        )
        self.unit.start()
        until(lambda: self.states and "come to its end" in self.states[-1].why, "the end", 60)
        self.unit.stop()

    def decoded(self):
        return self.counters.counts()["frames/door"]["decoded"]


def test_a_real_camera_rests_and_wakes(tmp_path):
    seen = Watched(write_scene(tmp_path / "room.mp4", 6, 3), motion={"hold": "1s"})
    told = [state.decodes for state in seen.states]
    changes = [now for now, before in zip(told[1:], told, strict=False) if now != before]
    assert changes[0] == "key frames"
    assert "all" in changes
    assert seen.decoded() < 6.5 * FPS, "of 9 s"
    moving = [frame for frame in seen.frames if frame.captured_at > seen.frames[-1].captured_at - 2.5]
    assert len(moving) > 2 * FPS, "nothing that moved is missing"


def test_it_can_be_switched_off(tmp_path):
    seen = Watched(write_scene(tmp_path / "room.mp4", 4, 1), key_frames_only=False, motion={"hold": "1s"})
    assert seen.decoded() == 5 * FPS
    assert {state.decodes for state in seen.states} == {"all"}


def test_what_the_gate_would_drop_is_not_decoded_where_nothing_builds_on_it(tmp_path):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=FPS, options={"g": "50", "bf": "3", "sc_threshold": "0"}
        )
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for i in range(3 * FPS):
            frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), 2 * i, np.uint8), "bgr24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    seen = Watched(path, fps=2, motion=False)
    assert 5 <= len(seen.frames) <= 7
    assert seen.decoded() < 0.8 * 3 * FPS


def test_without_a_thrift_all_is_decoded(tmp_path):
    seen: list[Frame] = []
    settings = CameraSettings(source=str(write_clip(tmp_path / "clip.mp4")), real_time=False)
    CameraSource("door", settings, Counters()).run(seen.append, threading.Event())
    assert len(seen) == 12
