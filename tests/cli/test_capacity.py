"""`edged bench --capacity` as a user types it: a short run with a tiny graph, Ctrl-C, what is not there."""

import json
import os
import signal
import subprocess
import time

import pytest
from typer.testing import CliRunner

from edged.cli import app
from edged.cli.options import preferring
from edged.config.settings import Config
from tests.broker import until
from tests.cli.conftest import write_model
from tests.e2e.box import EDGED, ROOT

SERVICE = "image-classification"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A configuration whose only installed model is the tiny graph."""
    made = tmp_path_factory.mktemp("capacity")
    write_model(made / "own" / "tiny", "tiny.onnx")
    (made / "config.yaml").write_text(f"paths: {{plugins: [own]}}\nservices: {{{SERVICE}: {{}}}}\n")
    (made / "tmp").mkdir()
    pulled = CliRunner().invoke(app, ["pull", "tiny", "-c", str(made / "config.yaml")])
    assert pulled.exit_code == 0, pulled.stderr
    return made


def edged(folder, *args):
    return subprocess.run(command(*args), **within(folder), check=False, timeout=300)


def command(*args):
    return [*EDGED, args[0], "-c", "config.yaml", *args[1:]]


def within(folder):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp")}
    return {"cwd": folder, "env": env, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


@pytest.mark.slow
def test_cameras_requests_and_memory_as_json(folder):
    done = edged(folder, "bench", "--capacity", SERVICE, "--most", "2", "--window", "1s", "--p99", "20s",
                 "--rate", "2", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    cameras = told["cameras"]
    rounds = cameras["rounds"]
    fine = [one["cameras"] for one in rounds if not one["why_not"]]
    assert cameras["service"] == SERVICE
    assert cameras["borne"] == max(fine, default=0), "what the box bears beside others is not known here"
    assert (cameras["limit"] == "") == (cameras["borne"] == 2)
    last = rounds[-1]
    assert 0 < last["p50_ms"] <= last["p99_ms"]
    assert min(last["cores"], last["memory_bytes"] / 1e7) > 0
    [rate] = told["services"]
    assert (rate["service"], rate["model"], rate["why_not"]) == (SERVICE, "tiny", "")
    assert rate["requests_a_second"] > 1
    assert rate["memory_bytes"] > 10_000_000
    assert told["machine"]["cores"] >= 1
    assert list((folder / "tmp").iterdir()) == []


@pytest.mark.long  # where others use the box it waits for them, thrice
def test_too_late_is_too_much_and_people_get_tables(folder):
    done = edged(folder, "bench", "--capacity", SERVICE, "--most", "1", "--window", "1s", "--p99", "1ms")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    said = " ".join(done.stderr.split())
    assert "0 cameras at 5 inferences a second, p99 within 1 ms; with more: p99 " in said
    assert f"cameras of 720p30 that run {SERVICE}" in said
    assert "requests a second over HTTP" in said


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind(folder):
    ours = subprocess.Popen(command("bench", "--capacity", SERVICE, "--most", "1"), **within(folder))
    until(lambda: list((folder / "tmp").glob("edged-bench-*/daemon.log")), "a daemon", 60)
    time.sleep(0.5)
    ours.send_signal(signal.SIGINT)
    _, said = ours.communicate(timeout=60)
    assert ours.returncode == 130, said
    assert "Traceback" not in said
    assert list((folder / "tmp").iterdir()) == []
    until(lambda: processes_in(str(folder / "tmp")) == [], "those that die with the daemon have died")


def processes_in(text):
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if text in line]


def refused(folder, *args):
    """Exit status of `edged bench`, and what it says."""
    done = CliRunner().invoke(app, ["bench", *args, "-c", str(folder / "config.yaml")])
    return done.exit_code, " ".join(f"{done.stderr} {done.exception}".replace("│", "").split())


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        ((), 1, "no model of object-detection is installed; run `edged pull picodet-416`"),
        (("ocr",), 1, "no model of ocr is installed; run `edged pull ppocrv6-small`"),
        (("cars",), 1, "no service is called 'cars'"),
        (("--model", "tiny"), 2, "--model and --precision want one SERVICE"),
        (("--p99", "soon"), 2, "'soon' is no duration"),
    ],
)
def test_what_is_not_there_is_said_at_once(folder, args, status, said):
    found, told = refused(folder, "--capacity", *args)
    assert found == status
    assert said in told


def test_bench_wants_a_service(folder):
    status, told = refused(folder)
    assert status == 2
    assert "name a SERVICE, or ask for --capacity" in told


def test_a_model_that_is_asked_for_replaces_the_configured_one():
    settings = Config.model_validate({"services": {"ocr": {"model": "a", "strict": True}}})
    wanted = preferring(settings, "ocr", model="b", precision=None)
    assert (wanted.model, wanted.precision, wanted.strict) == ("b", "auto", True)
