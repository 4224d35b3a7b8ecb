"""What stands around the code tells the truth: lock files, Makefile, README, CHANGELOG, systemd unit."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

import edged
from edged.answers.schema import answer_schema
from edged.cards import load_card
from edged.cli import app
from edged.cli.commands import COMMANDS, command
from edged.config import reading
from edged.contracts.graph_input import PictureInput
from edged.contracts.items import PixelFormat
from edged.contracts.services import SERVICES
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture, encode_jpeg
from edged.ops.draw.pen import colour_of
from edged.testing import CHECKS
from edged.testing.items import coloured

ROOT = Path(__file__).parent.parent
PACKAGING = ROOT / "packaging"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
README = (ROOT / "README.md").read_text("utf-8")
PLUGINS = (ROOT / "docs" / "plugins.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
PLUGGED_IN = {"httptools", "python-multipart"}
"""Not imported by us but by another dependency, which does without it where it is missing."""
USED = ("broker", "gpu", "grpc", "notify", "quantize", "wyoming")
"""Extras that are in the lock of what runs."""
LOCKS = ("run.lock", "dev.lock", "bootstrap.lock")


def direct(*extras):
    """What pyproject.toml asks for, by name, without edged's own extras."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    wanted = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): r for r in wanted if r.name != "edged"}


def locked(name):
    """The locked requirements with their hashes, by name; several where Python versions differ."""
    text = (PACKAGING / name).read_text("utf-8").replace("\\\n", " ")
    found: dict[str, list[tuple[Requirement, list[str]]]] = {}
    for line in text.splitlines():
        if not line.startswith((" ", "#")):
            requirement, *hashes = line.split("--hash=")
            parsed = Requirement(requirement)
            found.setdefault(canonicalize_name(parsed.name), []).append((parsed, hashes))
    return found


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("run.lock", USED), ("dev.lock", (*USED, "bulk", "s3", "dev"))],
)
def test_the_lock_is_in_step_with_pyproject(lock, extras):
    have = locked(lock)
    for name, wanted in direct(*extras).items():
        assert name in have, "run `make lock`"
        for requirement, _ in have[name]:
            (pinned,) = requirement.specifier
            assert wanted.specifier.contains(pinned.version), "run `make lock`"


def test_what_is_tested_is_what_runs():
    tested = locked("dev.lock")
    assert {name: tested.get(name) for name in locked("run.lock")} == locked("run.lock")


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_locked_has_one_version_and_hashes_and_names_no_host(lock):
    for name, entries in locked(lock).items():
        for requirement, hashes in entries:
            assert [s.operator for s in requirement.specifier] == ["=="], name
            assert hashes, name
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", h) for h in hashes), name
    text = (PACKAGING / lock).read_text("utf-8")
    assert not re.findall(r"://|index|find-links", text)


def imported(*folders, tests):
    """The distributions that the files import from, one of several where a name is shared."""
    owners = packages_distributions()
    for path in (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))):
        if tests or not path.name.startswith("test_"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
                for top in {name.split(".")[0] for name in names}:
                    if top in owners and top not in sys.stdlib_module_names:
                        yield frozenset(canonicalize_name(owner) for owner in owners[top])


def test_exactly_what_is_imported_is_a_dependency():
    used = set(imported("edged", "plugins", tests=False)) - {frozenset({"edged"})}
    wanted = set(direct(*USED, "bulk"))
    assert [owners for owners in used if not owners & wanted] == []
    assert [name for name in wanted - PLUGGED_IN if not any(name in owners for owners in used)] == []


def test_what_tests_import_is_a_dependency_of_development():
    used = set(imported("edged", "plugins", "tests", "docs", tests=True)) - {frozenset({"edged"})}
    assert [owners for owners in used if not owners & set(direct(*USED, "bulk", "s3", "dev"))] == []


def test_the_systemd_unit_runs_a_command_that_exists():
    unit = (PACKAGING / "edged.service").read_text("utf-8")
    (line,) = re.findall(r"^ExecStart=/usr/bin/env edged (.+)$", unit, re.MULTILINE)
    name, *arguments = line.split()
    command(name).make_context(name, arguments)


def targets():
    return set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))


def test_make_lists_its_targets():
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^make ([a-z-]+)", shown, re.MULTILINE)) == targets() >= {"setup", "run", "test"}


def test_what_the_readme_and_ci_say_to_type_exists():
    said = README + (ROOT / ".ci" / "run").read_text("utf-8")
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", said, re.MULTILINE)) <= targets()
    assert set(re.findall(r"`edged ([a-z-]+)", README)) == set(COMMANDS), "each command is in the README"
    for name, option in re.findall(r"`edged ([a-z-]+)[^`|]*(--[a-z-]+)", README):
        options = {flag for parameter in command(name).params for flag in parameter.opts}
        assert option in options


def test_links_within_the_project_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "plugins").rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link}"


def block(language, holding, page=README):
    """The code block of a page that holds a text, not indented."""
    blocks = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE)
    (found,) = (dedent(text) for _, text in blocks if holding in text)
    return found


def test_the_page_of_plugins_shows_one_that_runs():
    shown = block("python", "SinglePassModel", PLUGINS)
    assert shown in (ROOT / "plugins/yolox-nano/plugin.py").read_text("utf-8")


def test_the_page_of_plugins_shows_an_input_that_a_card_may_have():
    inputs = yaml.safe_load(block("yaml", "images:", PLUGINS))["inputs"]
    assert PictureInput.model_validate(inputs["images"]).mean


def test_the_page_of_plugins_tells_all_checks():
    table = PLUGINS[PLUGINS.index("| check | promise |") :].split("\n\n")[0]
    told = [name for line in table.splitlines()[2:] for name in re.findall(r"`(.+?)`", line.split(" | ")[0])]
    assert set(told) == {"loading", "weights", "opening", *CHECKS}


@pytest.mark.slow
def test_the_way_to_a_picture_is_gone_as_it_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("node: mine\n")
    Path("photo.jpg").write_bytes(encode_jpeg(coloured()))
    told = block("sh", "edged new-plugin")
    assert told == block("sh", "edged new-plugin", PLUGINS)
    for line in told.splitlines():
        done = CliRunner().invoke(app, line.split()[1:])
        assert done.exit_code == 0, (line, done.stderr)
    drawn = decode_picture(Path("out.png").read_bytes(), PictureLimits(), 0.0).pixels(PixelFormat())
    assert (drawn == colour_of("red")).all(axis=2).any()


def test_the_readme_shows_a_configuration_that_loads(tmp_path, monkeypatch):
    monkeypatch.setenv("MQTT_PASSWORD", "secret")
    page = tmp_path / "config.yaml"
    page.write_text(block("yaml", "node:"))
    assert list(reading.load(page).streams) == ["door"]


def test_the_readme_shows_a_card_that_loads(tmp_path):
    card = block("yaml", "decoder: classification")
    card = card.replace("<sha256sum my_classifier.onnx>", "a" * 64).replace("<bytes>", "1")
    (tmp_path / "card.yaml").write_text(card)
    assert load_card(tmp_path / "card.yaml").class_names() == ("ripe", "unripe")


def rows_under(head):
    """The rows of the README's table that begins with `head`, as lists of cells."""
    lines = README[README.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_readme_lists_every_model_by_its_service():
    cards = [model.card for model in discover([ROOT / "plugins"], entry_points=False).models.values()]
    listed = {
        (service.strip("`"), model)
        for kind in ("service", "part", "inner service")
        for service, models, _ in rows_under(f"| {kind} | models | |")
        for model in re.findall(r"`(.+?)`", models)
    }
    assert listed == {(card.service, card.id) for card in cards}


def test_the_readme_lists_the_topics_that_are_described():
    described = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text("utf-8"))["channels"].values()
    known = {re.sub(rf"/({'|'.join(SERVICES)})(?=/|$)", "/{service}", c["address"]) for c in described}
    listed = {
        topic for topics, _ in rows_under("| topic | holds |") for topic in re.findall(r"`(.+?)`", topics)
    }
    listed = {topic.replace("...", "edged/<node>/control/<verb>") for topic in listed}
    assert {topic.replace("<", "{").replace(">", "}") for topic in listed} == known | {
        "edged/any/request/{service}"
    }


def test_the_readme_shows_answers_of_known_fields():
    known = {name for of in SERVICES.values() for name in answer_schema(of).get("properties", {})}
    shown = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    assert len(shown) == 2
    for text in shown:
        assert json.loads(text).keys() <= known


def test_the_readme_shows_a_subscriber_that_compiles():
    compile(block("python", "loop_forever"), "README.md", "exec")


def test_the_changelog_has_this_version():
    assert f"\n## [{edged.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


NOT_QUICK = {"instance_of", "media", "weight_store", "daemon", "mosquitto", "browser", "rtsp", "null_sink"}


def test_quick_tests_need_nothing(request):
    """Of all tests of this run."""
    for item in request.session.items:
        needs = NOT_QUICK.intersection(getattr(item, "fixturenames", ()))
        marks = {mark.name for mark in item.iter_markers()}
        assert not ("quick" in marks and needs), item.nodeid
        assert "quick" in marks or marks & {"weights", "broker", "browser", "rtsp", "sound", "slow", "long"}
        assert ("weights" in marks) >= ("instance_of" in needs), item.nodeid


def test_setup_says_which_python_it_needs(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    (tmp_path / "dirname").symlink_to(shutil.which("dirname"))
    tried = subprocess.run(
        ["/bin/sh", PACKAGING / "setup.sh"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 1
    assert "Python 3.11, 3.12 or 3.13" in tried.stderr
