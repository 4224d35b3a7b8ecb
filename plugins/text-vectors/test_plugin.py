"""BERT and BGE small with their weights: the published graph, truncation, padding, meaning."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

from edged import CardError, ModelCard, TextOptions, TextPair
from edged.contracts.slot import Priority
from edged.ops.numbers import joined
from edged.testing import FakeRun, conformance

HERE = Path(__file__).parent
PLAIN, PADDED = TextOptions(padded=False), TextOptions(padded=True)
BERT = ModelCard.load(HERE / "bert-base.yaml")
WEATHER = "今天天气很好,我们去公园散步。"


@pytest.fixture(scope="module")
def bert(instance_of):
    return instance_of("bert-base-zh")


@pytest.fixture(scope="module", params=["bert-base-zh", "bge-small-zh"])
def either(instance_of, request):
    return instance_of(request.param)


def vectors(instance, first, second="", length=512, options=PLAIN):
    return instance.infer(TextPair("7", first, second, length), options, FakeRun(), Priority.REQUEST)


def table(text):
    return np.array([[float(one) for one in row.split(",")] for row in text.split(";")])


def cosine(a, b):
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_contract(either):
    item = TextPair("7", WEATHER, "", 512)
    result = conformance(either.model, either.tools.sessions, item, resources=either.tools.resources)
    states = table(result.all_hidden_outputs)
    assert result.id == "7"
    assert states.shape == (17, result.dimension)  # [CLS], 15 characters, [SEP]
    assert np.array_equal(table(result.first_token_output)[0], states[0])
    assert result.truncated is None


def test_bert_has_a_pooler_and_bge_uses_the_first_vector(instance_of):
    found = vectors(instance_of("bge-small-zh"), WEATHER)
    assert found.dimension == 512
    first = table(found.first_token_output)[0]
    assert np.allclose(table(found.pool_output)[0], first / np.linalg.norm(first), atol=1e-6)
    found = vectors(instance_of("bert-base-zh"), WEATHER)
    assert found.dimension == 768
    assert np.abs(table(found.pool_output)).max() <= 1  # tanh


def test_bge_knows_what_means_the_same(instance_of):
    bge = instance_of("bge-small-zh")
    texts = [
        "如何重置路由器密码",
        "路由器忘记密码了怎么办",
        "股票市场今天大幅下跌",
        "上证指数暴跌,投资者恐慌",
    ]
    router, forgotten, stocks, panic = (table(vectors(bge, text).pool_output)[0] for text in texts)
    same, other = [router @ forgotten, stocks @ panic], [router @ stocks, forgotten @ panic]
    assert min(same) > max(other) + 0.1


def test_the_graph_is_the_one_that_was_published(bert, weight_store, tmp_path):
    """There the length is 128, and what flows is rounded to 8 bits: near, not equal."""
    import onnx  # noqa: PLC0415

    name = "bert_paragraph_classifier.onnx"
    model = onnx.load(str(weight_store.ensure(BERT, [name], lambda *_: None)[name]))
    for inner in ("layer_norm_24", "tanh"):
        model.graph.output.append(onnx.helper.make_tensor_value_info(inner, onnx.TensorProto.FLOAT, None))
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
    assert cosine(table(found.all_hidden_outputs)[:count], states[0, :count]) > 0.98
    assert cosine(table(found.pool_output)[0], pooled[0]) > 0.95


@pytest.mark.parametrize("precision", ["openvino-int8", "onnxruntime-int8"])
def test_both_runtimes_and_any_length(models_root, bert, precision):
    from edged.runtimes.devices import Concurrency  # noqa: PLC0415
    from edged.runtimes.opening import open_session  # noqa: PLC0415

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
    states = table(padded.all_hidden_outputs)
    assert len(states) == 40
    assert np.allclose(states[:17], table(plain.all_hidden_outputs), atol=1e-3)
    assert np.allclose(table(padded.pool_output), table(plain.pool_output), atol=1e-3)


@pytest.mark.parametrize(
    ("first", "second", "length"),
    [
        (5, 0, 6),
        (30, 0, 12),
        (30, 8, 20),
        (8, 30, 20),
        (30, 30, 20),
        (30, 30, 21),
        (30, 31, 21),
        (1, 40, 3),
        (9, 9, 21),
    ],
)
def test_it_is_cut_as_the_library_cuts(bert, weight_store, first, second, length):
    """Which cannot be asked to do it here: how it cuts is a state of it, and it serves all threads."""
    path = weight_store.ensure(BERT, ["tokenizer.json"], lambda *_: None)["tokenizer.json"]
    library = Tokenizer.from_file(str(path))
    library.no_padding()
    library.enable_truncation(length, strategy="longest_first")
    texts = (
        "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨露结为霜"[:first],
        "金生丽水玉出昆冈剑号巨阙珠称夜光果珍李柰菜重芥姜海咸河淡鳞潜羽翔龙师火帝"[:second],
    )
    wanted = library.encode(*[text for text in texts if text])
    found = vectors(bert, *texts, length=length)
    assert len(found.all_hidden_outputs.split(";")) == len(wanted.ids) <= length
    assert found.truncated == (bool(wanted.overflowing) or None)


@pytest.mark.parametrize(
    "text", ["😀👍🏽", "a" * 100_000, "天" * 100_000, "\u0000\u200b\ufeff", "مرحبا", "\U0010ffff"]
)
def test_any_text(either, text):
    found = vectors(either, text, "\u0007")
    assert np.isfinite(table(found.all_hidden_outputs)).all()


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


def test_bge_base_reads_a_graph_of_its_inputs_and_outputs(bert):
    """Its own weights lie behind a URL that nobody has fetched yet: a small graph of the same form."""
    from edged import Model, Tools  # noqa: PLC0415
    from edged.discovery import discover  # noqa: PLC0415

    model = discover([HERE.parent], entry_points=False).models["bge-base-zh-v1-5"]
    assert isinstance(model, Model)
    assert not model.card.verified

    class Session:
        def run(self, inputs):
            assert set(inputs) == set(model.card.graphs["main"].inputs)
            assert all(one.dtype == np.int64 for one in inputs.values())
            ids = inputs["input_ids"].astype(np.float32)
            return {"last_hidden_state": np.repeat(ids[..., None], 768, axis=2)}

    tools = Tools({"main": Session()}, bert.tools.resources)
    found = model.infer(TextPair("1", "你好", "", 512), PLAIN, tools, FakeRun())
    assert found.dimension == 768
    assert table(found.first_token_output)[0, 0] == 101  # [CLS]
    assert np.allclose(np.linalg.norm(table(found.pool_output)[0]), 1)
