"""Sound of any file: decoded to one form, bounded, and whatever strangers send survived."""

import io
import struct

import cv2
import numpy as np
import pytest

from edged.contracts.errors import NotMedia, NotUsable, TooLarge
from edged.media.sound import PIECE, RATE, SoundLimits, open_sound
from tests.media.matroska import matroska
from tests.media.sounds import encoded, nothing_in_it, pitch, tone

LIMITS = SoundLimits()


def heard(data, play_duration_us=None, limits=LIMITS):
    with open_sound(io.BytesIO(data), limits, play_duration_us) as sound:
        pieces = list(sound.pieces)
    assert all(len(piece) == PIECE for piece in pieces[:-1])
    samples = np.concatenate(pieces)
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1
    return samples


@pytest.mark.parametrize(
    ("container", "codec", "rate", "layout"),
    [
        ("wav", "pcm_s16le", 8_000, "mono"),
        ("wav", "pcm_s24le", 96_000, "stereo"),
        ("wav", "pcm_f32le", 44_100, "mono"),
        ("flac", "flac", 48_000, "stereo"),
        ("mp3", "libmp3lame", 44_100, "stereo"),
        ("ogg", "libopus", 48_000, "mono"),
        ("mp4", "aac", 48_000, "5.1"),
        ("matroska", "ac3", 48_000, "5.1"),
        ("ipod", "alac", 44_100, "stereo"),
        ("webm", "libopus", 48_000, "stereo"),
        ("mpegts", "aac", 48_000, "stereo"),
        ("mpeg", "mp2", 48_000, "stereo"),
        ("avi", "libmp3lame", 44_100, "stereo"),
        ("flv", "aac", 44_100, "mono"),
        ("asf", "libmp3lame", 44_100, "stereo"),
        ("adts", "aac", 44_100, "mono"),
        ("ac3", "ac3", 48_000, "stereo"),
        ("eac3", "eac3", 48_000, "stereo"),
        ("amr", "libopencore_amrnb", 8_000, "mono"),
        ("aiff", "pcm_s16be", 44_100, "mono"),
        ("au", "pcm_mulaw", 8_000, "mono"),
        ("caf", "pcm_s16le", 44_100, "stereo"),
        ("w64", "pcm_s16le", 44_100, "stereo"),
        ("wv", "wavpack", 44_100, "stereo"),
        ("tta", "tta", 44_100, "stereo"),
    ],
)
def test_every_form_becomes_one(container, codec, rate, layout):
    samples = heard(encoded(tone(rate=rate), container, codec, rate, layout))
    assert len(samples) / RATE == pytest.approx(2, abs=0.1)
    assert pitch(samples[: 2 * RATE - RATE // 5]) == pytest.approx(440, abs=2)
    loudest = np.abs(samples[RATE // 2 : RATE]).max()
    assert loudest == pytest.approx(0.5, abs=0.05), "channels that are equal are no louder than one"


def test_the_sound_of_a_video():
    assert len(heard(encoded(tone(), "mp4", "aac", video=True))) / RATE == pytest.approx(2, abs=0.1)


def test_only_the_beginning_is_decoded():
    assert len(heard(encoded(tone()), play_duration_us=730_000)) == round(0.73 * RATE)
    assert len(heard(encoded(tone()), play_duration_us=1)) == 1


def test_it_tells_how_long_it_is():
    with open_sound(io.BytesIO(encoded(tone())), LIMITS) as sound:
        assert sound.seconds == pytest.approx(2, abs=0.01)
    with open_sound(io.BytesIO(encoded(tone())), LIMITS, 500_000) as sound:
        assert sound.seconds == pytest.approx(0.5)


def test_too_long_a_recording_is_refused_unless_only_its_beginning_is_wanted():
    data, limits = encoded(tone()), SoundLimits(max_seconds=1.0)
    with pytest.raises(TooLarge, match=r"1 seconds of `requests.sound.max_seconds`"):
        heard(data, limits=limits)
    assert len(heard(data, 900_000, limits)) == round(0.9 * RATE)


def test_a_file_that_is_cut_off_is_heard_as_far_as_it_goes():
    data = encoded(tone(4), "mp3", "libmp3lame", 44_100)
    assert 1 < len(heard(data[: len(data) // 2])) / RATE < 3


def test_ten_milliseconds():
    assert len(heard(encoded(tone(0.01)))) == pytest.approx(160, abs=20)


def test_what_is_not_finite_becomes_silence():
    samples = tone(1, RATE)
    samples[100:200] = np.nan
    samples[300:400] = np.inf
    file = encoded(samples, codec="pcm_f32le", rate=RATE)
    assert not heard(file)[100:200].any()


def picture():
    return cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))[1].tobytes()


def playlist():
    return b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    "data", [b"", b"x" * 5000, picture(), playlist(), nothing_in_it(), b"RIFF\0\0\0\0WAVE"]
)
def test_what_is_no_sound_is_refused(data):
    with pytest.raises(NotMedia):
        heard(data)


def test_a_title_in_another_encoding_is_no_fault():
    title = "你好".encode("gbk")
    info = b"INFOINAM" + struct.pack("<I", len(title)) + title
    wav = encoded(tone(1))
    assert len(heard(wav[:12] + b"LIST" + struct.pack("<I", len(info)) + info + wav[12:])) == RATE


def test_a_video_without_sound_is_not_usable():
    with pytest.raises(NotUsable, match="no sound track"):
        heard(encoded(tone(), "mp4", None, video=True))


def test_sound_of_a_kind_that_nobody_knows():
    with pytest.raises(NotMedia, match="of a kind that cannot be decoded"):
        heard(matroska(16_000.0, [bytes(100)], b"A_XYZ"))
