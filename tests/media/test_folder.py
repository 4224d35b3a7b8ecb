"""A folder of pictures that plays a camera."""

import threading
import time
from itertools import islice

import cv2
import numpy as np
import pytest

from edged.contracts.errors import SourceError
from edged.contracts.items import PixelFormat
from edged.flow.budget import Budget
from edged.media.folder import is_folder, open_folder
from edged.media.video import VideoOptions

NEVER = threading.Event()
QUICK = VideoOptions(real_time=False)


def write_picture(path, shade, size=(48, 64)):
    """Of one shade of gray."""
    path.write_bytes(cv2.imencode(path.suffix, np.full((*size, 3), shade, np.uint8))[1].tobytes())
    return path


def shades(frames):
    return [round(float(frame.pixels(PixelFormat()).mean()), -1) for frame in frames]


@pytest.fixture
def folder(tmp_path):
    """Three pictures of the shades 10, 20 and 30, and what else lies about in folders."""
    write_picture(tmp_path / "b.PNG", 20)
    write_picture(tmp_path / "c.webp", 30)
    write_picture(tmp_path / "a.jpg", 10)
    write_picture(tmp_path / ".a.jpg", 200)
    (tmp_path / "Thumbs.db").write_bytes(b"\0")
    (tmp_path / "below").mkdir()
    write_picture(tmp_path / "below" / "d.jpg", 200)
    return tmp_path


def test_pictures_in_the_order_of_their_names(folder):
    frames = list(open_folder(str(folder), QUICK, NEVER))
    assert shades(frames) == [10, 20, 30]
    assert [frame.seq for frame in frames] == [0, 1, 2]
    assert all(abs(time.time() - frame.captured_at) < 60 for frame in frames)
    assert shades(open_folder(f"file://{folder}", QUICK, NEVER)) == [10, 20, 30]


def test_a_new_picture_is_shown_in_the_next_round(folder):
    frames = open_folder(str(folder), VideoOptions(real_time=False, loop=True), NEVER)
    assert shades(islice(frames, 2)) == [10, 20]
    write_picture(folder / "aa.jpg", 100)
    (folder / "b.PNG").unlink()
    assert shades(islice(frames, 4)) == [30, 10, 100, 30]


@pytest.mark.parametrize(("names", "seqs"), [("abc", [0, 1, 2, 0, 1, 2, 0]), ("a", [0, 1, 2, 3, 4, 5, 6])])
def test_each_round_begins_anew_unless_one_picture_is_all(tmp_path, names, seqs):
    """So tracks end where the last picture is followed by the first; one that others replace is a camera."""
    for name in names:
        write_picture(tmp_path / f"{name}.jpg", 10)
    frames = open_folder(str(tmp_path), VideoOptions(real_time=False, loop=True), NEVER)
    assert [frame.seq for frame in islice(frames, 7)] == seqs


def test_the_rate(folder):
    began = time.monotonic()
    frames = open_folder(str(folder), VideoOptions(loop=True, pictures_a_second=20), NEVER)
    assert len(list(islice(frames, 11))) == 11
    assert 0.45 < time.monotonic() - began < 30


def test_a_stop_does_not_wait_for_the_next_picture(folder):
    stop = threading.Event()
    frames = open_folder(str(folder), VideoOptions(loop=True, pictures_a_second=0.001), stop)
    next(frames)
    threading.Timer(0.1, stop.set).start()
    assert list(frames) == []


def test_what_is_no_picture_is_passed_over_and_told(folder):
    (folder / "a1.jpg").write_bytes(b"no picture at all")
    (folder / "a2.png").write_bytes((folder / "b.PNG").read_bytes()[:50])
    (folder / "a3.tif").mkdir()
    (folder / "a4.gif").symlink_to(folder / "gone.gif")
    with (folder / "a5.bmp").open("wb") as file:
        file.truncate(30_000_000)
    told: list[str] = []
    options = VideoOptions(real_time=False, damaged=told.append)
    assert shades(open_folder(str(folder), options, NEVER)) == [10, 20, 30]
    assert [line.split()[0].rstrip(":") for line in told] == [
        "a1.jpg",
        "a2.png",
        "a3.tif",
        "a4.gif",
        "a5.bmp",
    ]
    assert "over the limit" in told[4]


def test_pictures_are_upright(tmp_path):
    jpeg = write_picture(tmp_path / "a.jpg", 100).read_bytes()
    tags = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6
    block = b"\xff\xe1" + (len(tags) + 2).to_bytes(2, "big") + tags
    (tmp_path / "a.jpg").write_bytes(jpeg[:2] + block + jpeg[2:])
    (frame,) = open_folder(str(tmp_path), QUICK, NEVER)
    assert (frame.width, frame.height) == (48, 64)


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"\0")
    with pytest.raises(SourceError, match=r"holds no picture: no file in it ends in \.bmp, "):
        next(open_folder(str(tmp_path), QUICK, NEVER))
    (tmp_path / "a.jpg").write_bytes(b"\0")
    with pytest.raises(SourceError, match="holds no picture that can be decoded"):
        next(open_folder(str(tmp_path), VideoOptions(loop=True), NEVER))


def test_a_folder_that_goes_away(folder):
    frames = open_folder(str(folder), VideoOptions(real_time=False, loop=True), NEVER)
    next(frames)
    folder.rename(folder.with_name("gone"))
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        list(frames)


def test_what_is_a_folder(folder):
    assert is_folder(str(folder))
    assert is_folder(f"file://{folder}")
    for source in (
        str(folder / "a.jpg"),
        str(folder / "none"),
        "rtsp://host/x",
        f"rtsp://host/x?token={'x' * 400}",
        "x" * 400,
        "nul\0",
    ):
        assert not is_folder(source)


def test_pictures_take_their_memory_from_the_budget(folder, monkeypatch):
    monkeypatch.setattr("edged.media.folder.PATIENCE_S", 0.05)
    memory, passed_over = Budget(5_000_000), []
    options = VideoOptions(real_time=False, memory=memory, damaged=passed_over.append)
    assert shades(open_folder(str(folder), options, NEVER)) == [10, 20, 30]
    assert (memory.held, passed_over) == (0, [])
    with memory.hold(5_000_000), pytest.raises(SourceError, match="no picture that can be decoded"):
        list(open_folder(str(folder), options, NEVER))
    assert len(passed_over) == 3
    assert "`runtime.memory`" in passed_over[0]
