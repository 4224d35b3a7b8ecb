"""A Home Assistant, and a broker that it listens to."""

import sys

import pytest

from tests.homeassistant.real import HomeAssistant, python_with_home_assistant


@pytest.fixture(scope="module")
def python(request):
    return python_with_home_assistant(request.config.cache.mkdir("homeassistant"))


@pytest.fixture
def broker(mosquitto):
    return mosquitto()


@pytest.fixture
def home(python, broker, tmp_path):
    made = HomeAssistant(python, tmp_path / "home", broker.port)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        sys.stdout.write((tmp_path / "home" / "said.log").read_text()[-6000:])
