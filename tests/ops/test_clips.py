"""Cutting at pauses: nothing is lost, no clip is too long, and the voice is where it is."""

import numpy as np
import pytest

from edged.contracts.items import AudioClip
from edged.ops.clips import WINDOW, CutRules, Cutter, voiced_parts, voiced_spans

RATE = 16_000
RULES = CutRules()


def windows(seconds):
    return round(seconds * RATE / WINDOW)


def cut(*stretches, rules=RULES):
    """Clips of stretches (seconds, probability of a voice), and the sound that they were cut of."""
    probabilities = np.concatenate([np.full(windows(seconds), p) for seconds, p in stretches])
    samples = np.arange(len(probabilities) * WINDOW, dtype=np.float32)
    cutter, clips = Cutter(rules, RATE), []
    for i in range(0, len(probabilities), 15):
        piece = samples[i * WINDOW : (i + 15) * WINDOW]
        clips += cutter.put(piece, probabilities[i : i + 15])
    last = cutter.rest()
    return [*clips, *([last] if last else [])], samples


@pytest.mark.parametrize(
    "stretches",
    [
        [(3, 0.9)],
        [(90, 0.0)],
        [(90, 0.9)],
        [(5, 0.9), (1, 0.0)] * 12,
        [(0.05, 0.9), (0.05, 0.1)] * 300,
    ],
)
def test_clips_hold_all_of_the_sound_and_say_when_they_begin(stretches):
    clips, samples = cut(*stretches)
    assert np.array_equal(np.concatenate([clip.samples for clip in clips]), samples)
    for clip in clips:
        assert clip.seconds <= 30
        assert clip.start_us == int(clip.samples[0]) * 1_000_000 // RATE
        assert all(0 <= begin < end <= len(clip.samples) for begin, end in clip.voiced)


def test_a_clip_ends_in_the_first_pause_after_twenty_seconds():
    clips, _ = cut((18, 0.9), (1, 0.0), (4, 0.9), (0.5, 0.0), (4, 0.9))
    assert [round(clip.seconds, 1) for clip in clips] == [23.1, 4.4]
    assert clips[1].voiced[0][0] > 0  # it begins within the pause


def test_without_a_pause_it_ends_where_a_voice_is_least_likely():
    clips, _ = cut((24, 0.9), (0.032, 0.6), (20, 0.9))
    assert clips[0].seconds == pytest.approx(24, abs=0.1)


def test_the_voice_of_a_clip():
    ((clip,), _) = cut((1, 0.0), (2, 0.9), (0.064, 0.4), (1, 0.9), (1, 0.0), (0.032, 0.9), (1, 0.0))
    ((begin, end),) = clip.voiced  # neither the dip nor the click changes it
    assert begin / RATE == pytest.approx(0.9, abs=0.04)
    assert end / RATE == pytest.approx(4.16, abs=0.04)
    assert clip.voiced_seconds == pytest.approx(3.26, abs=0.05)


def test_a_voice_begins_surely_and_ends_late():
    assert voiced_spans(np.array([0.4, 0.5, 0.4, 0.34, 0.4, 0.6]), RULES) == [(1, 3), (5, 6)]


def test_nothing_is_no_clip():
    assert Cutter(RULES, RATE).rest() is None


def test_the_last_window_may_be_short():
    cutter = Cutter(RULES, RATE)
    assert not list(cutter.put(np.zeros(WINDOW + 160, np.float32), np.zeros(2)))
    last = cutter.rest()
    assert last is not None
    assert len(last.samples) == WINDOW + 160


def heard(*spans, seconds=30, start_us=7_000_000):
    """A clip whose samples count up, with somebody speaking in spans of seconds."""
    voiced = tuple((round(begin * RATE), round(end * RATE)) for begin, end in spans)
    return AudioClip(np.arange(seconds * RATE, dtype=np.float32), RATE, start_us, voiced)


@pytest.mark.parametrize(
    ("spans", "parts"),
    [
        ([], []),
        ([(2, 5)], [(2, 5)]),
        ([(2, 5), (5.9, 7)], [(2, 7)]),  # he draws breath
        ([(2, 5), (6, 7)], [(2, 5), (6, 7)]),  # he is done
        ([(0, 5), (5.5, 11.5), (12, 14)], [(0, 11.5), (12, 14)]),  # it would be too long
        ([(1, 25), (25.2, 26)], [(1, 25), (25.2, 26)]),  # nobody pauses: as long as it is
    ],
)
def test_the_parts_in_which_somebody_speaks(spans, parts):
    clip = heard(*spans)
    found = voiced_parts(clip, pause=1.0, longest=12.0)
    assert [(p.samples[0] / RATE, (p.samples[-1] + 1) / RATE) for p in found] == parts
    for part in found:
        first = int(part.samples[0])
        assert part.start_us == clip.start_us + first * 1_000_000 // RATE
        assert all((first + begin, first + end) in clip.voiced for begin, end in part.voiced)
    assert sum(len(part.voiced) for part in found) == len(spans)
