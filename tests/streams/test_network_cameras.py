"""Network cameras that die and come back, through the supervisor, against real servers."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edged.media.video import DECODER_THREADS
from tests.broker import free_port, until
from tests.media.clips import write_clip
from tests.streams.cameras import (
    FPS,
    FREEZE,
    MJPEG,
    THAW,
    RtspServer,
    Watched,
    http_camera,
    mjpeg,
    silent,
    tcp_server,
    trickle,
    write_stream,
)


@pytest.fixture(scope="module")
def streams(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("streams")
    return {
        "h264": write_stream(folder / "a.h264", (48, 64)),
        "h265": write_stream(folder / "b.h265", (96, 128)),
        "two": write_stream(folder / "c.h264", (48, 64), (96, 128)),
        "two5": write_stream(folder / "d.h265", (96, 128), (192, 256)),
    }


@pytest.fixture
def rtsp(streams, gstreamer) -> Iterator[RtspServer]:
    """A server, not yet started."""
    server = RtspServer(streams)
    yield server
    server.kill()


@pytest.mark.parametrize(
    ("path", "sizes"),
    [
        ("h264", {(64, 48)}),
        ("h265", {(128, 96)}),
        ("two", {(64, 48), (128, 96)}),
        ("two5", {(128, 96), (256, 192)}),
    ],
)
def test_codecs_and_a_size_that_changes(rtsp, watch, path, sizes):
    rtsp.start()
    camera = watch(f"rtsp://{rtsp.address}/{path}", timeout_s=20)
    until(lambda: camera.sizes() == sizes and len(camera.frames) > 60, "all sizes")
    assert [frame.seq for frame in camera.frames] == list(range(len(camera.frames))), "it was opened once"
    newest = camera.frames[-1]
    assert (newest.width, newest.height) in sizes


def test_a_server_that_is_killed_and_comes_back(rtsp, watch):
    rtsp.start()
    camera = watch(f"rtsp://{rtsp.address}/h264")
    camera.online()
    rtsp.kill()
    camera.offline("nothing listens at")
    rtsp.start()
    camera.online()


def test_a_server_that_freezes_and_goes_on(rtsp, watch):
    rtsp.start()
    camera = watch(f"rtsp://{rtsp.address}/h264")
    camera.online()
    rtsp.signal(FREEZE)
    camera.offline("sent nothing for 1 s")
    seen = len(camera.frames)
    rtsp.signal(THAW)
    camera.online()
    until(lambda: len(camera.frames) > seen + 10, "more frames")


def test_a_path_that_is_not_there(rtsp, watch):
    rtsp.start()
    watch(f"rtsp://{rtsp.address}/nothing").offline("does not exist on that server")


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_passwords(streams, gstreamer, watch, caplog, method):
    server = RtspServer(streams, method, "admin", "p@ss/w rd")
    server.start()
    try:
        with caplog.at_level(logging.DEBUG):
            for user in ("admin:hunter2@", "hunter2:p%40ss%2Fw%20rd@", ""):
                camera = watch(f"rtsp://{user}{server.address}/h264")
                camera.offline("user or password is wrong")
                assert "hunter2" not in str(camera.states)
            watch(f"rtsp://admin:p%40ss%2Fw%20rd@{server.address}/h264").online()
        assert "hunter2" not in caplog.text
        assert "p%40ss" not in caplog.text
    finally:
        server.kill()


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
@pytest.mark.parametrize("talk", [silent, trickle])
def test_hosts_that_say_nothing(watch, scheme, talk):
    with tcp_server(talk) as port:
        watch(f"{scheme}://127.0.0.1:{port}/x").offline("sent nothing for 1 s")


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_hosts_that_are_not_there(watch, scheme):
    watch(f"{scheme}://127.0.0.1:{free_port()}/x").offline("nothing listens at")
    watch(f"{scheme}://no-such-host.invalid/x").offline("is the name of the host right?")


def test_hosts_that_are_no_cameras(watch):
    with http_camera(mjpeg, MJPEG) as port:
        watch(f"rtsp://127.0.0.1:{port}/x").offline("not as a camera that speaks RTSP")
    watch("rtsp://a:b /c@127.0.0.1/x").offline("write %40 for @")


def slowest_rate(cameras: list[Watched]) -> float:
    """Frames a second over the next seconds."""
    before, began = [len(camera.frames) for camera in cameras], time.monotonic()
    time.sleep(3)
    least = min(len(camera.frames) - seen for camera, seen in zip(cameras, before, strict=True))
    return least / (time.monotonic() - began)


MOST_OF_SERVERS = 20
"""Threads of the servers in this process: one a connection, and at times one that is about to end."""


def thread_count() -> int:
    """Of this process, those of FFmpeg too."""
    return len(list(Path("/proc/self/task").iterdir()))


def test_ten_dead_cameras_disturb_nobody(rtsp, watch, tmp_path):
    """Ten living ones keep their rate beside ten that are dead in different ways; threads stay bounded."""
    rtsp.start()
    clip = write_clip(tmp_path / "clip.mp4", frames=50)
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "empty").mkdir()
    with ExitStack() as servers:
        still = servers.enter_context(tcp_server(silent))
        drip = servers.enter_context(tcp_server(trickle))
        refusing = servers.enter_context(http_camera(mjpeg, MJPEG, "admin:secret"))
        noisy = servers.enter_context(http_camera(lambda write: write(bytes(10**6)), "video/mp2t"))
        threads = thread_count()
        dead = [
            f"rtsp://127.0.0.1:{free_port()}/x",
            f"rtsp://{rtsp.address}/nothing",
            f"rtsp://127.0.0.1:{still}/x",
            f"rtsp://127.0.0.1:{drip}/x",
            f"http://127.0.0.1:{still}/x",
            f"http://127.0.0.1:{refusing}/x",
            f"http://127.0.0.1:{noisy}/x",
            str(tmp_path / "noise.mp4"),
            str(tmp_path / "missing.mp4"),
            str(tmp_path / "empty"),
        ]
        dying = [watch(source) for source in dead]
        living = [watch(f"rtsp://{rtsp.address}/h264") for _ in range(5)]
        living += [watch(str(clip), loop=True) for _ in range(5)]
        for camera in living:
            camera.online()
        until(lambda: slowest_rate(living) > 0.9 * FPS, "all living cameras at their full rate")
        for camera in dying:
            camera.offline("")
            assert not camera.frames
        more = thread_count() - threads
        assert more <= 20 * 2 + 10 * DECODER_THREADS + MOST_OF_SERVERS
