"""`edged service`: what the unit of systemd is allowed beyond itself, and where its secrets come from."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edged.cli import app
from edged.cli.ownership import hand_over
from edged.config.credentials import credentials
from edged.config.dropins import HARDWARE, MARK, drop_ins
from edged.config.reading import credentials_of, load
from edged.contracts.errors import ConfigError

UNIT = Path(__file__).parent.parent / "packaging" / "edged.service"
DROP_INS = "etc/systemd/system/edged.service.d"
ALL = """
paths: {models: /var/lib/edged/models, gallery: /var/lib/edged/gallery}
mqtt: {url: 'mqtts://broker.lan', username: me, password: 'file:${CREDENTIALS_DIRECTORY}/mqtt'}
http: {token: 'file:${CREDENTIALS_DIRECTORY}/http'}
services:
  object-detection: {device: gpu:1}
  ocr: {device: npu}
  image-classification: {device: cuda:0}
  face-attributes: {device: cpu}
streams:
  door: {source: /dev/video0, run: [object-detection]}
  counter: {source: mic:default, run: [music-detection]}
  yard: {source: 'rtsp://camera.lan/main', run: [object-detection]}
"""
NOTHING = "paths: {models: /var/lib/edged/models, gallery: /var/lib/edged/gallery}\n"


class Machine:
    """The root folder of one, with a configuration."""

    def __init__(self, root):
        self.root = root
        self.config = root / "etc" / "edged" / "config.yaml"
        (root / "etc/edged/secrets").mkdir(parents=True)
        (root / "etc/edged/secrets/mqtt").write_text("hunter2")
        (root / "etc/edged/secrets/http").write_text("0123456789abcdef")
        (root / "etc/group").write_text("root:x:0:\nvideo:x:44:\naudio:x:29:\nrender:x:105:\n")
        (root / "usr/lib/systemd/system").mkdir(parents=True)
        shutil.copy(UNIT, root / "usr/lib/systemd/system")
        self.configure(ALL)

    def configure(self, text):
        self.config.write_text(text)

    def service(self, *arguments):
        done = CliRunner().invoke(
            app, ["service", *arguments, "--root", str(self.root), "-c", str(self.config)]
        )
        assert done.exit_code == 0, done.output
        return done.output

    def written(self):
        return {path.name: path.read_text() for path in (self.root / DROP_INS).glob("*")}


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def settings_in(text):
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_each_need_is_a_drop_in_that_says_why(machine):
    machine.service("install")
    written = machine.written()
    assert written.keys() == {*(f"{name}.conf" for name in HARDWARE), "secrets.conf"}
    assert settings_in(written["gpu.conf"]) == [
        "[Service]",
        "PrivateDevices=no",
        "DevicePolicy=closed",
        "DeviceAllow=char-drm rw",
        "DeviceAllow=char-nvidia* rw",
        "SupplementaryGroups=video",
        "SupplementaryGroups=render",
    ]
    assert "# for services.object-detection.device: gpu:1" in written["gpu.conf"]
    assert "# for streams.door.source: /dev/video0" in written["cameras.conf"]
    assert "DeviceAllow=char-nvidia* rw" in written["nvidia.conf"]
    secrets = machine.config.parent / "secrets"
    assert settings_in(written["secrets.conf"]) == [
        "[Service]",
        f"LoadCredential=http:{secrets}/http",
        f"LoadCredential=mqtt:{secrets}/mqtt",
    ]
    assert "hunter2" not in "".join(written.values())


def test_a_folder_of_artefacts_outside_the_state_may_be_written(machine):
    machine.configure(f"{NOTHING}artefacts: {{url: 'file:///srv/films'}}")
    machine.service("install")
    written = machine.written()
    assert settings_in(written["artefacts.conf"]) == ["[Service]", "ReadWritePaths=/srv/films"]
    assert "# for artefacts.url" in written["artefacts.conf"]
    machine.configure(f"{NOTHING}artefacts: {{url: 'file:///srv/100%25%20films'}}")
    machine.service("install")
    assert settings_in(machine.written()["artefacts.conf"])[1] == 'ReadWritePaths="/srv/100%% films"'
    for inside in ("file:///var/lib/edged/films", "s3://films"):
        machine.configure(f"{NOTHING}artefacts: {{url: '{inside}'}}")
        machine.service("install")
        assert machine.written() == {}


def test_what_is_not_needed_is_not_allowed(machine):
    machine.configure(NOTHING)
    assert "all is in place" in machine.service("install")
    assert machine.written() == {}


def test_what_is_needed_no_more_goes_and_what_is_not_ours_stays(machine):
    machine.service("install")
    own = machine.root / DROP_INS / "memory.conf"
    own.write_text("[Service]\nMemoryMax=2G\n")
    machine.configure(NOTHING)
    assert "removed" in machine.service("install")
    assert machine.written() == {"memory.conf": "[Service]\nMemoryMax=2G\n"}


def test_a_dry_run_and_a_look_change_nothing(machine):
    told = machine.service("install", "--dry-run")
    assert "would write" in told
    assert "gpu.conf: services.object-detection.device: gpu:1" in told.replace("\n", "")
    shown = machine.service()
    assert "DeviceAllow=char-alsa rw" in shown
    assert "is not in place" in shown
    assert machine.written() == {}
    machine.service("install")
    assert "is not in place" not in machine.service()
    assert "all is in place" in machine.service("install")


def test_a_group_that_there_is_not_is_left_out(machine):
    """Else systemd does not start the service: status 216/GROUP."""
    config = load(machine.config)
    (_, _, gpu, *_) = drop_ins(config, (), machine.config.parent, {"video"})
    assert gpu.name == "gpu.conf"
    assert [line for line in gpu.lines if "Groups" in line] == ["SupplementaryGroups=video"]


def test_the_unit_is_written_where_no_package_brought_one(machine):
    packaged = machine.root / "usr/lib/systemd/system/edged.service"
    packaged.unlink()
    machine.service("install")
    own = machine.root / "etc/systemd/system/edged.service"
    assert own.read_text().startswith(MARK)
    (command,) = re.findall(r"^ExecStart=(\S+) (?:edged )?run --quiet", own.read_text(), re.M)
    assert Path(command).is_absolute()
    shutil.copy(UNIT, packaged)
    machine.service("install")
    assert not own.exists(), "the package's goes first"
    shutil.copy(UNIT, own)
    packaged.unlink()
    assert "is yours, and left alone" in machine.service("install").replace("\n", "")


def test_what_the_service_cannot_write_is_said(machine):
    machine.configure("node: x\n")
    assert "paths.models:" in machine.service("install", "--dry-run")


def test_a_secret_comes_from_systemd_as_a_service_and_from_root_as_a_command(machine, tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert load(machine.config).mqtt.password.get_secret_value() == "hunter2"
    given = tmp_path / "run"
    given.mkdir()
    (given / "mqtt").write_text("of systemd\n")
    (given / "http").write_text("fedcba9876543210")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    assert load(machine.config).mqtt.password.get_secret_value() == "of systemd"
    assert load(machine.config).http.token.get_secret_value() == "fedcba9876543210"
    assert credentials_of(machine.config) == ["http", "mqtt"]
    assert credentials({"key": ["x", 1, "${CREDENTIALS_DIRECTORY}/client.pem"]}) == ["client.pem"]
    (given / "mqtt").unlink()
    with pytest.raises(ConfigError, match=r"mqtt\.password: .*No such file"):
        load(machine.config)


def systemd_analyze(verb, unit):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    command = ["systemd-analyze", *verb, unit]
    return subprocess.run(command, capture_output=True, text=True, check=True)


@pytest.fixture(params=[NOTHING, ALL], ids=["as it is", "with all drop-ins"])
def unit(request, machine):
    """The unit beside its drop-ins, as `systemd-analyze` finds them."""
    machine.configure(request.param)
    machine.service("install")
    folder = machine.root / "etc/systemd/system"
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(UNIT, folder))


def test_systemd_understands_it_without_a_word(unit):
    said = systemd_analyze(["verify"], unit)
    assert said.stderr == "", "it exits 0 for a key that it ignores"


def test_it_is_sandboxed(unit):
    said = systemd_analyze(["security", "--offline=true", "--no-pager"], unit).stdout
    (exposure,) = re.findall(r"Overall exposure level for edged\.service: (\d+\.\d+)", said)
    assert float(exposure) <= 2.0


def test_its_user_has_a_home_though_no_file_names_one():
    """Else `Path.home` raises, and OpenVINO calls it while it is imported."""
    assert "\nEnvironment=HOME=/nonexistent\n" in UNIT.read_text()


def test_memory_that_a_child_eats_ends_the_child_alone():
    assert "\nOOMPolicy=continue\n" in UNIT.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_pulls_into_the_folder_of_the_service_is_the_services(tmp_path):
    state, models, outside = tmp_path / "state", tmp_path / "state" / "models", tmp_path / "outside"
    (models / "yolox").mkdir(parents=True)
    (models / "yolox" / "main.onnx").write_text("x")
    outside.mkdir()
    (outside / "file").write_text("x")
    (models / "link").symlink_to(outside)
    hand_over(models)
    assert {path.lstat().st_uid for path in models.rglob("*")} == {0}, "before the service's first start"
    os.chown(state, 61234, 61235)
    hand_over(models)
    given = [models, *models.rglob("*")]
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in given} == {(61234, 61235)}
    assert {path.stat().st_uid for path in (outside, outside / "file")} == {0}
    hand_over(tmp_path / "nowhere")
