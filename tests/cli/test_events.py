"""`edged events` asks the running daemon what happened, and goes on with what happens."""

import json
import os
import subprocess
import sys

import pytest
from rich.console import Console
from typer.testing import CliRunner

from edged.cli import app, main, terminal
from edged.contracts.errors import BadRequest, ConfigError, NotReady
from tests.broker import free_port, until
from tests.e2e.box import EDGED
from tests.http.conftest import Box
from tests.http.test_events import Book

TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture
def box(tmp_path, monkeypatch):
    """Something happened at 08:10, a queue from 09:00 to 09:10, something at another door at 10:00."""
    monkeypatch.setattr("edged.flow.clock.state", lambda: "synced")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    made = Box()
    book = Book(tmp_path, lambda: made.unit.wake_followers() if made.unit is not None else None)
    made.events, made.counts, made.book = lambda: book.desk, lambda: book.counts, book
    book.crossed("T08:10")
    book.queued("T09:00", lasted=600.0)
    book.crossed("T10:00", stream="yard")
    made.start(token=TOKEN)
    yield made
    made.stop()
    book.stop()


@pytest.fixture
def ask(tmp_path, box):
    def run(*args, listen=f"127.0.0.1:{box.unit.port}"):
        config = tmp_path / "config.yaml"
        config.write_text(f"http: {{listen: {listen}, token: {TOKEN}}}\n")
        done = CliRunner().invoke(app, ["events", "-c", str(config), *args])
        if isinstance(done.exception, NotReady | BadRequest | ConfigError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done

    return run


def test_as_a_table(ask):
    _, head, *rows = ask().stderr.splitlines()
    assert head.split() == ["at", "stream", "event", "phase", "of", "what", "lasted", "why", "id"]
    assert [row.split()[:8] for row in rows][:1] == [
        ["2026-11-26", "08:10:00", "door", "line", "once", "a", "person", "7"]
    ]
    ended = rows[2].split()
    assert ended[:6] == ["2026-11-26", "09:10:00", "door", "rule", "end", "queue"]
    assert ended[-4:-1] == ["600", "s", "over"]
    assert len(rows) == 4


@pytest.mark.parametrize(
    ("args", "numbers"),
    [
        ((), [1, 2, 3, 4]),
        (("--limit", "2"), [3, 4]),
        (("--stream", "yard"), [4]),
        (("--rule", "queue"), [2, 3]),
        (("--from", "2026-11-26T09:05", "--to", "2026-11-26T10:00"), [3]),
    ],
)
def test_as_json(ask, args, numbers):
    assert [event["number"] for event in json.loads(ask("--json", *args).stdout)] == numbers


def test_what_is_wrong_is_said(ask):
    with pytest.raises(BadRequest, match="`from` is no time"):
        ask("--from", "yesterday")
    with pytest.raises(NotReady, match="is it running"):
        ask(listen=f"127.0.0.1:{free_port()}")


def test_names_that_there_are_not(ask):
    assert json.loads(ask("--json", "--stream", "yard", "--from", "2026-11-26T09:00").stdout), (
        "kept, not configured"
    )
    with pytest.raises(ConfigError, match="no stream is called 'yrad'; there are none"):
        ask("--stream", "yrad")
    with pytest.raises(ConfigError, match="no rule is called 'quee'"):
        ask("--rule", "quee")


@pytest.mark.parametrize("args", [(), ("-f",), ("-f", "--from", "2030-01-01")], ids=" ".join)
def test_it_ends_silently_when_nobody_reads_it(ask, tmp_path, monkeypatch, capsys, args):
    """In the last case there is nothing to be written."""
    monkeypatch.setattr("edged.http.events.HEARTBEAT_S", 0.01)
    ask()  # writes the configuration
    theirs, ours = os.pipe()
    os.close(theirs)
    monkeypatch.setattr(
        sys, "argv", ["edged", "events", "--json", "-c", str(tmp_path / "config.yaml"), *args]
    )
    with os.fdopen(ours, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        monkeypatch.setattr(terminal, "console", Console(stderr=True))
        with pytest.raises(SystemExit) as ended:
            main()
        monkeypatch.undo()
    assert ended.value.code == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("as_json", [True, False])
def test_following(ask, box, tmp_path, as_json):
    ask()  # writes the configuration
    command = [
        *EDGED,
        "events",
        "-c",
        str(tmp_path / "config.yaml"),
        "-f",
        "--limit",
        "1",
        *["--json"] * as_json,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        said = process.stdout if as_json else process.stderr
        until(lambda: box.unit._app.events._followers, "it follows")
        box.book.crossed("T11:00")
        box.book.crossed("T11:01", stream="yard")
        if as_json:
            assert [json.loads(said.readline())["number"] for _ in range(3)] == [4, 5, 6]
        else:
            lines = [said.readline() for _ in range(5)]
            assert lines[3].startswith("2026-11-26 11:00:00  door  line  once  a  person 7 in  ")
            assert lines[4].startswith("2026-11-26 11:01:00  yard")
        box.unit.stop()
        assert process.wait(30) != 0
        assert "the daemon has ended" in process.stderr.read()
