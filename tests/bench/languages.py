"""How often Whisper finds the language: `python -m tests.bench.languages FOLDER [--shortest 10]`.

In the folder stand recordings by the code of their language, `pl/*.wav`, such as those of pytest-audioeval.
"""

import argparse
import math
import time
from pathlib import Path

from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.testing import FakeRun
from tests.bench.speech import RUNTIMES, clip_of, opened


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--shortest", type=float, help="seconds that shorter input is filled up to")
    parser.add_argument("--runtime", default=RUNTIMES[0], choices=RUNTIMES)
    given = parser.parse_args()
    instance = opened(given.model, given.runtime)
    if given.shortest is not None:
        held = vars(instance.model)
        held["_parameters"] = held["_parameters"].model_copy(update={"shortest": given.shortest})
    options = card_options(instance.card).model_copy(update={"task": "language"})
    logarithms, right, spent = [], 0, 0.0
    for path in sorted(given.folder.glob("*/*.wav")):
        clip, began, language = clip_of(path), time.process_time(), path.parent.name
        found = instance.infer(clip, options, FakeRun(), Priority.REQUEST).languages
        spent += time.process_time() - began
        best = max(found, key=lambda one: found[one])
        right += best == language
        logarithms.append(math.log(found[language]))
        print(f"{path.parent.name}/{path.name}: {best} {found[best]:.2f}, {language} {found[language]:.3f}")
    count = len(logarithms)
    mean = sum(logarithms) / count
    print(f"{right} of {count}, mean logarithm {mean:.2f}, {spent / count:.2f} s of CPU each")


if __name__ == "__main__":
    main()
