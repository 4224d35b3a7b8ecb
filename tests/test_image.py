"""packaging/Dockerfile is built by podman and run as packaging/compose.yaml says, without a network.

The base is a Debian made here, with its own Python 3.11, so that no registry of images is asked.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.broker import until
from tests.e2e.box import EDGED
from tests.test_containers import SERVICE, TOKEN
from tests.test_deb import RELEASE, has

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "page.png"
MOST_BYTES = 1_300_000_000
"""Of the whole image; it had 1.14 GB."""
LEFT = (
    "*/edged-*.whl",
    "*.deb",
    "*/token",
    "*/.cache/*",
    "/tmp/*",
    "/build/*",
    "/dist/*",
    "/var/lib/apt/lists/*",
)
"""What builders leave behind; `token` stands for what lies beside that which the image is made of."""
ASK = """
import json, sys, urllib.error, urllib.request
path, token, body = json.load(sys.stdin)
request = urllib.request.Request("http://127.0.0.1:8080" + path, body and body.encode())
request.add_header("Authorization", "Bearer " + token)
try:
    answer = urllib.request.urlopen(request, timeout=60)
except urllib.error.HTTPError as error:
    answer = error
except OSError:
    sys.exit("nobody listens")
print(json.dumps([answer.status, answer.read().decode()]))
"""
STATES = "cat /proc/[0-9]*/stat | cut -d ' ' -f 3"
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(os.geteuid() != 0, reason="images are built by root here"),
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason=f"the Python of {RELEASE} is 3.11"),
]


class Podman:
    """With a store of its own."""

    def __init__(self, folder):
        self._config = folder / "containers.conf"
        self._config.write_text('[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n')
        stores = {"--root": folder / "store", "--runroot": folder / "run", "--tmpdir": folder / "tmp"}
        ways = {"--runtime": "runc", "--cgroup-manager": "cgroupfs", "--events-backend": "file"}
        self._podman = ["podman", *(f"{name}={value}" for name, value in {**stores, **ways}.items())]

    def start(self, *arguments, **kwargs):
        """Run it; the result, whatever it is."""
        return subprocess.run(
            [*self._podman, *map(str, arguments)],
            env={**os.environ, "CONTAINERS_CONF": str(self._config)},
            capture_output=True,
            text=True,
            check=False,
            **kwargs,
        )

    def __call__(self, *arguments, **kwargs):
        """What it printed. Fails as it fails."""
        done = self.start(*arguments, **kwargs)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout


def run(*command):
    done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    if not has("podman", "runc", "debootstrap"):
        pytest.skip("podman, runc or debootstrap is not installed")
    made = Podman(tmp_path_factory.mktemp("podman"))
    yield made
    for what in (("rm",), ("rmi",), ("volume", "rm")):
        made(*what, "--all", "--force")


@pytest.fixture(scope="module")
def image(podman, tmp_path_factory):
    """Its name. All that pip needs is fetched before, by the pip of this machine."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "packaging").mkdir()
    for name in ("Dockerfile", "Dockerfile.dockerignore", "run.lock"):
        shutil.copy(ROOT / "packaging" / name, folder / "packaging")
    (folder / "packaging" / "token").write_text(TOKEN)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist")
    pip = [sys.executable, "-m", "pip", "download", "-q", "--require-hashes", "--only-binary=:all:"]
    run(*pip, "-r", folder / "packaging" / "run.lock", "-d", folder / "wheels")
    (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    base, packages = folder / "base.tar", "python3,python3-venv,ca-certificates"
    run("debootstrap", "--variant=minbase", f"--include={packages}", RELEASE, folder / "base")
    (folder / "base" / "usr" / "bin" / "python").symlink_to("python3")
    (folder / "base" / "etc" / "resolv.conf").unlink(missing_ok=True)
    run("tar", "-C", folder / "base", "--exclude=./dev/*", "--exclude=./var/cache/apt/*/*", "-cf", base, ".")
    podman("import", base, "localhost/base")
    mounts = (f"--volume={folder}/{name}:ro" for name in ("pip.conf:/etc/pip.conf", "wheels:/wheels"))
    ignored = folder / "packaging" / "Dockerfile.dockerignore"
    build = ("--isolation=chroot", "--layers", "--build-arg=BASE=localhost/base", f"--ignorefile={ignored}")
    podman(
        "build", *build, *mounts, "-f", folder / "packaging" / "Dockerfile", "-t", "localhost/edged", folder
    )
    return "localhost/edged"


def as_composed(secrets):
    """Arguments of `podman run` for what compose.yaml says, without a network."""
    ours = {"./container.yaml": ROOT / "packaging" / "container.yaml", "./secrets": secrets}
    volumes = [place.split(":", 1) for place in SERVICE["volumes"]]
    return [
        "--network=none",
        "--read-only",
        *(f"--cap-drop={name}" for name in SERVICE["cap_drop"]),
        *(f"--security-opt={name}" for name in SERVICE["security_opt"]),
        *(f"--{name}={SERVICE[name]}" for name in ("user", "hostname", "cpus")),
        *(f"--pids-limit={SERVICE['pids_limit']}", f"--memory={SERVICE['mem_limit']}"),
        *(f"--volume={ours.get(outside, outside)}:{inside}" for outside, inside in volumes),
    ]


def ask(podman, path, body=None):
    """Status and text, asked from within: the container has no network."""
    given = json.dumps([path, TOKEN, body])
    told = podman.start("exec", "-i", "edged", "python", "-c", ASK, input=given)
    return tuple(json.loads(told.stdout)) if told.returncode == 0 else (0, told.stderr)


def test_what_the_image_holds(podman, image):
    (told,) = json.loads(podman("image", "inspect", image))
    assert told["Size"] < MOST_BYTES
    assert told["Config"]["User"] == SERVICE["user"]
    sizes = [layer["size"] for layer in json.loads(podman("history", "--format=json", image))]
    (own, packages) = [size for size in sizes if size][:2]
    assert own < 20_000_000 < packages, "a new edged does not bring the packages again"
    left = " -o ".join(f"-path '{pattern}'" for pattern in LEFT)
    look = f"ls /opt/edged/lib/python3.11/site-packages; find / -xdev -type f \\( {left} \\)"
    there = podman("run", "--rm", "--user=0", "--network=none", "--entrypoint=sh", image, "-c", look).split()
    assert {"edged", "openvino", "onnxruntime", "nncf"} <= set(there)
    assert not {"ray", "grpc", "torch", "pyarrow", "pytest", "setuptools"} & set(there)
    assert [name for name in there if name.startswith("/")] == [], "no caches, no secrets"


def test_it_runs_as_compose_says(podman, image, tmp_path):
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o711)
    (secrets / "token").write_text(TOKEN)
    os.chown(secrets / "token", 10001, -1)
    (secrets / "token").chmod(0o400)
    models = os.environ.get("EDGED_TEST_MODELS", ROOT / "models")
    own = tmp_path / "own.yaml"
    own.write_text(f"paths: {{models: {models}}}\n")
    stick = tmp_path / "stick"
    run(*EDGED, "mirror", "picodet-416", stick, "-c", own)
    how = as_composed(secrets)
    pull = ("pull", "--default", "--from=/stick", "--config=/etc/edged/config.yaml")
    podman("run", "--rm", *how, f"--volume={stick}:/stick:ro", image, *pull)
    podman("run", "--name=edged", "--detach", *how, image)
    until(lambda: ask(podman, "/v2/health/ready")[0] == 200, "it is ready", 120)
    test = SERVICE["healthcheck"]["test"]
    assert podman.start("exec", "edged", "sh", "-c", test).returncode == 0

    body = json.dumps({"image": base64.b64encode(PICTURE.read_bytes()).decode()})
    code, answer = ask(podman, "/api/predict/object-detection", body)
    assert (code, json.loads(answer)["success"]) == (200, True)
    assert "Z" not in podman("exec", "edged", "sh", "-c", STATES).split(), "whoever ended was waited for"

    began = time.monotonic()
    podman("stop", "--time", SERVICE["stop_grace_period"].removesuffix("s"), "edged")
    took = time.monotonic() - began
    assert podman("inspect", "--format={{.State.ExitCode}}", "edged").strip() == "0"
    assert took < 30
    logged = podman.start("logs", "edged")
    assert "Traceback" not in logged.stdout + logged.stderr
