"""`edged chaos` as a user types it: a short round, and a box that must not be trusted."""

import json
import os
import shutil
import subprocess

import pytest

from tests.e2e.box import EDGED, ROOT

FAULTS = ["daemon-killed", "broker-ended", "camera-gone", "garbage", "plugin-dies"]


@pytest.fixture
def chaos(mosquitto, models_dir, tmp_path):
    """Run it with a pulled model that no other test touches, in a folder of its own, with its mosquitto."""
    (tmp_path / "tmp").mkdir()
    models, whole = tmp_path / "models", shutil.ignore_patterns(".*")
    shutil.copytree(models_dir / "picodet-416", models / "picodet-416", ignore=whole)
    (models / "weights").symlink_to(models_dir / "weights")
    config = tmp_path / "config.yaml"
    config.write_text(f"paths: {{models: {models}}}\n")

    def run(*args):
        return subprocess.run(
            [*EDGED, "chaos", "-c", str(config), "--json", str(tmp_path / "figures.json"), *args],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")},
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    return run


def listed(folder):
    """What was written when, but for locks, and for the files as published, which other tests add to."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_symlink())
    shown = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    return {name: (folder / name).stat().st_mtime_ns for name in shown}


def test_a_short_round(chaos, tmp_path):
    before = listed(tmp_path / "models")
    ran = chaos("--for", "1s", "--rate", "20", "--only", ",".join(FAULTS))
    assert ran.returncode == 0, ran.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    rows = {row["fault"]: row for row in figures["faults"]}
    assert list(rows) == FAULTS
    for row in rows.values():
        asked = row["count"]
        assert row["times"] >= 1
        assert asked["asked"] == asked["once"] + asked["twice"] > 1
        assert (asked["never"], asked["wrong"]) == (0, 0)
        assert row["recovered_s"] > 0
        assert min(row["before_bytes"], row["after_bytes"]) > 50_000_000
    assert "none was left without its answer" in figures["verdict"]
    assert figures["verdict"] in ran.stderr.replace("\n", " ")
    assert listed(tmp_path / "models") == before, "the user's models are only read"
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"models", "tmp"}
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_fault_that_there_is_not(chaos):
    ran = chaos("--only", "earthquake")
    assert ran.returncode == 1
    assert "no fault is called 'earthquake'" in ran.stderr
