"""Cameras that speak HTTP, MJPEG, MPEG-TS and single pictures, through the supervisor; the server is real."""

import base64
import contextlib
import itertools
import logging
import threading
from http.server import BaseHTTPRequestHandler

import cv2
import numpy as np
import pytest

from tests.broker import free_port
from tests.media.clips import write_clip
from tests.web import WebServer

FPS = 25


class HttpCamera:
    """Plays `parts()` to whoever asks and knows `user`; may fall silent, be killed and start again."""

    def __init__(self, kind, parts, user="", path="/video"):
        self.port = free_port()
        self.path = path
        self.sends = threading.Event()
        self.sends.set()
        self._kind, self._parts = kind, parts
        self._wanted = "Basic " + base64.b64encode(user.encode()).decode() if user else None
        self.start()

    def url(self, user=""):
        return f"http://{user}127.0.0.1:{self.port}{self.path}"

    def start(self):
        self._dead = threading.Event()

        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                camera._answer(self)

        self._server = WebServer(Handler, self.port)
        self._server.daemon_threads = False  # then closing waits for them
        self._server.start()

    def kill(self):
        """With all its connections."""
        if not self._dead.is_set():
            self._dead.set()
            self._server.stop()

    def _answer(self, handler):
        path = handler.path.partition("?")[0]
        if self._wanted not in (None, handler.headers["Authorization"]):
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
            handler.end_headers()
        elif path != self.path:
            handler.send_error(404)
        else:
            handler.send_response(200)
            handler.send_header("Content-Type", self._kind)
            handler.end_headers()
            with contextlib.suppress(OSError):
                self._play(handler.wfile)

    def _play(self, file):
        for part in self._parts():
            while not self.sends.wait(0.02):
                if self._dead.is_set():
                    return
            if self._dead.wait(1 / FPS):
                return
            file.write(part)


def jpeg(shade=0):
    return cv2.imencode(".jpg", np.full((48, 64, 3), shade, np.uint8))[1].tobytes()


def mjpeg():
    for i in itertools.count():
        data = jpeg(i % 250)
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        yield head.encode() + data + b"\r\n"


@pytest.fixture
def serve(tmp_path):
    """Start a camera of that kind."""
    clip = write_clip(tmp_path / "clip.ts", frames=FPS).read_bytes()
    step = -(-len(clip) // FPS)
    parts = [clip[at : at + step] for at in range(0, len(clip), step)]
    kinds = {
        "mjpeg": ("multipart/x-mixed-replace; boundary=frame", mjpeg),
        "mpeg-ts": ("video/mp2t", lambda: itertools.cycle(parts)),
        "picture": ("image/jpeg", lambda: [jpeg()]),
    }
    cameras = []

    def start(kind, **more):
        cameras.append(HttpCamera(*kinds[kind], **more))
        return cameras[-1]

    yield start
    for camera in cameras:
        camera.kill()


KINDS = pytest.mark.parametrize("kind", ["mjpeg", "mpeg-ts", "picture"])
QUICK = {"gate": {"fps": 20}}


@KINDS
def test_it_plays(serve, watch, kind):
    """In one opening, as far as the supervisor knows."""
    camera = watch(serve(kind).url(), timeout_s=20, **QUICK)
    camera.shows(30)
    assert {(frame.width, frame.height) for frame in camera.frames} == {(64, 48)}
    assert {state.state for state in camera.states} == {"online"}


@KINDS
def test_it_is_killed_and_comes_back(serve, watch, kind):
    server = serve(kind)
    camera = watch(server.url(), **QUICK)
    camera.shows(3)
    server.kill()
    camera.told("nothing listens at")
    assert "is the name of the host right" not in str(camera.states)
    server.start()
    camera.shows(5)


@KINDS
def test_it_falls_silent_and_goes_on(serve, watch, kind):
    server = serve(kind)
    camera = watch(server.url(), **QUICK)
    camera.shows(3)
    server.sends.clear()
    camera.told("sent nothing for 1 s")
    server.sends.set()
    camera.shows(5)


@KINDS
@pytest.mark.parametrize("path", ["/video", "/video.jpg"])
def test_a_password(serve, watch, caplog, kind, path):
    server = serve(kind, user="admin:p@1d", path=path)
    with caplog.at_level(logging.DEBUG):
        watch(server.url("admin:p%401d@"), **QUICK).shows(3)
        for user in ("admin:hunter2@", "hunter2:p%401d@", ""):
            wrong = watch(server.url(user) + "?token=hunter2")
            wrong.told(f"http://127.0.0.1:{server.port}{path}: user or password is wrong, or missing")
            assert not wrong.frames
            wrong.unit.stop()
            assert "hunter2" not in f"{wrong.states}"
    assert "hunter2" not in caplog.text
    assert "p%401d" not in caplog.text


def test_a_path_that_is_not_there(serve, watch):
    watch(serve("mjpeg").url() + "/other.jpg").told("does not exist on that server")
