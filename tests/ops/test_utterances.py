"""Where an utterance begins and ends, with probabilities that are made up."""

import numpy as np
import pytest

from edged.ops.clips import WINDOW
from edged.ops.utterances import UtteranceCutter, UtteranceRules

RATE = 16_000
WINDOWS = RATE / WINDOW
"""Of a second."""


def spoken(*parts):
    """Seconds and probability of each part, as windows whose samples are numbered."""
    likely = np.concatenate([np.full(round(seconds * WINDOWS), p) for seconds, p in parts])
    samples = np.arange(len(likely) * WINDOW, dtype=np.float32)
    return samples.reshape(-1, WINDOW), likely


def utterances(*parts, position=0, rules=None):
    cutter = UtteranceCutter(rules or UtteranceRules(), RATE, position)
    windows, likely = spoken(*parts)
    found = [cutter.put(w, p) for w, p in zip(windows, likely.tolist(), strict=True)]
    return [one for one in found if one is not None], cutter


def seconds(utterance):
    begin = utterance.clip.start_us / 1e6
    return pytest.approx((begin, begin + utterance.clip.seconds), abs=0.1)


def test_an_utterance_has_a_little_before_and_after():
    (one,), _ = utterances((2, 0.01), (1.5, 0.9), (1, 0.01))
    assert one.final
    assert seconds(one) == (1.7, 3.8)
    assert one.clip.samples[0] == one.clip.start_us * RATE / 1e6
    assert np.array_equal(np.diff(one.clip.samples), np.ones(len(one.clip.samples) - 1)), "no gap within"
    assert one.clip.voiced_seconds == pytest.approx(1.5 + 0.2, abs=0.1)


def test_a_short_pause_does_not_end_it():
    (one,), _ = utterances((1, 0.01), (1, 0.9), (0.4, 0.01), (1, 0.9), (1, 0.01))
    assert seconds(one) == (0.7, 3.7)
    assert len(one.clip.voiced) == 2


def test_a_longer_pause_makes_two():
    found, _ = utterances((1, 0.01), (1, 0.9), (1, 0.01), (1, 0.9), (1, 0.01))
    assert [one.clip.start_us < 2e6 for one in found] == [True, False]


def test_a_noise_is_none():
    found, cutter = utterances((1, 0.01), (0.1, 0.9), (1, 0.01), (0.05, 0.9), (1, 0.01))
    assert found == []
    assert cutter.so_far() is None
    assert cutter.rest() is None


def test_silence_costs_no_memory():
    _, cutter = utterances((60, 0.01))
    assert cutter.seconds == pytest.approx(0.3, abs=0.1)


def test_who_never_stops_is_cut_where_a_voice_is_least_likely():
    found, cutter = utterances((20, 0.9), (0.1, 0.4), (20, 0.9))
    assert len(found) == 1
    assert seconds(found[0]) == (0, 20.1)
    (rest,) = [cutter.rest()]
    assert seconds(rest) == (20.1, 40.1)
    assert rest.final
    assert rest.clip.samples[0] == found[0].clip.samples[-1] + 1, "nothing lost, nothing twice"


def test_it_grows():
    found, cutter = utterances((1, 0.01), (2, 0.9))
    growing = cutter.so_far()
    assert found == []
    assert not growing.final
    assert seconds(growing) == (0.7, 3.0)
    assert cutter.speaks
    assert cutter.quiet_seconds == 0


def test_time_is_counted_from_the_opening_of_the_source():
    (one,), _ = utterances((1, 0.9), (1, 0.01), position=10 * RATE)
    assert one.clip.start_us == 10_000_000
