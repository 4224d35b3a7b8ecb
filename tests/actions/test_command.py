"""`edged test-action`: what became of one message."""

import base64

import pytest
from typer.testing import CliRunner

from edged.cli import app
from edged.contracts.errors import ConfigError
from tests.actions.receivers import Desk, say

SECRET = "s3cret"


@pytest.fixture
def try_out(tmp_path):
    def run(action, name="desk"):
        path = tmp_path / "config.yaml"
        path.write_text(f"time_zone: Europe/Berlin\nactions: {{desk: {action}}}\n")
        return CliRunner().invoke(app, ["test-action", name, "-c", str(path)])

    return run


def test_one_that_arrives(try_out):
    with Desk() as desk:
        done = try_out(f"{{webhook: '{desk.url}?{SECRET}', share: [picture]}}")
    assert done.exit_code == 0, done.stderr
    assert "desk: arrived after" in done.stderr and "test at stream" in done.stderr
    assert "it shares picture;" in done.stderr
    assert base64.b64decode(desk.took[0].json["picture"]).startswith(b"\xff\xd8")
    assert desk.took[0].json["text"] is None
    assert SECRET not in done.output + done.stderr


def test_one_that_does_not(try_out):
    with Desk(say(401)) as desk:
        done = try_out(f"{{webhook: '{desk.url}?{SECRET}'}}")
    assert done.exit_code == 1
    assert "it did not arrive: it answers 401 Unauthorized (the daemon would give it up)" in done.stderr
    assert SECRET not in done.output + done.stderr


@pytest.mark.slow
def test_apprise_too(try_out):
    with Desk() as desk:
        done = try_out(f"{{notify: 'json://127.0.0.1:{desk.port}/{SECRET}', share: [text, picture]}}")
    assert done.exit_code == 0, done.stderr
    assert "a text that was read" in desk.took[0].json["message"]
    assert desk.took[0].json["attachments"][0]["mimetype"] == "image/jpeg"


def test_a_name_that_there_is_not(try_out):
    done = try_out("{webhook: 'http://127.0.0.1:1/'}", "desc")
    assert isinstance(done.exception, ConfigError)
    assert "did you mean desk" in str(done.exception)
