"""By which names clients may call a model: as it is configured now, looked up anew every other second."""

from pathlib import Path

import pytest

from edged.config.settings import Config
from edged.discovery import discover
from edged.repository.catalogue import Catalogue
from edged.serving.names import names_of
from edged.serving.unit import ServiceSettings
from edged.wiring import clients
from edged.wiring.clients import client_names

PLUGINS = Path(__file__).parent.parent.parent / "plugins"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """Nothing of it is installed."""
    models = discover([PLUGINS], entry_points=False).models
    return Catalogue(tmp_path_factory.mktemp("models"), models)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (None, ()),
        ({"model": "whisper-transcription"}, ("whisper-transcription", "whisper-base")),
        ({"model": "whisper-small"}, ("whisper-transcription", "whisper-small")),
        (
            {"model": "whisper-transcription", "uses": {"speech": "whisper-tiny"}},
            ("whisper-transcription", "whisper-tiny"),
        ),
        ({"model": "whisper-9"}, ()),
        ({"model": "silero-vad"}, ("whisper-transcription", "whisper-base")),
    ],
)
def test_the_model_and_what_it_builds_on(catalogue, wanted, names):
    services = {} if wanted is None else {"transcription": ServiceSettings(**wanted)}
    assert names_of("transcription", services, catalogue) == names


def test_it_is_looked_up_when_the_configuration_is_another_one(catalogue, monkeypatch):
    looked, now = [], Config()

    def look(*asked):
        looked.append(asked)
        return (str(len(looked)),)

    monkeypatch.setattr(clients, "names_of", look)
    names = client_names(lambda: now, catalogue)
    assert [names("transcription"), names("transcription")] == [("1",), ("1",)]
    assert names("text-embedding") == ("2",)
    now = Config(services={"transcription": ServiceSettings()})
    assert names("transcription") == ("3",)
    monkeypatch.setattr(clients, "FRESH_S", -1.0)
    assert names("transcription") == ("4",)
    assert [asked[0] for asked in looked] == [
        "transcription",
        "text-embedding",
        "transcription",
        "transcription",
    ]
