"""Recordings and videos in bulk, as files and as bytes in a table: the same answers."""

import io
import wave

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from edged.bench.clip import encoded
from edged.cli import app
from tests.bulk.conftest import rows


def answers(found):
    """Without what names the item."""
    assert [row["error"] for row in found] == [None] * len(found)
    return [{k: v for k, v in row["answer"].items() if k != "request_id"} for row in found]


def both_ways(name, path, config):
    """Answers to a file, and to its bytes in a table."""
    pyarrow.parquet.write_table(pyarrow.table({"media": [path.read_bytes()]}), path.with_suffix(".parquet"))
    found = []
    for given, more in ((path, ()), (path.with_suffix(".parquet"), ("--column", "media"))):
        to = path.parent / f"of{given.suffix}"
        done = CliRunner().invoke(app, ["bulk", name, str(given), "--to", str(to), "-c", str(config), *more])
        assert done.exit_code == 0, done.output
        found += answers(rows(to))
    return found


@pytest.mark.slow
def test_videos(shop, tmp_path):
    path = tmp_path / "clip.ts"
    path.write_bytes(b"".join(encoded((240, 320), 2)))
    of_file, of_bytes = both_ways("video-classification", path, shop)
    assert of_file == of_bytes


def test_recordings(instance_of, models_root, tmp_path):
    instance_of("yamnet")
    config = tmp_path / "config.yaml"
    config.write_text(f"paths: {{models: {models_root}}}\nservices: {{music-detection: {{model: yamnet}}}}\n")
    sound, body = np.sin(np.arange(48_000) / 6) * 20_000, io.BytesIO()
    with wave.open(body, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(sound.astype("<i2").tobytes())
    path = tmp_path / "tone.wav"
    path.write_bytes(body.getvalue())
    of_file, of_bytes = both_ways("music-detection", path, config)
    assert of_file == of_bytes
