"""The sound of files that play a microphone, in real time and not."""

import threading
import time

import numpy as np
import pytest

from edged.contracts.errors import SourceError
from edged.media.chunks import CHUNK, WINDOW
from edged.media.sound import RATE
from edged.media.source import SourceOptions
from edged.media.track import open_track
from tests.media.clips import write_clip
from tests.media.sounds import encoded, nothing_in_it, pitch, tone

QUICK = SourceOptions(real_time=False)


def play(path, options=QUICK, stop=None):
    return list(open_track(str(path), options, stop or threading.Event()))


def samples(chunks):
    return np.concatenate([chunk.samples for chunk in chunks])


@pytest.mark.parametrize(
    ("container", "codec", "rate", "layout"),
    [
        ("wav", "pcm_s16le", 8_000, "mono"),
        ("wav", "pcm_s16le", 48_000, "stereo"),
        ("mp3", "libmp3lame", 44_100, "stereo"),
    ],
)
def test_every_form_becomes_one(tmp_path, container, codec, rate, layout):
    path = tmp_path / "sound"
    path.write_bytes(encoded(tone(2, rate), container, codec, rate, layout))
    chunks = play(path)
    assert all(len(chunk.samples) == CHUNK for chunk in chunks[:-1])
    assert len(chunks[-1].samples) % WINDOW == 0
    heard = samples(chunks)
    assert len(heard) / RATE == pytest.approx(2, abs=0.1)
    assert pitch(heard) == pytest.approx(440, abs=2)
    assert np.abs(heard[RATE // 2 : RATE]).max() == pytest.approx(0.5, abs=0.05)


def test_the_sound_of_a_video(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(encoded(tone(), "mp4", "aac", video=True))
    assert pitch(samples(play(tmp_path / "clip.mp4"))) == pytest.approx(440, abs=2)


def test_what_is_not_finite_becomes_silence(tmp_path):
    wild = tone(1, RATE)
    wild[100:200], wild[300:400] = np.nan, np.inf
    (tmp_path / "wild.wav").write_bytes(encoded(wild, codec="pcm_f32le", rate=RATE))
    heard = samples(play(tmp_path / "wild.wav"))
    assert np.isfinite(heard).all()
    assert not heard[100:200].any()


def test_in_real_time_each_chunk_comes_when_it_is_due(tmp_path):
    (tmp_path / "tone.wav").write_bytes(encoded(tone(1, 8_000), rate=8_000))
    began, came = time.time(), []
    for chunk in open_track(str(tmp_path / "tone.wav"), SourceOptions(), threading.Event()):
        came.append(time.time())
        assert chunk.captured_at <= came[-1]
        assert chunk.captured_at - began >= chunk.position / RATE - 0.01
    assert came[-1] - came[0] > 0.8
    assert len(came) == -(-RATE // CHUNK)


def test_a_loop_goes_on_without_a_seam_until_it_is_stopped(tmp_path):
    (tmp_path / "tone.wav").write_bytes(encoded(tone(0.5, RATE), rate=RATE))
    stop, chunks = threading.Event(), []
    for chunk in open_track(str(tmp_path / "tone.wav"), SourceOptions(real_time=False, loop=True), stop):
        chunks.append(chunk)
        if len(chunks) == 20:
            stop.set()
    assert len(samples(chunks)) > 1.9 * RATE, "more than the file holds"
    assert pitch(samples(chunks)) == pytest.approx(440, abs=2)


def test_a_stop_ends_the_wait(tmp_path):
    (tmp_path / "tone.wav").write_bytes(encoded(tone(30, 8_000), rate=8_000))
    stop = threading.Event()
    thread = threading.Thread(target=play, args=(tmp_path / "tone.wav", SourceOptions(), stop))
    thread.start()
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def test_what_has_no_sound(tmp_path):
    with pytest.raises(SourceError, match="has no sound"):
        play(write_clip(tmp_path / "silent.mp4"))
    (tmp_path / "text.wav").write_bytes(b"no sound at all")
    with pytest.raises(SourceError, match="is no video or sound that can be read"):
        play(tmp_path / "text.wav")
    (tmp_path / "empty.wav").write_bytes(nothing_in_it())
    with pytest.raises(SourceError, match="holds no sound"):
        play(tmp_path / "empty.wav")
    with pytest.raises(SourceError, match="does not exist"):
        play(tmp_path / "missing.wav")
