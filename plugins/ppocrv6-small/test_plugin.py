"""PP-OCR: known maps and steps in, known texts out; and the real weights on drawn and photographed text."""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from edged import CardError, InferenceError, ModelCard, OcrOptions, PixelFormat, Tools
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.testing import FakeRun, FakeSession, conformance, frame_of

PLUGINS = Path(__file__).parent.parent
CARDS = {name: ModelCard.load(PLUGINS / name / "card.yaml") for name in ("ppocrv6-small", "ppocrv6-tiny")}
CARD = CARDS["ppocrv6-small"]
OPTIONS = CARD.options_as(OcrOptions)
LETTERS = ("", "a", "b", "c", " ")
WHITE, GRAY = 255, 128

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
def model(models):
    return models["ppocrv6-small"]


def seen(*rectangles):
    """A detector that sees cores of text (left, top, right, bottom, probability) on its canvas."""

    def reply(inputs):
        (canvas,) = inputs.values()
        out = np.zeros((1, 1, *canvas.shape[1:3]), np.float32)
        for left, top, right, bottom, probability in rectangles:
            out[0, 0, top : bottom + 1, left : right + 1] = probability
        return {"fetch_name_0": out}

    return FakeSession(reply)


def letters(ids, probability=0.95):
    """[steps, 5]: these letters, a blank after each."""
    steps = np.zeros((2 * len(ids) + 1, len(LETTERS)), np.float32)
    steps[:, 0] = probability
    for place, letter in enumerate(ids):
        steps[2 * place + 1, [0, letter]] = [0, probability]
    return steps


def says(reading):
    """A recogniser that answers each line with the letters and the probability that `reading(line)` gives."""

    def reply(inputs):
        (lines,) = inputs.values()
        rows = [letters(*reading(line)) for line in lines]
        longest = max(map(len, rows))
        padded = [np.vstack([row, letters([])[[0] * (longest - len(row))]]) for row in rows]
        return {"fetch_name_0": np.stack(padded)}

    return FakeSession(reply)


ALWAYS_AB = says(lambda _: ([1, 2], 0.95))


def found(model, picture, det, rec=ALWAYS_AB, run=None, **options):
    tools = Tools({"det": det, "rec": rec}, {"characters": LETTERS})
    return model.infer(frame_of(picture), OPTIONS.model_copy(update=options), tools, run or FakeRun())


def plain(height, width, value=WHITE):
    return np.full((height, width, 3), value, np.uint8)


def test_a_text_comes_out_in_pixels_of_the_picture(model):
    picture = plain(368, 736)  # the canvas has twice its size
    result = found(model, picture, seen((200, 100, 400, 120, 0.8)))
    away = 1.6 * 200 * 20 / (2 * 220)
    top, left, bottom, right = (100 - away) / 2, (200 - away) / 2, (120 + away) / 2, (400 + away) / 2
    assert result.detection_boxes[0] == pytest.approx([top, left, bottom, right], abs=0.1)
    corners = [[top, left], [top, right], [bottom, right], [bottom, left]]
    assert np.array(result.detection_keypoints[0]) == pytest.approx(np.array(corners), abs=0.1)
    assert result.detection_scores == [0.8]
    assert (result.detection_classes, result.detection_class_names) == ([1], ["text"])
    assert (result.detection_texts, result.detection_texts_ids) == (["ab"], [[1, 2]])
    assert result.detection_texts_scores == [0.95]


def test_no_text_is_empty_lists(model):
    tools = {"det": seen(), "rec": ALWAYS_AB}
    result = conformance(model, tools, resources={"characters": LETTERS})
    assert result.detection_texts == result.detection_boxes == result.detection_keypoints == []


TWO = (100, 100, 300, 120, 0.9), (100, 200, 200, 220, 0.6)


def test_options_bound_what_is_found_and_what_is_said(model):
    picture = plain(736, 736)
    assert len(found(model, picture, seen(*TWO)).detection_texts) == 2
    assert len(found(model, picture, seen(*TWO), score_threshold=0.7).detection_texts) == 1
    best = found(model, picture, seen(*TWO), max_detections=1)
    assert best.detection_scores == [0.9]
    assert found(model, picture, seen(*TWO), text_score_threshold=0.96).detection_texts == []
    silent = says(lambda _: ([], 0.95))
    assert found(model, picture, seen(*TWO), silent, text_score_threshold=0).detection_texts == []


def test_text_is_looked_for_in_a_picture_of_the_asked_size_and_read_in_the_original(model):
    picture = plain(3000, 4000, 0)
    picture[400:480, 400:1200] = WHITE
    det, rec = seen((100, 100, 306, 123, 0.9)), says(lambda _: ([1], 0.95))
    found(model, picture, det, rec, longest_side=1024)
    (canvas,) = det.asked[0].values()
    assert canvas.shape == (1, 768, 1024, 3)
    (line,) = rec.asked[0].values()
    edges = np.abs(np.diff(line[0, :, 100, 0].astype(int)))
    assert np.sort(edges)[-2:].min() > 150, "sharp, as it is in the original"


def dark_left(line):
    """A line that is read only when its dark end is on the left."""
    return ([1, 2, 3], 0.95) if line[:, :20].mean() < line[:, 60:80].mean() else ([1], 0.3)


def test_what_stands_upside_down_is_turned_and_begins_at_its_own_top_left(model):
    picture = plain(736, 736, GRAY)
    picture[90:130, 240:320] = 0  # the right end
    result = found(model, picture, seen((100, 100, 300, 120, 0.9)), says(dark_left))
    assert result.detection_texts == ["abc"]
    (corners,) = result.detection_keypoints
    assert corners[0][0] > corners[2][0], "the first vertex is lower"
    assert corners[0][1] > corners[2][1], "and further right than the third"


def test_short_texts_stand_as_the_long_ones_do(model):
    """Five long lines say that the page is upside down; what is short would be read either way."""

    def reading(line):
        return ([1], 0.95) if (line == GRAY).all() else dark_left(line)

    picture = plain(736, 736, GRAY)
    cores = [(100, 50 + 60 * row, 300, 70 + 60 * row, 0.9) for row in range(5)]
    for _, top, _, bottom, _ in cores:
        picture[top - 10 : bottom + 10, 240:320] = 0
    result = found(model, picture, seen(*cores, (100, 400, 160, 420, 0.9)), says(reading))
    assert sorted(result.detection_texts) == ["a", *["abc"] * 5]
    short = result.detection_keypoints[result.detection_texts.index("a")]
    assert short[0][1] > short[2][1], "turned as the others are"


def test_a_tall_place_is_read_downwards(model):
    picture = plain(736, 736, GRAY)
    picture[90:160, 90:140] = 0  # the upper end
    result = found(model, picture, seen((100, 100, 120, 300, 0.9)), says(dark_left))
    assert result.detection_texts == ["abc"]
    (corners,) = np.array(result.detection_keypoints)
    assert corners[1][0] - corners[0][0] > 150, "from the first vertex to the second it reads down"


def many(count):
    return [(100, 20 + 30 * row, 100 + 20 * row, 30 + 30 * row, 0.9) for row in range(1, count + 1)]


def test_many_lines_are_read_in_bounded_batches(model):
    rec = says(lambda _: ([1], 0.95))
    result = found(model, plain(736, 736), seen(*many(20)), rec)
    assert len(result.detection_texts) == 20
    shapes = [lines.shape for asked in rec.asked for lines in asked.values()]
    assert sum(shape[0] for shape in shapes) == 20
    assert all(count == 1 or count * width <= 1920 for count, _, width, _ in shapes)
    assert all(width % 64 == 0 for _, _, width, _ in shapes)
    assert len(shapes) < 20


def test_a_call_that_is_over_stops_between_two_batches(model):
    rec = says(lambda _: ([1], 0.95))
    with pytest.raises(TimeoutError):
        found(model, plain(736, 736), seen(*many(5)), rec, FakeRun(TimeoutError()))
    assert rec.asked == []


def test_graphs_that_are_not_what_the_card_says_are_named(model):
    picture = plain(736, 736)
    small = FakeSession(lambda _: {"fetch_name_0": np.zeros((1, 1, 5, 5), np.float32)})
    with pytest.raises(InferenceError, match=r"`det` of ppocrv6-small gives \(1, 1, 5, 5\)"):
        found(model, picture, small)
    nine = FakeSession(lambda _: {"fetch_name_0": np.zeros((1, 3, 9), np.float32)})
    with pytest.raises(InferenceError, match=r"`rec` of ppocrv6-small gives 9 classes for 5 letters"):
        found(model, picture, seen(TWO[0]), nine)


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
        return models[name].infer(frame_of(picture), asked, tools[name], FakeRun())

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
    return [text.replace(" ", "") for text in result.detection_texts]


EXPECTED = [text.replace(" ", "") for text in SIGNS]


@BOTH
def test_the_letters_are_in_the_file_of_the_recogniser(name, tools, model, weight_store):
    read = tools[name].resources["characters"]
    assert len(read) == {"ppocrv6-small": 18_710, "ppocrv6-tiny": 6_906}[name]
    assert (read[0], read[1], read[-1]) == ("", "!", " ")
    det = weight_store.verified(CARD, "PP-OCRv6_det_small.onnx")
    with pytest.raises(CardError, match="no metadata `character`"):
        model.open_resource("characters", det)


@BOTH
def test_a_sign_is_read_and_keeps_the_contract(name, models, tools):
    sign = page([SIGNS[0]], size=24, height=80, width=380)
    result = conformance(models[name], tools[name].sessions, frame_of(sign), tools[name].resources)
    assert result.detection_texts == [SIGNS[0]]


@BOTH
def test_a_page_is_read(name, read, tools):
    result = read(name, page(SIGNS))
    assert said(result) == EXPECTED
    assert min(result.detection_texts_scores) > 0.85
    letters = tools[name].resources["characters"]
    for text, ids in zip(result.detection_texts, result.detection_texts_ids, strict=True):
        assert "".join(letters[i] for i in ids) == text
    drawn = [24, 30, 54, 30 + 12 * 30]  # twelve letters of 30 pixels
    assert result.detection_boxes[0] == pytest.approx(drawn, abs=26)


@pytest.mark.parametrize("degrees", [15, 30, 90, 180, 200, 270])
@pytest.mark.parametrize("name", ["ppocrv6-tiny"])
def test_a_page_may_be_held_in_any_way(name, degrees, read):
    result = read(name, turned(page(SIGNS), degrees))
    assert said(result) == EXPECTED
    along = np.array(
        [
            (corners[1][1] - corners[0][1], corners[1][0] - corners[0][0])
            for corners in result.detection_keypoints
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
    for picture in (plain(300, 400), plain(300, 400, 0), noise, plain(1, 1), plain(3, 2000)):
        assert read(name, picture).detection_texts == []
