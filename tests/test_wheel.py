"""The wheel works outside of the checkout: in an environment of its own, from another folder.

It is installed as it stands; its dependencies are those of the interpreter under test, so that no network is
needed. The checkout is on no path there.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import orjson
import pybase64
import pytest
from jsonschema import Draft202012Validator

from edged.contracts.services import service
from edged.discovery import discover
from tests.broker import free_port, until
from tests.e2e.box import Client, config_text

ROOT = Path(__file__).parent.parent
LIMIT_S = 500
pytestmark = pytest.mark.slow
FOLDERS = """
import av, numpy, onnxruntime, openvino, orjson, paho.mqtt, pydantic, sysconfig, typer
print(*{sysconfig.get_path(name) for name in ("purelib", "platlib")}, sep="\\n")
"""
"""Imports some dependencies, and prints where they are."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Built as pip builds it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("edged-*.whl")
    return built


def other_python():
    """A Python 3.13 on PATH that has the dependencies, and is not the one that runs the tests."""
    found = shutil.which("python3.13")
    if sys.version_info[:2] == (3, 13):
        pytest.skip("the tests themselves run in Python 3.13")
    if found is None:
        pytest.skip("no python3.13 is on PATH")
    if subprocess.run([found, "-c", FOLDERS], capture_output=True, check=False).returncode:
        pytest.skip(f"{found} has no dependencies of edged: install packaging/run.lock there")
    return found


@pytest.fixture(scope="session", params=["this-python", "python3.13"])
def installed(request, wheel, tmp_path_factory):
    """The folder of programs of an environment that holds the wheel."""
    python = sys.executable if request.param == "this-python" else other_python()
    home = tmp_path_factory.mktemp(request.param) / "venv"
    subprocess.run([python, "-m", "venv", "--without-pip", home], check=True)
    programs = home / "bin"
    (site,) = home.glob("lib/python3.*/site-packages")
    borrowed = subprocess.run([python, "-c", FOLDERS], check=True, capture_output=True, text=True).stdout
    (site / "dependencies.pth").write_text(
        borrowed
    )  # .pth files within them, an editable edged's, do not count
    pip = [sys.executable, "-m", "pip", "--python", programs / "python", "--disable-pip-version-check"]
    # pip sees the borrowed edged as installed, and must leave it alone
    subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", wheel], check=True
    )
    return programs


@pytest.fixture
def edged(installed, tmp_path):
    """Runs the installed command in an empty folder."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def run(*arguments, start=False):
        command = [installed / "edged", *arguments]
        if start:
            return subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=True,
            text=True,
            timeout=LIMIT_S,
        )

    return run


def test_the_wheel_holds_all_of_edged_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "edged", "plugins"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    wanted = {
        path.relative_to(ROOT).as_posix().replace("plugins/", "edged/_plugins/", 1): path.read_bytes()
        for path in paths
        if not path.match("test_*.py")
    }
    wanted["edged/config.yaml"] = (ROOT / "config.yaml").read_bytes()
    wanted["edged/edged.service"] = (ROOT / "packaging" / "edged.service").read_bytes()
    assert inside.keys() == wanted.keys()
    assert inside == wanted


def test_what_runs_is_the_wheel(installed, edged):
    shown = subprocess.run(
        [installed / "python", "-c", "import edged; print(edged.__file__)"],
        cwd=installed,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
        text=True,
    )
    assert Path(shown.stdout.strip()).is_relative_to(installed.parent)
    assert "config.yaml is fine" in edged("check").stderr.replace("\n", "")


def test_every_plugin_of_the_checkout_is_there(edged, tmp_path, models_root):
    config = tmp_path / "config.yaml"
    config.write_text(f"paths: {{models: {models_root}}}\n")
    known = {model["model"] for model in orjson.loads(edged("models", "--json").stdout)}
    assert known == set(discover([ROOT / "plugins"], entry_points=False).models)
    served = {row["service"]: row["model"] for row in orjson.loads(edged("services", "--json").stdout)}
    assert len(served) == 25
    assert served["object-detection"] in known


def test_the_schemas_are_those_of_the_contracts(edged):
    printed = orjson.loads(edged("schema", "object-detection").stdout)
    Draft202012Validator.check_schema(printed["answer"])
    assert printed["request"] == service("object-detection").request_schema()


def test_the_daemon_answers_a_request(edged, tmp_path, models_root, media):
    port = free_port()
    config = tmp_path / "config.yaml"
    config.write_text(config_text(models_root, port))
    edged("pull", "yolox-nano")
    daemon = edged("run", "--quiet", start=True)
    try:
        customer = Client(port, "edged/box/info", "me/answers")
        until(
            lambda: any(b"object-detection" in m.payload for m in customer.on("edged/box/info")), "readiness"
        )
        picture = pybase64.b64encode_as_string(media("chelsea.png").read_bytes())
        customer.ask("box", "object-detection", orjson.dumps({"image": picture}), "me/answers", b"1")
        until(lambda: customer.on("me/answers"), "an answer")
        answer = orjson.loads(customer.on("me/answers")[0].payload)
        customer.close()
    finally:
        daemon.terminate()
        said = daemon.communicate(timeout=LIMIT_S)[1].decode()
    assert daemon.returncode == 0, said
    assert answer["detection_class_names"] == ["cat"]
