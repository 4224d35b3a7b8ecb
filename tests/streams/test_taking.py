"""What is taken of a source to calibrate on: evenly, without what shows the same twice, whatever breaks."""

import itertools
import time
from functools import partial
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from edged.contracts.errors import SourceError
from edged.contracts.items import Frame, PixelFormat
from edged.media.frame import PictureFrame
from edged.media.kept import LONGEST_SIDE, KeptFrame
from edged.media.sound import RATE
from edged.streams import taking
from edged.streams.camera import CameraSettings
from edged.streams.taking import Portion, Spread, take_clips, take_frames
from tests.broker import free_port
from tests.media.sounds import encoded, tone
from tests.streams.cameras import MJPEG, http_camera

SHOWN = PixelFormat()


def room(box):
    """A picture of shades, with something light at a place of the upper row, if anything."""
    rough = np.random.default_rng(0).integers(60, 180, (9, 16)).astype(np.uint8)
    shades = cv2.resize(rough, (320, 180), interpolation=cv2.INTER_CUBIC)
    if box is not None:
        left = box * 37 % 280
        shades[20:80, left : left + 30] = 250
    return cv2.merge([shades] * 3)


def film(path, boxes):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for box in boxes:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(room(box), "bgr24")))
        container.mux(stream.encode(None))
    return path


def taken(source, count=300, over_s=60.0, told=lambda share: None):
    return take_frames("door", CameraSettings(source=str(source)), Portion(count, over_s), told)


@pytest.mark.parametrize(("given", "count"), [(7, 10), (10, 10), (33, 10), (1000, 10), (999, 21)])
def test_what_is_kept_is_spread_over_all_that_came(given, count):
    spread, made, most = Spread[int](count), list[int](), 0

    def make(number):
        made.append(number)
        return number

    for number in range(given):
        spread.put(partial(make, number))
        most = max(most, len(spread))
    kept = spread.rest()
    assert len(kept) == min(given, count) >= most
    steps = np.diff(kept)
    assert (steps > 0).all()
    assert steps.max() <= 2 * steps.min() + 1
    assert given - 1 - kept[-1] <= steps.max()
    assert len(made) <= count * (3 + given // (2 * count))  # a frame that is left out is not encoded either


def test_a_video_gives_what_moves_from_all_of_it_at_once(tmp_path):
    path = film(tmp_path / "film.mp4", [None] * 30 + list(range(60)) + [None] * 30)
    shares: list[float] = []
    began = time.monotonic()
    found = taken(path, count=20, told=shares.append)
    assert time.monotonic() - began < 60  # and not for as long as a camera would be watched
    assert len(found.items) == 20
    assert found.alike == 30 + 30 - 2  # the first empty room differs from none, the last one from a box
    assert found.damaged == 0
    assert shares[-1] == 1.0
    seqs = [frame.seq for frame in found.items]
    assert seqs == sorted(seqs)
    assert seqs[0] < 35
    assert seqs[-1] >= 85
    assert isinstance(found.items[0], Frame)


def test_pictures_of_a_folder_all_count_but_for_the_broken_ones(tmp_path):
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), room(3))
    (tmp_path / "5.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (tmp_path / "6.png").write_bytes((tmp_path / "0.png").read_bytes()[:500])
    found = taken(tmp_path)
    assert (len(found.items), found.alike, found.damaged) == (4, 0, 2)


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(SourceError, match="holds no picture"):
        taken(tmp_path)


def play(write, pictures=itertools.count()):  # noqa: B008 - goes on where the last connection broke off
    """A camera that breaks off after ten pictures."""
    for number in itertools.islice(pictures, 10):
        jpeg = cv2.imencode(".jpg", room(number))[1].tobytes()
        write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg))
        time.sleep(0.02)


def test_a_camera_is_watched_for_so_long_and_opened_again_where_it_breaks_off(monkeypatch):
    monkeypatch.setattr(taking, "RETRY_S", 0.05)
    shares: list[float] = []
    with http_camera(play, MJPEG) as port:
        began = time.monotonic()
        found = taken(f"http://127.0.0.1:{port}/", over_s=3.0, told=shares.append)
    assert 3.0 <= time.monotonic() - began < 30
    assert len(found.items) > 10
    assert 0 < shares[0] < shares[-1] <= 1.0


def test_a_camera_gives_no_more_than_is_wanted_however_fast_it_is():
    def fast(write):
        for number in range(10**6):
            jpeg = cv2.imencode(".jpg", room(number))[1].tobytes()
            write(
                b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg)
            )
            time.sleep(0.005)

    with http_camera(fast, MJPEG) as port:
        found = taken(f"http://127.0.0.1:{port}/", count=5, over_s=2.0)
    assert len(found.items) == 5
    times = [frame.captured_at for frame in found.items]
    assert times[-1] - times[0] > 0.8  # of two seconds, not the first five pictures


def test_a_camera_that_is_not_there_is_told_at_once():
    began = time.monotonic()
    with pytest.raises(SourceError, match="nothing listens"):
        taken(f"http://127.0.0.1:{free_port()}/", over_s=300.0)
    assert time.monotonic() - began < 30


def test_a_device_that_the_daemon_holds(monkeypatch):
    def busy(*_):
        raise SourceError("/dev/video0 cannot be read: Device or resource busy")

    monkeypatch.setattr(taking, "CameraSource", lambda *_: SimpleNamespace(run=busy))
    with pytest.raises(SourceError, match="stop the daemon for the while, or give `--from` a video"):
        taken("/dev/video0")


def test_a_microphone_gives_no_pictures():
    with pytest.raises(SourceError, match="door is a microphone"):
        taken("mic:default")


def test_a_kept_frame_is_the_frame_but_for_what_jpeg_loses():
    shown = PictureFrame(room(4), 1.5, 7)
    kept = KeptFrame(shown)
    assert (kept.width, kept.height, kept.captured_at, kept.seq) == (320, 180, 1.5, 7)
    for wanted in (SHOWN, PixelFormat((90, 160))):
        loss = np.abs(kept.pixels(wanted).astype(int) - shown.pixels(wanted).astype(int))
        assert loss.mean() < 2
    assert kept.part((10, 20, 60, 90)).pixels(SHOWN).shape == (70, 50, 3)


def test_a_large_frame_is_kept_smaller():
    kept = KeptFrame(PictureFrame(np.zeros((2160, 3840, 3), np.uint8), 0.0))
    assert (kept.width, kept.height) == (LONGEST_SIDE, 1080)


class Voice:
    """Hears a voice in whatever is loud."""

    def start(self):
        return None

    def step(self, clip, state, run):
        loud = np.abs(clip.samples.reshape(-1, 512)).max(axis=1) > 0.1
        return SimpleNamespace(probabilities=loud.astype(np.float32)), None


@pytest.fixture
def recording(tmp_path):
    """Silence, 1 s of a tone, silence, 2 s of it, silence: of 5 s each."""
    silence = np.zeros(5 * 48_000, np.float32)
    path = tmp_path / "said.wav"
    path.write_bytes(
        encoded(np.concatenate([silence, tone(1.0), silence, tone(2.0), silence]).astype(np.float32))
    )
    return CameraSettings(source=str(path))


def test_who_speaks_gives_utterances(recording):
    found = take_clips("room", recording, Portion(300, 60.0), lambda share: None, Voice(), pieces=False)
    assert [round(clip.voiced_seconds) for clip in found.items] == [1, 2]
    assert {clip.rate for clip in found.items} == {RATE}


def test_sound_that_is_always_heard_gives_pieces_but_for_silent_ones(recording):
    found = take_clips("room", recording, Portion(300, 60.0), lambda share: None, None, pieces=False)
    assert [round(clip.seconds, 1) for clip in found.items] == [5.0, 5.0]
    assert found.alike == 1
