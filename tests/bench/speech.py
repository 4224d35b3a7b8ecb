"""What Whisper costs and how well it reads: `python -m tests.bench.speech [whisper-base ...] [--beam 5]`.

For each size and each runtime in a process of its own: seconds of work a second of sound (of all clips and of
one of 20 s), characters wrong on the Mandarin of tests/media.yaml, and how much memory the process has grown.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from conftest import ROOT
from edged.contracts.items import AudioClip
from edged.contracts.model import Model
from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.sound import RATE, SoundLimits, open_sound
from edged.ops.mandarin import sentences, simplified
from edged.repository.instance import Instance
from edged.runtimes.devices import Concurrency
from edged.testing import FakeRun
from edged.weights.store import WeightStore
from tests.opened import pulled
from tests.speech import SAID, errors, listed_media

RUNTIMES = ("openvino-int8", "onnxruntime-int8")
THREADS = 2


def opened(name: str, variant: str) -> Instance:
    """The model in one runtime, whatever `auto` would take."""
    models = dict(discover([ROOT / "plugins"], entry_points=False).models)
    model = models[name]
    graphs = {
        key: graph.model_copy(update={"variants": (variant,)}) for key, graph in model.card.graphs.items()
    }
    model.card = model.card.model_copy(update={"graphs": graphs})
    assert isinstance(model, Model)
    return pulled(ROOT / "models", models, name, concurrency=Concurrency(1, THREADS)).acquire(name)


def clip_of(path: Path) -> AudioClip:
    with path.open("rb") as file, open_sound(file, SoundLimits()) as sound:
        return AudioClip(np.concatenate(list(sound.pieces)), RATE, 0)


def measured(name: str, variant: str, beam: int) -> dict[str, float]:
    """One row of the table."""
    media = listed_media(WeightStore(ROOT / "models"))
    clips = {recording: clip_of(media(recording)) for recording in SAID}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    instance = opened(name, variant)

    options = card_options(instance.card).model_copy(update={"beam": beam})

    def text(clip: AudioClip) -> str:
        heard = instance.infer(clip, options, FakeRun(), Priority.JOB)
        return "".join(sentences(simplified(heard.text)))

    text(clips["mandarin.wav"])  # the first run is slow
    wrong = sum(errors(text(clip), SAID[recording]) for recording, clip in clips.items())
    began = time.monotonic()
    for clip in clips.values():
        text(clip)
    short = (time.monotonic() - began) / sum(clip.seconds for clip in clips.values())
    long = AudioClip(np.tile(clips["mandarin.wav"].samples, 3)[: 20 * RATE], RATE, 0)
    began = time.monotonic()
    text(long)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "cer": wrong / sum(map(len, SAID.values())),
        "short": short,
        "long": (time.monotonic() - began) / long.seconds,
        "mb": grown / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["whisper-tiny", "whisper-base", "whisper-small"])
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--variant")
    chosen = parser.parse_args()
    if chosen.variant:
        print(json.dumps(measured(chosen.models[0], chosen.variant, chosen.beam)))
        return
    print(f"{'model':14} {'runtime':18} {'CER':>5} {'RTF clips':>10} {'RTF 20 s':>9} {'MB':>6}")
    for name in chosen.models:
        for variant in RUNTIMES:
            command = [sys.executable, "-m", "tests.bench.speech", name, "--variant", variant]
            out = subprocess.run([*command, "--beam", str(chosen.beam)], check=True, capture_output=True)
            row = json.loads(out.stdout.splitlines()[-1])
            print(
                f"{name:14} {variant:18} {row['cer']:5.3f} {row['short']:10.3f} {row['long']:9.3f}"
                f" {row['mb']:6.0f}"
            )


if __name__ == "__main__":
    main()
