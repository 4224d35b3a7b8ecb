"""Video of strangers, decoded in children: as if it were decoded here, whatever the child does."""

import io
import os
import signal
import time
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edged.children.wire import Message
from edged.contracts.errors import BadRequest, Cancelled, ChildDied, NotMedia, NotUsable, TimedOut, TooLarge
from edged.contracts.items import Video
from edged.contracts.video import VideoInput
from edged.flow.budget import Budget
from edged.media.fetch import Fetched
from edged.media.footage import VideoLimits, footage_bytes, open_footage
from edged.media.sound import RATE
from edged.requests.decode import item_of, wanted_of
from edged.requests.decoders import Decoders, video_terms
from edged.requests.far_video import FarVideo
from edged.requests.screening import Screening, screened
from edged.requests.settings import RequestSettings
from tests.media.sounds import encoded, tone
from tests.media.videos import ASKED, WHOLE, film, goes_forward_once, shade, shades
from tests.requests.decoding import children, idle, patient, spooled

LIMITS = VideoLimits()


@pytest.fixture
def decoders():
    made = Decoders(Budget(4_000_000_000), idle=2)
    yield made
    made.close()


@pytest.fixture(scope="module")
def kept():
    """Children that several tests use."""
    made = Decoders(Budget(4_000_000_000), idle=2)
    yield made
    made.close()


@contextmanager
def opened(decoders, data, limits=LIMITS, play_duration_us=None, check=patient):
    with spooled(data) as file, decoders.open_video(file, limits, play_duration_us, check) as video:
        yield video


@pytest.mark.parametrize(("asked", "seen"), ASKED)
def test_its_pictures_are_shown_from_to_and_as_often_as_asked(kept, asked, seen):
    with opened(kept, film()) as video:
        assert isinstance(video, Video)
        assert (video.width, video.height, video.frame_rate, video.seconds) == (64, 48, 4.0, 2.5)
        frames = list(video.frames(**asked))
        assert [frame.seq for frame in frames] == seen
        assert [frame.captured_at for frame in frames] == [number / 4 for number in seen]
        assert [shade(frame) for frame in frames] == seen


def test_its_frames_go_forward_once(kept):
    with opened(kept, film(shades(40))) as video:
        goes_forward_once(video)
        assert [frame.seq for frame in video.frames()] == list(range(40))


@pytest.mark.parametrize("turn", [0, 90])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv422p10le"])
def test_it_is_as_if_it_were_decoded_here(kept, turn, pix_fmt):
    data = film(shades(30, (90, 162)), 10, pix_fmt=pix_fmt, turn=turn, sound=tone(3.0, RATE))
    with open_footage(io.BytesIO(data), LIMITS) as here, opened(kept, data) as video:
        assert (video.width, video.height) == (here.width, here.height)
        for far, near in zip(video.frames(), here.frames(), strict=True):
            assert np.array_equal(far.pixels(WHOLE), near.pixels(WHOLE))
        for span in ((0, None), (500_000, 1_700_000)):
            far_sound, near_sound = video.sound(*span), here.sound(*span)
            assert far_sound is not None
            assert near_sound is not None
            assert far_sound.start_us == span[0]
            assert np.array_equal(far_sound.samples, near_sound.samples)


def test_one_picture_shown_for_long_crosses_once(kept):
    with opened(kept, film(shades(3), 1)) as video:
        frames = list(video.frames(rate=300))
    assert len(frames) == 900
    assert len({id(frame) for frame in frames}) == 3


def test_only_the_beginning(kept):
    with opened(kept, film(sound=tone(2.5, RATE)), play_duration_us=1_000_000) as video:
        assert video.seconds == 1
        assert len(list(video.frames())) == 4
        clip = video.sound()
        assert clip is not None
        assert len(clip.samples) == RATE


def test_it_is_another_process_which_the_next_video_gets_too(decoders):
    with opened(decoders, film()) as video:
        next(video.frames())
    (first,) = idle(decoders)
    assert first != os.getpid()
    with opened(decoders, film(shades(200), 25)) as video:
        next(video.frames())  # and the others not
    assert idle(decoders) == [first]
    with decoders.open_sound(io.BytesIO(encoded(tone())), RequestSettings().sound, None, patient) as sound:
        list(sound.pieces)
    assert len(idle(decoders)) == 2, "sound has a smaller one of its own"


@pytest.mark.parametrize(
    ("data", "limits", "error"),
    [
        (b"this is a text" * 100, LIMITS, NotMedia),
        (encoded(tone()), LIMITS, NotUsable),
        (film(), VideoLimits(max_seconds=1), TooLarge),
        (film(), VideoLimits(max_pixels=100), TooLarge),
    ],
)
def test_what_is_wrong_with_it_is_told_as_here(decoders, data, limits, error):
    with pytest.raises(error), opened(decoders, data, limits):
        pass


def test_damage_is_told(kept):
    noise = np.random.default_rng(1).integers(0, 256, (100, 48, 64, 3)).astype(np.uint8)
    data = film(list(noise), 25, "matroska")
    with opened(kept, data[: len(data) // 2]) as video:
        assert video.damaged is None
        assert len(list(video.frames())) < 70
        assert "of 4.0 seconds" in (video.damaged or "")


def test_one_that_dies_ends_its_video_alone(decoders):
    others = children()
    with pytest.raises(ChildDied, match="SIGKILL"), opened(decoders, film(shades(500), 25)) as video:
        frames = video.frames()
        next(frames)
        (process,) = children() - others
        os.kill(process, signal.SIGKILL)
        list(frames)
    assert idle(decoders) == []
    with opened(decoders, film()) as video:
        assert len(list(video.frames())) == 10


@pytest.mark.parametrize("error", [TimedOut, Cancelled])
def test_its_deadline_ends_it_even_in_the_middle_of_ffmpeg(decoders, error):
    others, until = children(), [float("inf")]

    def check():
        if time.monotonic() > until[0]:
            raise error("over")

    with pytest.raises(error), opened(decoders, film(shades(500), 25), check=check) as video:
        frames = video.frames()
        next(frames)
        (process,) = children() - others
        os.kill(process, signal.SIGSTOP)  # as good as a decoder without end
        began = time.monotonic()
        until[0] = began + 0.3
        list(frames)
    assert time.monotonic() - began < 30
    assert process not in children()


def test_what_goes_wrong_with_who_looks_ends_nothing_else(decoders):
    with pytest.raises(BadRequest), opened(decoders, film(shades(500), 25)) as video:
        next(video.frames())
        raise BadRequest("not me")
    with opened(decoders, film()) as video:
        assert len(list(video.frames())) == 10


FACTS = {"width": 4, "height": 2, "frame_rate": 4.0, "seconds": 2.5, "has_sound": True}
PICTURE = {"at": 0.0, "number": 0, "turns": 0, "matrix": "bt709", "full_range": False}
PLANES = [np.zeros(shape, np.uint8) for shape in ((2, 4), (1, 2), (1, 2))]
SAID = {"pictures": [PICTURE], "shown": [0], "ended": True, "damaged": None}


class AtOnce(Executor):
    """Asks in the same thread."""

    def submit(self, ask, /, *given, **_):
        future: Future[Message] = Future()
        future.set_result(ask(*given))
        return future


def lying(said, planes=(), facts=FACTS):
    """A video whose child says what it likes."""
    return FarVideo(lambda _: Message(said, planes), AtOnce(), patient, LIMITS, Message({"facts": facts}))


def test_an_honest_child_is_believed():
    (frame,) = lying(SAID, PLANES).frames()
    assert frame.pixels(WHOLE).shape == (2, 4, 3)


@pytest.mark.parametrize(
    "facts",
    [
        None,
        {},
        {**FACTS, "width": 0},
        {**FACTS, "width": 10**9},
        {**FACTS, "seconds": float("nan")},
        {**FACTS, "frame_rate": 0.0},
        {**FACTS, "frame_rate": float("inf")},
        {**FACTS, "height": "2"},
    ],
)
def test_what_is_no_video_is_not_believed(facts):
    with pytest.raises(ChildDied, match="no video"):
        lying(SAID, PLANES, facts)


@pytest.mark.parametrize(
    ("said", "planes"),
    [
        ({}, []),
        (SAID, []),
        (SAID, PLANES[:2]),
        (SAID, [PLANES[0], PLANES[1], PLANES[1].T]),
        (SAID, [PLANES[0].astype(np.int8), *PLANES[1:]]),
        (SAID, [np.zeros((2000, 4000), np.uint8), *PLANES[1:]]),
        ({**SAID, "shown": [1]}, PLANES),
        ({**SAID, "shown": [-2]}, PLANES),
        ({**SAID, "shown": [-1]}, PLANES),
        ({**SAID, "pictures": [{**PICTURE, "turns": 4}]}, PLANES),
        ({**SAID, "pictures": [{**PICTURE, "turns": 1}]}, PLANES),
        ({**SAID, "pictures": [{**PICTURE, "matrix": "x"}]}, PLANES),
        ({**SAID, "pictures": [{**PICTURE, "at": float("nan")}]}, PLANES),
        ({**SAID, "pictures": [{**PICTURE, "at": -1.0}]}, PLANES),
        ({**SAID, "pictures": [{**PICTURE, "number": -1}]}, PLANES),
        ({**SAID, "ended": 1}, PLANES),
    ],
)
def test_what_are_no_pictures_is_not_believed(said, planes):
    with pytest.raises(ChildDied):
        list(lying(said, planes).frames())


@pytest.mark.parametrize(
    "piece",
    [np.zeros(9), np.zeros((2, 2), np.float32), np.zeros(RATE, np.float32), np.zeros(RATE // 2, np.float32)],
)
def test_what_is_no_sound_or_has_no_end_is_not_believed(piece):
    with pytest.raises(ChildDied):
        lying({"ended": False}, [piece] * 1000).sound()


def test_its_memory_is_bounded(kept):
    with opened(kept, film()) as video:
        list(video.frames())
    (process,) = idle(kept)
    limits = Path(f"/proc/{process}/limits").read_text().splitlines()
    (space,) = (line.split()[3] for line in limits if line.startswith("Max address space"))
    terms = video_terms(LIMITS)
    assert int(space) == terms.address_bytes
    assert terms.memory_bytes == footage_bytes(LIMITS)
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    told = dict(line.split(":", 1) for line in status)
    assert int(told["VmPeak"].split()[0]) * 1024 < terms.address_bytes - 24 * 4096 * 2304 * 3 // 2


def test_a_request_becomes_a_video(decoders):
    settings = RequestSettings()
    held: list[int] = []
    request = VideoInput.model_validate({"input": {"url": "https://a/b.mp4", "play_duration": "1000000"}})
    wanted = wanted_of(request, settings)
    assert wanted == ("https://a/b.mp4", (2_000_000_000, "requests.video.max_bytes"))
    data = film()
    with Fetched(spooled(data), len(data)) as media:
        item = item_of(request, settings, media, held.append)
        assert isinstance(item, Screening)
        assert held == [], "the memory of its child is counted as it grows"
        with screened(item, settings.video, decoders, patient) as video:
            assert len(list(video.frames())) == 4


def test_what_is_wrong_with_it_names_the_field(decoders):
    with (
        spooled(b"text" * 200) as file,
        pytest.raises(NotMedia, match=r"^the media of the field `input.url` is no audio or video"),
        screened(Screening(file, None), LIMITS, decoders, patient),
    ):
        pass
