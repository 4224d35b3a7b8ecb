"""Tables as people see them: names stay whole, however narrow the terminal, and in a pipe."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest
from rich.console import Console

from edged.cli import terminal
from edged.cli.commands import COMMANDS, command
from tests.e2e.box import EDGED, ROOT

COLUMNS = ("model", "service", "why not")
ROWS = [
    ("instance-segmentation-security-1040", "instance-segmentation", "[a] reason that has many words " * 3),
    ("水 cola 0,5", "speech-recognition-zh-live", ""),
]


def printed(monkeypatch, width, is_terminal=True):
    seen = io.StringIO()
    console = Console(file=seen, width=width, force_terminal=is_terminal, highlight=False)
    monkeypatch.setattr(terminal, "console", console)
    terminal.table("things", COLUMNS, ROWS)
    return re.sub(r"\x1b\[\d*m", "", seen.getvalue()).splitlines()


@pytest.mark.parametrize("width", [40, 60, 70, 80, 81, 82, 90, 100, 150, 400])
def test_names_are_whole_in_every_width(monkeypatch, width):
    lines = printed(monkeypatch, width)
    for name, service, why in ROWS:
        for whole in (name, service, *why.split()):
            assert any(whole in line for line in lines), whole
        assert sum(name in line for line in lines) == 1
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)


def test_other_columns_fold(monkeypatch):
    wide, folded, records = (printed(monkeypatch, width) for width in (400, 90, 40))
    assert len(wide) == 4
    assert len(folded) > 4
    assert folded[2].startswith(f"{ROWS[0][0]}  {ROWS[0][1]}  ")
    assert records[1] == ROWS[0][0]
    assert records[2].startswith("  service: instance-segmentation;")


def test_a_pipe_gets_one_line_a_row(monkeypatch):
    title, head, first, second = printed(monkeypatch, 40, is_terminal=False)
    assert title == "things"
    assert head.split() == ["model", "service", "why", "not"]
    assert first == f"{ROWS[0][0]}  {ROWS[0][1]}       {ROWS[0][2].strip()}"
    assert second.split("  ")[0] == "水 cola 0,5"


def drawn(monkeypatch, is_terminal):
    """What a terminal of 4 lines gets that shows 9 rows."""
    seen = io.StringIO()
    console = Console(file=seen, width=30, height=4, force_terminal=is_terminal, highlight=False)
    monkeypatch.setattr(terminal, "console", console)
    with terminal.in_place():
        terminal.table("nodes", ("node", "is"), [(f"box-{number}", "fine [a]") for number in range(9)])
    return re.sub(r"\x1b\[\d*m", "", seen.getvalue())


def test_what_is_drawn_in_place_has_the_top_of_it_and_clears_nothing_before(monkeypatch):
    shown = drawn(monkeypatch, is_terminal=True)
    assert shown.startswith("\x1b[H") and shown.endswith("\x1b[J") and shown.count("\x1b") == 2
    lines = shown.removeprefix("\x1b[H").removesuffix("\x1b[J").splitlines()
    assert [line.split() for line in lines] == [["nodes"], ["node", "is"], ["box-0", "fine", "[a]"]]
    assert {len(line) for line in lines} == {30}, "nothing of what was there stays beside it"


def test_a_pipe_gets_all_of_it(monkeypatch):
    lines = drawn(monkeypatch, is_terminal=False).splitlines()
    assert (len(lines), lines[-1]) == (11, "box-8  fine [a]")


def models_in_a_terminal(width, config):
    """What `edged models` shows in a real terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    done = subprocess.Popen(
        [*EDGED, "models", "-c", str(config)],
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**env, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    try:
        while read := os.read(ours, 65536):
            shown += read
    except OSError:  # how Linux says that nobody is there any more
        pass
    os.close(ours)
    assert done.wait(60) == 0
    return re.sub(r"\x1b\[\d*m", "", shown.decode()).splitlines()


def test_every_model_in_forty_columns_and_in_a_pipe(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("paths: {models: none}\n")
    piped = subprocess.run(
        [*EDGED, "models", "-c", str(config)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "40"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split() for line in piped.stderr.splitlines()[2:]]
    assert len(rows) > 40
    narrow = models_in_a_terminal(40, config)
    assert max(map(len, narrow)) <= 40
    words = {word.strip(";,") for line in narrow for word in line.split()}
    for model, service, *_ in rows:
        assert model in narrow
        assert service in words


def test_whatever_takes_a_configuration_takes_c_for_it():
    given = {
        name: option.opts for name in COMMANDS for option in command(name).params if option.name == "config"
    }
    looking = {"check", "models", "classes", "services", "service", "gallery", "events", "fleet"}
    doing = {
        "run",
        "ps",
        "infer",
        "replay",
        "bulk",
        "pull",
        "mirror",
        "quantize",
        "tune",
        "enroll",
        "bench",
        "chaos",
        "new-plugin",
        "test-plugin",
        "test-action",
    }
    assert set(given) == {*looking, *doing}
    assert {tuple(opts) for opts in given.values()} == {("--config", "-c")}


def test_a_sentence_may_hold_brackets():
    code = "from edged.cli.terminal import say; say('[a]: [/b] {c}', 'red')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == "[a]: [/b] {c}\n"
