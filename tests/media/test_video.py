import socket
import threading
import time
from itertools import islice, pairwise

import pytest

from edged.contracts.errors import SourceError
from edged.contracts.items import Frame, PixelFormat
from edged.media.decoding import key_frames
from edged.media.source import redact
from edged.media.video import VideoOptions, open_video, sample_frames
from tests.media.clips import write_clip
from tests.streams.cameras import silent, tcp_server, trickle

NEVER = threading.Event()
QUICK = VideoOptions(real_time=False)


def brightness(frame):
    return frame.pixels(PixelFormat((8, 8))).mean()


def refuse(connection):
    connection.recv(4096)
    connection.sendall(
        b'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n' * 3
    )


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://user:pass@host:554/x", "rtsp://host:554/x"),
        ("rtsp://user:p@ss/word@host/x", "rtsp://host/x"),
        ("http://host/x?token=secret", "http://host/x"),
        ("rtsp://host/x", "rtsp://host/x"),
        ("rtsp://host/user=a&password=secret&channel=1", "rtsp://host/user=a&password=..."),
        ("/clips/a@b?.mp4", "/clips/a@b?.mp4"),
    ],
)
def test_redact(source, shown):
    assert redact(source) == shown


def test_a_file_gives_all_its_frames_in_order(tmp_path):
    frames = list(open_video(str(write_clip(tmp_path / "clip.mp4")), QUICK, NEVER))
    assert [f.seq for f in frames] == list(range(12))
    assert all(a < b for a, b in pairwise(map(brightness, frames)))
    assert {(f.width, f.height) for f in frames} == {(64, 48)}
    assert abs(frames[0].captured_at - time.time()) < 60


def test_real_time_keeps_the_recorded_distances(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=11, fps=20)
    began = time.monotonic()
    frames = list(open_video(f"file://{clip}", VideoOptions(), NEVER))
    assert time.monotonic() - began >= 0.49
    assert frames[-1].captured_at - frames[0].captured_at >= 0.45


def test_a_loop_goes_on_without_a_hitch(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=5, fps=50)
    began = time.monotonic()
    frames = list(islice(open_video(str(clip), VideoOptions(loop=True), NEVER), 26))
    assert time.monotonic() - began >= 0.49  # 25 distances of 20 ms, those between two rounds too
    assert [f.seq for f in frames] == [*range(5)] * 5 + [0], "each round is another scene"
    assert brightness(frames[25]) == brightness(frames[0])


def test_stop_ends_a_file_that_waits(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=2, fps=1)
    stop = threading.Event()
    for seq, _ in enumerate(open_video(str(clip), VideoOptions(loop=True), stop)):
        assert seq == 0
        stop.set()


def test_key_frames_only(tmp_path):
    options = VideoOptions(real_time=False, need=key_frames)
    assert len(list(open_video(str(write_clip(tmp_path / "clip.mp4")), options, NEVER))) == 2


def test_damaged_packets_are_counted_and_left_out(tmp_path):
    clip = write_clip(tmp_path / "clip.ts", frames=60, size=(240, 320))
    data = bytearray(clip.read_bytes())
    for at in range(len(data) // 2, len(data) * 3 // 4):
        if at % 188 >= 12:
            data[at] ^= 0x5A
    clip.write_bytes(data)
    damaged = []
    frames = list(
        open_video(str(clip), VideoOptions(real_time=False, damaged=lambda: damaged.append(1)), NEVER)
    )
    assert 20 < len(frames) <= 60
    assert len(frames) + len(damaged) >= 40


def test_samples_are_evenly_spread(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=21)
    samples = sample_frames(clip, 5)
    assert [s.shape for s in samples] == [(48, 64, 3)] * 5
    assert [round(s.mean() / 60) for s in samples] == [0, 1, 2, 3, 4]
    assert len(sample_frames(clip, 100)) == 21


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("missing.mp4", None, "does not exist"),
        ("text.mp4", b"no video at all", "is no video or sound that can be read"),
        ("empty.mp4", b"", "is no video or sound that can be read"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=sentence):
        list(open_video(str(tmp_path / name), QUICK, NEVER))


def test_a_folder(tmp_path):
    with pytest.raises(SourceError):
        list(open_video(str(tmp_path), QUICK, NEVER))


def test_a_device_that_is_not_there():
    with pytest.raises(SourceError, match="/dev/video-none does not exist"):
        list(open_video("/dev/video-none", VideoOptions(), NEVER))


@pytest.mark.parametrize("talk", [silent, trickle])
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_says_nothing_ends_soon(scheme, talk):
    with tcp_server(talk) as port:
        began = time.monotonic()
        with pytest.raises(SourceError, match=rf"^{scheme}://127\.0\.0\.1:{port}/x ") as caught:
            list(open_video(f"{scheme}://user:secret@127.0.0.1:{port}/x", VideoOptions(timeout_s=1), NEVER))
        assert time.monotonic() - began < 10
    assert "secret" not in str(caught.value)


def test_wrong_password_is_told_without_it():
    with (
        tcp_server(refuse) as port,
        pytest.raises(SourceError, match="user or password is wrong") as e,
    ):
        list(open_video(f"rtsp://user:secret@127.0.0.1:{port}/x", VideoOptions(), NEVER))
    assert "secret" not in str(e.value)


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(SourceError, match="nothing listens"):
        list(open_video(f"rtsp://127.0.0.1:{port}/x", VideoOptions(), NEVER))


def test_an_unknown_protocol():
    with pytest.raises(SourceError, match="protocol"):
        list(open_video("gopher2://127.0.0.1/x", VideoOptions(), NEVER))


def test_a_live_source_that_ends_is_an_error(tmp_path):
    body = write_clip(tmp_path / "clip.ts").read_bytes()

    def play(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + body)
        connection.close()

    got: list[Frame] = []
    with tcp_server(play) as port, pytest.raises(SourceError, match=r"ended its stream|broke off"):
        got.extend(open_video(f"http://127.0.0.1:{port}/x.ts", VideoOptions(), NEVER))
    with tcp_server(play) as port:
        frames = open_video(f"http://127.0.0.1:{port}/x.ts", VideoOptions(), NEVER)
        assert [f.seq for f in islice(frames, 12)] == list(range(12))
