"""A broker that a whole module shares."""

import pytest

from tests.broker import Mosquitto


@pytest.fixture(scope="module")
def module_mosquitto(tmp_path_factory):
    """Running."""
    made = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    made.start()
    yield made
    made.stop()
