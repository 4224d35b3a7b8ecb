"""What an RTSP camera can lead FFmpeg to by a redirect; it has no option against that (docs/promises.md).

When the first test fails, FFmpeg has learnt to refuse: then its limit there goes.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from edged.contracts.errors import SourceError
from edged.media.video import VideoOptions, open_video
from tests.streams.cameras import tcp_server

ELSEWHERE = "rtsp://127.0.0.2:{port}/secret"
"""Another host that is this machine."""


def answering(status: str, asked: list[str], at: str) -> Callable[[socket.socket], None]:
    """A server that answers one method with `status`, and others with 200."""

    def talk(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while said := connection.recv(4096).decode(errors="replace"):
                asked.append(said)
                number = next(line for line in said.split("\r\n") if line.startswith("CSeq"))
                line = status if said.startswith(at) else "200 OK"
                connection.sendall(f"RTSP/1.0 {line}\r\n{number}\r\nContent-Length: 0\r\n\r\n".encode())

    return talk


@contextlib.contextmanager
def elsewhere(asked: list[str]) -> Iterator[int]:
    """Another host, which wants a password. Yields its port."""
    ended = threading.Event()
    talk = answering('401 Unauthorized\r\nWWW-Authenticate: Basic realm="camera"', asked, "")

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not ended.is_set():
                connection, _ = listening.accept()
                with connection:
                    connection.settimeout(5)
                    asked.append("connected")
                    talk(connection)

    with socket.create_server(("127.0.0.2", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(30)


def lead(at: str, to: str) -> list[str]:
    """What another host is asked when a camera answers `at` with a redirect to it."""
    asked: list[str] = []
    with elsewhere(asked) as port:
        moved = f"302 Found\r\nLocation: {to.format(port=port)}"
        with tcp_server(answering(moved, [], at)) as camera, pytest.raises(SourceError) as failed:
            url = f"rtsp://admin:hunter2@127.0.0.1:{camera}/video"
            list(open_video(url, VideoOptions(timeout_s=10), threading.Event()))
    assert "hunter2" not in str(failed.value)
    return asked


@pytest.mark.parametrize("at", ["OPTIONS", "DESCRIBE"])
def test_ffmpeg_asks_another_host_by_rtsp_which_is_a_known_limit(at):
    asked = lead(at, ELSEWHERE)
    print(asked)
    assert any("rtsp://127.0.0.2" in said for said in asked)


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.2:{port}/secret",
        "rtsps://127.0.0.2:{port}/secret",
        "rtmp://127.0.0.2:{port}/secret",
        "tcp://127.0.0.2:{port}",
        "file:///etc/passwd",
        "concat:/etc/passwd",
    ],
)
@pytest.mark.parametrize("at", ["OPTIONS", "DESCRIBE"])
def test_a_redirect_leads_to_no_other_protocol(at, to):
    assert not lead(at, to)
