"""Packets of a camera that are held, and the files that are written of them."""

import itertools
import threading
from collections import Counter
from types import SimpleNamespace

import av
import pytest

from edged.media import ring as rings
from edged.media.remux import remux
from edged.media.ring import PacketRing
from tests.media.cameras_films import FPS, beeps, decoding_times, flashes, packets, pictures, write_film

MOST = 10_000_000


class Camera:
    """A film whose packets go into a ring as fast as they are read."""

    def __init__(self, path, before=2.0, most=MOST):
        self.path = path
        self.counts: Counter[str] = Counter()
        self.ring = PacketRing(before, most, lambda why: self.counts.update([why]))
        self._packets = self._played()

    def _played(self):
        for _ in itertools.count():
            with av.open(str(self.path)) as film:
                for packet in film.demux(self.ring.open(film, is_file=True)):
                    self.ring.put(packet, is_video=packet.stream.type == "video")
                    if packet.stream.type == "video" and packet.size:
                        yield

    def plays(self, seconds):
        """So many seconds of pictures."""
        for _ in range(round(seconds * FPS)):
            next(self._packets)

    def takes(self, after):
        """What is held, and what comes in so many seconds."""
        take = self.ring.take(after)
        assert take is not None, self.ring.why
        return take

    def holds(self):
        """The packets in the ring."""
        take = self.takes(1)
        take.end()
        return list(iter(take.next, None))

    def records(self, target, after=1.0, plays=2.0):
        """The file, of a recording that begins now."""
        take = self.takes(after)
        self.plays(plays)
        remux(take, target)
        return target


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    made = {}

    def make(name="film.mp4", seconds=12, **how):
        if name not in made:
            made[name] = write_film(folder / name, seconds, **how)
        return made[name]

    return make


def within(part, whole):
    """Where the packets of one film begin in the other one; they are the same from there on."""
    first = whole.index(part[0])
    assert part == whole[first : first + len(part)]
    return first


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("plain.mp4", {"bf": "0"}),
        ("reordered.mp4", {"bf": "3"}),
        ("hevc.mp4", {"codec": "libx265", "x265-params": "log-level=none:keyint=25:open-gop=0"}),
        ("transport.ts", {"bf": "2"}),
        ("silent.mkv", {"sound": None}),
        ("mjpeg.mkv", {"codec": "mjpeg", "sound": None}),
    ],
)
def test_a_recording_holds_the_packets_as_they_came(film, tmp_path, name, how):
    camera = Camera(film(name, **how))
    camera.plays(5.5)
    made = camera.records(tmp_path / "out.mp4", after=1.5)
    source, taken = pictures(camera.path), pictures(made)[:-3]  # the last ones may lack what is between them
    if not name.endswith(".ts"):  # whose packets have no lengths before them
        within(packets(made), packets(camera.path))
    first = within([luma for _, luma in taken], [luma for _, luma in source])
    assert taken[0][0] == 0
    assert first % FPS == 0 or name.startswith("mjpeg"), "it begins with a key frame"
    assert taken[-1][0] == pytest.approx(source[first + len(taken) - 1][0] - source[first][0], abs=0.002)
    assert 3.3 <= taken[-1][0] <= 4.6, "what was before, back to a key frame, and after"
    assert all(a < b for a, b in itertools.pairwise(decoding_times(made)))
    with av.open(str(made)) as opened:
        assert next(opened.decode(video=0)).key_frame
        assert len(opened.streams.audio) == (0 if how.get("sound", "") is None else 1)


@pytest.mark.parametrize(
    ("name", "sound", "rate", "becomes"),
    [
        ("a.mp4", "aac", 48_000, "aac"),
        ("a.ts", "aac", 44_100, "aac"),
        ("o.mkv", "libopus", 48_000, "opus"),
        ("m.mkv", "libmp3lame", 44_100, "mp3float"),
        ("g.mov", "pcm_alaw", 8_000, "aac"),
        ("s.mkv", "pcm_s16le", 44_100, "aac"),
    ],
)
def test_sound_stays_beside_its_picture(film, tmp_path, name, sound, rate, becomes):  # noqa: PLR0917
    camera = Camera(film(name, sound=sound, rate=rate), before=4)
    camera.plays(7.6)
    made = camera.records(tmp_path / "out.mp4", after=2.5, plays=3)
    with av.open(str(made)) as opened:
        assert opened.streams.audio[0].codec_context.name == becomes
    heard, seen = beeps(made), flashes(made)
    assert len(heard) == len(seen) >= 3
    assert heard == pytest.approx(seen, abs=0.045), "within a picture"


def test_the_index_stands_first(film, tmp_path):
    camera = Camera(film())
    camera.plays(4)
    body = camera.records(tmp_path / "out.mp4").read_bytes()
    assert body.index(b"moov") < body.index(b"mdat")


def test_a_film_that_is_played_in_a_loop_goes_on(film, tmp_path):
    camera = Camera(film("short.mp4", seconds=3, bf="2"), before=2)
    camera.plays(5)
    made = camera.records(tmp_path / "out.mp4", after=6, plays=7)
    shown = [at for at, _ in pictures(made)][:-3]
    assert len(shown) >= 8 * FPS - 3
    assert all(b - a == pytest.approx(1 / FPS, abs=0.002) for a, b in itertools.pairwise(shown))
    assert all(a < b for a, b in itertools.pairwise(decoding_times(made)))


def test_it_holds_no_more_than_it_should(film):
    camera = Camera(film("bounded.mp4", seconds=30, bf="0"), before=3)
    camera.plays(29)
    held = camera.holds()
    assert 25 <= next(kept.shown for kept in held if kept.is_video) <= 26
    assert all(kept.shown >= 24.7 for kept in held), "no older sound"
    assert not camera.counts


def test_a_ring_that_is_full_holds_less_and_counts_it(film):
    path = film("bounded.mp4", seconds=30, bf="0")
    most = path.stat().st_size // 6
    camera = Camera(path, before=20, most=most)
    camera.plays(29)
    assert 0 < sum(kept.packet.size for kept in camera.holds()) <= most
    assert camera.counts["the ring is full"] > 5
    tiny = Camera(path, before=20, most=100)
    tiny.plays(5)
    assert tiny.ring.take(1) is None
    assert "too far apart" in tiny.ring.why


def test_a_recording_that_is_prolonged(film, tmp_path):
    camera = Camera(film(), before=1)
    camera.plays(3)
    take = camera.takes(1)
    camera.plays(0.8)
    assert camera.ring.prolong(take, 2)
    camera.plays(1)
    assert camera.ring.prolong(take, 0.1), "never shortened"
    camera.plays(4)
    assert not camera.ring.prolong(take, 1), "it has ended"
    remux(take, tmp_path / "out.mp4")
    assert pictures(tmp_path / "out.mp4")[-1][0] == pytest.approx(3.8 + 2 - 1, abs=0.15)


def test_it_cannot_be_prolonged_for_ever(film, tmp_path, monkeypatch):
    monkeypatch.setattr(rings, "MOST_SECONDS", 3.0)
    camera = Camera(film(), before=1)
    camera.plays(2.5)
    take = camera.takes(1)
    while camera.ring.prolong(take, 1):
        camera.plays(0.2)
    remux(take, tmp_path / "out.mp4")
    assert 3.9 <= pictures(tmp_path / "out.mp4")[-1][0] <= 5.1


def test_a_writer_that_is_too_slow_ends_the_recording(film, tmp_path):
    path = film("bounded.mp4", seconds=30, bf="0")
    camera = Camera(path, before=1, most=path.stat().st_size // 4)
    camera.plays(3)
    take = camera.takes(20)
    camera.plays(20)
    assert take.cut_short == "the disk is too slow"
    remux(take, tmp_path / "out.mp4")
    assert 4 <= pictures(tmp_path / "out.mp4")[-1][0] <= 14


def test_two_recordings_of_the_same_packets_at_a_time(film, tmp_path):
    """A packet is written into several files, and decoded, while others read it."""
    camera = Camera(film("bounded.mp4", seconds=30, bf="0"), before=10)
    camera.plays(12)
    targets = [tmp_path / f"{n}.mp4" for n in range(4)]
    writers = []
    for target in targets:
        take = camera.takes(0.1)
        camera.plays(0.2)
        writers.append(threading.Thread(target=remux, args=(take, target)))
        writers[-1].start()
    for writer in writers:
        writer.join(30)
    whole = [luma for _, luma in pictures(camera.path)]
    for target in targets:
        taken = pictures(target)
        assert taken[0][0] == 0
        within([luma for _, luma in taken], whole)


def packet(at, key, size=10):
    """As much of one as the ring looks at; time in seconds."""
    return SimpleNamespace(
        size=size, pts=round(at * 1000), dts=round(at * 1000), time_base=0.001, duration=40, is_keyframe=key
    )


def test_a_clock_that_jumps_ends_what_is_recorded(film):
    camera = Camera(film())
    camera.plays(3)
    take = camera.takes(5)
    camera.ring.put(packet(-90, True), is_video=True)
    assert take.cut_short == "the camera's clock jumped"
    assert len(camera.holds()) == 1


def test_what_mp4_cannot_hold_is_refused(tmp_path):
    path = write_film(tmp_path / "film.mkv", 2, sound=None, codec="libvpx")
    camera = Camera(path)
    camera.plays(1)
    assert camera.ring.take(1) is None
    assert "vp8, cannot stand in an MP4 file" in camera.ring.why
