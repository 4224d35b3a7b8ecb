"""What a camera may do while it is watched, tried: it goes on, or its state says why not; nothing leaks."""

import io
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, pairwise, repeat
from pathlib import Path

import av
import numpy as np
import pytest

from edged.flow.counters import Counters
from edged.streams.camera import CameraSettings, CameraSource
from edged.streams.supervise import Supervisor
from tests.broker import until
from tests.streams.cameras import FPS, Play, RtspServer, http_camera, write_stream

TS = "video/mp2t"
SMALL, LARGE = (48, 64), (96, 128)
RECONNECTS = 50


def pieces(size=SMALL, frames=FPS, codec="libx264", keys=10, begins_s=0) -> list[bytes]:
    """MPEG-TS, cut before each picture; a key frame each `keys`, its clock beginning at `begins_s`."""
    file = io.BytesIO()
    options = {"mpegts_flags": "initial_discontinuity", "flush_packets": "1", "mpegts_copyts": "1"}
    with av.open(file, "w", format="mpegts", container_options=options) as container:
        of_encoder = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x264-params": f"keyint={keys}:scenecut=0",
            "x265-params": f"keyint={keys}:log-level=none",
        }
        track = container.add_stream(codec, FPS, of_encoder)
        track.height, track.width = size
        track.pix_fmt, track.codec_context.time_base = "yuv420p", Fraction(1, FPS)
        cuts = [0]
        for number in range(frames):
            shade = np.full((*size, 3), 60 + number % 100, np.uint8)
            frame = av.VideoFrame.from_ndarray(shade, "bgr24").reformat(format="yuv420p")
            frame.pts = begins_s * FPS + number
            for packet in track.encode(frame):
                container.mux(packet)
                cuts.append(file.tell())
    whole = file.getvalue()
    return [whole[begin:end] for begin, end in pairwise(cuts)]


def playing(*parts: Iterable[bytes]) -> Play:
    """In real time, and the last of them again and again."""

    def play(write):
        for part in chain(parts, repeat(parts[-1])):
            for piece in part:
                write(piece)
                time.sleep(1 / FPS)

    return play


def test_another_size_in_the_middle(watch):
    with http_camera(playing(pieces(), pieces(LARGE)), TS) as port:
        camera = watch(f"http://127.0.0.1:{port}/x", timeout_s=20)
        until(lambda: camera.sizes() == {(64, 48), (128, 96)}, "both sizes")
        camera.shows(FPS)
        assert [frame.seq for frame in camera.frames] == list(range(len(camera.frames))), "opened once"
        assert camera.counters.counts().get("frames_dropped/door") is None


def test_another_codec_in_the_middle_is_told_and_opened_again(watch):
    first, other = [pieces()], pieces(LARGE, codec="libx265")

    def play(write):
        playing(*[first.pop()] if first else [], other)(write)

    with http_camera(play, TS) as port:
        camera = watch(f"http://127.0.0.1:{port}/x", stall_s=3)
        camera.online()
        camera.offline("or another codec than before")
        until(lambda: (128, 96) in camera.sizes(), "the other codec")


def test_clocks_that_jump_by_hours_disturb_nobody(watch):
    there = pieces(begins_s=6 * 3600)
    with http_camera(playing(pieces(), there, pieces(), there), TS) as port:
        camera = watch(f"http://127.0.0.1:{port}/x", timeout_s=20)
        camera.shows(4 * FPS)
        assert {state.state for state in camera.states} == {"online"}
        assert camera.counters.counts().get("frames_dropped/door") is None
        assert all(abs(frame.captured_at - time.time()) < 60 for frame in camera.frames), "our clock counts"


def test_without_a_key_frame_it_waits_and_tells_why(watch):
    """Whoever comes in between two key frames that are far apart."""
    between = pieces(frames=20 * FPS, keys=10**6)[FPS:]
    with http_camera(playing(between), TS) as port:
        camera = watch(f"http://127.0.0.1:{port}/x", stall_s=4)
        camera.offline("nothing that came for 3.6 s can be decoded; the camera sends no key frame")
        assert not camera.frames
    with http_camera(playing(between[: 4 * FPS], pieces()), TS) as port:
        patient = watch(f"http://127.0.0.1:{port}/x", stall_s=30, timeout_s=20)
        patient.shows(2 * FPS)
        assert patient.counters.counts().get("reconnects/door") is None


@pytest.fixture(scope="module")
def streams(tmp_path_factory) -> dict[str, str]:
    """Of much grain, of which half or nothing arrives; and one that is plain."""
    folder = tmp_path_factory.mktemp("streams")
    noisy = folder / "noisy.h264"
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width, encoder.pix_fmt, encoder.framerate = 240, 320, "yuv420p", Fraction(FPS)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "keyint=10:annexb=1"}
    grain = np.random.default_rng(1)
    with noisy.open("wb") as file:
        for number in range(2 * FPS):
            picture = grain.integers(0, 256, (240, 320, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p")
            frame.pts = number
            file.writelines(map(bytes, encoder.encode(frame)))
    plain = write_stream(folder / "a.h264", SMALL)
    return {"half": f"{noisy}~.5", "none": f"{plain}~1", "plain": str(plain)}


@pytest.fixture
def rtsp(streams, gstreamer) -> Iterator[RtspServer]:
    server = RtspServer(streams)
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_half_of_the_packets_are_lost(rtsp, watch, transport):
    """Each picture has some twenty of them: what is left is shown, and the camera stays open."""
    camera = watch(f"rtsp://{rtsp.address}/half", rtsp_transport=transport, timeout_s=20)
    camera.shows(2 * FPS)
    assert camera.sizes() == {(320, 240)}
    assert {state.state for state in camera.states} == {"online"}


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_that_agrees_to_play_and_sends_nothing(rtsp, watch, transport):
    camera = watch(f"rtsp://{rtsp.address}/none", rtsp_transport=transport)
    camera.offline("sent nothing for 1 s")
    assert not camera.frames


def test_another_codec_after_a_restart(rtsp, watch, tmp_path):
    camera = watch(f"rtsp://{rtsp.address}/plain")
    camera.online()
    rtsp.kill()
    rtsp.play({"plain": write_stream(tmp_path / "b.h265", LARGE)})
    rtsp.start()
    until(lambda: (128, 96) in camera.sizes(), "the other codec")
    camera.online()


def held() -> tuple[int, int]:
    """Files and threads of this process."""
    own = Path("/proc/self")
    return len(list((own / "fd").iterdir())), len(list((own / "task").iterdir()))


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_fifty_openings_leave_nothing_behind():
    """Of a camera of 720p that breaks off after some pictures."""
    some = pieces((720, 1280), 6)
    before, counters, after_ten = held(), Counters(), 0

    def reconnects():
        return counters.counts().get("reconnects/door", {}).get("offline", 0)

    with http_camera(lambda write: [write(piece) for piece in some], TS) as port:
        settings = CameraSettings.model_validate({"source": f"http://127.0.0.1:{port}/x"})
        unit = Supervisor(
            "door",
            lambda: CameraSource("door", settings, counters),
            lambda _: None,
            lambda _: None,
            counters,
            back_off=lambda: repeat(0.01),
        )
        unit.start()
        until(lambda: reconnects() >= 10, "ten openings", 60)
        after_ten = resident()
        until(lambda: reconnects() >= 10 + RECONNECTS, "the others", 120)
        grown = resident() - after_ten
        unit.stop()
    assert counters.counts()["frames/door"]["decoded"] >= 6 * RECONNECTS
    assert grown < 30_000_000, "less than a picture of 1.4 MB an opening"
    until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)), "all is given back")
