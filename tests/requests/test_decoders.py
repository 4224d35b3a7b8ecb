"""Recordings of strangers, decoded in children."""

import io
import os
import signal
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from edged.contracts.errors import Cancelled, ChildDied, NotMedia, NotUsable, TimedOut, TooLarge
from edged.flow.budget import Budget
from edged.media.fetch import IN_MEMORY
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.requests.decoders import Decoders
from edged.runtimes.devices import RuntimeSettings
from tests.broker import until
from tests.media.mp4 import crowded
from tests.media.sounds import encoded, tone
from tests.requests.decoding import children, idle, patient, spooled

LIMITS = SoundLimits()


@pytest.fixture
def decoders():
    made = Decoders(Budget(10**10))
    yield made
    made.close()


def heard(decoders, data, limits=LIMITS, play_duration_us=None, check=patient):
    with spooled(data) as file, decoders.open_sound(file, limits, play_duration_us, check) as sound:
        return np.concatenate(list(sound.pieces)), sound.seconds


def plain(data):
    with open_sound(io.BytesIO(data), LIMITS) as sound:
        return np.concatenate(list(sound.pieces)), sound.seconds


def wav(seconds):
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(
            np.random.default_rng(1).integers(-999, 999, int(seconds * RATE), np.int16).tobytes()
        )
    return out.getvalue()


@pytest.mark.parametrize("seconds", [0.7, 8.0, 21.3, 140.0])
def test_it_is_as_if_it_were_decoded_here(decoders, seconds, tmp_path):
    data = wav(seconds)
    samples, told = heard(decoders, data)
    expected, told_here = plain(data)
    assert np.array_equal(samples, expected)
    assert told == told_here
    (tmp_path / "a.wav").write_bytes(data)
    with (
        (tmp_path / "a.wav").open("rb") as file,
        decoders.open_sound(file, LIMITS, 500_000, patient) as sound,
    ):
        assert sum(len(piece) for piece in sound.pieces) == RATE // 2
    assert (len(data) > IN_MEMORY) == (seconds == 140)


def test_it_is_another_process_which_the_next_recording_gets_too(decoders):
    heard(decoders, encoded(tone()))
    (first,) = idle(decoders)
    assert first != os.getpid()
    heard(decoders, encoded(tone()))
    assert idle(decoders) == [first]


@pytest.mark.parametrize(
    ("data", "limits", "error"),
    [(b"no sound" * 100, LIMITS, NotMedia), (wav(3), SoundLimits(max_seconds=1), TooLarge)],
)
def test_what_is_wrong_with_it_is_told_as_here(decoders, data, limits, error):
    with pytest.raises(error):
        heard(decoders, data, limits)


def test_one_that_dies_ends_its_recording_alone(decoders):
    others = children()
    with (
        pytest.raises(ChildDied, match="SIGKILL"),
        decoders.open_sound(io.BytesIO(wav(30)), LIMITS, None, patient) as sound,
    ):
        next(sound.pieces)
        (process,) = children() - others
        os.kill(process, signal.SIGKILL)
        list(sound.pieces)
    assert idle(decoders) == []
    assert len(heard(decoders, wav(1))[0]) == RATE


@pytest.mark.parametrize("error", [TimedOut, Cancelled])
def test_its_deadline_ends_it_even_in_the_middle_of_ffmpeg(decoders, error, monkeypatch):
    others = children()
    with decoders.open_sound(io.BytesIO(wav(1)), LIMITS, None, patient):
        (process,) = children() - others
    os.kill(process, signal.SIGSTOP)  # as good as a decoder without end
    until = time.monotonic() + 0.3

    def check():
        if time.monotonic() > until:
            raise error("over")

    began = time.monotonic()
    with pytest.raises(error):
        heard(decoders, wav(1), check=check)
    assert time.monotonic() - began < 30
    assert len(heard(decoders, wav(1))[0]) == RATE


def test_what_goes_wrong_with_who_listens_ends_nothing_else(decoders):
    with pytest.raises(NotUsable), decoders.open_sound(io.BytesIO(wav(30)), LIMITS, None, patient) as sound:
        next(sound.pieces)
        raise NotUsable("not me")
    assert len(heard(decoders, wav(1))[0]) == RATE


def test_its_memory_is_bounded(decoders):
    heard(decoders, wav(1))
    (process,) = idle(decoders)
    lines = Path(f"/proc/{process}/limits").read_text().splitlines()
    (space,) = (line.split()[3] for line in lines if line.startswith("Max address space"))
    assert int(space) == 800_000_000
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    assert int(status["VmPeak"].split()[0]) * 1024 < int(space) * 0.75


def test_what_wants_more_memory_than_there_is_ends_and_the_next_one_is_heard(decoders):
    with pytest.raises(NotMedia, match="no sound that can be decoded"):
        heard(decoders, crowded(100_000_000))  # 2.4 GB, which the kernel does not give
    few = Decoders(Budget(RuntimeSettings(memory=150_000_000).memory_bytes()))
    try:
        with pytest.raises(ChildDied, match=r"over `runtime\.memory` of 150000000"):
            heard(few, crowded(12_000_000))
        for each in decoders, few:
            assert len(heard(each, wav(1))[0]) == RATE
    finally:
        few.close()


def test_what_they_hold_is_counted_together_with_what_else_is_decoded():
    memory = Budget(10**10)
    decoders = Decoders(memory)
    heard(decoders, wav(1))
    until(lambda: memory.held > 20_000_000)
    decoders.close()
    assert memory.held == 0
