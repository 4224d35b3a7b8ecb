"""Secrets in files of their own: where they may stand, and what is said of a file that holds none."""

from collections.abc import Mapping

import pytest

from edged.artefacts.settings import plain
from edged.config.reading import load
from edged.config.secrets import places, with_secrets
from edged.config.settings import Config
from edged.contracts.errors import ConfigError
from edged.contracts.settings import Secret, Settings


def loaded(folder, text):
    (folder / "config.yaml").write_text(text)
    return load(folder / "config.yaml")


def shown(secret):
    return secret.get_secret_value()


def test_every_secret_may_stand_in_a_file(tmp_path):
    assert set(places(Config)) == {
        ("mqtt", "password"),
        ("mqtt", "tls", "key_password"),
        ("http", "token"),
        *(("actions", "*", key) for key in ("notify", "webhook")),
        ("actions", "*", "headers", "*"),
        *(("artefacts", "options", *("*",) * depth) for depth in (1, 2, 3)),
    }
    (tmp_path / "secret").write_text("hunter@2\n")
    (tmp_path / "token").write_text("0123456789abcdef0123456789abcdef\r\n")
    config = loaded(
        tmp_path,
        f"mqtt: {{username: me, password: 'file:{tmp_path}/secret'}}\nhttp: {{token: 'file:token'}}",
    )
    assert shown(config.mqtt.password) == "hunter@2"
    assert shown(config.http.token) == "0123456789abcdef0123456789abcdef", "starts at config.yaml's folder"
    assert "hunter" not in repr(config)


def test_a_driver_of_artefacts_gets_the_text_of_the_file_at_any_depth(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("hunter2")
    monkeypatch.setenv("KEY", "hunter3")
    options = (
        "{key: '${KEY}', secret: 'file:secret', anon: false, "
        "a: {b: 'file:secret', c: {d: 'file:secret', e: 3}}}"
    )
    config = loaded(tmp_path, f"artefacts: {{url: 's3://films', max_age: 2d, options: {options}}}")
    assert plain(config.artefacts.options) == {
        "key": "hunter3",
        "secret": "hunter2",
        "anon": False,
        "a": {"b": "hunter2", "c": {"d": "hunter2", "e": 3}},
    }
    assert config.artefacts.max_age == 172_800
    assert "hunter" not in repr(config)
    with pytest.raises(ConfigError) as failed:
        loaded(tmp_path, "artefacts: {options: {key: [hunter4], secret: {a: {b: {c: hunter5}}}}}")
    assert "artefacts.options.key" in str(failed.value)
    assert "hunter" not in str(failed.value)


def test_the_environment_may_say_which_file(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("hunter2")
    monkeypatch.setenv("SECRETS", str(tmp_path))
    config = loaded(tmp_path, "mqtt: {username: me, password: 'file:${SECRETS}/secret'}")
    assert shown(config.mqtt.password) == "hunter2"


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file or directory"), (b"\n", "is empty"), (b"\xff", "is not text in UTF-8")],
)
def test_a_file_that_holds_no_secret_is_named_beside_all_other_faults(tmp_path, content, says):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, "mqtt: {username: me, password: 'file:secret', colour: red}")
    config = tmp_path / "config.yaml"
    told = [line.partition("; there are ")[0] for line in str(raised.value).splitlines()]
    assert told == [f"{config}: mqtt.password: {path}: {says}", f"{config}: mqtt.colour: this key is unknown"]


@pytest.mark.parametrize("mqtt", ["x", "[file:x]", "{password: [file:x]}", "{password: {file: x}}", "null"])
def test_what_is_no_secret_is_left_to_be_refused(tmp_path, mqtt):
    with pytest.raises(ConfigError, match=r"mqtt(: wants keys with values|\.password: wants a text)"):
        loaded(tmp_path, f"mqtt: {mqtt}")


class Camera(Settings):
    """One of several."""

    source: str
    key: Secret | None = None


class House(Settings):
    """Holds secrets in a mapping and in a list."""

    cameras: Mapping[str, Camera]
    doors: tuple[Camera, ...]


def test_secrets_are_found_in_mappings_and_lists(tmp_path):
    (tmp_path / "key").write_text("hunter2")
    faults: dict[str, str] = {}
    tree = {
        "cameras": {"a": {"source": "file:key", "key": "file:key"}, "b": {"key": "file:none"}},
        "doors": [{"key": "as it is"}, {"key": "file:key"}],
    }
    found = with_secrets(tree, House, tmp_path, faults)
    assert found["cameras"]["a"] == {"source": "file:key", "key": "hunter2"}
    assert [door["key"] for door in found["doors"]] == ["as it is", "hunter2"]
    assert faults == {"cameras.b.key": f"{tmp_path}/none: No such file or directory"}
