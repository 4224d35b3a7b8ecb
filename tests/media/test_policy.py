"""What of a URL can be judged by reading it, and which addresses are public."""

import pytest
from pydantic import ValidationError

from edged.contracts.errors import BadRequest, NotAllowed
from edged.media.policy import FetchSettings, check_address, destination

ANYWHERE = FetchSettings()


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("http://shop.example", "shop.example", 80, "/", "shop.example"),
        ("HTTPS://Shop.Example./a%20b?q=1#part", "shop.example", 443, "/a%20b?q=1", "shop.example"),
        ("https://shop.example:8443/ü?ö", "shop.example", 8443, "/%C3%BC?%C3%B6", "shop.example:8443"),
        ("http://[2606:4700::1111]:8080/x", "2606:4700::1111", 8080, "/x", "[2606:4700::1111]:8080"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example", 80, "/", "xn--bcher-kva.example"),
    ],
)
def test_a_url_is_read(url, host, port, path, authority):
    found = destination(url, ANYWHERE)
    assert (found.host, found.port, found.path, found.authority) == (host, port, path, authority)


def test_login_and_query_are_kept_but_never_shown():
    found = destination("http://user:p%40ss@shop.example/x?token=s3cret", ANYWHERE)
    assert (found.login, found.path) == ("user:p@ss", "/x?token=s3cret")
    assert "p@ss" not in repr(found)
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///x",
        "http:shop.example",
        "http://shop.example:x/",
        "http://shop.example:99999/",
        "http://shop.example/a b",
        "http://shop.example/\r\nHost: other",
        "http://shop.example/\x00",
        "http://shop.example\\@127.0.0.1/",
        "http://shop.example\t/",
        "http://①②⑦.⓪.⓪.①/",  # NFKC would make it 127.0.0.1
        "http://127。0。0。1/",
        "http://büch.example/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://::1/",
        "http://shop.example/" + "a" * 5000,
    ],
)
def test_what_is_not_well_written_is_refused(url):
    with pytest.raises(BadRequest) as refused:
        destination(url, ANYWHERE)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("url", "setting"),
    [
        ("ftp://shop.example/", "`ftp` is not among `requests.fetch.schemes`"),
        ("gopher://shop.example/", "requests.fetch.schemes"),
        ("file:///etc/passwd", "requests.fetch.schemes"),  # as a redirect may say
        ("http://shop.example:22/", "port 22 is not among `requests.fetch.ports`"),
        ("http://shop.example:0/", "requests.fetch.ports"),
    ],
)
def test_scheme_and_port_are_allowed_by_name(url, setting):
    with pytest.raises(NotAllowed, match=setting):
        destination(url, ANYWHERE)


def test_a_redirect_does_not_lead_to_a_store():
    with pytest.raises(NotAllowed, match="only http and https"):
        destination("s3://bucket/x", FetchSettings(schemes=("http", "s3")))


@pytest.mark.parametrize("address", ["8.8.8.8", "100.128.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111"])
def test_public_addresses(address):
    check_address("shop.example", address, ANYWHERE)


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("0.0.0.0", "this very machine"),
        ("10.1.2.3", "private"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("127.255.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("172.31.255.255", "private"),
        ("192.0.0.192", "reserved"),
        ("192.168.0.1", "private"),
        ("198.18.0.1", "benchmarks"),
        ("203.0.113.7", "documentation"),
        ("224.0.0.1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "this very machine"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "within IPv6"),
        ("::ffff:8.8.8.8", "within IPv6"),
        ("::127.0.0.1", "reserved"),
        ("64:ff9b::a9fe:a9fe", "NAT64"),
        ("64:ff9b:1::7f00:1", "NAT64"),
        ("2002:7f00:1::", "6to4"),
        ("2001:0:7f00:1::", "Teredo"),
        ("2001:db8::1", "documentation"),
        ("fd00:ec2::254", "private"),
        ("fe80::1", "link-local"),
        ("fec0::1", "private"),
        ("ff02::1", "multicast"),
        ("4000::1", "reserved"),
    ],
)
def test_all_other_addresses_are_refused_with_rule_and_setting(address, rule):
    with pytest.raises(NotAllowed) as refused:
        check_address("nas", address, ANYWHERE)
    said = str(refused.value)
    assert rule in said
    assert "`requests.fetch.allow_hosts`" in said
    assert "`requests.fetch.allow_networks`" in said
    assert address not in said.replace("nas", ""), "strangers do not learn addresses"


def test_what_the_configuration_allows():
    lan = FetchSettings.model_validate({"allow_networks": ["192.168.1.0/24"], "allow_hosts": ["NAS"]})
    check_address("x", "192.168.1.77", lan)
    check_address("nas", "10.0.0.1", lan)
    for host, address in (("x", "192.168.2.1"), ("nas.example", "10.0.0.1"), ("x", "::ffff:192.168.1.77")):
        with pytest.raises(NotAllowed):
            check_address(host, address, lan)


@pytest.mark.parametrize(
    "wrong",
    [
        {"schemes": ("file",)},
        {"folders": ("pictures",)},
        {"folders": ("/srv/../etc",)},
        {"allow_networks": ("192.168.1.5/24",)},
        {"ports": (0,)},
        {"timeout_s": 0},
    ],
)
def test_settings_that_cannot_be_meant(wrong):
    with pytest.raises(ValidationError):
        FetchSettings(**wrong)
