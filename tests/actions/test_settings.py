"""Actions of config.yaml: one way each, URLs that can be used, and no secret in what is told."""

import pytest

from edged.actions import notify
from edged.actions.rate import Rate, Window, rate
from edged.config.reading import examine

MARK = "hunter2"


def told(tmp_path, action, monkeypatch=None):
    """What `edged check` would say of an action `one`."""
    path = tmp_path / "config.yaml"
    path.write_text(f"actions: {{one: {action}}}\n")
    settings, faults = examine(path)
    return settings, "\n".join(faults)


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ("{}", "actions.one: give either `notify`, a URL of apprise, or `webhook`"),
        (f"{{notify: 'ntfy://{MARK}', webhook: 'https://{MARK}.example/'}}", "actions.one: give either"),
        (
            f"{{webhook: 'ftp://{MARK}.example/'}}",
            "actions.one.webhook: wants a URL that begins with http://",
        ),
        (f"{{webhook: 'http://{MARK} .example/'}}", "actions.one.webhook: a URL holds no space"),
        (f"{{webhook: 'http://{MARK}:x/'}}", "actions.one.webhook: the URL cannot be read"),
        (f"{{notify: '{MARK}'}}", "actions.one.notify: wants a URL of apprise"),
        (f"{{notify: 'nonsense://{MARK}'}}", "actions.one.notify: apprise cannot make anything of this URL"),
        (f"{{notify: 'tgram://{MARK}'}}", "actions.one.notify: apprise cannot make anything of this URL"),
        (f"{{notify: 'json://{MARK}', headers: {{A: {MARK}}}}}", "actions.one: `headers` and `ca` are for"),
        (f"{{webhook: 'http://a/', headers: {{'A B': {MARK}}}}}", "actions.one.headers: a name of a header"),
        (f"{{webhook: 'http://a/', headers: {{Host: {MARK}}}}}", "actions.one.headers: Host is set by edged"),
        (f'{{webhook: "http://a/", headers: {{A: "{MARK}\\nB: c"}}}}', "the value of A is one line"),
        ("{webhook: 'http://a/', ca: nowhere.pem}", "nowhere.pem: No such file"),
        ("{webhook: 'http://a/', at_most: 10}", "actions.one.at_most: write it as 10/1m"),
        ("{webhook: 'http://a/', at_most: 0/1m}", "actions.one.at_most: write it as 10/1m"),
        (
            "{webhook: 'http://a/', share: [face]}",
            "actions.one.share.0: must be 'text', 'picture'",
        ),
        (
            "{webhook: 'http://a/', shares: [text]}",
            "actions.one.shares: this key is unknown; did you mean share",
        ),
        ("{webhook: 'file:missing'}", "actions.one.webhook"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(tmp_path, action, says):
    settings, faults = told(tmp_path, action)
    assert says in faults
    assert says.startswith("actions.one: ") or "one: give" not in faults, "it is given, and faulty"
    assert MARK not in faults + repr(settings)


def test_all_that_is_right(tmp_path, monkeypatch):
    (tmp_path / "url").write_text(f"https://desk.example/{MARK}\n")
    monkeypatch.setenv("TOKEN", f"Bearer {MARK}")
    path = tmp_path / "config.yaml"
    path.write_text(
        f"""
actions:
  phone: {{notify: "ntfy://{MARK}", share: [text, picture, recording], at_most: 3/1h}}
  desk: {{webhook: "file:url", headers: {{Authorization: "${{TOKEN}}"}}, give_up: 2h, timeout: 3s}}
  lan: {{webhook: "http://192.168.1.5:8123/api/webhook/x"}}
"""
    )
    settings, faults = examine(path)
    assert settings is not None and not faults
    phone, desk = settings.actions["phone"], settings.actions["desk"]
    assert phone.at_most == Rate(3, 3600.0, "3/1h")
    assert desk.webhook is not None and desk.webhook.get_secret_value() == f"https://desk.example/{MARK}"
    assert desk.headers["Authorization"].get_secret_value() == f"Bearer {MARK}"
    assert (desk.give_up, desk.timeout, desk.share) == (7200.0, 3.0, ())
    assert MARK not in repr(settings)


def test_rules_name_actions_that_there_are(tmp_path):
    (tmp_path / "config.yaml").write_text(
        """
streams: {yard: {source: rtsp://cam/1, run: [object-detection]}}
actions: {phone: {}, desk: {webhook: "http://desk.lan/"}}
rules:
  blind: {when: {offline: yard}, actions: [phone, desk, desc]}
"""
    )
    _, faults = examine(tmp_path / "config.yaml")
    first, second = sorted(faults)
    assert "actions.phone: give either" in first, "a faulty action is an action"
    assert "rules.blind.actions.2: no action is called 'desc'; did you mean desk" in second


def test_who_lacks_apprise_is_told_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(notify, "find_spec", lambda name: None)
    _, faults = told(tmp_path, "{notify: 'ntfy://door'}")
    assert "actions.one.notify: apprise is not installed; pip install 'edged[notify]'" in faults


def test_a_window_forgets_what_is_older_than_its_time():
    window = Window(rate("2/10s"))
    for at in (0.0, 4.0):
        assert window.wait(at) == 0
        window.take(at)
    assert window.wait(5.0) == 5.0
    assert window.wait(10.0) == 0
    window.take(10.0)
    assert window.wait(12.0) == 2.0
    assert window.wait(3.0) == 0, "a clock that was set back begins anew"
