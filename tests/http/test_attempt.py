"""The page's "Try a service" in a real browser, for each kind of input: only the models are made up."""

import base64

import cv2
import numpy as np
import orjson
import pytest
from selenium.webdriver.support.select import Select

from edged.contracts.request import Answer, refusal
from edged.contracts.services import SERVICES
from tests.broker import free_port, until
from tests.http.browser import resize, spotless
from tests.http.test_page import Box, Page
from tests.media.films import evenly, video
from tests.media.sounds import encoded, tone

FAKES = {
    "image-classification": {"class": 1, "class_name": "tabby", "class_probs": {"tabby": 0.75, "lynx": 0.25}},
    "semantic-segmentation": {"preds": [[0, 15], [0, 0]], "probs": [[1, 1], [1, 1]]},
    "foreground-segmentation": {"human_ratio": "0.25", "mask": [[0, 1], [0, 0]]},
    "face-attributes": {
        "face_bbox": [[1, 2, 3, 4, 0.9]],
        "face_gender": ["female"],
        "face_age": [31.4],
        "face_emo": ["Neutral"],
    },
    "image-similarity": {"similarity": 91.5, "l2_distance": 0.4},
    "face-similarity": {"similarity": 12},
    "product-comparison": {"cosine_similarity": 0.75},
    "speech-recognition-zh": {"0": "你好;世界", "20031996": "再见"},
    "music-detection": {"0": '{"class":"是"}\n'},
    "speech-vectorization-zh": "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8",
    "text-vectorization": {
        "id": "1",
        "pool_output": "0.1,0.2",
        "first_token_output": "0.3,0.4",
        "all_hidden_outputs": "0.3,0.4;0.5,0.6",
        "dimension": 2,
    },
}
SHOWN = {
    "image-classification": ["tabby", "75.0 %"],
    "semantic-segmentation": ["15", "25.0 %"],
    "foreground-segmentation": ["covered by people", "25.0 %"],
    "face-attributes": ["female", "31", "Neutral"],
    "image-similarity": ["91.5 of 100", "The same", "0.4 of 2"],
    "face-similarity": ["12 of 100", "Different"],
    "product-comparison": ["cosine similarity", "75.0 %"],
    "speech-recognition-zh": ["0:00", "你好; 世界", "0:20", "再见"],
    "music-detection": ["0:00", "是"],
    "speech-vectorization-zh": ["0.1, 0.2, 0.3, 0.4, 0.5, 0.6, …", "8"],
    "text-vectorization": ["pool_output", "token 2 of 2", "0.5, 0.6"],
}


class Studio(Box):
    """A box that serves all there is; what is asked of videos it holds until the test answers."""

    def __init__(self, port, folder):
        super().__init__(port, folder)
        self.answers = dict(FAKES)
        self.draw = None
        self.status = self.status.model_copy(update={"services": []})
        for name in SERVICES:
            self.add_service(name, "running")
        self.held = []
        self.refusals = []

    def submit(self, job):
        if self.refusals:
            job.reply(self.refusals.pop())
            return
        if not job.service.startswith("video"):
            self.asked.append((job.service, orjson.loads(job.payload)))
            answer = self.answers[job.service]
            job.reply(Answer("r-1", orjson.dumps(answer), 200))
            return
        self.asked.append((job.service, orjson.loads(job.payload)))
        self.held.append(job)

    def sent(self, number=-1):
        """The bytes of the upload that a request names."""
        scheme, _, id = self.asked[number][1]["input"]["url"].partition(":")
        assert scheme == "upload"
        with self.uploads.open(id) as found:
            return found.file.read()

    def artefact(self, data):
        with self.artefacts.draft(".mp4") as draft:
            draft.file.write(data)
            return f"/artefacts/{draft.keep().id}"


class Desk(Page):
    """The section, in words."""

    def service(self, name):
        until(lambda: self.all("[name=service] option"), "services are offered")
        Select(self.one("#attempt [name=service]")).select_by_visible_text(name)

    def click(self, name):
        self.one(f"#attempt [name={name}]").click()

    def options(self):
        if not self.run("return document.querySelector('.options').open"):
            self.one(".options summary").click()
        return [element.get_attribute("data-option") for element in self.all("[data-option]")]


@pytest.fixture
def box(tmp_path):
    with Studio(free_port(), tmp_path) as made:
        yield made


@pytest.fixture
def desk(browser, box):
    """The page of the box; at the end nothing may have gone wrong in it."""
    with spotless(browser, 1200, 1000):
        desk = Desk(browser, box.url)
        desk.sees("#node", "shop-1")
        yield desk


@pytest.fixture
def pictures(tmp_path):
    """Two, of which one is darker."""
    for name, shade in (("a.png", 90), ("b.png", 200)):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), shade, np.uint8))
    return [tmp_path / "a.png", tmp_path / "b.png"]


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "said.wav"
    path.write_bytes(encoded(tone(30.0, rate=8000), rate=8000))
    return path


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "my film.mp4"
    path.write_bytes(video(evenly(50), (96, 128)))
    return path


def test_every_service_can_be_tried(desk):
    """Each has an input of its kind, and no field that it needs is without one."""
    counts = {"picture": 1, "pictures": 2, "recording": 1, "video": 1, "text": 0}
    wanted = {name: counts[known.media] for name, known in SERVICES.items()} | {"image-colorization": 2}
    until(lambda: desk.all("[name=service] option"), "services are offered")
    assert desk.texts("[name=service] option") == list(SERVICES)
    for service in SERVICES.values():
        desk.service(service.name)
        assert len(desk.all(".given [type=file]:not([name=photo])")) == wanted[service.name], service.name
        assert len(desk.all(".given textarea")) == (2 if service.media == "text" else 0)
        assert desk.text(".about") == service.summary
        offered = set(desk.options()) if desk.one(".options").is_displayed() else set()
        simple = service.options.model_fields.keys()
        assert simple <= offered, service.name
        assert ("play_duration" in offered) == (service.media in ("recording", "video"))


@pytest.mark.parametrize("name", [name for name in FAKES if SERVICES[name].media == "picture"])
def test_what_is_found_in_a_picture_is_shown(box, desk, pictures, name):
    desk.service(name)
    desk.choose(pictures[0])
    for text in SHOWN[name]:
        desk.sees(".shown", text)
    assert box.asked == [(name, {"image": base64.b64encode(pictures[0].read_bytes()).decode()})]


@pytest.mark.parametrize("name", [name for name in FAKES if SERVICES[name].media == "pictures"])
def test_two_pictures_are_compared(box, desk, pictures, name):
    box.draw = lambda: np.full((40, 80, 3), 90, np.uint8)
    desk.service(name)
    if name == "product-comparison":
        desk.options()
        Select(desk.one("[data-option=metric]")).select_by_visible_text("Cosine")
    desk.choose(pictures[0], "filea")
    assert box.asked == [], "one is not enough"
    desk.choose(pictures[1], "fileb")
    for text in SHOWN[name]:
        desk.sees(".shown", text)
    a, b = (base64.b64encode(path.read_bytes()).decode() for path in pictures)
    pair = {"imagea": a, "imageb": b}
    if name == "product-comparison":
        pair = {"function_name": "match", "function_params": {**pair, "metric": "Cosine"}}
    assert box.asked == [(name, pair)]


def test_a_reference_goes_along_where_there_is_one(box, desk, pictures):
    box.answers["image-colorization"] = {"out_image": base64.b64encode(pictures[1].read_bytes()).decode()}
    desk.service("image-colorization")
    desk.choose(pictures[0])
    until(lambda: len(box.asked) == 1, "a model may do without")
    desk.choose(pictures[1], "reference")
    until(lambda: len(box.asked) == 2, "it is asked again")
    image, reference = (base64.b64encode(path.read_bytes()).decode() for path in pictures)
    assert [fields for _, fields in box.asked] == [{"image": image}, {"image": image, "reference": reference}]
    desk.one(".commands summary").click()
    desk.sees(".curl", '"reference": "')


def test_the_metric_is_one_of_two(desk):
    desk.service("product-comparison")
    desk.options()
    assert desk.texts("[data-option=metric] option") == ["L2", "Cosine"]
    desk.one(".commands summary").click()
    desk.sees(".curl", '"metric": "L2"')


@pytest.mark.parametrize("name", [name for name in FAKES if SERVICES[name].media == "recording"])
def test_a_recording_is_sent_and_heard(box, desk, recording, name):
    desk.service(name)
    desk.choose(recording, "recording")
    for text in SHOWN[name]:
        desk.sees(".shown", text)
    assert box.sent() == recording.read_bytes()
    assert desk.one(".given audio").is_displayed()
    assert box.jobs.all() == [], "what is answered is forgotten"


def test_a_clip_of_a_transcript_leads_to_its_place(box, desk, recording):
    desk.service("speech-recognition-zh")
    desk.choose(recording, "recording")
    desk.sees(".shown", "0:20")
    desk.all(".clips button")[1].click()
    until(lambda: desk.run("return document.querySelector('.given audio').currentTime") >= 20)


def test_a_recording_is_sent_once_and_again_where_it_was_forgotten(box, desk, recording):
    desk.service("speech-recognition-zh")
    desk.choose(recording, "recording")
    desk.sees(".shown", "再见")
    desk.options()
    desk.one("[data-option=play_duration]").send_keys("1.5\t")
    until(lambda: len(box.asked) == 2, "an option asks again")
    first, second = (fields["input"] for _, fields in box.asked)
    assert second == {"url": first["url"], "play_duration": 1_500_000}
    desk.sees(".shown", "再见")
    box.uploads.remove(first["url"].partition(":")[2])
    forgotten = refusal({}, 404, "the field `input.url`: there is no such upload")
    box.refusals = [forgotten]
    desk.click("run")
    until(lambda: len(box.asked) == 3, "it is asked once more")
    assert box.sent() == recording.read_bytes()


def test_the_microphone_is_recorded(box, desk):
    desk.service("speech-recognition-zh-live")
    box.answers["speech-recognition-zh-live"] = FAKES["speech-recognition-zh"]
    desk.one(".record").click()
    until(lambda: desk.text(".record").startswith("Stop · 0:01"), "a second is recorded")
    assert box.asked == []
    desk.one(".record").click()
    desk.sees(".shown", "你好")
    assert desk.text(".record") == "Record"
    assert box.sent()[:4] == b"\x1aE\xdf\xa3", "WebM, which is Matroska"


def test_texts_are_asked_for_when_they_are_written(box, desk):
    desk.service("text-vectorization")
    desk.one("[name=first_sequence]").send_keys("今天")
    desk.options()
    desk.one("[data-option=sequence_length]").send_keys("16\t")
    assert box.asked == []
    desk.click("run")
    for text in SHOWN["text-vectorization"]:
        desk.sees(".shown", text)
    desk.one("[name=second_sequence]").send_keys("公园")
    desk.click("run")
    until(lambda: len(box.asked) == 2)
    one = {"sequence_length": 16, "id": "1", "first_sequence": "今天"}
    assert [fields for _, fields in box.asked] == [one, {**one, "second_sequence": "公园"}]
    desk.one(".commands summary").click()
    desk.sees(".curl", """printf '%s' '{"sequence_length": 16, "id": "1", "first_sequence": "今天""")


def test_a_video_is_watched_and_played_beside_the_original(box, desk, film):
    desk.service("video-super-resolution")
    desk.choose(film, "video")
    assert box.asked == [], "it takes minutes, so somebody has to want it"
    desk.options()
    Select(desk.one("[data-option=scale]")).select_by_visible_text("4")
    desk.click("run")
    until(lambda: box.held, "the job is there")
    assert box.sent() == film.read_bytes()
    assert box.asked[0][1]["scale"] == 4
    desk.sees(".far", "waiting for its turn")
    box.held[0].progress("r-1", 0.25)
    desk.sees(".far", "25 %")
    assert desk.run("return document.querySelector('#attempt progress').value") == 0.25
    made = box.artefact(video(evenly(50), (192, 256)))
    body = {"oss_path": f"file:///srv{made}", "result": "The end is damaged.", "success": True}
    box.held[0].reply(Answer("r-1", orjson.dumps(body), 200, artefact=f"https://shop.example{made}"))
    size = "const v = document.querySelector('.shown video'); return v && [v.videoWidth, v.videoHeight]"
    until(lambda: desk.run(size) == [256, 192], "the result can be played")
    desk.sees(".shown", "The end is damaged.")
    assert not desk.one(".working").is_displayed()
    desk.one(".shown .bar button").click()
    ended = "return [...document.querySelectorAll('#attempt video')].map((v) => v.currentTime)"
    until(lambda: min(desk.run(ended)) > 0.5, "both play")


def test_a_highlight_plays_from_its_place(box, desk, film):
    desk.service("video-highlight")
    desk.choose(film, "video")
    desk.click("run")
    until(lambda: box.held)
    curve = {"step": 1_000_000, "score": [0.1, 0.9], "parts": {"motion": [0.1, 0.9]}}
    body = {"oss_path": "s3://b/x.mp4", "result": "", "success": True, "start": 1_000_000, "end": 2_000_000}
    made = box.artefact(film.read_bytes())
    box.held[0].reply(Answer("r-1", orjson.dumps({**body, "curve": curve}), 200, artefact=made))
    desk.sees(".said", "from 0:01 to 0:02")
    assert desk.one(".curve rect").get_attribute("x") == "1"
    desk.one(".shown .bar button").click()
    until(lambda: desk.run("return document.querySelector('.given video').currentTime") >= 1)


def test_what_happens_in_a_video(box, desk, film):
    desk.service("video-classification")
    desk.choose(film, "video")
    desk.click("run")
    until(lambda: box.held)
    body = {
        "class": "Bowling",
        "class_id": 3,
        "class_probs": {"Bowling": 0.9, "Golf": 0.1},
        "taxonomy": "ucf101",
    }
    box.held[0].reply(Answer("r-1", orjson.dumps(body), 200))
    desk.sees(".shown", "90.0 %")
    desk.sees(".said", "Bowling 90 %")


def test_a_job_is_cancelled(box, desk, film):
    desk.service("video-super-resolution")
    desk.choose(film, "video")
    desk.click("run")
    until(lambda: box.held)
    desk.sees(".far", "waiting for its turn")
    desk.click("cancel")
    desk.sees(".said", "Cancelled.")
    until(box.held[0].is_cancelled, "the box knows")
    assert not desk.one(".working").is_displayed()
    desk.click("run")
    until(lambda: len(box.held) == 2, "it can be asked again")
    desk.service("ocr")
    until(box.held[1].is_cancelled, "who turns to another service has cancelled it")


def test_a_refusal_of_a_job_and_of_an_upload_are_said(box, desk, film, tmp_path):
    desk.service("video-highlight")
    desk.choose(film, "video")
    desk.click("run")
    until(lambda: box.held)
    box.held[0].reply(
        refusal({}, 413, "it takes too long; ask for less by `input.play_duration`", "video-highlight")
    )
    desk.sees(".said", "It takes too long; ask for less by input.play_duration.")
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(50_000_001)
    desk.choose(large, "video")
    desk.sees(".given .why", "This browser cannot play it")
    desk.click("run")
    desk.sees(".said", "50000000 bytes of requests.video.max_bytes")
    assert len(box.held) == 1


def test_nothing_to_work_on_is_said(desk):
    desk.service("video-highlight")
    desk.click("run")
    desk.sees(".said", "First give it something")


def test_the_terminal_sends_a_file_ahead(box, desk, film):
    desk.service("video-highlight")
    desk.choose(film, "video")
    desk.one(".commands summary").click()
    told = desk.text(".curl")
    assert told.startswith(f"upload=$(curl -sS -X POST -T 'my film.mp4' {box.url}api/uploads | grep -o")
    assert """'{"input": {"url": "'; printf '%s' "$upload"; printf '%s' '"}}'""" in told


@pytest.mark.parametrize("width", [360, 820])
def test_nothing_is_wider_than_a_phone(desk, browser, pictures, recording, width):
    resize(browser, width, 780, phone=width < 500)
    for name, files in {"image-similarity": pictures, "speech-vectorization-zh": [recording]}.items():
        desk.service(name)
        for file, field in zip(files, ("filea", "fileb") if len(files) > 1 else ("recording",), strict=True):
            desk.choose(file, field)
        desk.sees(".shown", SHOWN[name][0])
        assert desk.run("return document.documentElement.scrollWidth") == width
