"""What strangers send as video: refused in words, or used as far as it goes, in bounded time and memory."""

import io
import re
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from edged.contracts.errors import NotMedia, NotUsable, TimedOut, TooLarge
from edged.media.footage import VideoLimits, footage_bytes, open_footage
from edged.media.sound import RATE
from tests.media.sounds import encoded, tone
from tests.media.videos import WHOLE, film, shade, shades


def footage(data, limits=None, check=lambda: None):
    return open_footage(io.BytesIO(data), limits or VideoLimits(), None, check)


def refused(data, limits=None):
    """What opening says."""
    with pytest.raises((NotMedia, NotUsable, TooLarge)) as caught, footage(data, limits):
        pass
    return caught.value


@pytest.mark.parametrize(
    "data", [b"", b"this is a text\n" * 500, b"\0" * 5000, b"\0\0\0\x18ftypmp42" + bytes(99)]
)
def test_a_text_that_is_named_mp4(data):
    assert isinstance(refused(data), NotMedia)


@pytest.mark.parametrize(
    "data", [encoded(tone(), "mp4", "aac"), encoded(tone()), encoded(tone(), "mp3", "libmp3lame")]
)
def test_sound_alone(data):
    error = refused(data)
    assert isinstance(error, NotUsable)
    assert str(error) == "has no video"


def with_cover(pictures):
    """A picture of a cover, and perhaps a video."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        cover, track = out.add_stream("mjpeg", 25, options={}), out.add_stream("libx264", 4)
        cover.width = cover.height = 128
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        track.height, track.width = 48, 64
        out.mux(cover.encode(av.VideoFrame.from_ndarray(np.full((128, 128, 3), 255, np.uint8), "bgr24")))
        for i, bgr in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(bgr, "bgr24")
            frame.pts, frame.time_base = i, Fraction(1, 4)
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    return file.getvalue()


def covered_sound():
    """A song with its cover."""
    file = io.BytesIO()
    with (
        av.open(io.BytesIO(encoded(tone(), "mp4", "aac")), "r") as song,
        av.open(file, "w", format="mp4") as out,
    ):
        cover, track = out.add_stream("mjpeg", 25, options={}), out.add_stream_from_template(song.streams[0])
        cover.width = cover.height = 128
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        out.mux(cover.encode(av.VideoFrame.from_ndarray(np.full((128, 128, 3), 255, np.uint8), "bgr24")))
        for packet in song.demux():
            if packet.dts is not None:
                packet.stream = track
                out.mux(packet)
    return file.getvalue()


def test_a_cover_is_no_video():
    assert str(refused(covered_sound())) == "has no video"
    with footage(with_cover(shades())) as video:
        assert (video.width, video.height) == (64, 48)
        assert [shade(frame) for frame in video.frames()] == list(range(10))


def tracks(*said):
    """A file with a track for each (size, whether it is the default one); the first is the lightest."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        made = [out.add_stream("libx264", 4) for _ in said]
        for track, (size, default) in zip(made, said, strict=True):
            track.height, track.width = size
            track.disposition = av.stream.Disposition.default if default else av.stream.Disposition(0)
        for i in range(10):
            for light, (track, (size, _)) in enumerate(zip(made, said, strict=True)):
                frame = av.VideoFrame.from_ndarray(np.full((*size, 3), 220 - 100 * light, np.uint8), "bgr24")
                frame.pts, frame.time_base = i, Fraction(1, 4)
                out.mux(track.encode(frame))
        for track in made:
            out.mux(track.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ((((48, 64), False), ((48, 64), True)), 1),
        ((((48, 64), True), ((96, 128), False)), 0),
        ((((48, 64), False), ((96, 128), False)), 1),
    ],
)
def test_of_several_tracks_the_default_one_else_the_largest(said, chosen):
    with footage(tracks(*said)) as video:
        assert (video.height, video.width) == said[chosen][0]
        every = list(video.frames())
    assert len(every) == 10
    assert abs(int(every[3].pixels(WHOLE).mean()) - (220 - 100 * chosen)) < 4


def in_front(tmp_path, data):
    """The same with its index before the pictures."""
    (tmp_path / "whole.mp4").write_bytes(data)
    with (
        av.open(str(tmp_path / "whole.mp4"), "r") as whole,
        av.open(str(tmp_path / "front.mp4"), "w", container_options={"movflags": "faststart"}) as front,
    ):
        made = {stream.index: front.add_stream_from_template(stream) for stream in whole.streams}
        for packet in whole.demux():
            if packet.dts is not None:
                packet.stream = made[packet.stream.index]
                front.mux(packet)
    return (tmp_path / "front.mp4").read_bytes()


@pytest.mark.parametrize("container", ["mp4", "mpegts", "matroska"])
def test_of_a_truncated_one_what_can_be_decoded_is_used(container, tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (100, 48, 64, 3)).astype(np.uint8)
    data = film(list(noise), 25, container, sound=tone(4.0, RATE))
    data = in_front(tmp_path, data) if container == "mp4" else data
    with footage(data) as video:
        assert len(list(video.frames())) == 100
        assert video.damaged is None
    with footage(data[: len(data) // 2]) as video:
        assert 30 < len(list(video.frames())) < 70
        assert 30 < len(list(video.frames(rate=25))) < 70
        if container == "mpegts":  # which does not say how long it is: so much is its length
            assert video.seconds == pytest.approx(2, abs=0.5)
        else:
            assert video.seconds == pytest.approx(4, abs=0.1)
            assert "the video is damaged: it ends after" in video.damaged
            assert re.search(r"of 4.[01] seconds", video.damaged)


def test_one_whose_index_was_cut_off_is_none():
    data = film()
    assert isinstance(refused(data[: data.index(b"moov") - 4]), NotMedia)
    assert isinstance(refused(data[: data.index(b"moov") + 4]), NotUsable)


def test_damage_in_the_middle_is_told():
    noise = np.random.default_rng(1).integers(0, 256, (50, 48, 64, 3)).astype(np.uint8)
    data = bytearray(film(list(noise), 25, options={"g": "5", "bf": "0"}))
    begin = data.index(b"mdat") + 4
    for at in range(begin + 20_000, begin + 22_000):
        data[at] = 0xFF
    with footage(bytes(data)) as video:
        shown = [frame.seq for frame in video.frames()]
        assert len(shown) > 20
        assert shown[-1] == 49
        assert "damaged" in video.damaged


def test_no_picture_at_all():
    data = bytearray(film())
    begin = data.index(b"mdat") + 4
    data[begin : data.index(b"moov") - 4] = bytes(data.index(b"moov") - 4 - begin)
    error = refused(bytes(data))
    assert isinstance(error, NotUsable)
    assert str(error) == "holds no picture that can be decoded"


@pytest.mark.parametrize("container", ["mp4", "mpegts", "matroska", "avi", "flv"])
def test_cut_off_anywhere_it_is_refused_in_words_or_used(container):
    sound = tone(1.0, RATE) if container in ("mp4", "mpegts", "matroska") else None
    data = film(shades(25), 25, container, "mpeg4" if container == "avi" else "libx264", sound=sound)
    used = 0
    for part in range(0, 40):
        try:
            with footage(data[: len(data) * part // 40]) as video:
                used += len(list(video.frames())) > 0
                list(video.frames(500_000, rate=10))
                video.sound()
        except (NotMedia, NotUsable):
            continue
    assert used > 0 or container == "mp4", "whose index is at its end"


def test_sound_of_a_kind_that_nobody_knows_is_none():
    data = film(container="matroska", sound=tone(2.5, RATE))
    with footage(data.replace(b"A_AAC", b"A_XYZ")) as video:
        assert not video.has_sound
        assert video.sound() is None
        assert len(list(video.frames())) == 10


def test_one_pixel():
    picture = np.full((1, 1, 3), 90, np.uint8)
    for size, codec, pix_fmt in (
        ((1, 1), "ffv1", "yuv420p"),
        ((1, 1), "rawvideo", "bgr24"),
        ((1, 3), "ffv1", "yuv444p"),
    ):
        pictures = [np.repeat(picture, size[1], axis=1)] * 3
        container = "avi" if codec == "rawvideo" else "matroska"
        with footage(film(pictures, container=container, codec=codec, pix_fmt=pix_fmt)) as video:
            assert (video.height, video.width) == size
            frames = list(video.frames())
        assert len(frames) == 3
        assert np.abs(frames[1].pixels(WHOLE).astype(int) - 90).max() <= 2


def test_8k_is_too_large_and_4k_is_not():
    for (height, width), fits in (((2160, 4096), True), ((4320, 7680), False)):
        data = film([np.zeros((height, width, 3), np.uint8)], options={"preset": "ultrafast"})
        if fits:
            with footage(data) as video:
                assert next(video.frames()).width == 4096
        else:
            error = refused(data)
            assert isinstance(error, TooLarge)
            assert str(error) == (
                "has pictures of 7680 x 4320, more than the 9437184 pixels of `requests.video.max_pixels`"
            )


def grown():
    """The pictures of an MPEG-TS become larger in the middle."""
    return film(container="mpegts", codec="mpeg2video", rate=25) + film(
        shades(size=(96, 128)), container="mpegts", codec="mpeg2video", rate=25
    )


def test_pictures_that_change_their_size():
    with footage(grown()) as video:
        shapes = [frame.pixels(WHOLE).shape for frame in video.frames()]
    assert len(shapes) >= 10
    assert set(shapes) == {(48, 64, 3)}
    with footage(grown(), VideoLimits(max_pixels=5000)) as video:
        assert len(list(video.frames())) in (9, 10)
        assert "cannot be decoded" in video.damaged


def test_metadata_that_is_no_utf_8():
    data = film(tags={"title": "QQQQQQQQ", "artist": "ZZZZ"})
    broken = data.replace(b"QQQQQQQQ", b"\xff\xfe\x80Q\xc3(\xa0\xa1").replace(b"ZZZZ", b"\xe9\xe9\xe9\xe9")
    assert broken != data
    with footage(broken) as video:
        assert len(list(video.frames())) == 10


def retimed(times, **options):
    """Pictures that stand alone, with times (milliseconds) of whatever kind."""
    file = io.BytesIO()
    with (
        av.open(io.BytesIO(film(shades(len(times)), 10, "matroska", "mjpeg", "yuvj420p")), "r") as whole,
        av.open(file, "w", format="matroska", container_options=options) as out,
    ):
        track = out.add_stream_from_template(whole.streams[0])
        for packet, time in zip(whole.demux(), times, strict=False):
            packet.stream, packet.time_base = track, Fraction(1, 1000)
            packet.dts, packet.pts = min(times), time
            out.mux(packet)
    return file.getvalue()


def test_times_that_are_out_of_order():
    with footage(retimed([0, 100, 300, 200, 400, 400, 500, 100, 600])) as video:
        assert video.frame_rate is None
        shown = [round(1000 * frame.captured_at) for frame in video.frames()]
        assert shown == [0, 100, 300, 400, 500, 600]
        assert "3 of its pictures are out of order and left out" in video.damaged
        assert [shade(frame) for frame in video.frames(rate=10)] == [0, 1, 1, 2, 4, 6, 8]


def test_a_leap_over_hours_is_too_long():
    times = [0, 100, 200, 40_000_000]
    assert "max_seconds" in str(refused(retimed(times)))
    with footage(retimed(times, live="1")) as video:
        assert video.seconds is None
        assert [frame.seq for frame in video.frames(end_us=200_000)] == [0, 1]
        with pytest.raises(TooLarge, match="max_seconds"):
            list(video.frames())
        with pytest.raises(TooLarge, match="max_seconds"):
            list(video.frames(rate=1))


def raw(number):
    """H.264 without a container's times, in an AVI."""
    return film(shades(number), 25, "avi", "libx264", options={"bf": "2", "g": "10"})


def test_pictures_without_times_are_counted():
    with footage(raw(40)) as video:
        assert [shade(frame) for frame in video.frames()] == [i % 12 for i in range(40)]
        assert [shade(frame) for frame in video.frames(800_000, 1_000_000)] == [
            (20 + i) % 12 for i in range(5)
        ]


@pytest.mark.parametrize("looks", [1, 5, 20, 60, 120])
def test_the_clock_is_looked_at_all_the_while(looks):
    left = [looks]

    def check():
        left[0] -= 1
        if left[0] < 0:
            raise TimedOut("late")

    data = film(shades(200), 25, "matroska", sound=tone(8.0, RATE))
    with pytest.raises(TimedOut, match="late"), footage(data, check=check) as video:
        list(video.frames())
        video.sound()
        list(video.frames(7_000_000))


SCRIPT = """
import io, sys
from edged.media.footage import VideoLimits, open_footage
from tests.media.videos import film, shades

def kilobytes(what):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(what))

seconds = int(sys.argv[1])
options = {"preset": "ultrafast", "g": "50"}
data = film(shades(5 * seconds, (120, 160)), 5, "matroska", options=options)
open("/proc/self/clear_refs", "w").write("5")
before = kilobytes("VmRSS")
with open_footage(io.BytesIO(data), VideoLimits()) as video:
    number = sum(1 for _ in video.frames(rate=1)) + sum(1 for _ in video.frames((seconds - 2) * 1_000_000))
print(number, kilobytes("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("long", [1200, pytest.param(7200, marks=pytest.mark.long)])
def test_twenty_minutes_and_two_hours_take_as_much_memory_as_two_minutes(long):
    grown_by = []
    for seconds in (120, long):
        asked = [sys.executable, "-c", SCRIPT, str(seconds)]
        ran = subprocess.run(asked, capture_output=True, text=True, check=True)
        number, kilobytes = map(int, ran.stdout.split())
        assert number == seconds + 10
        grown_by.append(kilobytes)
    assert grown_by[1] < grown_by[0] + 10_000


def test_what_decoding_takes_follows_the_limit():
    assert footage_bytes(VideoLimits()) < 500_000_000
    assert footage_bytes(VideoLimits(max_pixels=1280 * 720)) < 200_000_000
