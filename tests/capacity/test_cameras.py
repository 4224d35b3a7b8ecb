"""The cameras of the bench: a clip that plays on and on, in real time, each camera at another moment."""

import io
import socket
import threading
import time

import av
import numpy as np
import pytest

from edged.bench.cameras import PlayedCameras
from edged.bench.clip import FPS, encoded, pictures
from edged.contracts.errors import NotReady
from edged.media.video import VideoOptions, open_video

SIZE = (48, 64)


@pytest.fixture(scope="module")
def clip():
    return encoded(SIZE, 1)


@pytest.fixture
def cameras(clip):
    made = PlayedCameras(clip)
    made.start()
    yield made
    made.stop()


def test_everything_moves_and_the_end_leads_to_the_beginning():
    shown = [picture.astype(int) for picture in pictures(SIZE, 8)]
    steps = [np.abs(a - b).mean() for a, b in zip(shown, [*shown[1:], shown[0]], strict=True)]
    assert min(steps) > 1
    assert steps[-1] < 2 * max(steps[:-1])


def test_a_piece_for_each_picture(clip):
    assert len(clip) == FPS
    with av.open(io.BytesIO(b"".join(clip)), "r") as container:
        frames = list(container.decode(video=0))
    assert [(frame.height, frame.width) for frame in frames] == [SIZE] * FPS
    assert [frame.key_frame for frame in frames].count(True) == 1


def test_it_plays_on_and_on_without_damage(cameras):
    stop, damaged = threading.Event(), list[str]()
    options = VideoOptions(timeout_s=30, damaged=damaged.append)
    began = time.monotonic()
    for number, _ in enumerate(open_video(cameras.url(0), options, stop)):
        if number == 2 * FPS + 5:
            stop.set()
    assert damaged == []
    assert time.monotonic() - began > 1, "in real time"


def test_who_goes_away_or_asks_for_nonsense_disturbs_nobody(cameras):
    address = ("127.0.0.1", int(cameras.url(0).rpartition(":")[2].split("/")[0]))
    for said in (b"", b"GET / HTTP/1.0\r\n\r\n", b"GET /3 HTTP/1.0\r\n\r\n"):
        with socket.create_connection(address) as gone:
            gone.sendall(said)
    stop = threading.Event()
    frames = open_video(cameras.url(1), VideoOptions(timeout_s=30), stop)
    assert (next(frames).height, next(frames).width) == SIZE
    stop.set()


def test_without_an_encoder_it_says_so(monkeypatch):
    monkeypatch.setattr("edged.bench.clip._ENCODER", "nowhere264")
    with pytest.raises(NotReady, match="nowhere264"):
        encoded(SIZE, 1)
