"""What cannot be read or written is told in a sentence, by each command that takes files."""

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from edged.cli import app
from edged.contracts.errors import ConfigError, NotFound, StoreFailed

SERVICE = "image-classification"


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    return path


@pytest.fixture
def run(config):
    def run(*args):
        return CliRunner().invoke(app, [*map(str, args), "--config", str(config)])

    assert run("pull", "good").exit_code == 0
    return run


def test_a_picture_to_time_that_is_not_there(run):
    failed = run("bench", SERVICE, "missing.png", "--model", "good").exception
    assert isinstance(failed, NotFound)
    assert "missing.png cannot be read" in str(failed)


def test_a_drawing_that_cannot_be_written(run, picture, tmp_path):
    done = run("infer", SERVICE, picture, "--model", "good", "--save", tmp_path / "nowhere" / "x.png")
    assert '"success": true' in done.stdout, "the answer is there all the same"
    assert isinstance(done.exception, StoreFailed)
    assert "x.png cannot be written" in str(done.exception)


def test_a_precision_that_there_is_not(run, picture):
    done = run("infer", SERVICE, picture, "--precision", "int9")
    assert done.exit_code == 2
    assert "'f32'" in done.stderr


def test_figures_that_could_not_be_written_are_not_measured(run, tmp_path):
    done = run("chaos", "--json", tmp_path / "nowhere" / "x.json")
    assert isinstance(done.exception, ConfigError)
    assert "there is no folder" in str(done.exception)
