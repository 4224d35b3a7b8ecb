"""Sound that costs more than it brings: bounded in memory, in time, and between two looks at the clock."""

import io
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest

from edged.contracts.errors import NotMedia, NotUsable, SourceError, TimedOut
from edged.media.packets import fault
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.media.source import SourceOptions
from edged.media.track import open_track
from edged.media.video import VideoOptions, open_video
from tests.media.clips import write_clip
from tests.media.matroska import matroska, silent_flac
from tests.media.sounds import encoded, tone


def heard(data, check=lambda: None):
    """Seconds of it."""
    with open_sound(io.BytesIO(data), SoundLimits(), None, check) as sound:
        return sum(map(len, sound.pieces)) / RATE


@pytest.mark.parametrize("rate", [1.0, 3_999.0, 768_001.0, 3_000_000.0])
def test_rates_that_no_recording_has_are_refused(rate):
    with pytest.raises(NotUsable, match="4,000 to 768,000"):
        heard(matroska(rate, [bytes(6_400)]))


@pytest.mark.parametrize("rate", [4_000, 768_000])
def test_the_slowest_and_the_fastest_are_heard(rate):
    packets = [bytes(rate // 10)] * 10
    assert heard(matroska(float(rate), packets)) == pytest.approx(1, abs=0.01)


def test_too_many_channels_are_refused():
    with pytest.raises(NotUsable, match="has 200 channels"):
        heard(matroska(48_000.0, [bytes(200 * 480)] * 10, channels=200))


def test_a_packet_that_holds_hours_is_passed_over():
    assert heard(silent_flac(4)) == pytest.approx(4 * 65_535 / 48_000, abs=0.01)
    for data in silent_flac(300), matroska(4_000.0, [bytes(7_900_000)]):
        with pytest.raises(NotMedia, match="no sound that can be decoded"):
            heard(data)


def test_what_real_encoders_make_is_decoded():
    for codec in "flac", "pcm_s16le", "ape", "tta", "wavpack", "aac", "mp3", "vorbis":
        assert fault(memoryview(bytes(2_000)), codec) is None


def test_one_packet_of_a_whole_file_is_not_read():
    with pytest.raises(NotMedia, match="a packet of more than 64000000 bytes"):
        heard(matroska(48_000.0, [bytes(100), bytes(70_000_000)]))


@pytest.mark.slow
def test_nobody_works_for_longer_than_a_tenth_of_a_second_without_a_look_at_the_clock():
    looks = []
    for data in (
        matroska(4_000.0, [bytes(65_536)] * 40),
        silent_flac(14, 10),
        encoded(tone(60), "flac", "flac"),
        encoded(tone(60, 192_000), rate=192_000),
    ):
        looks.append(time.thread_time())
        heard(data, lambda: looks.append(time.thread_time()))
    assert max(later - look for look, later in pairwise(looks)) < 0.1


@pytest.mark.parametrize("look", [1, 3, 10])
def test_whoever_has_no_time_left_is_told_so_wherever_it_is_noticed(look):
    looks = []

    def check():
        looks.append(1)
        if len(looks) >= look:
            raise TimedOut("late")

    with pytest.raises(TimedOut, match="late"):
        heard(matroska(48_000.0, [bytes(10)] * 10_000), check)
    assert len(looks) == look


SCRIPT = """
import io, sys
from edged.contracts.errors import EdgedError
from edged.media.sound import SoundLimits, open_sound
from edged.media.source import SourceOptions
from edged.media.track import open_track
from edged.media.video import VideoOptions, open_video
from tests.media.clips import write_clip
from tests.media.matroska import matroska, silent_flac
from tests.media.sounds import encoded, tone

def kilobytes(what):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(what))

worst = 0
for data in (
    encoded(tone(60), "flac", "flac"), matroska(1.0, [bytes(6_400)]), silent_flac(16, 20), silent_flac(2_000),
    matroska(4_000.0, [bytes(65_536)] * 40), matroska(4_000.0, [bytes(60_000_000)]),
    matroska(768_000.0, [bytes(7_999_968)] * 4, channels=32),
):
    open("/proc/self/clear_refs", "w").write("5")
    before = kilobytes("VmRSS")
    try:
        with open_sound(io.BytesIO(data), SoundLimits()) as sound:
            for _ in sound.pieces:
                pass
    except EdgedError:
        pass
    worst = max(worst, kilobytes("VmHWM") - before)
print(1024 * worst)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def test_no_sound_takes_more_memory_than_is_reckoned():
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 200_000_000


def of_no_known_kind():
    """A WAV of 127 bits a sample."""
    whole = bytearray(encoded(tone(1), "wav"))
    at = whole.index(b"fmt ") + 8
    whole[at + 14] = 127
    return bytes(whole)


def test_sound_of_no_known_kind_is_refused(tmp_path):
    with pytest.raises(NotMedia, match="of a kind that cannot be decoded"):
        heard(of_no_known_kind())
    path = tmp_path / "strange.wav"
    path.write_bytes(of_no_known_kind())
    with pytest.raises(SourceError, match=r"the sound of .* is of a kind that cannot be decoded"):
        list(open_track(str(path), SourceOptions(real_time=False), threading.Event()))


def test_video_of_no_known_kind_is_refused(tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", frames=2)
    whole = clip.read_bytes()
    at = whole.index(b"V_MPEG4")
    clip.write_bytes(whole[:at] + b"V_WRONG" + whole[at + 7 :])
    with pytest.raises(SourceError, match=r"the video of .* is of a kind that cannot be decoded"):
        list(open_video(str(clip), VideoOptions(real_time=False), threading.Event()))
