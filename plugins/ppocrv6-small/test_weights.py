"""PP-OCR's real weights, both pairs, on drawn and photographed text."""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from edged import CardError, OcrOptions, PixelFormat, Tools
from edged.cards import load_card
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.testing import FakeRun, FakeSession, answer_of, conformance, frame_of

PLUGINS = Path(__file__).parent.parent
CARDS = {name: load_card(PLUGINS / name / "card.yaml") for name in ("ppocrv6-small", "ppocrv6-tiny")}

SIGNS = [
    "人工智能边缘推理守护进程",
    "今天天气很好，我们去公园散步吧。",  # noqa: RUF001 - this is how Chinese is written
    "有效期至2026年11月23日",
    "The quick brown fox jumps over",
    "Invoice No. 2026-11-0047",
    "禁止吸烟",
]


@pytest.fixture(scope="module")
def models():
    return discover([PLUGINS], entry_points=False).models


@pytest.fixture(scope="module")
def tools(models, weight_store):
    """The published graphs of both models, fed as the folded ones will be, and their letters."""

    def session(card, graph, path):
        opened = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        mean, std = (np.float32(numbers) for numbers in (card.picture(graph).mean, card.picture(graph).std))

        def run(inputs):
            planes = {name: ((a - mean) / std).transpose(0, 3, 1, 2) for name, a in inputs.items()}
            return {"fetch_name_0": opened.run(["fetch_name_0"], planes)[0]}

        return FakeSession(run)

    def of(name):
        card = CARDS[name]
        files = weight_store.ensure(
            card, [w for g in card.graphs.values() for w in g.weights], lambda *_: None
        )
        graphs = {graph: session(card, graph, files[spec.weights[0]]) for graph, spec in card.graphs.items()}
        read = models[name].open_resource("characters", files[card.resources["characters"]])
        return Tools(graphs, {"characters": read})

    return {name: of(name) for name in CARDS}


BOTH = pytest.mark.parametrize("name", CARDS)


@pytest.fixture
def read(models, tools):
    """What a model reads in a picture, by its name."""

    def of(name, picture, **options):
        asked = CARDS[name].options_as(OcrOptions).model_copy(update=options)
        return answer_of(CARDS[name], models[name].infer(frame_of(picture), asked, tools[name], FakeRun()))

    return of


def page(texts, size=30, height=420, width=760, *, ink=(20, 20, 20), ground=(240, 240, 240)):
    """A page with a text a line, in a font that comes with OpenCV."""
    paper = np.full((height, width, 3), ground, np.uint8)
    for row, text in enumerate(texts):
        at = size, round(size * (1.7 + 1.9 * row))
        cv2.putText(paper, text, at, ink, cv2.FontFace("uni"), size)
    return paper


def turned(paper, degrees):
    """Clockwise, on a ground that is large enough."""
    height, width = paper.shape[:2]
    turn = np.deg2rad(degrees)
    cos, sin = abs(np.cos(turn)), abs(np.sin(turn))
    size = round(width * cos + height * sin), round(width * sin + height * cos)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1)
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return cv2.warpAffine(paper, matrix, size, flags=cv2.INTER_CUBIC, borderValue=(240, 240, 240))


def said(result):
    """The texts without spaces, which no eye can tell from a narrow gap."""
    return [text.replace(" ", "") for text in result["detection_texts"]]


EXPECTED = [text.replace(" ", "") for text in SIGNS]


@BOTH
def test_the_letters_are_in_the_file_of_the_recogniser(name, models, tools, weight_store):
    read = tools[name].resources["characters"]
    assert len(read) == {"ppocrv6-small": 18_710, "ppocrv6-tiny": 6_906}[name]
    assert (read[0], read[1], read[-1]) == ("", "!", " ")
    det = weight_store.verified(CARDS[name], CARDS[name].graphs["det"].weights[0])
    with pytest.raises(CardError, match="no metadata `character`"):
        models[name].open_resource("characters", det)


@BOTH
def test_a_sign_is_read(name, models, tools):
    sign = page([SIGNS[0]], size=24, height=80, width=380)
    result = conformance(models[name], tools[name].sessions, frame_of(sign), tools[name].resources)
    assert answer_of(CARDS[name], result)["detection_texts"] == [SIGNS[0]]


@BOTH
def test_a_page_is_read(name, read, tools):
    result = read(name, page(SIGNS))
    assert said(result) == EXPECTED
    assert min(result["detection_texts_scores"]) > 0.85
    letters = tools[name].resources["characters"]
    for text, ids in zip(result["detection_texts"], result["detection_texts_ids"], strict=True):
        assert "".join(letters[i] for i in ids) == text
    drawn = [24, 30, 54, 30 + 12 * 30]  # twelve letters of 30 pixels
    assert result["detection_boxes"][0] == pytest.approx(drawn, abs=26)


@pytest.mark.parametrize("degrees", [15, 30, 90, 180, 200, 270])
@pytest.mark.parametrize("name", ["ppocrv6-tiny"])
def test_a_page_may_be_held_in_any_way(name, degrees, read):
    result = read(name, turned(page(SIGNS), degrees))
    assert said(result) == EXPECTED
    along = np.array(
        [
            (corners[1][1] - corners[0][1], corners[1][0] - corners[0][0])
            for corners in result["detection_keypoints"]
        ]
    )
    ways = np.rad2deg(np.arctan2(along[:, 1], along[:, 0])) % 360
    assert ways == pytest.approx([degrees] * len(ways), abs=2)


@pytest.mark.parametrize("degrees", [20, 180])
def test_the_small_model_too(degrees, read):
    assert said(read("ppocrv6-small", turned(page(SIGNS), degrees))) == EXPECTED


def seen_from_the_side(paper):
    height, width = paper.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    seen = np.array([[90, 50], [640, 0], [740, 410], [20, 370]], np.float32)
    return cv2.warpPerspective(paper, cv2.getPerspectiveTransform(corners, seen), (width, height))


def blurred(paper):
    return cv2.GaussianBlur(paper, (0, 0), 1.2)


@pytest.mark.parametrize(
    "paper",
    [
        seen_from_the_side(page(SIGNS)),
        page(SIGNS, ink=(240, 240, 240), ground=(30, 20, 20)),
        page(SIGNS, ink=(40, 40, 200), ground=(120, 200, 230)),
        page(SIGNS, size=13, height=720, width=1280),
        page(SIGNS, size=44, height=3000, width=4000),
        blurred(page(SIGNS)),
    ],
    ids=["from the side", "white on black", "red on green", "small", "large picture", "blurred"],
)
def test_text_of_any_look_and_size(paper, read):
    assert said(read("ppocrv6-tiny", paper)) == EXPECTED


def test_huge_letters_and_a_line_that_fills_its_picture(read):
    assert said(read("ppocrv6-tiny", page(["出口"], size=300, height=700, width=800))) == ["出口"]
    cut = page(["Edge inference daemon"], size=24, height=52, width=330)[14:]
    assert said(read("ppocrv6-tiny", np.ascontiguousarray(cut))) == ["Edgeinferencedaemon"]


def test_a_dense_page_of_two_hundred_words(read):
    words = [*SIGNS[3].split(), "lazy", "dog", "edge", "model", "camera", "with", "text"]
    lines = [" ".join(words[(i * k) % len(words)] for k in range(1, 10)) for i in range(1, 24)]
    result = read("ppocrv6-tiny", page(lines, size=16, height=760, width=640))
    assert said(result) == [line.replace(" ", "") for line in lines]


def test_columns_of_chinese_are_read_down_and_from_the_right(read):
    paper = np.full((560, 400, 3), 240, np.uint8)
    for column, text in enumerate(["人工智能边缘推理", "北京市海淀区大街"]):
        for row, letter in enumerate(text):
            cv2.putText(
                paper, letter, (260 - column * 150, 70 + row * 60), (0, 0, 0), cv2.FontFace("uni"), 48
            )
    assert said(read("ppocrv6-tiny", paper)) == ["人工智能边缘推理", "北京市海淀区大街"]


@pytest.mark.parametrize("degrees", [0, 3, -6, 180])
def test_a_form_is_read_row_by_row(degrees, read):
    rows = [
        ("姓名", "张三丰"),
        ("出生日期", "1988-06-09"),
        ("Address", "12MainStreet"),
        ("Phone", "+15550100"),
    ]
    paper = np.full((460, 1000, 3), 240, np.uint8)
    for row, pair in enumerate(rows):
        for column, text in enumerate(pair):
            at = 80 + 460 * column, 90 + row * 95
            cv2.putText(paper, text, at, (30, 20, 20), cv2.FontFace("uni"), 36)
    assert said(read("ppocrv6-tiny", turned(paper, degrees))) == [text for row in rows for text in row]


@BOTH
def test_a_photographed_page(name, read, media):
    frame = decode_picture(media("page.png").read_bytes(), PictureLimits(), 0.0)
    result = read(name, frame.pixels(PixelFormat()))
    assert said(result)[:6] == [
        "Region-basedsegmentation",
        "Letusfirstdeterminemarkersofthecoinsandthe",
        "background.Thesemarkersarepixelsthatwecanlabel",
        "unambiguouslyaseitherobjectorbackground.Here,",
        "themarkersarefoundatthetwoextremepartsofthe",
        "histogramofgreyvalues:",
    ]


@BOTH
def test_where_there_is_no_text_there_is_none(name, read):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (300, 400, 3), dtype=np.uint8)
    dark = np.zeros_like(noise)
    dot, thread = (np.full((*size, 3), 255, np.uint8) for size in ((1, 1), (3, 2000)))
    for picture in (dark, 255 - dark, noise, dot, thread):
        assert read(name, picture)["detection_texts"] == []
