"""The daemon over HTTP: the same answers as over MQTT, the page in a real browser, doors that stay shut."""

import json

import pybase64
import pytest
import urllib3
from selenium.webdriver.support.wait import WebDriverWait

from edged.media.picture import encode_jpeg
from edged.media.video import sample_frames
from tests.broker import free_port, until
from tests.http.browser import complaints


class Site:
    """HTTP of a running daemon."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str):
        return urllib3.request("GET", self.url + path, timeout=120, retries=False)

    def ask(self, service: str, request: object):
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        return urllib3.request(
            "POST", f"{self.url}/api/predict/{service}", body=body, timeout=120, retries=False
        )


@pytest.fixture
def photo(bikes) -> str:
    return pybase64.b64encode_as_string(encode_jpeg(sample_frames(bikes, 3)[1]))


@pytest.fixture
def box(daemon):
    port = free_port()
    box = daemon(http=port)
    site = Site(port)
    until(lambda: site.get("/v2/health/ready").status == 200, "a ready daemon")
    return box, site


def test_answers_are_those_of_mqtt(box, client, photo):
    daemon, site = box
    request = {"request_id": "same", "image": photo, "score_threshold": 0.3}
    answer = site.ask("object-detection", request)
    assert (answer.status, answer.headers["X-Model"]) == (200, "picodet-416")
    assert "person" in answer.json()["detection_class_names"]
    caller = client(daemon.port, "me/answers")
    caller.ask("box", "object-detection", json.dumps(request).encode(), "me/answers", b"1")
    until(lambda: caller.on("me/answers"), "the answer over MQTT")
    assert json.loads(caller.on("me/answers")[0].payload) == answer.json()
    refused = {400: {"image": "?"}, 404: {"image": photo}, 413: {"image": "A" * 40_000_000}}
    for code, body in refused.items():
        service = "object-detecton" if code == 404 else "object-detection"
        failed = site.ask(service, body)
        assert (failed.status, failed.json()["error_code"], failed.json()["success"]) == (code, code, False)
    metrics = site.get("/metrics").data.decode()
    assert 'edged_requests_total{code="200",service="object-detection"} 2.0' in metrics
    told = site.get("/v2/models/picodet-416").json()
    (image,) = (tensor for tensor in told["inputs"] if tensor["name"] == "image")
    assert image == {"name": "image", "datatype": "UINT8", "shape": [1, 416, 416, 3]}
    assert told["outputs"] == [{"name": "multiclass_nms3_0.tmp_0", "datatype": "FP32", "shape": [-1, 6]}]


TRICKS = (
    "http://127.0.0.1:{port}/api/status",
    "http://localhost:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:8080/",
    "http://2130706433/",
    "http://0177.0.0.1/",
    "http://0x7f.1/",
    "http://127.1:8080/",
    "http://0.0.0.0:8080/",
    "http://example.org@127.0.0.1:8080/",
    "ftp://127.0.0.1/picture.jpg",
    "file:///etc/passwd",
    "/etc/passwd",
    "file:///proc/self/environ",
    "../config.yaml",
    "//127.0.0.1/picture.jpg",
    "http:/127.0.0.1/",
    "gopher://127.0.0.1:6379/_INFO",
    "data:image/png;base64,AAAA",
)


def test_a_url_opens_nothing_that_is_not_allowed(box):
    _, site = box
    for trick in TRICKS:
        answer = site.ask("object-detection", {"input": {"url": trick.format(port=8080)}})
        said = answer.json()
        assert answer.status in (400, 403), f"{trick}: {said}"
        assert "input.url" in said["error_msg"], said
        assert "root:" not in said["error_msg"]


def test_a_picture_by_url_where_it_is_allowed(daemon, photo, tmp_path):
    (tmp_path / "shots").mkdir()
    (tmp_path / "shots" / "street.jpg").write_bytes(pybase64.b64decode(photo))
    port = free_port()
    daemon(f"requests: {{fetch: {{folders: ['{tmp_path}/shots']}}}}\n", http=port)
    site = Site(port)
    until(lambda: site.get("/v2/health/ready").status == 200, "a ready daemon")
    by_url = site.ask("object-detection", {"input": {"url": f"file://{tmp_path}/shots/street.jpg"}}).json()
    brought = site.ask("object-detection", {"image": photo}).json()
    assert by_url["detection_boxes"] == brought["detection_boxes"] != []
    beside = site.ask("object-detection", {"input": {"url": f"{tmp_path}/shots/../config.yaml"}})
    assert beside.status == 403


def test_the_page_shows_what_the_camera_sees(box, browser):
    _, site = box
    seen = "return document.querySelector('.tile img')?.naturalWidth"
    browser.get(site.url)
    WebDriverWait(browser, 60).until(lambda driver: (driver.execute_script(seen) or 0) > 0)
    WebDriverWait(browser, 60).until(
        lambda driver: len(driver.execute_script("return document.querySelectorAll('#results li')")) > 3
    )
    text = browser.execute_script("return document.body.innerText")
    assert "picodet-416" in text
    assert "demo" in text
    assert complaints(browser) == []
    browser.get("about:blank")
