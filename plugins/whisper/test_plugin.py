"""Whisper base and tiny in both runtimes; the guards of the search with scores that are made up."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edged import AudioClip, CardError, HearingOptions
from edged.cards import load_card
from edged.contracts.errors import Cancelled
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.runtimes.devices import Concurrency
from edged.runtimes.opening import open_session
from edged.testing import FakeRun

HERE = Path(__file__).parent
TINY = load_card(HERE / "tiny.yaml")
TEXT = HearingOptions(task="text", language="zh", beam=1, prompt="")


@pytest.fixture(scope="module")
def base(instance_of):
    return instance_of("whisper-base")


@pytest.fixture(scope="module")
def tiny(instance_of):
    return instance_of("whisper-tiny")


@pytest.fixture(scope="module")
def decode(base):
    """The module of this folder as discovery loaded it."""
    return sys.modules[type(base.model).__module__ + ".decode"]


def sound(path):
    with path.open("rb") as file, open_sound(file, SoundLimits()) as opened:
        return AudioClip(np.concatenate(list(opened.pieces)), RATE, 0)


def hear(instance, clip, **options):
    chosen = TEXT.model_copy(update=options)
    return instance.infer(clip, chosen, FakeRun(), Priority.REQUEST)


@pytest.mark.parametrize("beam", [1, 3])
def test_it_writes_what_is_said(base, media, beam):
    text = hear(base, sound(media("hello-world.wav")), beam=beam).text
    assert text.strip("。!") == "你好世界"
    text = hear(base, sound(media("english.wav")), beam=beam, language="en").text.lower()
    assert "call me nature" in text
    assert "mother nature" in text


def test_several_clips_say_together_what_each_says_alone(base, tiny, media):
    """Of different lengths, more than a batch holds, one of them silent; in the order in which they came."""
    names = ("mandarin", "hello-world", "counting", "english", "thousand", "woman")
    clips = [*(sound(media(f"{name}.wav")) for name in names), AudioClip(np.zeros(RATE, np.float32), RATE, 0)]
    for instance in (base, tiny):
        together = instance.infer_all(clips, TEXT, FakeRun(), Priority.JOB)
        assert [heard.text for heard in together] == [hear(instance, clip).text for clip in clips]
        languages = instance.infer_all(
            clips[:2], TEXT.model_copy(update={"task": "language"}), FakeRun(), Priority.JOB
        )
        assert [max(heard.languages, key=heard.languages.get) for heard in languages] == ["zh", "zh"]


def test_half_minutes_are_written_together_too(tiny, media):
    samples = np.tile(sound(media("counting.wav")).samples, 12)[: 29 * RATE]
    clips = [AudioClip(samples[: seconds * RATE], RATE, 0) for seconds in (29, 25)]
    together = tiny.infer_all(clips, TEXT, FakeRun(), Priority.JOB)
    assert [heard.text for heard in together] == [hear(tiny, clip).text for clip in clips]


def test_a_batch_is_written_in_fewer_steps_and_none_is_larger_than_the_card_says(base, media):
    clip, steps = sound(media("counting.wav")), []

    class Counted:
        def run(self, inputs):
            steps.append(len(inputs["tokens"]))
            return base.tools.sessions["decoder"].run(inputs)

    tools = replace(base.tools, sessions={**base.tools.sessions, "decoder": Counted()})
    base.model.infer(clip, TEXT, tools, FakeRun())
    alone = len(steps)
    assert set(steps) == {1}
    steps.clear()
    base.model.infer_all([clip] * 5, TEXT, tools, FakeRun())
    assert steps == [4] * alone + [1] * alone


def test_numbers_are_written_as_they_are_spoken(base, media):
    assert hear(base, sound(media("counting.wav"))).text.startswith("一二三四五六七")


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("mandarin.wav", "zh"),
        ("hello-world.wav", "zh"),
        ("counting.wav", "zh"),
        ("english.wav", "en"),
        ("man.wav", "en"),
    ],
)
def test_languages(base, tiny, media, name, language):
    for instance in (base, tiny):
        found = hear(instance, sound(media(name)), task="language").languages
        assert max(found, key=found.get) == language
        assert len(found) == 99
        assert abs(sum(found.values()) - 1) < 1e-4


def test_states_are_those_of_the_voiced_spans(tiny, media):
    clip = sound(media("mandarin.wav"))
    whole = hear(tiny, clip, task="states").states
    assert whole.shape == (round(clip.seconds * 50), 384)
    part = AudioClip(clip.samples, RATE, 0, ((RATE, 2 * RATE), (3 * RATE, 3 * RATE + 160)))
    assert np.array_equal(
        hear(tiny, part, task="states").states, np.concatenate([whole[50:100], whole[150:151]])
    )


@pytest.mark.parametrize("samples", [1, 160, 1600, 35 * RATE])
def test_any_length(tiny, samples):
    clip = AudioClip(np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32), RATE, 0)
    assert hear(tiny, clip, task="states").states.shape[1] == 384
    assert len(hear(tiny, clip, task="language").languages) == 99


def test_a_language_that_nobody_knows(tiny, media):
    with pytest.raises(Exception, match="no language 'xx'"):
        hear(tiny, sound(media("hello-world.wav")), language="xx")


def test_it_can_be_cancelled_between_words(tiny, media):
    class Stopped(FakeRun):
        count = 0

        def check(self):
            self.count += 1
            if self.count > 3:
                raise Cancelled("stop")

    clip = sound(media("mandarin.wav"))
    with pytest.raises(Cancelled):
        tiny.infer(clip, TEXT, Stopped(), Priority.REQUEST)
    with pytest.raises(Cancelled):
        tiny.infer_all([clip, clip], TEXT, stopped := Stopped(), Priority.JOB)
    assert stopped.count == 4


@pytest.fixture(scope="module")
def published(weight_store):
    files = weight_store.ensure(TINY, list(TINY.weights), lambda *_: None)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return [
        onnxruntime.InferenceSession(str(files[name]), options)
        for name in ("encoder_model_quantized.onnx", "decoder_model_merged_quantized.onnx")
    ]


def cosine(a, b):
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.fixture(scope="module")
def mels(media):
    from edged.ops.audio import slaney_mel  # noqa: PLC0415

    mels = slaney_mel(np.pad(sound(media("mandarin.wav")).samples, (0, 30 * RATE))[: 30 * RATE])
    return ((np.maximum(mels, mels.max() - 8) + 4) / 4).T[None].copy()


@pytest.fixture(params=["openvino-int8", "onnxruntime-int8"])
def opened(tiny, models_root, request):
    """Its graphs, not run yet."""
    folder = models_root / "whisper-tiny" / request.param
    return [
        open_session(next(folder.glob(f"{name}.[xo]*")), request.param, "cpu", Concurrency(1, 1), None)
        for name in ("encoder", "memory", "decoder")
    ]


@pytest.mark.parametrize("first", [1, 12])
def test_the_graphs_are_those_that_were_published(opened, published, mels, first):
    """Whatever the length of the first call: OpenVINO once took its layout for all others.

    What is published rounds to 8 bits whatever flows, so it is near, not equal.
    """
    encoder, memory, decoder = opened
    encoder.run({"mels": mels[:, :, : 2 * first].copy()})
    states = encoder.run({"mels": mels})["states"]
    wanted = published[0].run(["last_hidden_state"], {"input_features": mels})[0]
    assert cosine(states, wanted) > 0.95
    empty = np.zeros((1, 6, 0, 64), np.float32)
    tokens = np.array([[50258, 50260, 50359, 50363]])
    fed = {name.name: empty for name in published[1].get_inputs() if name.name.startswith("past")}
    fed |= {"input_ids": tokens, "encoder_hidden_states": states, "use_cache_branch": np.array([False])}
    scores = published[1].run(["logits"], fed)[0][:, -1]
    memory.run({"states": states[:, :first]})
    cross = memory.run({"states": states})
    past = {
        f"past_{kind}.{i}": np.zeros((1, 6, 64, 20), np.float32)
        for kind in ("keys", "values")
        for i in range(4)
    }
    some = {"tokens": tokens[:, :first], "start": np.array([0]), "heard": np.array([first])}
    decoder.run({**some, **past, **cross})
    heard = {"heard": np.array([states.shape[1]])}
    found = decoder.run({"tokens": tokens[:, :3], "start": np.array([0]), **heard, **past, **cross})
    for i in range(4):
        past[f"past_keys.{i}"][..., :3] = found[f"keys.{i}"]
        past[f"past_values.{i}"][..., :3] = found[f"values.{i}"]
    found = decoder.run({"tokens": tokens[:, 3:], "start": np.array([3]), **heard, **past, **cross})
    assert found["scores"].argmax() == scores.argmax()
    assert cosine(found["scores"], scores) > 0.99


def test_weights_without_a_layer_are_refused_by_its_name(tmp_path):
    from onnx import helper, save  # noqa: PLC0415

    info = helper.make_tensor_value_info("x", 1, [1])
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [info], [helper.make_tensor_value_info("y", 1, [1])])
    save(helper.make_model(graph), str(tmp_path / "other.onnx"))
    model = discover([HERE.parent], entry_points=False).models["whisper-tiny"]
    with pytest.raises(CardError, match="no layers"):
        model.build_graph("encoder", {"a": tmp_path / "other.onnx"})


def test_a_tokenizer_that_is_none(tiny, tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CardError, match="cannot be read"):
        tiny.model.open_resource("vocabulary", tmp_path / "tokenizer.json")


END = 9


class Told:
    """A memory whose scores come from a table: by the tokens so far, else the end."""

    def __init__(self, table):
        self.table = table
        self.rows = list[tuple[int, ...]]([()])
        self.calls = 0

    def scores(self):
        return np.array([self.table.get(row, one(END)) for row in self.rows], np.float32)

    def choose(self, rows):
        self.rows = [self.rows[row] for row in rows]

    def put(self, tokens):
        self.calls += 1
        self.rows = [(*row, *more) for row, more in zip(self.rows, tokens, strict=True)]
        return self.scores()


def one(*likely):
    """Scores in which the first is the likeliest."""
    scores = np.full(10, -20.0)
    for place, token in enumerate(likely):
        scores[token] = -place
    return scores


def searched(decode, table, *, beam=1, tokens=50, repeats=3, never=(), not_first=()):
    limits = decode.Limits(tokens, repeats, np.array(never, int), np.array(not_first, int), END)
    memory, search = Told(table), decode.Search(beam, limits)
    decode.search(memory, memory.scores(), [search], FakeRun())
    return search.found, memory


def test_greedy_takes_the_likeliest_and_stops_at_the_end(decode):
    found, memory = searched(decode, {(): one(3, 4), (3,): one(5), (3, 5): one(END)})
    assert found.tokens == (3, 5)
    assert memory.calls == 2


def test_clips_that_are_written_together_do_not_disturb_each_other(decode):
    """Who is done leaves, and who stays keeps his own words, whatever the width of the others."""
    limits = decode.Limits(50, 3, np.array([], int), np.array([], int), END)
    memory, searches = Told({}), [decode.Search(beam, limits) for beam in (1, 2, 1)]
    memory.rows = [(0,), (1,), (2,)]
    memory.table = {
        (0,): one(3),
        (1,): one(3, 4),
        (1, 3): np.zeros(10),
        (1, 4): one(6),
        (2,): one(5),
        (2, 5): one(6),
        (2, 5, 6): one(7),
    }
    decode.search(memory, memory.scores(), searches, FakeRun())
    assert [search.found.tokens for search in searches] == [(3,), (4, 6), (5, 6, 7)]


def test_a_beam_finds_what_greedy_misses(decode):
    table = {(): one(3, 4), (3,): np.zeros(10), (4,): one(6), (4, 6): one(END)}
    assert searched(decode, table)[0].tokens[0] == 3
    assert searched(decode, table, beam=2)[0].tokens == (4, 6)


def test_what_must_not_be_written_is_not(decode):
    assert searched(decode, {(): one(3, 4)}, never=[3])[0].tokens == (4,)
    assert searched(decode, {(): one(END, 3, 4)}, not_first=[END, 3])[0].tokens == (4,)


def test_no_more_tokens_than_the_limit(decode):
    table = {tuple([1, 2, 3, 4, 5, 6, 7][:n]): one(n + 1) for n in range(8)}
    found, memory = searched(decode, table, tokens=4)
    assert len(found.tokens) <= 5
    assert memory.calls <= 5


@pytest.mark.parametrize("beam", [1, 2])
def test_a_loop_ends_and_is_written_once(decode, beam):
    class Looping:
        def get(self, row, default):
            return one((1, 2, 3)[(len(row) - 1) % 3] if row else 7)

    found, memory = searched(decode, Looping(), beam=beam)
    assert found.tokens[:4] == (7, 1, 2, 3)
    assert len(found.tokens) <= 5
    assert memory.calls < 25


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [((1, 2, 3), 0), ((1, 1, 1), 0), ((1,) * 6, 1), ((5, 1, 2, 1, 2, 1, 2), 2), ((1, 2, 1, 2), 0), ((), 0)],
)
def test_period(decode, tokens, expected):
    assert decode.period(tokens, 3) == expected
