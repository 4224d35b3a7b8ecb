"""Mandarin as it is written."""

import unicodedata

import pytest

from edged.ops.mandarin import sentences, simplified, vocabulary, within


def test_the_vocabulary_is_that_of_the_standard():
    assert len(vocabulary(1)) == 3755
    assert len(vocabulary(2)) == 6763
    assert vocabulary(1) < vocabulary(2)
    assert all(len(one) == 1 and "CJK UNIFIED" in unicodedata.name(one) for one in vocabulary(2))
    assert "啊" in vocabulary(1)
    assert "齄" in vocabulary(2) - vocabulary(1)


def test_outside_of_the_vocabulary_is_a_star():
    assert within("我的镕镕 iPhone 16", 1) == "我的** iPhone 16"
    assert within("天地玄黄,日月盈昃", 2) == "天地玄黄,日月盈昃"
    assert within("日月盈昃", 1) == "日月盈*"
    assert within("カメラ", 2) == "***"


def test_traditional_becomes_simplified_by_phrases():
    assert simplified("對,這就是我萬人景仰的太乙真人。") == "对,这就是我万人景仰的太乙真人。"
    assert simplified("乾燥的頭髮") == "干燥的头发"
    assert simplified("already plain") == "already plain"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("对,这就是我!", ("对", "这就是我")),
        ("今天天气很好。我们去公园吧?", ("今天天气很好", "我们去公园吧")),
        ("天地玄黄 宇宙洪荒", ("天地玄黄", "宇宙洪荒")),
        ("我用 iPhone 拍照", ("我用", "iPhone", "拍照")),
        (
            "Some call me nature. Others call me mother nature",
            ("Some call me nature", "Others call me mother nature"),
        ),
        ("it's 5% off", ("it's 5% off",)),
        ("……。、", ()),
        ("", ()),
    ],
)
def test_sentences(text, expected):
    assert sentences(text) == expected
