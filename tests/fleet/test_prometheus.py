"""The dashboard and the rules of packaging/ ask for what a real daemon tells a real Prometheus."""

import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.broker import free_port, until
from tests.e2e.box import running
from tests.fleet.light import SERVICE, configured, request, settle
from tests.media.videos import film, shades
from tests.square import SYNCED

pytestmark = pytest.mark.slow

PACKAGING = Path(__file__).parent.parent.parent / "packaging"
RULES = PACKAGING / "prometheus" / "edged.rules.yaml"
DASHBOARD = json.loads((PACKAGING / "grafana" / "edged.json").read_text("utf-8"))
ALERTS = {
    rule["alert"]: rule["expr"]
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    for rule in group["rules"]
}
PANELS = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
}
OUR_NAME = re.compile(r"\b(?:edged|process)_\w+")
SELECTOR = re.compile(r"\b(?:edged_\w+|process_\w+|up)(?:\{[^}]*\})?")
STREAMS = """
streams:
  door: {{source: '{0}/door.mp4', loop: true, gate: {{fps: 2}}, run: [image-classification]}}
  yard: {{source: 'rtsp://127.0.0.1:{1}/none', run: [image-classification]}}
"""
SCRAPE = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ['{rules}']
scrape_configs:
  - job_name: edged
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


def post(port, body):
    url = f"http://127.0.0.1:{port}/api/predict/{SERVICE}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class Prometheus:
    """One that scrapes a daemon."""

    def __init__(self, folder: Path, scraped: int) -> None:
        self.port = free_port()
        self.scraped = scraped
        config = folder / "prometheus.yml"
        config.write_text(SCRAPE.format(rules=RULES, port=scraped))
        self._command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def __enter__(self):
        assert shutil.which("prometheus"), (
            "prometheus is needed for these tests: packaging/system-packages.sh"
        )
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(30)

    def get(self, path, **query):
        """The data of an answer of its API; none while it is not there."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None
        except OSError:
            return None

    def ask(self, expression):
        """The series that an expression gives now."""
        return self.get("query", query=expression)["result"]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory, module_mosquitto):
    """Has scraped a daemon with a camera, one that is dead, and requests of which some failed."""
    folder, port = tmp_path_factory.mktemp("scraped"), free_port()
    settle(folder)
    (folder / "door.mp4").write_bytes(film(shades(50), rate=10))
    path = configured(folder, "box", module_mosquitto.port, port, STREAMS.format(folder, free_port()))
    synced = [sys.executable, "-c", SYNCED]
    with (
        running(path, module_mosquitto.port, "box", edged=synced) as daemon,
        Prometheus(folder, port) as made,
    ):
        until(lambda: daemon.said("subscribe to:"), "the daemon is ready", 120)
        assert (post(port, request()), post(port, b"{}")) == (200, 400)
        until(lambda: made.get("status/runtimeinfo"), "prometheus answers")
        ready = 'edged_stream_up{stream="door"} == 1 and increase(edged_frames_inferred_total[10s]) > 0'
        until(lambda: made.ask(ready.replace("and", "and on (stream)")), "frames are looked at")
        until(lambda: made.ask("increase(edged_frames_dropped_total[10s]) > 0"), "the gate drops frames")
        until(lambda: made.ask("edged_reconnects_total > 0"), "the dead camera was tried again")
        assert (post(port, request()), post(port, b"{}")) == (200, 400)
        until(lambda: made.ask("sum(increase(edged_requests_total[1m])) > 0"), "the second ones are counted")
        yield made


def filled(expression):
    """As Grafana asks: with its variables in place."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".+")


def selectors(expression):
    """What it asks for: names of metrics with labels; those of codes need not have happened yet."""
    return [re.sub(r'code=~?"[^"]*",?', "", found) for found in SELECTOR.findall(expression)]


def test_the_rules_are_as_prometheus_wants_them():
    assert shutil.which("promtool"), "promtool is needed for these tests: packaging/system-packages.sh"
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


def test_the_names_of_all_metrics_are_as_prometheus_wants_them(prometheus):
    with urllib.request.urlopen(f"http://127.0.0.1:{prometheus.scraped}/metrics", timeout=30) as answer:
        page = answer.read()
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    wrong = b"# TYPE edged_lost_total gauge\nedged_lost_total 1\n"
    assert subprocess.run(
        ["promtool", "check", "metrics"], input=wrong, capture_output=True, check=False
    ).stderr


@pytest.mark.parametrize("panel", PANELS)
def test_each_panel_shows_something(prometheus, panel):
    assert prometheus.ask(filled(PANELS[panel])), PANELS[panel]


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_asks_for_what_there_is(prometheus, alert):
    asked = selectors(ALERTS[alert])
    assert asked
    for one in asked:
        assert prometheus.ask(one), one
    prometheus.ask(ALERTS[alert])


def test_no_name_is_made_up(prometheus):
    known = set(prometheus.get("label/__name__/values"))
    variables = [one["query"] for one in DASHBOARD["templating"]["list"]]
    said = {
        name for text in (*PANELS.values(), *ALERTS.values(), *variables) for name in OUR_NAME.findall(text)
    }
    assert len(said) > 12
    assert said <= known


def test_an_alert_rises_for_the_camera_that_is_dead_and_for_no_other(prometheus):
    streams = [one["metric"]["stream"] for one in prometheus.ask(ALERTS["EdgedStreamDown"])]
    assert streams == ["yard"]

    def pending():
        alerts = prometheus.get("alerts")["alerts"]
        return [one for one in alerts if one["labels"]["alertname"] == "EdgedStreamDown"]

    until(pending, "prometheus itself sees it")
    assert not prometheus.ask(ALERTS["EdgedServiceDown"])


def test_panels_have_places_of_their_own_and_ids():
    taken = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
