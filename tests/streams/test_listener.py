"""How a growing utterance is stepped through: every sound of it once, whatever happens on the way."""

from types import SimpleNamespace

import numpy as np
import pytest

from edged.contracts.errors import Cancelled, InferenceError
from edged.contracts.items import AudioClip, LiveClip
from edged.contracts.services import service
from edged.contracts.slot import Priority
from edged.contracts.speech import RecognitionOptions
from edged.flow.counters import Counters
from edged.media.sound import RATE
from edged.ops.clips import WINDOW
from edged.ops.utterances import UtteranceCutter, UtteranceRules
from edged.serving.run import RunHandle
from edged.serving.table import Served, ServiceTable
from edged.streams.clipbox import Waiting
from edged.streams.lane import LaneTools, RunSettings
from edged.streams.listener import Listener
from edged.streams.publisher import Outlet
from edged.streams.sound_lane import UtteranceLane

LIVE = "speech-recognition-zh-live"
GREEDY = RecognitionOptions(beam=1)
SOUND = np.arange(9 * RATE, dtype=np.float32)


class Steps:
    """An instance that remembers its chunks; its state counts them. `error` is raised once."""

    hears_utterances = True
    facts = None

    def __init__(self):
        self.chunks = []
        self.error = None

    def start(self, options):
        return 0

    def step(self, chunk, state, options, run, priority):
        run.check()
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.chunks.append((chunk, state))
        return None, state + 1


@pytest.fixture
def heard():
    """Hear so many seconds of an utterance; what came of it stands in `chunks`."""
    listener, instance = Listener(), Steps()
    served = [Served(service(LIVE), instance, GREEDY)]

    def hear(seconds, seq=0, *, begin=0.0, final=False, run=RunHandle()):  # noqa: B008 - frozen
        samples = SOUND[int(begin * RATE) : int((begin + seconds) * RATE)]
        live = LiveClip(AudioClip(samples, RATE, int(begin * 1e6)), 0.0, seq, final)
        return listener.step(live, served[0], GREEDY, run, Priority.JOB)

    return SimpleNamespace(hear=hear, instance=instance, served=served)


def told(heard):
    """Chunk by chunk: samples before, samples, whether it was the last, and the state that it met."""
    return [(c.before / RATE, len(c.samples) / RATE, c.final, state) for c, state in heard.instance.chunks]


def test_a_chunk_is_what_is_new(heard):
    heard.hear(1)
    heard.hear(3)
    heard.hear(3.5, final=True)
    assert told(heard) == [(0, 1, False, 0), (1, 2, False, 1), (3, 0.5, True, 2)]
    chunks = [chunk for chunk, _ in heard.instance.chunks]
    assert np.array_equal(np.concatenate([chunk.samples for chunk in chunks]), SOUND[: int(3.5 * RATE)])


def test_the_end_may_bring_no_sound(heard):
    heard.hear(2)
    heard.hear(2, final=True)
    assert told(heard)[-1] == (2, 0, True, 1)


def test_the_next_utterance_begins_with_what_the_model_remembers(heard):
    heard.hear(2, final=True)
    heard.hear(1, 1, begin=3)
    heard.hear(2, 2, begin=5)  # the end of the one before was dropped
    assert told(heard) == [(0, 2, True, 0), (0, 1, False, 1), (0, 2, False, 2)]


@pytest.mark.parametrize("error", [Cancelled("somebody waits"), InferenceError("it failed")])
def test_a_step_that_raises_has_heard_nothing(heard, error):
    heard.hear(1)
    heard.instance.error = error
    with pytest.raises(type(error)):
        heard.hear(2)
    heard.hear(3)
    assert told(heard) == [(0, 1, False, 0), (1, 2, False, 1)]


def test_what_was_cut_before_what_was_heard_is_heard_anew(heard):
    """Nobody paused for so long that the utterance was cut where a voice is least likely."""
    heard.hear(4)
    heard.hear(3, final=True)
    heard.hear(1, 1, begin=3)
    assert told(heard) == [(0, 4, False, 0), (0, 3, True, 1), (0, 1, False, 2)]


def test_another_model_begins_anew(heard):
    heard.hear(1)
    heard.served[0] = Served(service(LIVE), heard.instance, GREEDY)
    heard.hear(2)
    assert told(heard) == [(0, 1, False, 0), (0, 2, False, 0)]


def test_a_lane_gives_a_partial_step_up_while_a_final_one_waits_anywhere():
    """And hears all of it afterwards. No result is told of a step that has none."""
    instance, table, waiting, lines = Steps(), ServiceTable(), Waiting(), []
    table.put(Served(service(LIVE), instance, GREEDY))
    outlet = Outlet("box", "room", (lambda *line: lines.append(line),), Counters())
    lane = UtteranceLane(LaneTools(outlet, table), RunSettings(service=LIVE), waiting)

    def live(seconds, *, final=False):
        return LiveClip(AudioClip(SOUND[: seconds * RATE], RATE, 0), 0.0, 0, final)

    assert lane.wants(1.5)
    lane.work(live(1))
    waiting.add(1)
    lane.work(live(2))
    assert outlet.counters.counts()["frames_dropped/room"] == {"superseded": 1}
    waiting.add(-1)
    lane.work(live(3))
    lane.work(live(3, final=True))
    sizes = [len(chunk.samples) // RATE for chunk, _ in instance.chunks]
    assert sizes == [1, 2, 0]
    assert lines == []


def test_nothing_grows_for_a_service_that_is_not_up():
    tools = LaneTools(Outlet("box", "room", (), Counters()), ServiceTable())
    lane = UtteranceLane(tools, RunSettings(service=LIVE), Waiting())
    assert not lane.wants(5.0)


@pytest.mark.parametrize("seed", range(8))
def test_the_voice_of_an_utterance_only_grows(seed):
    """Of the spans that were told the end of the last one alone moves."""
    chance = np.random.default_rng(seed)
    cutter, known = UtteranceCutter(UtteranceRules(), RATE), ()
    likely = 0.1
    for _ in range(1500):
        likely = float(np.clip(likely + chance.normal(0, 0.25), 0, 1))
        over = cutter.put(np.zeros(WINDOW, np.float32), likely)
        now = over or cutter.so_far()
        if now is None:
            continue
        voiced = now.clip.voiced
        if known and len(now.clip.samples) >= known[-1][1]:  # else it was cut before
            *same, (begin, end) = known
            assert list(voiced[: len(same)]) == same
            assert voiced[len(same)][0] == begin
            assert voiced[len(same)][1] >= end
        known = () if over else voiced
