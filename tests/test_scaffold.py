"""`edged new-plugin`: of every service a plugin that works as it is written."""

import os
import subprocess
import sys

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from conftest import ROOT
from edged.cli import app
from edged.config import reading
from edged.contracts.described import descriptions
from edged.contracts.errors import BadRequest, ConfigError, NotFound
from edged.contracts.services import SERVICES, card_options
from edged.discovery import discover
from edged.media.picture import encode_png
from edged.scaffold import new_plugin
from edged.testing import Subject, checked_rows, items_for
from edged.testing.items import coloured
from tests.opened import pulled

SOUND = [name for name, known in SERVICES.items() if known.takes_sound]
SEEN = [name for name, known in SERVICES.items() if known.takes_pictures]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder of 25 plugins, one of each service, called as it."""
    folder = tmp_path_factory.mktemp("plugins")
    for name in SERVICES:
        new_plugin(f"my-{name}", name, folder, folder.parent / "models", folder.parent / "state")
    return folder


@pytest.fixture(scope="module")
def models(written):
    found = discover([written], entry_points=False)
    assert found.failures == {}
    return found.models


def failed(rows):
    return [row for row in rows if row.result == "failed"]


def test_ruff_and_its_format_find_nothing(written):
    ignored = 'lint.extend-per-file-ignores={"test_*.py"=["ANN", "D", "S"]}'  # as of the project's own
    for command in (["check", "--config", ignored], ["format", "--check", "--diff"]):
        said = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", ROOT / "pyproject.toml", written],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        assert said.returncode == 0, said.stdout


@pytest.mark.long
def test_mypy_finds_nothing(written):
    packages = [argument for name in SERVICES for argument in ("-p", f"my-{name}")]
    command = [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", *packages]
    said = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(written)},
    )
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize("name", ["detections", "3d-eye", "np"])
def test_a_name_that_is_no_class_yet(tmp_path, name):
    new_plugin(name, "object-detection", tmp_path, tmp_path, tmp_path)
    found = discover([tmp_path], entry_points=False)
    assert (list(found.models), found.failures) == ([name], {})


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVICES)
def test_it_keeps_every_promise(written, models, name):
    """All but the voice, which is somebody else's: real weights are fetched below."""
    known = models[f"my-{name}"]
    alone = type(known)(known.card.model_copy(update={"uses": {}}))
    instance = pulled(written.parent / "models", {alone.card.id: alone}, alone.card.id).acquire(alone.card.id)
    assert instance.facts.variant.endswith("-f32")  # whichever was faster
    subject = Subject(alone, instance.tools, items_for(SERVICES[name]))
    rows = list(checked_rows(subject))
    assert failed(rows) == []
    assert {row.check for row in rows if row.result == "ok"} >= {
        "contract",
        "threads",
        "bad outputs",
        "odd items",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_its_card_says_all_options_with_their_meaning(models, name):
    card = models[f"my-{name}"].card
    said = (card.folder / "card.yaml").read_text("utf-8")
    assert card_options(card).model_fields_set == set(SERVICES[name].options.model_fields)
    options = SERVICES[name].options
    meant = descriptions(options)
    assert meant.keys() == options.model_fields.keys()
    for meaning in meant.values():
        assert f"# {meaning[:30]}" in said


def ran(*arguments):
    """A command that succeeds."""
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == 0, (done.stderr, done.exception)
    return done


def configured(folder, written, models):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"paths": {"plugins": [str(written)], "models": str(models)}}))
    return path


@pytest.fixture
def media_of(tmp_path):
    """Arguments of `edged infer` for a service."""
    (tmp_path / "photo.png").write_bytes(encode_png(coloured()))
    (tmp_path / "other.png").write_bytes(encode_png(coloured(shift=30)))
    given = {"picture": ["photo.png"], "pictures": ["photo.png", "other.png"]}
    return lambda known: [tmp_path / name for name in given.get(known.media, ())] or ["a text"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SEEN, "text-vectorization"])
def test_it_is_pulled_and_answers(written, media_of, tmp_path, name):
    found = f"my-{name}"
    page = configured(tmp_path, written, written.parent / "models")
    ran("pull", found, "--config", page)
    save = ["--save", tmp_path / "out.png"] if name in SEEN else []
    said = ran("infer", name, *media_of(SERVICES[name]), "--model", found, *save, "--config", page)
    assert orjson.loads(said.stdout).get("success", True)
    assert not save or (tmp_path / "out.png").stat().st_size > 0


@pytest.mark.parametrize("name", SOUND)
def test_it_hears_a_recording(written, models_root, media, tmp_path, name):
    found = f"my-{name}"
    ran("pull", "silero-vad", "--config", configured(tmp_path, written, models_root))
    (tmp_path / "models").mkdir()
    for shared in ("weights", "silero-vad"):
        (tmp_path / "models" / shared).symlink_to(models_root.resolve() / shared)
    page = configured(tmp_path, written, tmp_path / "models")
    ran("pull", found, "--config", page)
    said = ran("infer", name, media("mandarin.wav"), "--model", found, "--config", page)
    assert orjson.loads(said.stdout)


def test_the_last_words_are_commands_that_work_in_the_folder_where_they_are_told(tmp_path, monkeypatch):
    """A test of README's blocks types them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("node: mine\n")
    said = ran("new-plugin", "my-detector", "--service", "object-detection").stderr
    mine = "-c plugins/my-detector/config.yaml"
    assert [line.strip() for line in said.splitlines() if line.startswith("  ")] == [
        "edged test-plugin plugins/my-detector",
        f"edged pull my-detector {mine}",
        f"edged infer object-detection photo.jpg --model my-detector --save out.png {mine}",
    ]
    film = ran("new-plugin", "my-film", "--service", "video-highlight").stderr
    assert film.splitlines()[-1].strip() == "edged schema video-highlight"
    paths = reading.load(tmp_path / "plugins" / "my-detector" / "config.yaml").paths
    assert paths.models.resolve() == tmp_path / "models"
    (tmp_path / "config.yaml").write_text("paths: {plugins: [plugins]}\n")
    assert " -c " not in ran("new-plugin", "my-other", "--service", "object-detection").stderr


def test_what_cannot_be_written_is_said(tmp_path):
    def made(name, of="ocr"):
        return new_plugin(name, of, tmp_path, tmp_path, tmp_path)

    made("reader")
    with pytest.raises(ConfigError, match="exists already; take another name"):
        made("reader")
    with pytest.raises(BadRequest, match="small letters"):
        made("My_Reader")
    with pytest.raises(NotFound, match="did you mean ocr"):
        made("other", "ocrr")
    assert [path.name for path in tmp_path.iterdir()] == ["reader"]


def test_a_name_that_is_taken(tmp_path):
    done = CliRunner().invoke(app, ["new-plugin", "modnet", "--service", "ocr", "--into", str(tmp_path)])
    assert "'modnet' is there already" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
