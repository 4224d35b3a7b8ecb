"""Videos that are made for an answer, in children: what a player finds in them."""

import io
import itertools
import os
import resource
import signal
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from edged.contracts.errors import (
    Cancelled,
    ChildDied,
    InferenceError,
    NotMedia,
    NotReady,
    NotUsable,
    RequestError,
)
from edged.flow.budget import Budget
from edged.media.film import Film, look_of
from edged.requests.films import Films
from tests.media.films import BEEP_S, SECOND, Read, evenly, picture, planar, shade, video
from tests.requests.decoding import waiting


@pytest.fixture(scope="module")
def films():
    made = Films(Budget(4_000_000_000), idle=2)
    yield made
    made.close()


def patient():
    """There is time."""


def cut(films, data, start_s=0.0, end_s=3600.0, check=patient):
    with tempfile.TemporaryFile() as target:
        films.cut(io.BytesIO(data), round(start_s * SECOND), round(end_s * SECOND), target, check)
        target.seek(0)
        return Read(target.read())


def encode(films, data, pictures, span_us=(0, None), check=patient):
    with tempfile.TemporaryFile() as target:
        films.encode(io.BytesIO(data), span_us, iter(pictures), target, check)
        target.seek(0)
        return Read(target.read())


def in_time(times, factor=2, size=(48, 64)):
    """Larger ones of the pictures of a video."""
    large = size[0] * factor, size[1] * factor
    return [(picture(i, large), round(at * SECOND)) for i, at in enumerate(times)]


def assert_plays(film):
    assert (film.codec, film.profile, film.pix_fmt) == ("h264", "High", "yuv420p")
    assert film.range != FULL
    assert film.boxes.index("moov") < film.boxes.index("mdat"), "a browser need not read all of it first"
    assert all(side % 2 == 0 for side in film.size)


def assert_shows(film, numbers):
    assert film.shades == pytest.approx([shade(i) for i in numbers], abs=2)


FULL, RGB = 2, 0
NTSC = Fraction(30_000, 1001)


@pytest.mark.parametrize("fps", [Fraction(25), NTSC, Fraction(5)])
@pytest.mark.parametrize("form", ["mp4", "matroska", "avi", "mpegts"])
def test_a_film_has_the_pictures_times_and_rate_of_its_source(films, fps, form):
    times = evenly(40, fps)
    base = Fraction(1, 90_000) if form != "avi" else 1 / fps
    data = video(
        times, form=form, base=base, options={"bf": "2", "g": "12"} if form != "avi" else {"bf": "0"}
    )
    for film in cut(films, data), encode(films, data, in_time(times)):
        assert_plays(film)
        assert_shows(film, range(40))
        tick = 2e-3 if form == "matroska" else 1e-4
        assert film.times == pytest.approx([float(at) for at in times], abs=tick)
        assert float(film.rate) == pytest.approx(float(fps), rel=2e-3)
        assert film.seconds == pytest.approx(40 / float(fps), abs=0.003)
        assert film.sounds == []


def test_a_variable_rate_is_kept(films):
    gaps = [0.04, 0.1, 0.02, 0.5, 0.04, 0.033, 0.25, 0.04, 0.04, 1.0]
    times = [Fraction(str(round(at, 3))) for at in itertools.accumulate([0.0, *gaps])]
    data = video(times)
    for film in cut(films, data), encode(films, data, in_time(times)):
        assert_shows(film, range(11))
        assert film.times == pytest.approx([float(at) for at in times], abs=1e-4)


@pytest.mark.parametrize("gop", ["10", "250"])
@pytest.mark.parametrize(("form", "sound"), [("mp4", "aac"), ("mpegts", "aac"), ("matroska", "libopus")])
def test_a_span_in_the_middle_is_exact_to_the_picture_and_in_time_with_its_sound(films, gop, form, sound):
    data = video(evenly(100), form=form, sound=sound, rate=48_000, options={"g": gop, "bf": "3"})
    film = cut(films, data, 0.75, 2.5)
    assert_plays(film)
    first = 19  # at .76 s, the first one that is shown within
    assert_shows(film, range(first, 63))
    assert film.times == pytest.approx([i / 25 for i in range(63 - first)], abs=2e-3)
    assert film.sounds == [sound.removeprefix("lib")]
    assert film.sound_s[0] == pytest.approx(2.5 - 0.76, abs=0.05)
    assert film.beep_s == pytest.approx(BEEP_S - 0.76, abs=0.012)


@pytest.mark.parametrize(
    ("form", "sound", "rate", "becomes"),
    [
        ("mp4", "aac", 44_100, "aac"),
        ("mpegts", "aac", 44_100, "aac"),
        ("mp4", "libmp3lame", 44_100, "mp3float"),
        ("matroska", "libopus", 48_000, "opus"),
        ("matroska", "flac", 44_100, "flac"),
        ("avi", "pcm_s16le", 8_000, "aac"),
        ("mov", "pcm_s24le", 96_000, "aac"),
        ("mpegts", "ac3", 48_000, "aac"),
        ("matroska", "eac3", 44_100, "aac"),
    ],
)
def test_sound_is_copied_where_browsers_play_it_and_else_encoded(films, form, sound, rate, becomes):
    # Of H.264 in AVI, which has no times of its own, FFmpeg shows the first picture late.
    options = {"base": Fraction(1, 25), "codec": "mpeg4"} if form == "avi" else {}
    times = evenly(60)
    data = video(times, form=form, sound=sound, rate=rate, **options)
    for film in cut(films, data), encode(films, data, in_time(times)):
        assert_plays(film)
        assert film.sounds == [becomes]
        assert film.sound_s[0] == pytest.approx(60 / 25, abs=0.08)
        assert film.beep_s == pytest.approx(BEEP_S, abs=0.03)
    film = encode(films, data, in_time(times)[20:50], (20 * 40_000, 50 * 40_000))
    assert_shows(film, range(20, 50))
    assert film.sound_s[0] == pytest.approx(30 / 25, abs=0.11)  # a packet of FLAC is as long
    assert film.beep_s == pytest.approx(BEEP_S - 0.8, abs=0.03)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (47, 63), (48, 63), (47, 64)])
def test_odd_sides_get_a_line_more(films, size):
    data = video(evenly(5), size, codec="ffv1", form="matroska", pix_fmt="yuv420p")
    film = cut(films, data)
    assert_plays(film)
    assert film.size == tuple(side + side % 2 for side in size)
    assert_shows(film, range(5))
    large = encode(films, data, [(picture(i, size), i * 40_000) for i in range(5)])
    assert large.size == film.size
    assert_shows(large, range(5))


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_film_stands_upright(films, turned):
    data = video(evenly(6), (48, 96), turned=turned, aspect=Fraction(4, 3))
    film = cut(films, data)
    assert film.size == ((96, 48) if turned % 180 else (48, 96))
    assert film.aspect == (Fraction(3, 4) if turned % 180 else Fraction(4, 3))
    middle = film.pictures[0].astype(int)[..., 1]
    top, bottom, left, right = middle[5, 24], middle[-5, 24], middle[24, 5], middle[24, -5]
    lighter = {90: left > right, 180: bottom > top, 270: right > left}  # counterclockwise; the top was
    assert lighter[turned]


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [("ffv1", "yuv422p10le"), ("ffv1", "yuv444p"), ("ffv1", "bgr0"), ("mjpeg", "yuvj422p")],
)
def test_other_forms_of_pictures_become_what_browsers_play(films, codec, pix_fmt):
    film = cut(films, video(evenly(6), codec=codec, form="matroska", pix_fmt=pix_fmt))
    assert_plays(film)
    assert_shows(film, range(6))
    assert film.matrix != RGB


@pytest.mark.parametrize("matrix", [1, 2, 6])
def test_colours_are_those_of_the_source_and_the_film_says_which_matrix(films, matrix):
    options = {"x264-params": f"colormatrix={({1: 'bt709', 2: 'undef', 6: 'smpte170m'})[matrix]}"}
    data = video(evenly(3), options=options)
    red = np.zeros((96, 128, 3), np.uint8)
    red[..., 2], red[..., 1] = 200, 40
    film = encode(films, data, [(red, i * 40_000) for i in range(3)])
    assert film.matrix == matrix
    assert film.pictures[1].reshape(-1, 3).mean(0) == pytest.approx([0, 40, 200], abs=3)


def test_what_is_no_video_is_told(films):
    for data, error in [(b"no video" * 100, NotMedia), (video(evenly(5))[:200], NotMedia)]:
        with pytest.raises(error):
            cut(films, data)
    with pytest.raises(NotUsable, match="no picture in the span"):
        cut(films, video(evenly(5)), 100, 105)
    with pytest.raises(NotUsable, match="no picture in the span"):
        encode(films, video(evenly(5)), [])


def test_a_truncated_video_is_cut_as_far_as_it_can_be_read(films):
    data = video(evenly(100), form="mpegts", sound="aac", options={"g": "10"})
    film = cut(films, data[: len(data) // 2])
    assert_plays(film)
    assert 5 < len(film.times) < 100
    assert_shows(film, range(len(film.times)))


def test_pictures_are_encoded_while_the_next_ones_are_made(films):
    """Two wait at most, and one is in work."""
    cut(films, video(evenly(5)))
    (process,) = waiting(films._pool)[-1:]
    made = []

    def pictures():
        os.kill(process, signal.SIGSTOP)  # it has begun, and encodes nothing for a while
        threading.Timer(0.5, os.kill, (process, signal.SIGCONT)).start()
        for i in range(8):
            made.append(time.monotonic())
            yield picture(i, (64, 64)), i * 40_000

    assert_shows(encode(films, video(evenly(8)), pictures()), range(8))
    gaps = np.diff(made)
    assert gaps[:2].max() < 0.4 and gaps[2:].max() > 0.4


class Sudden(Exception):
    """Of who makes the pictures."""


def test_an_error_of_who_makes_the_pictures_ends_the_film_and_its_child(films):
    def pictures():
        yield picture(0, (64, 64)), 0
        raise Sudden

    with pytest.raises(Sudden):
        encode(films, video(evenly(5)), pictures())
    assert_shows(cut(films, video(evenly(5))), range(5))


def test_pictures_of_two_sizes_make_no_film(films):
    with pytest.raises(InferenceError, match=r"\[64, 64, 3\] and \[32, 64, 3\]"):
        encode(films, video(evenly(5)), [(picture(0, (64, 64)), 0), (picture(1, (32, 64)), 40_000)])


def test_a_child_that_dies_ends_who_makes_the_pictures(films):
    cut(films, video(evenly(5)))
    (process,) = waiting(films._pool)[-1:]
    made = []

    def pictures():
        for i in itertools.count():
            made.append(i)
            if i == 3:
                os.kill(process, signal.SIGKILL)
            yield picture(i, (64, 64)), i * 40_000

    with pytest.raises(ChildDied, match="SIGKILL"):
        encode(films, video(evenly(5)), pictures())
    assert len(made) < 10


def test_whoever_cancels_waits_for_nothing(films):
    cut(films, video(evenly(5)))
    (process,) = waiting(films._pool)[-1:]
    os.kill(process, signal.SIGSTOP)  # as good as a picture that takes for ever
    until = time.monotonic() + 0.3

    def check():
        if time.monotonic() > until:
            raise Cancelled("over")

    began = time.monotonic()
    with pytest.raises(Cancelled):
        encode(films, video(evenly(5)), in_time(evenly(5)), check=check)
    assert time.monotonic() - began < 30


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "most"), [((360, 640), 160e6), ((1080, 1920), 320e6), ((1440, 2560), 300e6)]
)
def test_no_film_takes_more_memory_than_was_measured(size, most):
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    fresh = Films(Budget(4_000_000_000), idle=2)
    moving = [(np.roll(noise, 8 * i, 1), i * 40_000) for i in range(30)]
    encode(fresh, video(evenly(30), sound="aac"), moving)
    (process,) = waiting(fresh._pool)
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    fresh.close()
    assert int(status["VmHWM"].split()[0]) * 1024 < most


def test_a_full_disk_is_told(films):
    data = video(evenly(50), (480, 640), options={"crf": "1"})
    cut(films, video(evenly(5)))
    (process,) = waiting(films._pool)[-1:]
    resource.prlimit(process, resource.RLIMIT_FSIZE, (3_000, resource.RLIM_INFINITY))
    with pytest.raises(RequestError, match="no room left"):
        cut(films, data)
    assert process not in waiting(films._pool)


def test_without_an_encoder_no_film_is_promised(tmp_path, monkeypatch):
    monkeypatch.setattr("edged.media.film._ENCODER", "libnothing264")
    look = look_of(planar(picture(0, (48, 64))), 25.0, None)
    with pytest.raises(NotReady, match="libnothing264"):
        Film(tmp_path / "film.mp4", (48, 64), 20, look, None)


def test_a_source_may_be_read_by_others_meanwhile(films):
    data = video(evenly(50), (480, 640), sound="aac", options={"crf": "1", "preset": "ultrafast"})
    padded = data + b"\0\0\0\0free" + bytes(5_000_000)  # on a disk, not in memory
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(padded)

        def pictures():
            for one in in_time(evenly(50)):
                source.seek(len(one[0]))
                yield one

        films.encode(source, (0, None), pictures(), target, patient)
        target.seek(0)
        film = Read(target.read())
    assert_shows(film, range(50))
    assert film.beep_s == pytest.approx(BEEP_S, abs=0.03)
