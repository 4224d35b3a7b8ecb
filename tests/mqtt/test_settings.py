"""The broker's settings: URLs, and that no password is ever shown."""

import pytest
from pydantic import SecretStr, ValidationError

from edged.mqtt.settings import BrokerAddress, MqttSettings


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("embedded", BrokerAddress("127.0.0.1", 1883)),
        ("mqtt://broker", BrokerAddress("broker", 1883)),
        ("mqtt://broker:2883/", BrokerAddress("broker", 2883)),
        ("mqtts://broker", BrokerAddress("broker", 8883, tls=True)),
        ("mqtt://[::1]:1884", BrokerAddress("::1", 1884)),
    ],
)
def test_urls(url, address):
    assert MqttSettings(url=url).address == address


@pytest.mark.parametrize(
    "url", ["", "http://x", "mqtt://", "mqtt://x:99999", "broker:1883", "mqtt://x/topic"]
)
def test_urls_that_are_none(url):
    with pytest.raises(ValidationError):
        MqttSettings(url=url)


def test_user_and_password_of_the_url_are_taken_out_of_it():
    settings = MqttSettings(url="mqtt://me:hunter%402@host:1")
    assert settings.username == "me"
    assert settings.password is not None
    assert settings.password.get_secret_value() == "hunter@2"
    assert settings.url == "mqtt://host:1"
    assert "hunter" not in f"{settings!r}{settings}{settings.model_dump_json()}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://me:s3cret@host"},
        {"url": "mqtt://me:s3cret@host", "username": "you"},
        {"url": "mqtt://me:s3cret@host", "unknown": 1},
        {"url": "mqtt://host", "password": "s3cret"},
    ],
)
def test_an_error_shows_no_password(wrong):
    with pytest.raises(ValidationError) as raised:
        MqttSettings(**wrong)
    assert "s3cret" not in str(raised.value)


def test_the_same_settings_are_equal_and_a_changed_password_is_seen():
    one, same = (
        MqttSettings(url="mqtt://a:b@h"),
        MqttSettings(url="mqtt://h", username="a", password=SecretStr("b")),
    )
    assert one == same
    assert one != MqttSettings(url="mqtt://a:c@h")


@pytest.mark.parametrize(
    ("listen", "connects_to"),
    [
        ("0.0.0.0", BrokerAddress("127.0.0.1", 1883)),
        ("192.0.2.7", BrokerAddress("192.0.2.7", 1883)),
        ("::", BrokerAddress("::1", 1883)),
    ],
)
def test_the_embedded_broker_is_open_to_the_network_only_with_a_password(listen, connects_to):
    with pytest.raises(ValidationError, match="opens the broker to the network: give `username` and"):
        MqttSettings(embedded_listen=listen)
    with pytest.raises(ValidationError, match="opens the broker"):
        MqttSettings(embedded_listen=listen, username="me")
    with pytest.raises(ValidationError, match="`password` is empty"):
        MqttSettings(embedded_listen=listen, username="me", password="")
    settings = MqttSettings(embedded_listen=listen, username="me", password="right")
    assert settings.address == connects_to


@pytest.mark.parametrize("user", ["a:b", "#a", "a\nb:c", " a", ""])
def test_users_that_cannot_stand_in_a_file_of_passwords(user):
    with pytest.raises(ValidationError, match="`username`"):
        MqttSettings(username=user, password="right")


def test_the_embedded_broker_listens_at_an_address_not_a_name():
    with pytest.raises(ValidationError, match=r"want .* 0\.0\.0\.0 for all"):
        MqttSettings(embedded_listen="shop.example", username="me", password="right")
