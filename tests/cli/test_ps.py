"""`edged ps` asks the running daemon what it has in memory."""

import json

import pytest
from typer.testing import CliRunner

from edged.cli import app
from edged.contracts.errors import NotReady
from edged.http.status import ServiceStatus
from tests.broker import free_port
from tests.http.conftest import Box

TOKEN = "a-token-that-nobody-guesses"
SERVICES = [
    ServiceStatus(service="object-detection", model="fake", state="running", up_s=7201.0, asked=4, asked_s=1),
    ServiceStatus(
        service="ocr",
        model="words",
        state="running",
        pinned=False,
        memory_bytes=61_000_000,
        memory_opened_bytes=41_000_000,
        memory_most_bytes=81_000_000,
        up_s=130.0,
        asked=2,
        asked_s=30.2,
    ),
    ServiceStatus(service="face-similarity", model="faces", state="idle", pinned=False),
    ServiceStatus(service="text-vectorization", model="text", state="loading", pinned=False),
]


@pytest.fixture
def ask(tmp_path):
    """Runs `edged ps` beside a server with some services, or with other settings of HTTP."""
    box = Box()
    box.services = SERVICES
    here = f"127.0.0.1:{box.start(token=TOKEN).unit.port}"

    def run(*args, listen=here, token=TOKEN):
        config = tmp_path / "config.yaml"
        config.write_text(f"http: {{listen: {listen}, token: {token}}}\n")
        done = CliRunner().invoke(app, ["ps", "-c", str(config), *args])
        if isinstance(done.exception, NotReady):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done

    yield run
    box.stop()


def test_what_is_in_memory_and_what_loads(ask, capsys):
    told = json.loads(ask("--json").stdout)
    assert [facts["service"] for facts in told] == ["object-detection", "ocr", "text-vectorization"]
    assert told[1]["memory_bytes"] == 61_000_000


def test_as_a_table(ask):
    lines = [line.split("  ") for line in ask().stderr.splitlines()]
    rows = {words[0]: [word.strip() for word in words if word.strip()] for words in lines}
    assert rows["ocr"] == [
        "ocr",
        "words",
        "running",
        "no",
        "~41 MB",
        "~61 MB",
        "~81 MB",
        "2 min",
        "2",
        "30 s",
    ]
    assert rows["object-detection"][3:] == ["yes", "-", "-", "-", "2 h", "4", "1 s"]


def test_a_wrong_token(ask):
    with pytest.raises(NotReady, match="answers 401"):
        ask(token="another-token-of-some-length")


def test_nobody_answers(ask):
    with pytest.raises(NotReady, match="is it running"):
        ask(listen=f"127.0.0.1:{free_port()}")


def test_without_http(ask):
    with pytest.raises(NotReady, match="switched off"):
        ask(listen="null")
