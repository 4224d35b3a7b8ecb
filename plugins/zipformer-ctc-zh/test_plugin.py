"""The streaming Zipformer on a small graph with caches of the same kind: it counts what it has seen."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edged import AudioClip, CardError, RecognitionOptions, SpeechChunk, Tools, UtteranceModel
from edged.cards import load_card
from edged.discovery import discover
from edged.media.sound import RATE
from edged.ops.audio import kaldi_fbank
from edged.runtimes.devices import Concurrency
from edged.runtimes.opening import open_session
from edged.testing import FakeRun, FakeSession, chunks_of, conformance, stepped
from tests.standins import feeds

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
GREEDY = RecognitionOptions(beam=1)
TOKENS = ("<blk>", "▁你", "好", "镕", "ABC")


@pytest.fixture(scope="module")
def model():
    found = discover([HERE.parent], entry_points=False).models["zipformer-ctc-zh"]
    assert isinstance(found, UtteranceModel)
    return found


@pytest.fixture
def published(tmp_path):
    """Two caches and the count: `log_probs` say the number of the feed, as token, modulo five."""
    path = tmp_path / "model.int8.onnx"
    feeds(path)
    return path


@pytest.fixture(params=["openvino-int8", "onnxruntime-int8"])
def session(model, published, tmp_path, request):
    built = tmp_path / "main.onnx"
    onnx.save(model.build_graph("main", {"model.int8.onnx": published}), str(built))
    onnx.checker.check_model(str(built), full_check=True)
    return open_session(built, request.param, "cpu", Concurrency(1, 1), None)


@pytest.fixture
def tools(session):
    return Tools({"main": session}, {"tokens": TOKENS})


def test_what_it_remembers_goes_from_feed_to_feed(session):
    fed = {"x": np.zeros((1, 45, 80), np.float32), "memory": np.empty(0, np.float32)}
    first = session.run({**fed, "processed": np.zeros(1, np.int64)})
    assert first["next_memory"].tolist() == [1.0] * 12 + [-1.0] * 10
    assert first["next_processed"].tolist() == [32]
    again = session.run({**fed, "memory": first["next_memory"], "processed": first["next_processed"]})
    assert again["next_memory"].tolist() == [2.0] * 12 + [-2.0] * 10
    assert again["log_probs"].shape == (1, 8, 5)
    assert again["log_probs"][0].argmax(axis=1).tolist() == [2] * 8


def test_the_contract(model, tools):
    """Feed 1 says token 1 and so on; the fifth one is silent for eight frames, too few for a pause."""
    clip = AudioClip(np.zeros(2 * RATE, np.float32), RATE, 0, ((0, int(1.4 * RATE)),))
    result = conformance(model, tools.sessions, clip, resources=tools.resources)
    assert result.texts == ("你好*ABC 你",)


def test_silence_is_not_fed(model):
    silence = AudioClip(np.zeros(RATE, np.float32), RATE, 0)
    assert model.infer(silence, GREEDY, Tools({}), FakeRun()).texts == ()


@pytest.fixture
def listened(model):
    """A graph whose tokens depend on all that it was fed, and the feeds."""
    fed = []

    def reply(inputs):
        fed.append(inputs["x"][0])
        loud = int(inputs["memory"].sum()) + int(np.abs(inputs["x"]).sum() * 10)
        scores = np.eye(5, dtype=np.float32)[[(loud + i // 3) % 5 for i in range(8)]]
        return {
            "log_probs": scores[None],
            "next_memory": np.array([loud % 7], np.float32),
            "next_processed": inputs["processed"] + 32,
        }

    return Tools({"main": FakeSession(reply)}, {"tokens": TOKENS}), fed


def spoken(seed):
    """Noise of some seconds, with spans of a voice in it."""
    chance = np.random.default_rng(seed)
    samples = chance.normal(0, 0.1, int(chance.uniform(1, 5) * RATE)).astype(np.float32)
    borders = sorted(chance.choice(len(samples) - 1, 4, replace=False).tolist())
    return AudioClip(samples, RATE, 0, ((borders[0], borders[1]), (borders[2], borders[3]))), chance


@pytest.mark.parametrize("seed", range(25))
def test_any_cut_feeds_each_frame_once_and_says_the_same(model, listened, seed):
    """Whatever chunks a sound comes in: the same feeds, each once, in order, and so the same text."""
    tools, fed = listened
    clip, chance = spoken(seed)
    whole = model.infer(clip, GREEDY, tools, FakeRun())
    wanted = fed.copy()
    fed.clear()
    cuts = sorted(chance.choice(len(clip.samples), chance.integers(0, 30), replace=False).tolist())
    found = [result for result, _ in stepped(model, chunks_of(clip, cuts), GREEDY, tools)]
    assert found[-1].texts == whole.texts
    assert len(fed) == len(wanted)
    assert all(np.array_equal(a, b) for a, b in zip(fed, wanted, strict=True))
    begin, end = clip.voiced[0][0], clip.voiced[-1][1]
    mels = kaldi_fbank(np.concatenate([clip.samples[begin:end], np.zeros(int(0.8 * RATE), np.float32)]))
    for n, one in enumerate(fed):
        assert np.array_equal(one, mels[32 * n : 32 * n + 45])


@pytest.mark.parametrize("seed", range(3))
def test_the_small_graph_says_the_same_in_any_cut(model, tools, seed):
    clip, chance = spoken(seed)
    whole = model.infer(clip, GREEDY, tools, FakeRun())
    cuts = sorted(chance.choice(len(clip.samples), 12, replace=False).tolist())
    *parts, (last, _) = stepped(model, chunks_of(clip, cuts), GREEDY, tools)
    assert last.texts == whole.texts
    said = ["".join(part.texts) for part, _ in parts if part is not None]
    assert said
    assert all("".join(whole.texts).startswith(one) for one in said)


def test_an_utterance_that_begins_anew_is_heard_from_its_beginning(model, tools):
    """Also while another had no end: nobody paused in it, and it was cut before what was heard."""
    clip, _ = spoken(1)
    whole = model.infer(clip, GREEDY, tools, FakeRun())
    (_, state), *_ = stepped(model, chunks_of(clip, [RATE]), GREEDY, tools)
    again, _ = model.step(SpeechChunk.of(clip), state, GREEDY, tools, FakeRun())
    assert again.texts == whole.texts


def test_a_pause_ends_a_sentence(model):
    import sys  # noqa: PLC0415

    sentences = sys.modules[type(model).__module__].sentences
    assert sentences([1, 1, 0, 1, 2, 2], TOKENS, 3) == ["你 你好"]
    assert sentences([0, 0, 0, 1, 0, 0, 0, 0, 2], TOKENS, 3) == ["你", "好"]
    assert sentences([0] * 20, TOKENS, 3) == []


def test_a_graph_of_another_kind_is_refused(model, tmp_path):
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [info], [out])
    onnx.save(helper.make_model(graph), str(tmp_path / "other.onnx"))
    with pytest.raises(CardError, match="no streaming graph with CTC: log_probs"):
        model.build_graph("main", {"a": tmp_path / "other.onnx"})


@pytest.mark.parametrize("text", ["", "a b", "a 0\nb 2", "a 0\nb 0x"])
def test_tokens_that_are_none(model, tmp_path, text):
    path = tmp_path / "tokens.txt"
    path.write_text(text)
    if not text:
        assert model.open_resource("tokens", path) == ()
        return
    with pytest.raises(CardError, match=r"tokens\.txt"):
        model.open_resource("tokens", path)


def test_the_cards_say_that_nobody_has_fetched_it():
    live = load_card(HERE / "live.yaml")
    assert not CARD.verified
    assert not live.verified
    assert (CARD.service, live.service) == ("speech-recognition-zh", "speech-recognition-zh-live")
    assert (CARD.parameters["level"], live.parameters["level"]) == (1, 2)
    assert CARD.weights == live.weights
    assert CARD.graphs == live.graphs
