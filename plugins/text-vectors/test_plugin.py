"""BERT and BGE small with their weights: the published graph, truncation, padding, meaning."""

import math
import sys
import threading
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from edged import CardError, ModelCard, TextOptions, TextPair, Tools
from edged.cards import load_card
from edged.contracts.slot import Priority
from edged.contracts.text import MOST_CHARACTERS
from edged.discovery import discover
from edged.ops.numbers import joined
from edged.repository.instance import UsedModel
from edged.runtimes.devices import Concurrency
from edged.runtimes.opening import open_session
from edged.testing import FakeRun, FakeSession, answer_of
from tests.opened import pulled

HERE = Path(__file__).parent
PLAIN, PADDED = TextOptions(padded=False), TextOptions(padded=True)
BERT = load_card(HERE / "bert-base.yaml")
WEATHER = "今天天气很好,我们去公园散步。"
CLASSIC = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"


@pytest.fixture(scope="module")
def bert(instance_of):
    return instance_of("bert-base-zh")


@pytest.fixture(scope="module", params=["bert-base-zh", "bge-small-zh"])
def either(instance_of, request):
    return instance_of(request.param)


@pytest.fixture(scope="module")
def library(weight_store):
    """A tokenizer of the test's own, that truncates: the plugin's may not, it serves all threads."""
    path = weight_store.ensure(BERT, ["tokenizer.json"], lambda *_: None)["tokenizer.json"]
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    return tokenizer


@pytest.fixture
def fed(bert):
    """What a graph is fed with for a pair, and whether the answer says that it was truncated."""

    def answered(inputs):
        shape = inputs["input_ids"].shape
        return {"states": np.zeros((*shape, 2), np.float32), "pooled": np.zeros((1, 2), np.float32)}

    def feed(item):
        session = FakeSession(answered)
        found = bert.model.infer(item, PLAIN, Tools({"main": session}, bert.tools.resources), FakeRun())
        return SimpleNamespace(inputs=session.asked[-1], truncated=found.truncated)

    return feed


def vectors(instance, first, second="", length=512, options=PLAIN):
    item = TextPair("7", first, second, length)
    return answer_of(instance.card, instance.infer(item, options, FakeRun(), Priority.REQUEST))


def table(text):
    return np.array([[float(one) for one in row.split(",")] for row in text.split(";")])


def cosine(a, b):
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_contract(either):
    item = TextPair("7", WEATHER, "", 512)
    found = UsedModel(either).infer(item, FakeRun())
    result = answer_of(either.card, found)
    states = table(result["all_hidden_outputs"])
    assert result["id"] == "7"
    assert states.shape == (17, result["dimension"])  # [CLS], 15 characters, [SEP]
    assert np.array_equal(table(result["first_token_output"])[0], states[0])
    assert "truncated" not in result


def test_bert_has_a_pooler_and_bge_uses_the_first_vector(instance_of):
    found = vectors(instance_of("bge-small-zh"), WEATHER)
    assert found["dimension"] == 512
    first = table(found["first_token_output"])[0]
    assert np.allclose(table(found["pool_output"])[0], first / np.linalg.norm(first), atol=1e-6)
    found = vectors(instance_of("bert-base-zh"), WEATHER)
    assert found["dimension"] == 768
    assert np.abs(table(found["pool_output"])).max() <= 1  # tanh


def test_bge_knows_what_means_the_same(instance_of):
    bge = instance_of("bge-small-zh")
    texts = [
        "如何重置路由器密码",
        "路由器忘记密码了怎么办",
        "股票市场今天大幅下跌",
        "上证指数暴跌,投资者恐慌",
    ]
    router, forgotten, stocks, panic = (table(vectors(bge, text)["pool_output"])[0] for text in texts)
    same, other = [router @ forgotten, stocks @ panic], [router @ stocks, forgotten @ panic]
    assert min(same) > max(other) + 0.1


def test_the_graph_is_the_one_that_was_published(bert, weight_store, tmp_path):
    """There the length is 128, and what flows is rounded to 8 bits: near, not equal."""
    name = "bert_paragraph_classifier.onnx"
    model = onnx.load(str(weight_store.ensure(BERT, [name], lambda *_: None)[name]))
    for inner in ("layer_norm_24", "tanh"):
        model.graph.output.append(helper.make_tensor_value_info(inner, TensorProto.FLOAT, None))
    onnx.save(model, str(tmp_path / "whole.onnx"))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(tmp_path / "whole.onnx"), options)
    encoding = bert.tools.resources["tokenizer"].encode(WEATHER, "外面晴空万里")
    count = len(encoding.ids)

    def padded(values):
        return np.pad(np.array([values]), ((0, 0), (0, 128 - count)))

    states, pooled = session.run(
        ["layer_norm_24", "tanh"],
        {
            "input_ids": padded(encoding.ids),
            "attention_mask": padded([1] * count),
            "token_type_ids": padded(encoding.type_ids),
        },
    )
    found = vectors(bert, WEATHER, "外面晴空万里", length=128, options=PADDED)
    assert cosine(table(found["all_hidden_outputs"])[:count], states[0, :count]) > 0.98
    assert cosine(table(found["pool_output"])[0], pooled[0]) > 0.95


def reference(published, ids, kinds):
    """BERT in f64 by its paper, of the integer weights: [n, 768] states and the pooled [768]."""
    arrays, weights = published

    def weight(name, rows=slice(None)):
        integers, scale, zero = weights[name]
        return (integers[rows].astype(float) - zero) * scale

    def linear(layer, x):
        return x @ weight(layer).T + arrays[layer + ".bias"]

    def norm(layer, x):
        x = x - x.mean(-1, keepdims=True)
        unit = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
        return unit * arrays[layer + ".weight"] + arrays[layer + ".bias"]

    def heads(x):
        return x.reshape(len(ids), 12, 64).transpose(1, 0, 2)

    picked = {"word": ids, "token_type": kinds, "position": np.arange(len(ids))}
    x = sum(weight(f"embeddings.{name}_embeddings", rows) for name, rows in picked.items())
    x = norm("embeddings.LayerNorm", x)
    for layer in (f"encoder.layer.{i}." for i in range(12)):
        own = layer + "attention.self."
        query, key, value = (heads(linear(own + part, x)) for part in ("query", "key", "value"))
        shares = np.exp(query @ key.transpose(0, 2, 1) / 8)
        seen = shares / shares.sum(-1, keepdims=True) @ value
        mixed = linear(layer + "attention.output.dense", seen.transpose(1, 0, 2).reshape(x.shape))
        x = norm(layer + "attention.output.LayerNorm", x + mixed)
        inner = linear(layer + "intermediate.dense", x)
        inner *= 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        x = norm(layer + "output.LayerNorm", x + linear(layer + "output.dense", inner))
    return x, np.tanh(linear("pooler.dense", x[0]))


@pytest.fixture(scope="module")
def said(bert, weight_store, library):
    """A pair, and what the weights say of it."""
    name = "bert_paragraph_classifier.onnx"
    graph = sys.modules[type(bert.model).__module__ + ".graph"]
    published = graph._published(weight_store.ensure(BERT, [name], lambda *_: None)[name])
    library.no_truncation()
    pair = library.encode("如何重置路由器密码", "路由器忘记密码了怎么办")
    return pair, *reference(published, pair.ids, pair.type_ids)


@pytest.mark.parametrize("variant", ["openvino-int8", "onnxruntime-int8"])
def test_both_runtimes_compute_what_the_weights_say(models_root, said, variant):
    pair, states, pooled = said
    folder = models_root / "bert-base-zh" / variant
    session = open_session(next(folder.glob("main.[xo]*")), variant, "cpu", Concurrency(1, 1), None)
    fed = {"input_ids": pair.ids, "attention_mask": pair.attention_mask, "token_type_ids": pair.type_ids}
    found = session.run({name: np.array([numbers]) for name, numbers in fed.items()})
    assert min(cosine(a, b) for a, b in zip(found["states"][0], states, strict=True)) > 0.99999
    assert cosine(found["pooled"][0], pooled) > 0.99999


@pytest.mark.parametrize("precision", ["openvino-int8", "onnxruntime-int8"])
def test_both_runtimes_and_any_length(models_root, bert, precision):
    folder = models_root / "bert-base-zh" / precision
    session = open_session(next(folder.glob("main.[xo]*")), precision, "cpu", Concurrency(1, 1), None)
    wanted = {}
    for count in (1, 5, 512, 5):
        ids = np.full((1, count), 2000)
        ids[0, 0] = 101
        fed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        wanted[count] = bert.tools.sessions["main"].run(fed)["states"]
        assert cosine(session.run(fed)["states"], wanted[count]) > 0.99


def test_padding_changes_nothing_but_the_number_of_vectors(either):
    plain, padded = vectors(either, WEATHER, length=40), vectors(either, WEATHER, length=40, options=PADDED)
    states = table(padded["all_hidden_outputs"])
    assert len(states) == 40
    assert np.allclose(states[:17], table(plain["all_hidden_outputs"]), atol=1e-3)
    assert np.allclose(table(padded["pool_output"]), table(plain["pool_output"]), atol=1e-3)


@pytest.mark.parametrize("length", [3, 4, 20, 21, 512])
@pytest.mark.parametrize("second", [0, 1, 8, 30, 300])
@pytest.mark.parametrize("first", [1, 9, 30, 31, 600])
def test_the_tokens_are_those_of_the_library(library, fed, first, second, length):
    texts = (CLASSIC * 20)[:first], (CLASSIC * 20)[7 : 7 + second]
    library.enable_truncation(length, strategy="longest_first")
    wanted = library.encode(*[text for text in texts if text])
    found = fed(TextPair("7", *texts, length))
    assert found.inputs["input_ids"].tolist() == [wanted.ids]
    assert found.inputs["token_type_ids"].tolist() == [wanted.type_ids]
    assert found.inputs["attention_mask"].tolist() == [wanted.attention_mask]
    assert found.truncated == bool(wanted.overflowing)


def test_a_long_text_holds_up_no_other_thread(fed):
    ticks, done = 0, threading.Event()

    def tick():
        nonlocal ticks
        while not done.wait(0.001):
            ticks += 1

    other = threading.Thread(target=tick)
    other.start()
    try:
        fed(TextPair("7", "天" * MOST_CHARACTERS, "地" * MOST_CHARACTERS, 512))
    finally:
        done.set()
        other.join()
    assert ticks > 10  # in half a second and more; 2 or 3 if it waited


@pytest.mark.parametrize(
    "text", ["😀👍🏽", "a" * 100_000, "天" * 100_000, "\u0000\u200b\ufeff", "مرحبا", "\U0010ffff"]
)
def test_any_text(either, text):
    found = vectors(either, text, "\u0007")
    assert np.isfinite(table(found["all_hidden_outputs"])).all()


def test_a_tokenizer_that_is_none(bert, tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CardError, match="cannot be read"):
        bert.model.open_resource("tokenizer", tmp_path / "tokenizer.json")


def test_numbers_as_text():
    found = joined(np.array([[1.5, -2e-9], [0.1, 3]], np.float32))
    assert [[np.float32(one) for one in row.split(",")] for row in found.split(";")] == [
        [np.float32(1.5), np.float32(-2e-9)],
        [np.float32(0.1), np.float32(3)],
    ]
    assert joined(np.array([1, 2], np.float32)) == "1.0,2.0"


@pytest.fixture(scope="module")
def bge_base(tmp_path_factory, weight_store):
    """BGE base over a small graph of its form, pulled from files: nobody has fetched its own yet."""
    folder = tmp_path_factory.mktemp("bge-base")
    card = load_card(HERE / "bge-base.yaml")
    tokenizer = weight_store.ensure(BERT, ["tokenizer.json"], lambda *_: None)["tokenizer.json"]
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    names = ("input_ids", "attention_mask", "token_type_ids")
    graph = helper.make_graph(
        [
            helper.make_node("Sum", [f"{name}_f32" for name in names], ["sum"]),
            helper.make_node("Unsqueeze", ["sum", "last"], ["column"]),
            helper.make_node("Mul", ["column", "row"], ["last_hidden_state"]),
            *(helper.make_node("Cast", [name], [f"{name}_f32"], to=TensorProto.FLOAT) for name in names),
        ][::-1],
        "sums",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "n"]) for name in names],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "n", 768])],
        [
            numpy_helper.from_array(np.array([-1]), "last"),
            numpy_helper.from_array(np.linspace(-1, 1, 768, dtype=np.float32), "row"),
        ],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), str(folder / "model.onnx"))
    data = {name: (folder / name).read_bytes() for name in card.weights}
    weights = {
        name: {"sha256": sha256(one).hexdigest(), "size": len(one), "origins": [{"file": name}]}
        for name, one in data.items()
    }
    kind: Any = type(discover([HERE.parent], entry_points=False).models[card.id])
    own = ModelCard.model_validate(card.model_dump(mode="json") | {"weights": weights, "folder": str(folder)})
    opener = pulled(folder / "models", {card.id: kind(own)}, card.id)
    return lambda precision: opener.acquire(card.id, precision=precision)


@pytest.mark.parametrize("precision", ["f32", "auto"])
def test_bge_base_over_a_graph_of_its_form(bge_base, precision):
    found = vectors(bge_base(precision), "你好", "世界", length=9, options=PADDED)
    states = table(found["all_hidden_outputs"])
    assert (states.shape, found["dimension"], "truncated" in found) == ((9, 768), 768, False)
    scale = np.linspace(-1, 1, 768)
    assert np.allclose(states[0], (101 + 1) * scale, rtol=0.01)  # [CLS] and its place in the mask
    assert np.allclose(states[6], (102 + 1 + 1) * scale, rtol=0.01)  # the last [SEP], which is of the second
    assert not states[7:].any()
    assert np.allclose(table(found["pool_output"])[0], scale / np.linalg.norm(scale), atol=1e-3)


def test_bge_base_was_not_fetched_yet():
    assert not load_card(HERE / "bge-base.yaml").verified


def test_whatever_else_is_installed_the_one_with_the_dense_layer_and_768_numbers_is_the_default():
    others = [load_card(HERE / name) for name in ("bge-base.yaml", "bge-small.yaml")]
    assert all(BERT.rank < card.rank for card in others)
