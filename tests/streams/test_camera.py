import logging
import threading

import numpy as np
import pytest

from edged.contracts.errors import SourceError
from edged.contracts.items import Frame
from edged.flow.counters import Counters
from edged.media.picture import encode_jpeg
from edged.streams.camera import CameraSettings, CameraSource
from edged.streams.gates import GateSettings
from tests.media.clips import write_clip


def camera(settings, counters=None):
    return CameraSource("door", settings, counters or Counters())


def test_frames_of_a_file_until_its_end(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    seen: list[Frame] = []
    camera(CameraSettings(source=str(clip), real_time=False)).run(seen.append, threading.Event())
    assert [f.seq for f in seen] == list(range(12))


def test_key_frames_only(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    settings = CameraSettings(source=str(clip), real_time=False, gate=GateSettings(key_frames_only=True))
    seen: list[Frame] = []
    camera(settings).run(seen.append, threading.Event())
    assert len(seen) == 2


def test_a_loop_ends_when_it_is_stopped(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    stop = threading.Event()
    seen: list[int] = []

    def emit(frame):
        seen.append(frame.seq)
        if len(seen) == 30:
            stop.set()

    camera(CameraSettings(source=str(clip), loop=True, real_time=False)).run(emit, stop)
    assert seen == [*range(12), *range(12), *range(6)], "each round is another scene"


def test_a_source_that_is_not_there():
    with pytest.raises(SourceError, match="does not exist"):
        camera(CameraSettings(source="/no/such/clip.mp4")).run(lambda _: None, threading.Event())


def test_the_password_is_not_shown():
    settings = CameraSettings(source="rtsp://user:secret@host/x")
    assert "secret" not in f"{settings!r} {settings}"


def test_damage_is_counted_and_is_one_line_a_second(tmp_path, caplog):
    for i in range(30):
        (tmp_path / f"{i}.jpg").write_bytes(b"no picture")
    (tmp_path / "good.jpg").write_bytes(encode_jpeg(np.zeros((48, 64, 3), np.uint8)))
    counters = Counters()
    settings = CameraSettings(source=str(tmp_path), real_time=False)
    with caplog.at_level(logging.WARNING):
        camera(settings, counters).run(lambda _: None, threading.Event())
    assert counters.counts()["frames_dropped/door"]["damaged"] == 30
    assert 1 <= len(caplog.messages) < 10


def test_a_folder_whose_gate_is_slow_is_not_stalled(tmp_path):
    """Its pictures come more often than `stall_s`; the gate drops most of them."""
    for name in "abc":
        (tmp_path / f"{name}.jpg").write_bytes(encode_jpeg(np.zeros((48, 64, 3), np.uint8)))
    settings = CameraSettings(source=str(tmp_path), stall_s=0.2, gate=GateSettings(fps=0.001))
    seen: list[Frame] = []
    camera(settings).run(seen.append, threading.Event())
    assert len(seen) == 3
