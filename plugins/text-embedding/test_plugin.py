"""What texts mean by BGE small: what means the same is near."""

import numpy as np
import pytest

from edged import Options, TextPair, TooLarge
from edged.contracts.slot import Priority
from edged.contracts.text import MOST_TOKENS
from edged.testing import FakeRun


@pytest.fixture(scope="module")
def meaning(instance_of):
    return instance_of("bge-embedding")


def embed(instance, text):
    return instance.infer(TextPair("", text, "", MOST_TOKENS), Options(), FakeRun(), Priority.REQUEST)


def test_what_means_the_same_is_near(meaning):
    weather, sunny, bank = (
        embed(meaning, text).vector for text in ("今天天气很好", "今天是晴天", "他在银行排队取钱")
    )
    assert abs(np.linalg.norm(weather) - 1) < 1e-5
    assert weather @ sunny > weather @ bank + 0.1


def test_tokens_are_counted_with_their_marks(meaning):
    assert embed(meaning, "天").tokens == 3
    assert len(embed(meaning, "天").vector) == 512


def test_what_is_too_long_is_not_cut(meaning):
    assert embed(meaning, "天" * 510).tokens == 512
    with pytest.raises(TooLarge, match="more than the 512 tokens"):
        embed(meaning, "天" * 511)
