"""Recordings of Mandarin with what is said in them, and how many characters a transcript has wrong."""

import io
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml
from pydantic import TypeAdapter

from edged.cards import load_card
from edged.contracts.card import Weights
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.weights.store import WeightStore

ROOT = Path(__file__).parent.parent
SAID = {
    "mandarin.wav": "对这就是我万人敬仰的太乙真人",
    "hello-world.wav": "你好世界",
    "counting.wav": "一二三四五六七八九十",
    "thousand.wav": "天地玄黄宇宙洪荒日月盈昃辰宿列张",
}
"""By name in tests/media.yaml. `thousand.wav` is the beginning of the Thousand Character Classic, of the
fifth century."""


def errors(found: str, wanted: str) -> int:
    """Characters that must be put in, taken out or exchanged."""
    row = list(range(len(wanted) + 1))
    for i, a in enumerate(found, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(wanted, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def listed_media(store: WeightStore) -> Callable[[str], Path]:
    """What tests/media.yaml lists, fetched when it is asked for."""
    listed = yaml.safe_load((ROOT / "tests" / "media.yaml").read_text())
    media = TypeAdapter(dict[str, Weights]).validate_python(listed)
    card = load_card(ROOT / "plugins" / "yolox-nano" / "card.yaml").model_copy(update={"weights": media})
    return lambda name: store.ensure(card, [name], lambda *_: None)[name]


def pcm_of(path: Path) -> bytes:
    """A recording as it comes from a microphone: 16 kHz, 16 bits, one channel."""
    with path.open("rb") as file, open_sound(file, SoundLimits()) as sound:
        return (np.concatenate(list(sound.pieces)) * 32_767).astype("<i2").tobytes()


def wav_of(pcm: bytes) -> bytes:
    """The same as a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(pcm)
    return file.getvalue()
