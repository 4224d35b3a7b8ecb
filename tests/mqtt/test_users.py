"""User, password and access rights at a real mosquitto: what is refused, in which words, and until when."""

import base64
import hashlib
import signal
import subprocess
from pathlib import Path

import orjson
import pytest

from edged.flow.counters import Counters
from tests.broker import until

NODE, SERVICE = "shop-1", "object-detection"
WRONG = "refuses us: the user or the password is wrong"


def set_password(path, user, password):
    subprocess.run(["mosquitto_passwd", "-c", "-b", path, user, password], check=True)
    path.chmod(0o600)


@pytest.fixture
def locked(tmp_path, mosquitto):
    """A broker that knows `me` with the password `right`, and more lines."""
    path = tmp_path / "passwords"

    def make(*lines):
        set_password(path, "me", "right")
        return mosquitto(f"password_file {path}", *lines, anonymous=False)

    make.passwords = path
    return make


def url(broker, user):
    return f"mqtt://{user}127.0.0.1:{broker.port}"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_wrong_password_is_refused_until_the_broker_knows_it(locked, unit, version, caplog):
    broker = locked()
    link = unit(wait=False, version=version, url=url(broker, "me:n0t-it@"))
    until(lambda: WRONG in link.state())
    assert link._carrier is None
    set_password(locked.passwords, "me", "n0t-it")
    broker._process.send_signal(signal.SIGHUP)
    until(lambda: link.state() == "running", "the password is right now")
    assert "n0t-it" not in caplog.text


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_broker_that_wants_a_user_says_so(locked, unit, version):
    link = unit(wait=False, version=version, url=url(locked(), ""))
    until(lambda: "it wants a user and a password (mqtt.username, mqtt.password)" in link.state())


def test_a_topic_that_this_user_may_not_publish_is_named_and_counted(tmp_path, locked, unit, caplog):
    rights = tmp_path / "rights"
    rights.write_text(f"user me\ntopic readwrite edged/{NODE}/availability\n")
    counters = Counters()
    link = unit(url=url(locked(f"acl_file {rights}"), "me:right@"), counters=counters)
    assert link._sender.drained(30)
    assert f"the broker refuses a message on edged/{NODE}/info: Not authorized" in caplog.text
    assert counters.counts()["mqtt_dropped"] == {"refused by the broker: Not authorized": 1}


def test_topics_that_this_user_may_not_subscribe_to_stand_in_the_state(tmp_path, locked, unit):
    """mosquitto's `acl_file` grants every subscription, and then sends nothing; its plug-in refuses."""
    plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"), None)
    if plugin is None:
        pytest.skip("mosquitto's plug-in dynamic-security is not installed")
    rights = tmp_path / "rights.json"
    rights.write_bytes(orjson.dumps(dynamic_security("me", "right", subscribe=False)))
    broker = locked(f"plugin {plugin}", f"plugin_opt_config_file {rights}")
    link = unit(wait=False, url=url(broker, "me:right@"))
    says = f"refuses to subscribe us to edged/{NODE}/request/+ (Not authorized)"
    until(lambda: says in link.state(), says)


def dynamic_security(user, password, subscribe):
    salt = b"123456789012"
    hashed = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    encoded = {"password": base64.b64encode(hashed).decode(), "salt": base64.b64encode(salt).decode()}
    access = dict.fromkeys(("publishClientSend", "publishClientReceive", "unsubscribe"), True)
    return {
        "defaultACLAccess": {**access, "subscribe": subscribe},
        "clients": [{"username": user, **encoded, "iterations": 101}],
    }
