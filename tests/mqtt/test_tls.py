"""TLS to a real mosquitto: what is trusted, what is refused and in which words, and how it is tried again."""

import logging
import re
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import orjson
import paho.mqtt.subscribe
import pytest

from edged.config.reading import load
from edged.contracts.errors import ConfigError
from tests.broker import until
from tests.tls import Authority

NODE = "shop-1"
PAGE = Path(__file__).parent.parent.parent / "docs" / "mqtt-security.md"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "certificates")


@pytest.fixture
def secure(mosquitto, authority):
    """Starts a broker with TLS; `wants` is the CA of the clients' certificates."""

    def make(*lines, pair=None, wants=None, anonymous=True):
        shown = pair or authority.pair("localhost", "127.0.0.1")
        demand = (f"cafile {wants}", "require_certificate true") if wants else ()
        tls = (f"certfile {shown.certificate}", f"keyfile {shown.key}", *demand)
        return mosquitto(*tls, *lines, anonymous=anonymous)

    return make


def url(broker, user="", scheme="mqtts"):
    return f"{scheme}://{user}localhost:{broker.port}"


def accounts(tmp_path, user, password):
    """mosquitto's lines for this user alone."""
    path = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", path, user, password], check=True)
    path.chmod(0o600)
    return f"password_file {path}"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_ca_client_certificate_user_and_password_together(tmp_path, authority, secure, unit, version):
    broker = secure(accounts(tmp_path, "me", "right"), wants=authority.ca, anonymous=False)
    mine = authority.pair("edged-client", key_password="opens")
    tls = {
        "ca": authority.ca, "certificate": mine.certificate, "key": mine.key, "key_password": "opens",
    }  # fmt: skip
    link = unit(url=url(broker, "me:right@"), version=version, tls=tls)
    assert link._sender.drained(30)
    customer = authority.pair("customer")
    info = paho.mqtt.subscribe.simple(
        f"edged/{NODE}/info",
        hostname="localhost",
        port=broker.port,
        auth={"username": "me", "password": "right"},
        tls={
            "ca_certs": str(authority.ca),
            "certfile": str(customer.certificate),
            "keyfile": str(customer.key),
        },
    )
    assert orjson.loads(info.payload)["mqtt"] == version


def test_certificate_and_key_may_stand_in_one_file(authority, secure, unit):
    broker = secure(wants=authority.ca)
    mine = authority.pair("edged-client")
    mine.certificate.write_bytes(mine.certificate.read_bytes() + mine.key.read_bytes())
    unit(url=url(broker), tls={"ca": authority.ca, "certificate": mine.certificate})


def refused(unit, says, **settings):
    """A unit that is not let in, says why, stays alive, and never sends anything."""
    link = unit(wait=False, **settings)
    until(lambda: says in link.state(), says)
    assert link._carrier is None
    before = link.beat()
    until(lambda: link.beat() > before, "it lives")
    return link


def test_a_certificate_of_another_ca_is_refused(tmp_path, authority, secure, unit, caplog):
    stranger = Authority(tmp_path / "stranger")
    broker = secure()
    says = "of a CA that is not trusted; give its CA as mqtt.tls.ca"
    refused(unit, says, url=url(broker), tls={"ca": stranger.ca})
    refused(unit, says, url=url(broker), state="without-ca")
    assert "not trusted" in caplog.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_for_another_name_is_refused(authority, secure, unit, host):
    broker = secure(pair=authority.pair("broker.example", "192.0.2.7"))
    says = f"its certificate is for another name than '{host}'"
    refused(unit, says, url=f"mqtts://{host}:{broker.port}", tls={"ca": authority.ca})


def test_an_expired_certificate_is_refused_until_it_is_renewed(authority, secure, unit):
    shown = authority.pair("localhost", expired=True)
    broker = secure(pair=shown)
    link = refused(unit, "certificate has expired", url=url(broker), tls={"ca": authority.ca})
    renewed = authority.pair("localhost")
    broker.stop()
    shown.certificate.write_bytes(renewed.certificate.read_bytes())
    shown.key.write_bytes(renewed.key.read_bytes())
    broker.start()
    until(lambda: link.state() == "running", "the renewed certificate is accepted")


@pytest.mark.parametrize("tls_version", ["tlsv1.2", "tlsv1.3"])
def test_a_broker_that_wants_a_certificate_of_ours_says_so(authority, secure, unit, tls_version):
    broker = secure(f"tls_version {tls_version}", wants=authority.ca)
    refused(unit, "a certificate of ours", url=url(broker), tls={"ca": authority.ca})


def test_our_certificate_of_a_ca_that_the_broker_does_not_know(tmp_path, authority, secure, unit):
    mine = Authority(tmp_path / "stranger").pair("edged-client")
    tls = {"ca": authority.ca, "certificate": mine.certificate, "key": mine.key}
    refused(unit, "mqtt.tls.certificate", url=url(secure(wants=authority.ca)), tls=tls)


def test_our_own_certificate_has_expired(authority, secure, unit):
    mine = authority.pair("edged-client", expired=True)
    tls = {"ca": authority.ca, "certificate": mine.certificate, "key": mine.key}
    refused(unit, "(mqtt.tls.certificate) has expired", url=url(secure(wants=authority.ca)), tls=tls)


def test_tls_is_never_left_out(broker, authority, unit):
    says = "no TLS with the broker"
    link = refused(unit, says, url=url(broker), tls={"ca": authority.ca})
    assert "TLS at this port" in link.state()


def test_a_broker_that_wants_tls_is_guessed(secure, unit):
    refused(unit, "does it want TLS (mqtts://)?", url=url(secure(), scheme="mqtt"))


def test_less_than_tls_1_2_is_refused(authority, unit):
    pair = authority.pair("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = unit(wait=False, url=f"mqtts://localhost:{server.getsockname()[1]}", tls={"ca": authority.ca})
        near, _ = server.accept()
        with near, pytest.raises(ssl.SSLError):
            context.wrap_socket(near, server_side=True)
        until(lambda: "no TLS with the broker" in link.state())
        assert "no TLS 1.2 or newer" in link.state()


def test_files_are_read_at_each_connection(authority, secure, unit, caplog):
    caplog.set_level(logging.DEBUG)
    broker = secure()
    link = unit(url=url(broker), tls={"ca": authority.ca})
    kept = authority.ca.read_bytes()
    authority.ca.unlink()
    broker.stop()
    broker.start()
    until(lambda: f"mqtt.tls: `ca`: {authority.ca}: No such file" in link.state())
    authority.ca.write_bytes(kept)
    until(lambda: link.state() == "running")


def test_the_commands_of_the_page_make_certificates_that_work(tmp_path, mosquitto, unit):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    (commands,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    commands = commands.replace("broker.shop", "localhost")
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True, capture_output=True)
    broker = mosquitto(
        f"certfile {tmp_path}/broker.pem",
        f"keyfile {tmp_path}/broker.key",
        f"cafile {tmp_path}/ca.pem",
        "require_certificate true",
    )
    mine = {"certificate": tmp_path / "broker.pem", "key": tmp_path / "broker.key"}
    unit(url=url(broker), tls={"ca": tmp_path / "ca.pem", **mine})


def faults(tmp_path, tls, url="mqtts://broker"):
    """What `edged check` says."""
    path = tmp_path / "config.yaml"
    path.write_text(orjson.dumps({"mqtt": {"url": url, "tls": tls}}, default=str).decode())
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value)


def test_files_that_cannot_be_used_are_faults_of_the_configuration(tmp_path, authority):
    one, other = authority.pair("one"), authority.pair("other")
    locked = authority.pair("locked", key_password="s3cret")
    junk = tmp_path / "junk.pem"
    junk.write_text("hello")
    for tls, says in (
        ({"ca": "/nowhere/ca.pem"}, "mqtt.tls: `ca`: /nowhere/ca.pem: No such file or directory"),
        ({"ca": tmp_path}, "Is a directory"),
        ({"ca": junk}, f"`ca`: {junk}: is no file of certificates in PEM"),
        ({"ca": one.key}, "is no file of certificates in PEM"),
        ({"certificate": junk, "key": one.key}, f"`certificate`: {junk}: is no file of certificates"),
        ({"certificate": one.certificate, "key": "/nowhere/key"}, "`key`: /nowhere/key: No such file"),
        ({"certificate": one.certificate, "key": junk}, f"`key`: {junk}: holds no private key in PEM"),
        ({"certificate": one.certificate}, f"{one.certificate}: holds no private key in PEM"),
        ({"certificate": one.certificate, "key": other.key}, "does not belong to the certificate"),
        ({"certificate": locked.certificate, "key": locked.key}, "`key_password`: is needed for"),
        (
            {"certificate": locked.certificate, "key": locked.key, "key_password": "wr0ng"},
            "`key_password`: does not open",
        ),
        ({"key": one.key}, "of use only with `certificate`"),
    ):
        said = faults(tmp_path, tls)
        assert says in said
        assert "wr0ng" not in said
    both = faults(tmp_path, {"ca": "/nowhere/a", "certificate": "/nowhere/b", "key": "/nowhere/c"})
    assert [f"/nowhere/{name}: " in both for name in "abc"] == [True] * 3


@pytest.mark.parametrize("plain", ["mqtt://broker", "embedded"])
def test_tls_for_a_plain_url_is_a_fault(tmp_path, authority, plain):
    assert "want mqtts://host" in faults(tmp_path, {"ca": authority.ca}, plain)


def test_relative_paths_start_at_the_folder_of_the_configuration(tmp_path, authority):
    path = tmp_path / "config.yaml"
    path.write_text("mqtt: {url: mqtts://broker, tls: {ca: certificates/ca.pem}}")
    assert load(path).mqtt.tls.ca == authority.ca
