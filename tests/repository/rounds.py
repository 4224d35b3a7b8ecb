"""Models that come and go: `python -m tests.repository.rounds FOLDER ROUNDS` prints bytes after each round.

In each, every one of `OPENED` is opened, warmed up, closed, as services on demand are. Bytes are anonymous
memory (what no file backs) after what was freed is given back.
"""

import json
import sys
from pathlib import Path

from edged.discovery import discover
from edged.flow.footprint import PROC, give_back
from edged.repository.opener import Opener
from tests.opened import pulled

ROOT = Path(__file__).parent.parent.parent
OPENED = (
    ("yolox-nano", "openvino-f32"),
    ("yolox-nano", "onnxruntime-f32"),
    ("yunet", "onnxruntime-f32"),
    ("ppocrv6-tiny", "openvino-f32"),
    ("ppocrv6-tiny", "onnxruntime-f32"),
)
"""Of both runtimes; the reader of pages has two graphs that take pictures of any size."""


def opener_of(folder: Path, name: str, variant: str) -> Opener:
    """What opens the model in one variant, whatever `auto` would take."""
    models = dict(discover([ROOT / "plugins"], entry_points=False).models)
    model = models[name]
    graphs = {
        key: graph.model_copy(update={"variants": (variant,)}) for key, graph in model.card.graphs.items()
    }
    model.card = model.card.model_copy(update={"graphs": graphs})
    return pulled(folder, models, name)


def anonymous_bytes() -> int:
    """Of this process."""
    lines = (PROC / "self" / "smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))


def main(folder: Path, rounds: int) -> None:
    """Print a list, JSON."""
    openers = [(name, opener_of(folder, name, variant)) for name, variant in OPENED]
    held = []
    for _ in range(rounds):
        for name, opener in openers:
            opener.release(opener.acquire(name))
            give_back()
        held.append(anonymous_bytes())
    print(json.dumps(held))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
