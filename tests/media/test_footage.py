"""Video of any file: what it shows is what the contract says, in every form that strangers send."""

import io
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from edged.contracts.errors import BadRequest, TooLarge
from edged.contracts.items import AudioClip, Video
from edged.contracts.services import any_service
from edged.media.footage import VideoLimits, open_footage
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.testing import items_for
from edged.testing.fakes import VideoOfPictures
from tests.media.sounds import tone
from tests.media.videos import ASKED, WHOLE, film, goes_forward_once, shade, shades

LIMITS = VideoLimits()


def footage(data, play_duration_us=None, limits=LIMITS):
    return open_footage(io.BytesIO(data), limits, play_duration_us)


@pytest.fixture(params=["of pictures", "of a file"])
def ten(request):
    """Ten pictures, four a second."""
    if request.param == "of pictures":
        yield VideoOfPictures(shades(), 4.0)
        return
    with footage(film()) as video:
        yield video


def test_it_tells_its_facts(ten):
    assert isinstance(ten, Video)
    assert (ten.width, ten.height, ten.frame_rate, ten.seconds) == (64, 48, 4.0, 2.5)
    assert not ten.has_sound
    assert ten.sound() is None
    assert [frame.captured_at for frame in ten.frames()][:3] == [0, 0.25, 0.5]


@pytest.mark.parametrize(("asked", "seen"), ASKED)
def test_its_pictures_are_shown_from_to_and_as_often_as_asked(ten, asked, seen):
    frames = list(ten.frames(**asked))
    assert [frame.seq for frame in frames] == seen
    assert [frame.captured_at for frame in frames] == [number / 4 for number in seen]
    assert [shade(frame) for frame in frames] == seen
    for before, after in pairwise(frames):
        assert (before is after) == (before.seq == after.seq)


def test_its_frames_go_forward_once(ten):
    goes_forward_once(ten)
    assert [frame.seq for frame in ten.frames()] == list(range(10))


@pytest.fixture(params=["of pictures", "of a file"])
def heard(request):
    """Two seconds and a half, with as much of a tone."""
    if request.param == "of pictures":
        yield VideoOfPictures(shades(), 4.0, AudioClip(tone(2.5, RATE), RATE, 0))
        return
    with footage(film(sound=tone(2.5, RATE))) as video:
        yield video


@pytest.mark.parametrize(("start", "end"), [(0, 2_500_000), (250_000, 500_000), (2_100_000, 2_400_001)])
def test_its_sound_is_cut_where_asked(heard, start, end):
    clip = heard.sound(start, end)
    assert heard.has_sound
    assert (clip.rate, clip.start_us) == (RATE, start)
    assert len(clip.samples) == pytest.approx((end - start) * RATE / 1e6, abs=1)
    expected = tone(2.5, RATE)[round(start * RATE / 1e6) :][: len(clip.samples)]
    assert np.abs(clip.samples - expected).mean() < 0.01


def test_all_of_its_sound_is_that_of_a_recording():
    data = film(sound=tone(2.5, RATE))
    with open_sound(io.BytesIO(data), SoundLimits()) as sound:
        expected = np.concatenate(list(sound.pieces))
    with footage(data) as video:
        early = video.frames()
        next(early)
        assert np.array_equal(video.sound().samples, expected)
        assert len(list(early)) == 9, "sound does not disturb the pictures"


def test_sound_that_begins_later_is_silence_before():
    with footage(film(sound=tone(1.0, RATE), sound_from=1.0)) as video:
        samples = video.sound().samples
    assert np.abs(samples[: RATE - 1100]).max() < 0.01
    assert np.abs(samples[RATE + 100 :]).max() > 0.4
    assert len(samples) == pytest.approx(2 * RATE, abs=1100)


FORMS = [
    ("mp4", "libx264", "yuv420p"),
    ("mp4", "libx264", "yuv422p"),
    ("mp4", "libx264", "yuv444p"),
    ("mp4", "libx264", "yuvj420p"),
    ("mp4", "libx264", "yuv420p10le"),
    ("mp4", "libx264", "yuv444p10le"),
    ("matroska", "ffv1", "gray"),
    ("mp4", "libx264rgb", "rgb24"),
    ("mov", "prores_ks", "yuv422p10le"),
    ("mov", "png", "rgb24"),
    ("mov", "qtrle", "argb"),
    ("avi", "mpeg4", "yuv420p"),
    ("avi", "mjpeg", "yuvj422p"),
    ("avi", "rawvideo", "bgr24"),
    ("avi", "rawvideo", "yuyv422"),
    ("mpegts", "libx264", "yuv420p"),
    ("mpegts", "mpeg2video", "yuv420p"),
    ("matroska", "libvpx-vp9", "yuv420p"),
    ("webm", "libvpx", "yuv420p"),
    ("matroska", "ffv1", "yuv420p"),
    ("matroska", "ffv1", "yuv411p"),
    ("flv", "flv", "yuv420p"),
    ("flv", "libx264", "yuv420p"),
    ("asf", "wmv2", "yuv420p"),
]


@pytest.mark.parametrize(("container", "codec", "pix_fmt"), FORMS)
def test_every_form_shows_the_same(container, codec, pix_fmt):
    with footage(film(shades(50), 25, container, codec, pix_fmt)) as video:
        assert video.frame_rate == 25
        assert video.seconds == pytest.approx(2, abs=0.1)
        every = list(video.frames())
        assert [shade(frame) for frame in every] == [i % 12 for i in range(50)]
        assert [frame.captured_at for frame in every] == pytest.approx([i / 25 for i in range(50)])
        assert [shade(frame) for frame in video.frames(1_200_000, 1_400_000)] == [
            (30 + i) % 12 for i in range(5)
        ]
        assert [frame.seq for frame in video.frames(1_220_000, step_us=200_000)] == [30, 35, 40, 45]
        assert video.damaged is None
        colours = every[5].pixels(WHOLE)
        assert np.abs(colours.astype(int) - 120).max() <= 4, "gray stays gray"


COLOURS = [(40, 200, 90), (200, 60, 60), (30, 90, 220)]


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [("libx264", "yuv420p"), ("libx264", "yuvj420p"), ("libx264", "yuv444p10le"), ("libx264rgb", "rgb24")],
)
@pytest.mark.parametrize("colour", COLOURS)
def test_colours_are_right(codec, pix_fmt, colour):
    pictures = [np.full((48, 64, 3), colour, np.uint8)] * 4
    with footage(film(pictures, codec=codec, pix_fmt=pix_fmt, options={"crf": "1"})) as video:
        shown = next(video.frames()).pixels(WHOLE).astype(int)
    assert np.abs(shown - colour).max() <= 4


@pytest.mark.parametrize(("turn", "corner"), [(0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (-90, (0, 1))])
@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_it_is_upright(container, turn, corner):
    """A light corner, at the top left as stored."""
    picture = np.full((48, 64, 3), 20, np.uint8)
    picture[:16, :16] = 220
    with footage(film([picture] * 3, container=container, turn=turn)) as video:
        shown = next(video.frames()).pixels(WHOLE)
        assert shown.shape[:2] == (video.height, video.width) == ((48, 64) if turn % 180 == 0 else (64, 48))
    row, column = corner
    assert shown[(2, -3)[row], (2, -3)[column]].min() > 200
    assert shown[(-3, 2)[row], (-3, 2)[column]].max() < 40


def test_of_many_key_frames_and_few():
    """Pictures that are stored in another order, and one key frame in all."""
    for options in ({"g": "250", "bf": "3"}, {"g": "12", "bf": "2"}, {"g": "1"}):
        with footage(film(shades(120), 25, options=options)) as video:
            for start in (0, 40_000, 1_000_000, 4_760_000):
                first = start // 40_000
                assert [frame.seq for frame in video.frames(start)] == list(range(first, 120))
                assert shade(next(video.frames(start))) == first % 12


def test_pictures_that_are_not_shown_evenly():
    times = [0, 100, 150, 1000, 1500, 1510, 1520, 2000, 2400, 2500]
    with footage(film(times=times, tick=Fraction(1, 1000), rate=10)) as video:
        assert video.frame_rate is None
        every = [(frame.seq, round(1000 * frame.captured_at)) for frame in video.frames()]
        assert every == list(enumerate(times))
        assert [shade(frame) for frame in video.frames(step_us=500_000)] == [0, 2, 3, 4, 7, 9]
        assert [shade(frame) for frame in video.frames(1_000_000, 1_515_000)] == [3, 4, 5]


@pytest.mark.parametrize("rate", [Fraction(30_000, 1001), Fraction(24_000, 1001), 60, Fraction(25, 3)])
@pytest.mark.parametrize("container", ["mp4", "matroska", "flv", "avi", "mpegts"])
def test_times_are_even_whatever_the_file_rounds_them_to(rate, container):
    codec = "mpeg4" if container == "avi" else "libx264"
    with footage(film(shades(60), rate, container, codec)) as video:
        assert video.frame_rate == pytest.approx(float(rate), rel=1e-3)
        assert [frame.seq for frame in video.frames()] == list(range(60))
        assert [frame.seq for frame in video.frames(rate=video.frame_rate)] == list(range(60))
        assert [frame.seq for frame in video.frames(rate=video.frame_rate / 3)] == list(range(0, 60, 3))


def test_only_the_beginning():
    data = film(sound=tone(2.5, RATE))
    with footage(data, 1_000_000) as video:
        assert video.seconds == 1
        assert [frame.seq for frame in video.frames()] == [0, 1, 2, 3]
        assert [frame.seq for frame in video.frames(step_us=400_000)] == [0, 1, 3]
        assert len(video.sound().samples) == RATE
    with footage(data, 1) as video:
        assert [frame.seq for frame in video.frames()] == [0]
        assert [frame.seq for frame in video.frames(rate=5)] == [0]
    with footage(data, 10**15) as video:
        assert video.seconds == 2.5


def test_too_long_a_video_is_refused_unless_only_its_beginning_is_wanted():
    data, limits = film(), VideoLimits(max_seconds=1.0)
    with (
        pytest.raises(TooLarge, match=r"1 seconds of `requests.video.max_seconds`.*play_duration"),
        footage(data, None, limits),
    ):
        pass
    with footage(data, 900_000, limits) as video:
        assert [frame.seq for frame in video.frames()] == [0, 1, 2, 3]


def test_a_model_is_tried_on_a_video_of_the_users(tmp_path):
    (tmp_path / "mine.mp4").write_bytes(film())
    video = items_for(any_service("video-classification"), [str(tmp_path / "mine.mp4")]).usual
    assert isinstance(video, Video)
    assert len(list(video.frames())) == 10
    with pytest.raises(BadRequest, match="1 item"):
        items_for(any_service("video-classification"), ["a", "b"])
