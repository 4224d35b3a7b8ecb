"""Cameras of all kinds, living and dead: a real RTSP server (GStreamer's) and real HTTP servers."""

import base64
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from itertools import repeat
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edged.contracts.items import Frame
from edged.contracts.message import StreamState
from edged.flow.counters import Counters
from edged.streams.camera import CameraSettings, CameraSource
from edged.streams.gates import Gate
from edged.streams.supervise import Supervisor
from tests.broker import free_port, until
from tests.web import WebServer

FPS = 25
PYTHON = "/usr/bin/python3"  # gi is a package of the system, never of a virtual environment
PACKAGES = (
    "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad"
)
NEEDS = """
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
names = "multifilesrc identity h264parse h265parse aacparse rtph264pay rtph265pay rtpmp4gpay".split()
raise SystemExit(not all(map(Gst.ElementFactory.find, names)))
"""
Play = Callable[[Callable[[bytes], object]], object]
"""Writes the body of an answer, with the function that it is given."""
_ENCODERS = {"h264": "libx264", "h265": "libx265"}


def require_gstreamer() -> None:
    """Skip where GStreamer's RTSP server is not installed; in CI that is a failure."""
    look = [PYTHON, "-c", NEEDS]
    if Path(PYTHON).exists() and subprocess.run(look, stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return
    why = f"GStreamer's RTSP server is missing: apt-get install {PACKAGES}"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def write_stream(path: Path, *sizes: tuple[int, int], frames: int = 25) -> Path:
    """An elementary stream, `.h264` or `.h265`: so many frames of each (height, width), one after another."""
    with path.open("wb") as file:
        for height, width in sizes:
            encoder = av.CodecContext.create(_ENCODERS[path.suffix[1:]], "w")
            assert isinstance(encoder, av.VideoCodecContext)
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.framerate = FPS
            encoder.options = {
                "preset": "ultrafast",
                "tune": "zerolatency",
                "x264-params": "keyint=10:annexb=1",
                "x265-params": "keyint=10:log-level=none",
            }
            for i in range(frames):
                picture = np.full((height, width, 3), 100 + i, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p")
                frame.pts = i
                file.writelines(map(bytes, encoder.encode(frame)))
            file.writelines(map(bytes, encoder.encode(None)))
    return path


class RtspServer:
    """Plays files at paths; may be killed, frozen, thawed and started again on its port."""

    def __init__(
        self, mounts: dict[str, Path | str], method: str = "digest", user: str = "", password: str = ""
    ):
        """Not yet started. `method` is basic or digest; without a user everybody may watch. `a.h264+b.aac` is
        a picture with sound, of `a.h264~.5` half of the packets get lost."""
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        script = Path(__file__).with_name("rtsp_server.py")
        self._base = [PYTHON, str(script), str(port), method, user, password]
        self._process: subprocess.Popen[bytes] | None = None
        self.play(mounts)

    def play(self, mounts: dict[str, Path | str]) -> None:
        """Something else, when it is started again."""
        self._command = [*self._base, *(f"/{name}={file}" for name, file in mounts.items())]

    def start(self) -> None:
        """Returns when it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    def signal(self, number: int) -> None:
        """SIGSTOP freezes it with its connections open, SIGCONT goes on."""
        assert self._process
        self._process.send_signal(number)

    def kill(self) -> None:
        """Without a farewell to who watches."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            assert self._process.stdout
            self._process.stdout.close()
            self._process = None


@contextlib.contextmanager
def http_camera(play: Play, kind: str, user: str = "") -> Iterator[int]:
    """A web camera; with a `user`, `name:password`, only he may watch. Yields its port."""
    ended = threading.Event()
    wanted = "Basic " + base64.b64encode(user.encode()).decode()

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if user and self.headers["Authorization"] != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            with contextlib.suppress(OSError):
                play(self._write)

        def _write(self, data: bytes) -> None:
            if ended.is_set():
                raise BrokenPipeError
            self.wfile.write(data)

    with WebServer(Camera) as server:
        yield server.port
        ended.set()


def mjpeg(write: Callable[[bytes], object]) -> None:
    """JPEGs of 64 x 48 for ever, as web cameras send them."""
    for i in range(10**6):
        jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), i % 250, np.uint8))[1].tobytes()
        write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg))
        time.sleep(1 / FPS)


MJPEG = "multipart/x-mixed-replace; boundary=frame"


@contextlib.contextmanager
def tcp_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that hands each connection to `talk`. Yields its port."""
    connections: list[socket.socket] = []

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connections.append(connection)
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in connections:
        connection.close()


def silent(_connection: socket.socket) -> None:
    """Accept and say nothing."""


def trickle(connection: socket.socket) -> None:
    """Send something without end, but nothing that makes sense."""
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"R")
            time.sleep(0.1)


FREEZE, THAW = signal.SIGSTOP, signal.SIGCONT


class Watched:
    """A supervised camera: what it showed and what was told of it."""

    def __init__(self, source: str, **settings: object) -> None:
        self.counters = Counters()
        self.frames: list[Frame] = []
        self.states: list[StreamState] = []
        camera = CameraSettings.model_validate({"source": source, "timeout_s": 1, **settings})
        self.unit = Supervisor(
            "door",
            lambda: CameraSource("door", camera, self.counters),
            self.frames.append,
            self.states.append,
            self.counters,
            gate=lambda: Gate(camera.gate).refusal,
            back_off=lambda: repeat(0.3),
        )
        self.unit.start()

    def sizes(self) -> set[tuple[int, int]]:
        return {(frame.width, frame.height) for frame in self.frames}

    def online(self) -> None:
        until(lambda: self.frames and self.states and self.states[-1].state == "online", "a picture")

    def offline(self, why: str) -> None:
        def told() -> bool:
            return any(why in s.why for s in self.states if s.state == "offline")

        until(told, f"{why}; the states are in the log")

    def shows(self, count: int) -> None:
        """Wait for so many more frames."""
        wanted = len(self.frames) + count
        until(lambda: len(self.frames) >= wanted, f"{count} more frames: {self.states}")

    def told(self, *whys: str) -> None:
        """Wait until one of these is in a `why`."""
        until(lambda: any(why in s.why for s in self.states for why in whys), f"{whys}: {self.states}")
