"""What vectors of texts cost and how well they tell meaning: `python -m tests.bench.text`.

For each model in each runtime: milliseconds a text of 17, 128 and 512 tokens, from the text to the answer's
strings, the median of ten and the least; then cosines of sentences that mean the same, and of all others.
"""

import time
from itertools import combinations

import numpy as np

from edged.answers.finding import Finding
from edged.contracts.items import TextPair
from edged.contracts.services import any_service
from edged.contracts.slot import Priority
from edged.contracts.text import TextOptions, TextVectors
from edged.repository.instance import Instance
from edged.testing import FakeRun
from tests.bench.speech import opened

MODELS = (
    ("bert-base-zh", "openvino-int8"),
    ("bert-base-zh", "onnxruntime-int8"),
    ("bge-small-zh", "openvino-f32"),
)
PLAIN = TextOptions(padded=False)
TOKENS = (17, 128, 512)
ROUNDS = 10
ALIKE = (
    ("如何重置路由器密码", "路由器忘记密码了怎么办"),
    ("股票市场今天大幅下跌", "上证指数暴跌,投资者恐慌"),
    ("今天天气很好", "外面阳光明媚"),
    ("这家餐厅的菜很好吃", "这个饭馆味道不错"),
    ("我想退货", "怎么申请退款"),
    ("火车几点发车", "列车什么时候出发"),
)


def vectors(model: Instance, text: str) -> TextVectors:
    item = TextPair("1", text, "", 512)
    found = model.infer(item, PLAIN, FakeRun(), Priority.REQUEST)
    assert isinstance(found, TextVectors)
    return found


def answered(model: Instance, text: str) -> None:
    """All that a request costs but its JSON."""
    Finding(any_service(model.card.service), vectors(model, text), PLAIN).answer()


def milliseconds(model: Instance, tokens: int) -> str:
    """Median and least of one length."""
    seconds = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        answered(model, "天" * (tokens - 2))
        seconds.append(time.perf_counter() - begun)
    del seconds[0]
    return f"{np.median(seconds) * 1000:.0f} ({min(seconds) * 1000:.0f})"


def meaning(model: Instance) -> str:
    """How far apart what means the same is from what does not."""
    texts = [text for pair in ALIKE for text in pair]
    table = np.array([vectors(model, text).pooled for text in texts])
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    cosines = {(a, b): float(table[a] @ table[b]) for a, b in combinations(range(len(texts)), 2)}
    same = [cosine for (a, b), cosine in cosines.items() if a // 2 == b // 2]
    other = [cosine for (a, b), cosine in cosines.items() if a // 2 != b // 2]
    return f"same {min(same):.2f} to {max(same):.2f}, other {min(other):.2f} to {max(other):.2f}"


def main() -> None:
    for name, variant in MODELS:
        model = opened(name, variant)
        costs = ", ".join(milliseconds(model, tokens) for tokens in TOKENS)
        print(f"{name} {variant}: ms of {TOKENS} tokens {costs}; {meaning(model)}", flush=True)


if __name__ == "__main__":
    main()
