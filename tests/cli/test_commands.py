"""Commands are listed without their modules being loaded: what is listed is true all the same."""

import json
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edged import cli
from edged.cli import show
from edged.cli.commands import COMMANDS, command
from edged.runtimes.gpu import Gpu


@pytest.mark.parametrize("name", COMMANDS)
def test_the_listed_help_is_that_of_the_command(name):
    said = (command(name).help or "").split("\n\n")[0]
    assert " ".join(said.split()) == COMMANDS[name][1]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_folds_where_the_terminal_ends(name):
    told = command(name).help or ""
    assert all("\n" not in paragraph for paragraph in told.split("\n\n"))


def test_every_command_of_every_module_is_listed():
    files = Path(cli.__file__).parent.glob("[!_]*.py")
    modules = {path.stem for path in files if "app = typer" in path.read_text()}
    found = {
        (name, module)
        for module in modules
        for name in typer.main.get_group(import_module(f"edged.cli.{module}").app).commands
    }
    assert found == {(name, module) for name, (module, _) in COMMANDS.items()}


def test_the_list_and_the_help_of_a_command_are_shown():
    listed = CliRunner().invoke(cli.app, ["--help"])
    assert listed.exit_code == 0
    assert all(name in listed.stdout for name in COMMANDS)
    told = CliRunner().invoke(cli.app, ["infer", "--help"])
    assert told.exit_code == 0
    assert "--precision" in told.stdout


def test_a_word_that_is_no_command_is_told_what_it_may_mean():
    done = CliRunner().invoke(cli.app, ["infr"])
    assert done.exit_code == 2
    assert "infer" in done.stderr


def test_devices_say_what_a_gpu_lacks_and_which_build_there_is(monkeypatch):
    lacking = Gpu(missing="this user may not open /dev/dri/renderD128", mend="sudo usermod ...")
    monkeypatch.setattr(show, "gpu", lambda: lacking)
    told = CliRunner().invoke(cli.app, ["devices"])
    assert told.exit_code == 0
    said = told.stdout + told.stderr
    assert "no gpu for ONNX Runtime: this user may not open /dev/dri/renderD128; sudo usermod" in said
    assert "ONNX Runtime is onnxruntime" in said
    listed = json.loads(CliRunner().invoke(cli.app, ["devices", "--json"]).stdout)
    assert [one["missing"] for one in listed if not one["name"]] == [lacking.missing]
