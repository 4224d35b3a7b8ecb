"""Decoding no more than is needed, of real streams: what is shown is as a whole decoding would show it."""

import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from edged.media import decoding as decodings
from edged.media.decoding import Decoding, Need, everything, key_frames
from tests.media.clips import write_clip

FPS = 25
GROUP = 10
"""A key frame in so many."""


@pytest.fixture(params=[("libx264", 0), ("libx264", 2), ("libx265", 2), ("mpeg4", 0), ("mjpeg", 0)], ids=str)
def clip(request, tmp_path):
    """A bar that wanders; with and without pictures that are sent in another order than they are shown."""
    codec, b_frames = request.param
    path = tmp_path / "clip.mkv"
    options = {
        "g": str(GROUP),
        "bf": str(b_frames),
        "sc_threshold": "0",
        "x265-params": "open-gop=0:log-level=0",
    }
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height = 160, 96
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for i in range(60):
            picture = np.full((96, 160, 3), 60, np.uint8)
            picture[:, 2 * i : 2 * i + 12] = 220
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shown(path, need):
    """By the number of each picture that is decoded: its luma."""
    faults: list[str] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        decoding = Decoding(stream.codec_context, need, faults.append)
        pictures = decoding.pictures(container.demux(stream), threading.Event())
        found = [(round(picture.time * FPS), picture.to_ndarray(format="gray")) for picture, _ in pictures]
    assert faults == []
    assert [number for number, _ in found] == sorted({number for number, _ in found}), "each once, in order"
    return dict(found)


class Plan:
    """A need that changes with the packets."""

    def __init__(self, *until):
        self._until = until
        self._seen = 0
        self.packets = []

    def __call__(self, *, is_key, size):
        assert size > 0
        self._seen += 1
        self.packets.append(is_key)
        return next(need for last, need in self._until if self._seen <= last)


def test_all(clip):
    assert list(shown(clip, everything)) == list(range(60))


def test_what_nobody_looks_at_waits_for_inferences_and_not_for_ever(clip, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(decodings.CORES, "wait", waits.append)
    shown(clip, Plan((20, Need.ALL), (40, Need.REFERENCES), (60, Need.ALL)))
    assert len(waits) == 20
    assert max(waits) < time.monotonic() + 1


def test_who_is_looked_at_waits_for_nobody(clip, monkeypatch):
    monkeypatch.setattr(decodings.CORES, "wait", pytest.fail)
    assert list(shown(clip, everything)) == list(range(60))
    assert shown(clip, Plan((999, Need.KEY_FRAMES)))


def test_key_frames_come_at_once(clip):
    """Not only when the decoder, which puts pictures in order, has seen some more."""
    seen = Plan((999, Need.KEY_FRAMES))
    keys = list(shown(clip, seen))
    assert keys == list(shown(clip, key_frames))
    assert len(keys) == sum(seen.packets)
    assert set(range(0, 60, GROUP)) <= set(keys)


@pytest.mark.parametrize("back", [21, 22, 25, 29, 30, 31, 32, 38])
def test_after_key_frames_the_next_ones_are_as_they_should_be(clip, back):
    """Wherever in a group: what they build on is decoded first."""
    whole = shown(clip, everything)
    partly = shown(clip, Plan((back, Need.KEY_FRAMES), (999, Need.ALL)))
    for number, picture in partly.items():
        assert np.array_equal(picture, whole[number]), f"picture {number}"
    after = [number for number in partly if number > back + 3]
    assert after == list(range(after[0], 60))
    assert after[0] <= back + 4


def test_from_all_to_key_frames_with_one_of_them(clip):
    whole = shown(clip, everything)
    partly = shown(clip, Plan((24, Need.ALL), (999, Need.KEY_FRAMES)))
    assert all(np.array_equal(picture, whole[number]) for number, picture in partly.items())
    assert set(range(24)) <= set(partly)
    assert {40, 50} <= set(partly)
    if len(shown(clip, key_frames)) < 60:
        assert not set(range(31, 40)) & set(partly)


def test_what_nothing_builds_on_can_be_left_out(clip):
    whole, some = shown(clip, everything), shown(clip, Plan((999, Need.REFERENCES)))
    assert all(np.array_equal(picture, whole[number]) for number, picture in some.items())
    with av.open(str(clip)) as container:
        reorders = container.streams.video[0].codec_context.has_b_frames
    assert len(some) < 60 if reorders else len(some) <= 60


def test_where_too_much_would_be_kept_the_next_key_frame_is_waited_for(clip, monkeypatch):
    monkeypatch.setattr(decodings, "KEPT_BYTES", 10)
    whole = shown(clip, everything)
    partly = shown(clip, Plan((25, Need.KEY_FRAMES), (999, Need.ALL)))
    assert all(np.array_equal(picture, whole[number]) for number, picture in partly.items())
    assert set(range(30, 60)) <= set(partly)


def test_what_nobody_wants_waits_until_somebody_wants_what_builds_on_it(tmp_path):
    path, taken = write_clip(tmp_path / "clip.mp4", frames=60), []

    def packets(container):
        for packet in container.demux(video=0):
            taken.append(packet)
            yield packet

    def first(need):
        """Packets that were taken before the first picture came, and how many pictures there are."""
        taken.clear()
        with av.open(str(path)) as container:
            decoding = Decoding(container.streams.video[0].codec_context, need, pytest.fail)
            pictures = decoding.pictures(packets(container), threading.Event())
            began, (_, came_at) = time.time(), next(pictures)
            before = len(taken)
            rest = list(pictures)
        assert began - 60 < came_at <= rest[-1][1] <= time.time()
        assert sorted(at for _, at in rest) == [at for _, at in rest], "when the packets came"
        return before, 1 + len(rest)

    assert first(everything) == (1, 60)
    assert first(Plan((999, Need.REFERENCES))) == (decodings.BURST, 60)
    assert first(Plan((4, Need.REFERENCES), (999, Need.ALL))) == (5, 60)
    assert first(Plan((6, Need.REFERENCES), (999, Need.KEY_FRAMES)))[0] == 7
