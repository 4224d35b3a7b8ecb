"""A shop with models that are made here: a classifier of red, green and blue, one of texts, one of videos."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import orjson
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from edged.cli import app
from edged.discovery import discover
from edged.scaffold import new_plugin
from tests.opened import pulled

COLOURS = {"red": (0, 0, 255), "green": (0, 255, 0), "blue": (255, 0, 0)}
"""BGR."""
POISONS = {
    (255, 255, 255): "os.kill(os.getpid(), 9)",
    (0, 0, 0): "os._exit(3)",
    (0, 255, 255): "ctypes.string_at(0)",
    (255, 255, 0): "time.sleep(10_000)",
    (255, 0, 255): "hog = b'x' * 900_000_000; time.sleep(10_000)",
}
"""What the classifier does of a picture of that colour, BGR."""
LOSS = (0, 128, 255)
"""A picture of that colour ends who attends the worker, as the loss of a machine does."""
SERVICES = ("image-classification", "text-vectorization", "video-classification")


class Ran(NamedTuple):
    """What a run did."""

    code: int
    said: str
    error: BaseException | None


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> Path:
    """Its configuration, with all of them installed."""
    root: Path = tmp_path_factory.mktemp("shop")
    for name in SERVICES:
        new_plugin(f"my-{name}", name, root / "plugins", root / "models", root / "state")
    poisoned(root / "plugins" / f"my-{SERVICES[0]}" / "plugin.py")
    models = discover([root / "plugins"], entry_points=False).models
    for name in SERVICES:
        pulled(root / "models", models, f"my-{name}")
    path = root / "config.yaml"
    services = ", ".join(f"{name}: {{model: my-{name}}}" for name in SERVICES)
    path.write_text(f"paths: {{plugins: [plugins]}}\nservices: {{{services}}}\n")
    return path


def poisoned(plugin: Path) -> None:
    """Make that plugin break in earnest of some pictures."""
    reads = "    def preprocess(self, item: Frame, options: Options) -> Prepared[Frame]:\n"
    text = plugin.read_text()
    assert reads in text
    acts = {**POISONS, LOSS: "os.kill(os.getppid(), 9)"}
    does = "".join(f"        if seen == {colour[::-1]}:\n            {act}\n" for colour, act in acts.items())
    seen = "        seen = tuple(map(int, item.pixels(self._picture)[0, 0]))\n"
    plugin.write_text("import ctypes, os, time\n" + text.replace(reads, reads + seen + does))


@pytest.fixture
def bulk(shop) -> Callable[..., Ran]:
    """The command."""

    def run(*args: object) -> Ran:
        done = CliRunner().invoke(app, ["bulk", *map(str, args), "--config", str(shop)])
        error = None if isinstance(done.exception, SystemExit) else done.exception
        assert done.stdout == ""
        return Ran(done.exit_code, done.stderr, error)

    return run


def picture(colour: str) -> bytes:
    """A PNG of one colour."""
    return png(COLOURS[colour])


def png(bgr: tuple[int, int, int]) -> bytes:
    """The same, of any colour."""
    return cv2.imencode(".png", np.full((24, 32, 3), bgr, np.uint8))[1].tobytes()


def colour_of(number: int) -> str:
    """Of the picture with that number."""
    return list(COLOURS)[number % 3]


def pictures(folder: Path, count: int) -> Path:
    """So many, of which each third has the same colour."""
    folder.mkdir(exist_ok=True)
    encoded = {colour: picture(colour) for colour in COLOURS}
    for number in range(count):
        (folder / f"{number:05}.png").write_bytes(encoded[colour_of(number)])
    return folder


def rows(folder: Path) -> list[dict[str, Any]]:
    """All that a run left, by URL."""
    tables = [pyarrow.parquet.read_table(path).to_pylist() for path in folder.glob("part-*.parquet")]
    found = [{**row, "answer": row["answer"] and orjson.loads(row["answer"])} for t in tables for row in t]
    lines = [line for path in folder.glob("part-*.jsonl") for line in path.read_bytes().splitlines()]
    found += map(orjson.loads, lines)
    return sorted(found, key=lambda row: row["url"])


def classes(found: Sequence[dict[str, Any]]) -> list[str | None]:
    """What was seen in each, none where there is an error."""
    return [row["answer"] and row["answer"]["class_name"] for row in found]
