"""The Debian package in a root of its own: installed, upgraded, started as the unit says, removed, purged.

systemd does not run there. What it would do is done in its place: the command of the unit, by a user without
any right, with its notify socket, its state folder and its credentials.
"""

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import edged
from tests.broker import free_port, until

ROOT = Path(__file__).parent.parent
STATE = Path(__file__).parent / "state-0.1.0"
RELEASE = "bookworm"
LAST_RELEASE = "0.1.0"
USER = 61234
"""Of those that systemd gives to services."""
TOKEN = "a-token-that-nobody-guesses"
CONFIG = """
node: shop-1
paths: {{models: /var/lib/edged/models, gallery: /var/lib/edged/gallery, plugins: [/var/lib/edged/plugins]}}
mqtt: {{url: embedded, embedded_port: {mqtt}}}
http: {{listen: '127.0.0.1:{http}', token: 'file:${{CREDENTIALS_DIRECTORY}}/http'}}
services: {{image-classification: {{model: small, device: gpu}}}}
streams:
  door: {{source: /dev/video7, run: [image-classification]}}
"""
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(os.geteuid() != 0, reason="another root folder is for root only"),
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason=f"the Python of {RELEASE} is 3.11"),
]


class Box:
    """A Debian below a folder."""

    def __init__(self, root):
        self.root = root

    def command(self, *arguments):
        """With its own processes and mounts."""
        mounts = f"mount -t proc proc {self.root}/proc && mount --bind /dev {self.root}/dev"
        enter = f'{mounts} && exec chroot {self.root} "$@"'
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", enter, "-"]
        return [*apart, *map(str, arguments)]

    def run(self, *arguments):
        """What it printed on both. Fails as the command fails."""
        done = subprocess.run(
            self.command(*arguments),
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "DEBIAN_FRONTEND": "noninteractive",
                "HOME": "/tmp",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def path(self, inside):
        return self.root / inside.lstrip("/")

    def install(self, package):
        shutil.copy(package, self.path("/tmp"))
        return self.run("dpkg", "-i", f"/tmp/{package.name}")


def has(*programs):
    return all(map(shutil.which, programs))


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The package as of the last release, by number alone, and of today."""
    made, folder = [], tmp_path_factory.mktemp("dist")
    for version in (LAST_RELEASE, edged.__version__):
        subprocess.run(
            [ROOT / "packaging" / "deb.sh"],
            env={**os.environ, "PYTHON": sys.executable, "VERSION": version, "DIST": str(folder)},
            check=True,
        )
        made += folder.glob(f"edged_{version}_*.deb")
    assert len(made) == 2
    return made


@pytest.fixture(scope="module")
def box(packages, tmp_path_factory):
    if not has("debootstrap", "unshare", "dpkg-deb"):
        pytest.skip("debootstrap is not installed")
    root = tmp_path_factory.mktemp("debian") / "root"
    include = "--include=python3,ca-certificates"
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", include, RELEASE, root],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr
    return Box(root)


@contextlib.contextmanager
def started(box):
    """The unit's command as systemd would start it; gives what it tells, and the process."""
    credentials = box.path("/run/credentials/edged.service")
    credentials.mkdir(parents=True, exist_ok=True)
    shutil.copy(box.path("/etc/edged/secrets/http"), credentials / "http")
    (credentials / "http").chmod(0o400)
    for path in (credentials, *credentials.iterdir(), box.path("/var/lib/edged")):
        os.chown(path, USER, USER)
    subprocess.run(["chown", "-R", f"{USER}:{USER}", box.path("/var/lib/edged")], check=True)
    unit = box.path("/usr/lib/systemd/system/edged.service").read_text()
    command = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)[0].split()
    environment = dict(re.findall(r"^Environment=(\w+)=(.+)$", unit, re.MULTILINE)) | {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
        "NOTIFY_SOCKET": "/run/notify",
        "STATE_DIRECTORY": "/var/lib/edged",
        "CREDENTIALS_DIRECTORY": "/run/credentials/edged.service",
    }
    nobody = [f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    variables = [f"{name}={value}" for name, value in environment.items()]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(box.path("/run/notify")))
        box.path("/run/notify").chmod(0o777)
        told.settimeout(120)
        process = subprocess.Popen(
            box.command("/usr/bin/setpriv", *nobody, "/usr/bin/env", "-i", *variables, *command),
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield told, process
        finally:
            process.kill()
            box.path("/run/notify").unlink()


def ask(port, method, path, body=None):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_the_life_of_a_package(box, packages):
    last, today = packages
    ports = {"mqtt": free_port(), "http": free_port()}
    box.install(last)
    assert box.run("edged", "--version").strip() == edged.__version__, (
        "its number alone is the last release's"
    )
    assert "is fine" in box.run("edged", "check")
    assert oct(box.path("/etc/edged/secrets").stat().st_mode) == "0o40700"
    assert list(box.path("/opt/edged").rglob("libx264*"))
    assert "GPL'd" in box.path("/usr/share/doc/edged/copyright").read_text(), "with x264 goes its notice"
    wants = box.path("/etc/systemd/system/multi-user.target.wants/edged.service")
    assert wants.is_symlink(), "enabled"

    the_administrator_configures(box, ports)
    before = contents(box)
    box.install(today)
    assert contents(box) == before, "an upgrade leaves configuration, drop-ins, state and models alone"
    assert f"Version: {edged.__version__}" in box.run("dpkg", "-s", "edged")
    assert box.run("dpkg", "--audit") == ""

    it_starts_answers_and_ends(box, ports["http"])

    box.run("dpkg", "-r", "edged")
    assert not box.path("/opt/edged").exists()
    assert not os.path.lexists(box.path("/usr/bin/edged"))
    assert {"/etc/edged/config.yaml", "/etc/edged/secrets/http"} <= contents(box).keys(), "removal keeps them"
    box.run("dpkg", "-P", "edged")
    assert contents(box) == {}
    assert not os.path.lexists(wants)
    assert not box.path("/etc/systemd/system/edged.service.d").exists()


def the_administrator_configures(box, ports):
    """A secret for root alone, the state of 0.1.0, what the service is allowed."""
    box.path("/etc/edged/config.yaml").write_text(CONFIG.format(**ports))
    box.path("/etc/edged/secrets/http").write_text(TOKEN)
    box.path("/etc/edged/secrets/http").chmod(0o600)
    state = box.path("/var/lib/edged")
    shutil.copytree(STATE / "state", state, dirs_exist_ok=True)
    for name in ("models", "plugins", "gallery"):
        shutil.copytree(STATE / name, state / name)
    card = state / "plugins" / "small" / "card.yaml"
    card.write_text("api: 2\n" + card.read_text())
    told = box.run("edged", "service", "install")
    folder = "/etc/systemd/system/edged.service.d"
    for name, why in {"cameras": "/dev/video7", "gpu": "device: gpu", "secrets": "http"}.items():
        assert re.search(rf"wrote {folder}/{name}\.conf: .*{why}", told)
    assert "edged.service: the unit" not in told, "the package has brought it"
    assert "all is in place" in box.run("edged", "service", "install")


def it_starts_answers_and_ends(box, port):
    with started(box) as (told, process):
        while b"READY=1" not in told.recv(4096):
            pass
        until(lambda: ask(port, "GET", "/api/status")[0] == 200, "the credential is the token")
        picture = base64.b64encode(cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))[1]).decode()
        body = json.dumps({"image": picture})
        until(
            lambda: ask(port, "POST", "/api/predict/image-classification", body)[0] == 200, "an answer", 120
        )
        (daemon,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        began = time.monotonic()
        os.kill(int(daemon), signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
        assert time.monotonic() - began < 30, "TimeoutStopSec"
        assert process.returncode == 0, said
        assert "Traceback" not in said


def contents(box):
    """What belongs to the administrator and to the daemon, byte for byte."""
    folders = ("/etc/edged", "/var/lib/edged", "/etc/systemd/system/edged.service.d")
    files = (path for folder in folders for path in box.path(folder).rglob("*") if path.is_file())
    return {f"/{path.relative_to(box.root)}": path.read_bytes() for path in files}
