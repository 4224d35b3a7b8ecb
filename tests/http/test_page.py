"""The page in a real browser, served by the real HTTP unit; only what it shows is made up."""

import base64
import re
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import cv2
import numpy as np
import orjson
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from edged.answers.finding import Finding
from edged.artefacts.settings import ArtefactSettings
from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import NotReady
from edged.contracts.happenings import ZoneCounts
from edged.contracts.image import DetectionOptions, Detections
from edged.contracts.request import Answer, refusal
from edged.contracts.services import service
from edged.counts.calendar import Calendar, zone_named
from edged.counts.chronicle import Chronicle
from edged.counts.desk import CountDesk
from edged.flow.counters import Counters
from edged.http.page import FOLDER, INDEX
from edged.http.server import HttpUnit
from edged.http.settings import HttpSettings
from edged.http.sources import Sources
from edged.http.status import ActionStatus, MqttStatus, ServiceStatus, Status, StreamStatus
from edged.media.fetch import ByteLimit
from edged.media.frame import PictureFrame
from edged.ops.movements import Crossing
from edged.requests.jobs import JobDesk
from edged.requests.settings import RequestSettings
from edged.serving.table import ServiceTable
from edged.streams.live import LiveView
from tests.broker import free_port, until
from tests.counts.crossings import cross
from tests.http.browser import complaints, resize, spotless
from tests.http.test_events import Book

HOSTILE = "<img src=x onerror=window.hacked=1>"
FOUND = Finding(
    service("object-detection"),
    Detections(np.array([[80, 60, 240, 180]]), np.array([0.9]), np.array([15]), {15: "cat"}),
    DetectionOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=10),
)
CAT = orjson.loads(orjson.dumps(FOUND.answer(), option=orjson.OPT_SERIALIZE_NUMPY))
QUIET_S = 0.7
"""Nobody looks when nobody has asked for a picture for so long, while there are twenty new ones a second."""


class WatchedView(LiveView):
    """Knows when a picture was last asked for."""

    asked_at = 0.0

    def jpeg(self, after=-1, wait_s=0.0):
        self.asked_at = time.monotonic()
        return super().jpeg(after, wait_s)

    def watched(self):
        return time.monotonic() - self.asked_at < QUIET_S


class Box:
    """A daemon of which only the outside is real: `status`, `views` and `answers` say what it shows."""

    def __init__(self, port, folder, token=None):
        self.views = {}
        self.asked = []
        self.answers = {"object-detection": CAT}
        self.draw = lambda: FOUND.drawn([np.full((240, 320, 3), 90, np.uint8)])
        self.status = Status(
            node="shop-1",
            version="1.2.3",
            uptime_s=3700,
            mqtt=MqttStatus(state="running"),
            services=[
                ServiceStatus(
                    service="object-detection",
                    model="picodet-416",
                    variant="openvino-int8",
                    device="cpu",
                    latency_ms=14.2,
                    state="running",
                )
            ],
        )
        self._settings = HttpSettings(listen=f"127.0.0.1:{port}", token=token)
        self.jobs = JobDesk(folder, self, RequestSettings(), Counters())
        self.artefacts = ArtefactStore(ArtefactSettings(), folder, Counters())
        self.uploads = ArtefactStore(ArtefactSettings(), folder, Counters(), name="uploads")
        self.counts = self.events = None
        self._pump = threading.Thread(target=self._film, daemon=True)
        self._ended = threading.Event()
        self.url = f"http://127.0.0.1:{port}/"
        self.unit = self.made()

    def made(self):
        sources = Sources(
            version="1.2.3",
            intake=self,
            jobs=lambda: self.jobs,
            counters=Counters(),
            table=ServiceTable(),
            artefacts=self.artefacts,
            uploads=self.uploads,
            upload_limit=ByteLimit(50_000_000, "requests.video.max_bytes"),
            views=self.views,
            status=lambda: self.status,
            counts=lambda: self.counts,
            events=lambda: self.events,
            idle=lambda model: None,
            names=lambda service: (),
            sound_limit=ByteLimit(50_000_000, "requests.sound.max_bytes"),
        )
        return HttpUnit(self._settings, sources)

    def __enter__(self):
        self.jobs.start()
        self.unit.start()
        self._pump.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._pump.join()
        self.unit.stop()
        self.jobs.stop()

    def submit(self, job):
        fields = orjson.loads(job.payload)
        self.asked.append((job.service, fields))
        if (answer := self.answers.get(job.service)) is None:
            job.reply(refusal(fields, NotReady.code, "no model of it is installed; run `edged pull tiny`"))
        else:
            body = orjson.dumps({"request_id": "r-1", "success": True, **answer})
            job.reply(Answer("r-1", body, 200, draw=self.draw))

    def add_stream(
        self, name, state="online", why="", services=("object-detection",), lines=(), *, active=(), zones=()
    ):
        listens = any(service.startswith("speech") for service in services)
        stream = StreamStatus(
            name=name,
            state=state,
            fps=5.0,
            why=why,
            services=list(services),
            lines=list(lines),
            zones=dict(zones),
            active=list(active),
            listens=listens,
            enabled=True,
        )
        self.status = self.status.model_copy(update={"streams": [*self.status.streams, stream]})
        self.views[name] = WatchedView()
        return self.views[name]

    def add_service(self, name, state, **facts):
        service = ServiceStatus(service=name, state=state, **facts)
        self.status = self.status.model_copy(update={"services": [*self.status.services, service]})

    def tell(self, stream, seq=0, service="object-detection", **body):
        message = {
            "schema": f"edged/{service}/1",
            "node": "shop-1",
            "stream": stream,
            "seq": seq,
            "captured_at": "2026-11-22T08:30:00.123456Z",
            "latency_ms": 23.4,
            "frame": {"width": 320, "height": 240, "seq": seq},
            "model": {"name": "picodet-416", "variant": "openvino-int8", "device": "cpu"},
            **(body or {"result": CAT}),
        }
        self.unit.publish_result(stream, service, orjson.dumps(message))

    def _film(self):
        """Every stream that is online gets a new picture, darker or brighter than the last."""
        shade = 0
        while not self._ended.wait(0.05):
            shade = (shade + 9) % 200
            bgr = np.full((240, 320, 3), shade, np.uint8)
            for stream in self.status.streams:
                if stream.state == "online" and (view := self.views.get(stream.name)):
                    view.put(PictureFrame(bgr, time.time()), "object-detection", FOUND)


class Page:
    """The page in the browser, in words."""

    def __init__(self, browser, url):
        self.browser = browser
        browser.get(url)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def texts(self, selector):
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)"
        return self.run(script, selector)

    def sees(self, selector, text):
        until(lambda: text in self.text(selector), f"{text!r} in {selector}")

    def answers(self, text):
        """Wait until this stands in the JSON of an answer."""
        script = "return document.querySelector('#attempt .json').textContent"
        until(lambda: text in self.run(script), f"an answer with {text!r}")

    def brightness(self, selector):
        """Mean of an image or a canvas, none while it shows nothing."""
        return self.run(
            """const e = document.querySelector(arguments[0]);
            if (!e || e.hidden || !(e.naturalWidth ?? e.width)) return null;
            const c = Object.assign(document.createElement("canvas"), {width: 8, height: 8}).getContext("2d");
            c.drawImage(e, 0, 0, 8, 8);
            return c.getImageData(0, 0, 8, 8).data.reduce((sum, value) => sum + value) / 256;""",
            selector,
        )

    def colours(self, canvas):
        """The different values of red in a canvas."""
        return self.run(
            """const {width, height} = document.querySelector(arguments[0]);
            const c = Object.assign(document.createElement("canvas"), {width, height}).getContext("2d");
            c.drawImage(document.querySelector(arguments[0]), 0, 0);
            const {data} = c.getImageData(0, 0, width, height);
            return [...new Set(data.filter((_, index) => index % 4 === 0))];""",
            canvas,
        )

    def moves(self, selector):
        """Wait until a picture has been seen in three states."""
        seen = {None}

        def seen_three_states():
            seen.add(self.brightness(selector))
            return len(seen) > 3

        until(seen_three_states, f"{selector} moves")

    def choose(self, path, name="file"):
        """Give a file to an input of "Try a service", once there is one."""
        until(lambda: self.all(f"[name={name}]"), "something can be tried")
        self.one(f"[name={name}]").send_keys(str(path))

    def only_asked_its_own_server(self, url):
        asked = self.run("return performance.getEntriesByType('resource').map((e) => e.name)")
        assert asked
        assert [name for name in asked if not name.startswith(url)] == []


def test_the_page_never_makes_html_of_text_and_names_no_other_server():
    scripts = [path.read_text() for path in FOLDER.glob("*.js")]
    assert len(scripts) > 5
    for text in scripts:
        assert not re.search(r"(inner|outer)HTML|insertAdjacent|document\.write|\beval\(|https?://", text)
    assert not re.search(r"(src|href)=.?(https?:)?//", (FOLDER / INDEX).read_text())


@pytest.fixture
def box(tmp_path):
    with Box(free_port(), tmp_path) as made:
        yield made


@pytest.fixture
def shown(browser, box):
    """Opens the page of the box; at the end nothing may have gone wrong in it."""

    def show():
        page = Page(browser, box.url)
        page.sees("#node", "shop-1")
        return page

    with spotless(browser, 1200, 800):
        yield show


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "my cat.png"
    cv2.imwrite(str(path), np.full((240, 320, 3), 90, np.uint8))
    return path


def test_the_page_of_a_new_box_says_what_to_do(box, shown, browser):
    page = shown()
    assert page.texts("#facts > *") == ["ready", "MQTT", "up 1 h 1 min", "version 1.2.3"]
    assert "run: [object-detection]" in page.text("#streams .empty")
    assert "edged/shop-1/control/reload" in page.text("#streams .empty")
    assert page.texts("#services tbody :is(th, td)") == [
        *("object-detection", "picodet-416", "openvino-int8", "cpu", "14 ms", "running"),
    ]
    assert complaints(browser) == []
    page.only_asked_its_own_server(box.url)


def test_an_answer_in_one_line(box, shown):
    script = """const done = arguments[arguments.length - 1];
        import("/static/words.js").then((words) => done(arguments[0].map(words.summary)));"""
    face = {
        "face_bbox": [[1, 2, 3, 4, 0.9]],
        "face_gender": ["female"],
        "face_age": [31.0],
        "face_emo": ["Neutral"],
    }
    said = {
        "no face": {name: [] for name in face},
        "female": face,
        "a picture": {"out_image": "/9j/4AAQ"},
        "a class for each pixel": {"preds": [[0]], "probs": [[1.0]]},
        "nothing found": {"detection_class_names": []},
        "2 \u00d7 cat": {"detection_class_names": ["cat", "cat"]},
    }
    found = shown().browser.execute_async_script(script, list(said.values()))
    assert found == list(said)


def test_a_stream_is_shown_live(box, shown):
    box.add_stream("door")
    page = shown()
    page.moves(".tile img")
    assert page.run("return document.querySelector('.tile img').naturalWidth") >= 320
    assert page.texts(".tile .bar > *") == ["door", "online", "5 fps"]


def test_actions_and_why_they_fail(box, shown):
    page = shown()
    page.sees("#node", box.status.node)
    assert not page.one("#actions").is_displayed()
    well = ActionStatus(name="phone", kind="notify", waiting=0, why="")
    fails = ActionStatus(name="<b>desk</b>", kind="webhook", waiting=3, why="connection refused")
    box.status = box.status.model_copy(update={"actions": [well, fails]})
    until(lambda: page.texts("#actions tbody tr > *")[:4] == ["phone", "notify", "0", "well"])
    assert page.texts("#actions tbody tr > *")[4:] == ["<b>desk</b>", "webhook", "3", "connection refused"]


def test_lines_and_who_crossed_them_today_and_zones_and_who_is_in_them(box, shown, tmp_path, monkeypatch):
    monkeypatch.setattr("edged.flow.clock.state", lambda: "synced")
    chronicle = Chronicle(tmp_path / "counts.db", Counters())
    box.counts = CountDesk(chronicle, Calendar(zone_named("UTC")), lambda *_: None)
    box.counts.start()
    box.counts.open("door", ["entrance", "<b>exit</b>"], [])
    day, _ = box.counts.calendar.day(time.time())
    for direction, at in (("in", day), ("in", day), ("out", day), ("in", day - 1)):
        cross(chronicle, box.counts, "door", Crossing("entrance", direction, 1, "person", at))
    box.add_stream("yard")
    page = shown()
    page.sees(".tile .name", "yard")
    assert not page.one("#counts").is_displayed()
    box.add_stream("door", lines=["entrance", "<b>exit</b>"])
    until(lambda: page.texts("#counts .lines tbody tr > *")[:4] == ["door", "entrance", "2", "1"])
    assert page.texts("#counts .lines tbody tr > *")[4:] == ["door", "<b>exit</b>", "0", "0"]
    assert page.one("#counts .lines").is_displayed()
    assert not page.one("#counts .zones").is_displayed()
    box.status = box.status.model_copy(update={"clock": "unsynced"})
    until(lambda: page.texts("#counts .lines tbody tr > *")[2:4] == ["clock not set"] * 2)
    box.counts.stop()
    since = "2026-11-22T08:30:00.123456Z"
    zones = {
        "<b>till</b>": ZoneCounts(count=3, longest_since=since, by_class={"person": 2, "dog": 1}),
        "way": ZoneCounts(count=0, longest_since=None, by_class={}),
        "yard": ZoneCounts(count=None, longest_since=None, by_class=None),
    }
    box.status = box.status.model_copy(update={"streams": []})
    box.add_stream("hall", zones=zones)
    local = time.strftime("%H:%M:%S", time.localtime(datetime.fromisoformat(since).timestamp()))
    until(
        lambda: (
            page.texts("#counts .zones tbody tr > *")
            == [
                *("hall", "<b>till</b>", "3", "2 \u00d7 person, dog", local),
                *("hall", "way", "0", "", ""),
                *("hall", "yard", "not known now", "", ""),
            ]
        )
    )
    assert page.one("#counts .zones").is_displayed()
    assert not page.one("#counts .lines").is_displayed()


def test_what_happened_with_picture_and_recording(box, shown, browser, tmp_path, monkeypatch):
    monkeypatch.setattr("edged.flow.clock.state", lambda: "synced")
    page = shown()
    page.sees("#ready", "ready")
    assert not page.one("#events").is_displayed()
    book = Book(tmp_path, lambda: None)
    box.events, box.counts = book.desk, book.counts
    jpeg = cv2.imencode(".jpg", np.full((90, 160, 3), 90, np.uint8))[1].tobytes()
    picture, recording = box.artefacts.reserve(".jpg"), box.artefacts.reserve(".mp4")
    addresses = iter([f"https://elsewhere.example/artefacts/{picture.artefact.id}"])
    around = replace(
        book.desk._around,
        snapshot=lambda _: next(addresses, None),
        record=lambda _: f"/artefacts/{recording.artefact.id}",
    )
    monkeypatch.setattr(book.desk, "_around", around)
    book.crossed("T08:10", line=HOSTILE)
    book.queued("T09:00", lasted=90.0)
    box.add_stream("door")
    box.status = box.status.model_copy(update={"units": {"events": "running"}})
    said = ["queue ended after 1 min 30 s", "queue began", f"person crossed {HOSTILE}, in"]
    until(lambda: page.texts("#events .what") == said)
    assert page.one("#events").is_displayed()
    assert page.run("return window.hacked") is None
    assert [one.is_displayed() for one in page.all("#events .picture")] == [False, False, True]
    width = "return document.querySelector('#events li:last-child img').naturalWidth"
    assert page.run(width) == 0, "it is not written yet"
    with picture.draft() as draft:
        draft.file.write(jpeg)
        draft.keep()
    until(lambda: page.run(width) == 160)
    links = [link.get_attribute("href") for link in page.all("#events .recording") if link.is_displayed()]
    assert links == [f"{box.url}artefacts/{recording.artefact.id}"] * 2
    assert page.texts("#events .from") == ["", "", ""], "there is one stream"
    book.crossed("T10:00")
    until(lambda: page.texts("#events .what")[0] == "person crossed a, in")
    assert len(page.all("#events li")) == 4
    book.stop()


def test_a_stream_shows_which_rules_hold(box, shown):
    box.add_stream("yard", active=["queue", "<b>loiterer</b>"])
    page = shown()
    page.sees(".tile .holds", "queue, <b>loiterer</b>")
    yard = box.status.streams[-1].model_copy(update={"active": []})
    box.status = box.status.model_copy(update={"streams": [yard]})
    until(lambda: not page.one(".tile .holds").is_displayed(), "none holds any more")


def test_a_stream_and_a_service_say_why_they_are_down(box, shown):
    box.add_stream("yard", "offline", "connection refused; trying again in 8 s")
    box.add_service("ocr", "no model of ocr is installed; run `edged pull ppocrv6-small`")
    box.status = box.status.model_copy(update={"mqtt": MqttStatus(state="connection refused")})
    page = shown()
    assert page.text(".tile .why") == "connection refused; trying again in 8 s"
    assert page.texts(".tile .bar > *") == ["yard", "offline", ""]
    assert page.text("#services tr:last-child code") == "edged pull ppocrv6-small"
    assert page.text("#ready") == "not ready"
    assert page.text("#broker") == "MQTT: connection refused"


def test_a_service_says_why_the_cpu_does_it(box, shown):
    box.add_service("ocr", "running", model="ppocrv6-small", device="cpu", why="gpu: it died of SIGSEGV")
    page = shown()
    assert page.text("#services tr:last-child .device") == "cpu"
    assert page.text("#services tr:last-child .state") == "running, on the CPU: gpu: it died of SIGSEGV"
    assert page.text("#ready") == "ready"


def test_pictures_are_asked_for_only_while_they_are_seen(box, shown, browser):
    views = [box.add_stream(f"camera-{n}") for n in range(12)]
    resize(browser, 360, 700, phone=True)
    page = shown()
    first, last = views[0], views[-1]
    until(first.watched, "the first is looked at")
    assert last.asked_at == 0, "far below the screen"
    page.run("document.querySelector('[data-stream=camera-11]').scrollIntoView()")
    until(lambda: last.watched() and not first.watched(), "only the last is looked at")
    tab = browser.current_window_handle
    browser.switch_to.new_window("tab")
    until(lambda: not any(view.watched() for view in views), "nobody looks at a page in the background")
    browser.close()
    browser.switch_to.window(tab)
    until(last.watched, "somebody looks again")


def test_a_live_picture_that_has_ended_begins_again(box, shown):
    view = box.add_stream("door")
    page = shown()
    page.moves(".tile img")
    other = box.views["door"] = WatchedView()  # as a reload does
    del box.views["door"]
    until(lambda: not view.watched(), "the server has ended the picture")
    box.views["door"] = other
    page.moves(".tile img")


def test_many_streams_leave_the_browser_connections_for_the_rest(box, shown, browser, picture):
    for n in range(9):
        box.add_stream(f"camera-{n}")
    resize(browser, 1800, 1400)
    page = shown()
    until(lambda: all(page.brightness(f"[data-stream=camera-{n}] img") is not None for n in range(9)))
    page.choose(picture)
    page.sees(".said", "cat")


def test_results_arrive_and_can_be_read(box, shown):
    box.add_stream("door")
    box.add_stream("yard")
    page = shown()
    until(lambda: box.tell("door") or page.all("#results li"), "a result arrives")
    page.sees(".tile .what", "cat")
    row = page.one("#results summary")
    assert row.text.splitlines()[0] == "cat"
    assert "door · object-detection" in row.text
    row.click()
    page.sees("#results details[open] pre", '"model": {"name": "picodet-416"')
    count = len(page.all("#results li"))
    box.tell("yard", error={"code": 500, "message": "the plugin failed"})
    page.sees("#pause", "Resume · 1 new")
    assert len(page.all("#results li")) == count, "what is read does not move"
    page.one("#pause").click()
    page.sees("#results li.failed .what", "failed (500): the plugin failed")
    Select(page.one("#only")).select_by_visible_text("door")
    assert not page.all("#results li.failed")
    box.tell("yard", result=CAT)
    box.tell("door", result={**CAT, "detection_class_names": ["dog"]})
    page.sees("#results li .what", "dog")
    assert not [line for line in page.texts("#results .from") if "yard" in line]


def test_the_list_of_results_is_bounded(box, shown):
    box.add_stream("door")
    page = shown()
    until(lambda: box.tell("door") or page.all("#results li"), "the page listens")
    for n in range(8):
        for _ in range(20):
            box.tell("door")
        box.tell("door", result={**CAT, "detection_class_names": [f"pack {n}"]})
        page.sees("#results li .what", f"pack {n}")
    assert len(page.all("#results li")) == 100


def test_a_chosen_picture_gives_json_and_drawing(box, shown, picture):
    page = shown()
    page.choose(picture)
    page.answers('"detection_class_names": ["cat"]')
    page.sees(".said", "cat ·")
    until(lambda: len(page.colours("#attempt canvas")) > 1, "a box is drawn on the even gray")
    assert len(box.asked) == 1, "the drawing came with the answer"
    assert page.one("#attempt form").get_attribute("aria-busy") == "false"
    page.one(".options summary").click()
    page.one("[data-option=score_threshold]").send_keys("0.25\t")
    until(lambda: len(box.asked) == 2, "an option asks again")
    assert box.asked[0] == (
        "object-detection",
        {"image": base64.b64encode(picture.read_bytes()).decode()},
    )
    assert box.asked[1][1]["score_threshold"] == 0.25
    page.one(".commands summary").click()
    assert """{"score_threshold": 0.25, "image": "'; base64 < 'my cat.png'""" in page.text(".curl")
    assert f"curl -sS {box.url}api/predict/object-detection" in page.text(".curl")
    assert "mosquitto_pub -q 1 -s -t edged/shop-1/request/object-detection" in page.text(".mqtt")


def test_an_answer_without_a_drawing_says_why_not(box, shown, picture):
    box.draw = None
    page = shown()
    page.choose(picture)
    page.answers('"detection_class_names": ["cat"]')
    page.sees(".said", "cat ·")
    page.sees(".said", "not drawn: this service has no picture to draw into")
    until(lambda: page.colours("#attempt canvas") == [90], "the picture itself stays")


def test_a_dropped_picture_and_a_refusal(box, shown, picture):
    box.answers = {}
    page = shown()
    until(lambda: page.all(".drop"), "something can be tried")
    page.run(
        """const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], "cat.png", {type: "image/png"}));
        const drop = new DragEvent("drop", {dataTransfer, bubbles: true});
        document.querySelector(".drop").dispatchEvent(drop);""",
        base64.b64encode(picture.read_bytes()).decode(),
    )
    page.sees(".said", "No model of it is installed; run edged pull tiny.")
    box.answers = {"object-detection": CAT}
    page.one("[name=run]").click()
    page.sees(".said", "cat")


def test_names_from_outside_stay_text(box, shown, picture):
    hostile = {**CAT, "detection_class_names": [HOSTILE]}
    box.answers["object-detection"] = hostile
    box.add_stream("door", "offline", HOSTILE)
    box.add_service("ocr", f"`{HOSTILE}` {HOSTILE}")
    page = shown()
    until(lambda: box.tell("door", result=hostile) or page.all("#results li"))
    page.choose(picture)
    for place in (".tile .why", ".tile .what", "#results .what", ".said", ".shown"):
        page.sees(place, HOSTILE)
    until(
        lambda: page.one("#results summary").click() or HOSTILE in page.text("#results pre")
    )  # or a newer one
    assert HOSTILE in page.texts("#services .how")[-1]
    assert page.run("return window.hacked") is None
    assert page.all("main img[src=x]") == []


@pytest.mark.parametrize("width", [360, 820, 1200])
def test_nothing_is_wider_than_the_screen(box, shown, browser, picture, width):
    inside = ZoneCounts(count=2, longest_since="2026-11-22T08:30:00Z", by_class={"w" * 60: 2})
    box.add_stream("door", zones={"v" * 60: inside})
    box.add_stream("a-camera-with-a-rather-long-name-behind-the-third-shelf", "offline", "x" * 200)
    box.add_service("image-classification", "no model is installed; run `edged pull " + "y" * 60 + "`")
    resize(browser, width, 780, phone=width < 500)
    page = shown()
    long = {**CAT, "detection_class_names": ["z" * 300]}
    until(lambda: box.tell("door", result=long) or page.all("#results li"))
    page.choose(picture)
    page.answers("cat")
    page.one(".commands summary").click()
    page.run("document.querySelector('#results summary').click()")  # it may be below the header
    assert page.run("return document.documentElement.scrollWidth") == width


def test_long_results_leave_no_hole_between_the_other_sections(box, shown, browser):
    for stream in ("door", "yard", "till"):
        box.add_stream(stream)
    action = ActionStatus(name="phone", kind="notify", waiting=0, why="")
    box.status = box.status.model_copy(update={"actions": [action]})
    resize(browser, 1440, 2400)
    page = shown()
    page.sees("#actions tbody th", "phone")
    until(lambda: box.tell("door") or len(page.all("#results li")) > 50)
    until(lambda: page.one("#attempt").is_displayed())
    places = """return [...document.querySelectorAll("main > section:not(#results, [hidden])")]
        .map((section) => [section, [...section.children].findLast((one) => !one.hidden)])
        .map((both) => both.map((one) => one.getBoundingClientRect()))
        .map(([{top}, {bottom}]) => [top, bottom]);"""
    rows = page.run(places)
    assert len(rows) == 4
    assert all(next_top - bottom < 40 for (_, bottom), (next_top, _) in pairwise(rows))


def test_a_small_screen_leaves_out_what_nobody_knows(box, shown, browser):
    box.add_service("ocr", "idle")
    resize(browser, 375, 800, phone=True)
    page = shown()
    row = page.all("#services tbody tr")[1]
    told = [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td") if cell.is_displayed()]
    assert told[0] == "ocr"
    assert "\N{EN DASH}" not in told


def test_many_idle_services_are_shown_when_they_are_asked_for(box, shown):
    page = shown()
    for name in ("ocr", "face-attributes", "scene-classification"):
        box.add_service(name, "idle")
    until(lambda: len(page.all("#services tbody tr")) == 4)
    assert all(row.is_displayed() for row in page.all("#services tbody tr"))
    assert not page.one("#services .idle").is_displayed()
    box.add_service("image-classification", "idle")
    until(lambda: page.text("#services .idle") == "Show 4 idle services")
    assert [row.is_displayed() for row in page.all("#services tbody tr")] == [
        True,
        False,
        False,
        False,
        False,
    ]
    page.one("#services .idle").click()
    assert page.text("#services .idle") == "Hide 4 idle services"
    assert all(row.is_displayed() for row in page.all("#services tbody tr"))


def test_a_microphone_shows_what_was_said(box, shown):
    live = "speech-recognition-zh-live"
    view = box.add_stream("counter", services=[live])
    page = shown()
    page.sees(".tile .why", "listening")
    clip = {"start_us": 5, "seconds": 1.5, "seq": 0}
    box.tell("counter", service=live, clip=clip, final=False, result={"5": "你好"})
    page.sees(".tile .why", "“你好” …")
    box.tell("counter", service=live, clip=clip, final=True, result={"5": "你好;世界"})
    page.sees(".tile .why", "“你好;世界”")
    box.tell(
        "counter", service="speech-detection-zh", clip=clip, final=True, result={"5": '{"class":"是"}\n'}
    )
    page.sees(".tile .what", "是")
    page.sees(".tile .why", "“你好;世界”")
    assert page.one(".tile .fps").text == ""
    assert view.asked_at == 0, "nobody asks for a picture"


def test_the_token_is_asked_for_once(browser, tmp_path):
    token = "a-token-of-this-test"
    with ExitStack() as stack:
        box = stack.enter_context(Box(free_port(), tmp_path, token))
        box.add_stream("door")
        page = Page(browser, box.url)
        page.sees("#login", "This box wants a token")
        assert not page.one("main").is_displayed()
        page.one("[name=token]").send_keys("wrong\n")
        page.sees("#login .fault", "This is not the token of this box.")
        page.one("[name=token]").clear()
        page.one("[name=token]").send_keys(token + "\n")
        page.sees("#node", "shop-1")
        page.moves(".tile img")
        curl = "return document.querySelector('.curl').textContent"
        until(lambda: "$EDGED_TOKEN" in page.run(curl), "the line for the terminal knows of the token")
        assert token not in page.run("return document.documentElement.outerHTML")
        page = Page(browser, box.url)
        page.sees("#node", "shop-1")
        assert not page.one("#login").is_displayed()
        browser.get("about:blank")


def test_an_answer_that_is_cut_off_is_asked_for_again(box, shown):
    page = shown()
    page.run("""const whole = window.fetch;
        window.fetch = (...given) => {
            window.fetch = whole;
            return Promise.resolve({ ok: true, json: () => Promise.reject(new TypeError("cut off")) });
        };""")
    until(lambda: page.one("#gone").is_displayed())
    box.status = box.status.model_copy(update={"node": "shop-2"})
    page.sees("#node", "shop-2")
    until(lambda: not page.one("#gone").is_displayed())


def test_a_server_that_went_away_is_found_again(box, shown):
    box.add_stream("door")
    page = shown()
    page.moves(".tile img")
    box.unit.stop()
    page.sees("#gone", "The server does not answer. Trying again…")
    box.unit = box.made()
    box.unit.start()
    until(lambda: not page.one("#gone").is_displayed(), "the page sees that it is back")
    page.moves(".tile img")
    until(lambda: box.tell("door") or page.all("#results li"), "results arrive again")
