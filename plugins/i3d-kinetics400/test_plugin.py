"""I3D: the graph that is built, windows, names, and real videos, whole and as a camera shows them."""

import itertools
import threading
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest

from edged import ActionOptions, CardError, Fit, NotUsable, PixelFormat, Tools
from edged.contracts.errors import Cancelled, RepositoryError
from edged.media.video import VideoOptions, open_video
from edged.repository.instance import UsedModel
from edged.testing import FakeRun, FakeSession, VideoOfPictures, answer_of, frame_of
from edged.testing.fakes import stepped

MODEL = "i3d-kinetics400"
CHECKPOINT = "i3d-kinetics-400.ckpt"
SHAPE = (1, 3, 16, 224, 224)
WAVES = np.sin(np.arange(np.prod(SHAPE), dtype=np.float64) ** 2 / 1e7).reshape(SHAPE).astype(np.float32)
"""A window that is the same everywhere."""
CLASSES = [390, 394, 178, 159, 98]
"""Its five most probable classes by the package's own network, in jax 0.10.2 and flax 0.12.8."""
LOGITS = [15.703957, 15.686530, 12.532278, 10.036705, 9.490479]
AUTO = ActionOptions(taxonomy="auto")


@pytest.fixture(scope="module")
def pulled(instance_of):
    return instance_of(MODEL, "f32")


@pytest.fixture(scope="module")
def checkpoint(pulled, weight_store):
    return weight_store.verified(pulled.card, CHECKPOINT)


@pytest.fixture(scope="module")
def pizza(media):
    """Its first 3 seconds: a hand puts cheese on a pizza."""
    options, form = VideoOptions(real_time=False), PixelFormat((224, 398), Fit.STRETCH)
    frames = open_video(str(media("pizza.mp4")), options, threading.Event())
    return VideoOfPictures([frame.pixels(form) for frame in itertools.islice(frames, 75)], 25.0)


def answered(instance, video, run=None, **options):
    return answer_of(instance.card, UsedModel(instance).infer(video, run or FakeRun(), **options))


def named(model, **probabilities):
    """A session that says these of every window, by class; underscores are blanks."""
    names = model.card.class_names()
    logits = np.full((1, 400), -50.0, np.float32)
    for name, share in probabilities.items():
        logits[0, names.index(name.replace("_", " "))] = np.log(share)
    return FakeSession(lambda _: {"logits": logits})


def gray(count, rate=12.5, level=None):
    """Pictures one of which is told from the other by its level."""
    levels = range(count) if level is None else [level] * count
    return VideoOfPictures([np.full((4, 4, 3), i % 256, np.uint8) for i in levels], rate)


def shown(session):
    """By window: the levels of its pictures."""
    return [np.round((asked["video"][0, 0, :, 0, 0] + 1) * 127.5).astype(int) for asked in session.asked]


def watched(model, video, run=None):
    session = named(model, archery=1.0)
    model.infer(video, AUTO, Tools({"main": session}), run or FakeRun())
    return shown(session)


def test_the_graph_gives_what_its_makers_network_gave(pulled, checkpoint):
    built = pulled.model.build_graph("main", {CHECKPOINT: checkpoint})
    onnx.checker.check_model(built)
    session = onnxruntime.InferenceSession(built.SerializeToString())
    found = session.run(None, {"video": WAVES})[0][0]
    assert found.argsort()[::-1][:5].tolist() == CLASSES
    np.testing.assert_allclose(found[CLASSES], LOGITS, atol=1e-4)
    again = pulled.model.build_graph("main", {CHECKPOINT: checkpoint})
    assert again.SerializeToString() == built.SerializeToString()


def test_another_checkpoint_is_refused(pulled, tmp_path):
    path = tmp_path / "other.ckpt"
    path.write_bytes(b"PK\3\4")
    with pytest.raises(RepositoryError, match=r"other\.ckpt cannot be read"):
        pulled.model.build_graph("main", {CHECKPOINT: path})


@pytest.mark.parametrize("precision", ["f32", "auto"])
def test_real_weights_see_what_people_see(instance_of, pizza, precision):
    run = FakeRun()
    answer = answered(instance_of(MODEL, precision), pizza, run)
    assert (answer["class"], answer["class_id"], answer["taxonomy"]) == ("making pizza", 188, "kinetics400")
    assert len(answer["class_probs"]) == 5
    assert answer["class_probs"]["making pizza"] > 0.8
    assert run.reported[-1] == 1
    assert run.reported == sorted(run.reported)


def test_a_camera_sees_the_same(pulled, pizza):
    """A result as soon as a window is full, then one every eight pictures."""
    frames = list(pizza.frames(rate=12.5))
    told = [result for result, _ in stepped(pulled.model, frames, AUTO, pulled.tools)]
    assert [i for i, result in enumerate(told) if result is not None] == [15, 23, 31]
    whole = UsedModel(pulled).infer(
        VideoOfPictures([f.pixels(PixelFormat()) for f in frames[:16]], 12.5), FakeRun()
    )
    np.testing.assert_allclose(told[15].probabilities, whole.probabilities, atol=1e-6)
    assert told[31].names[told[31].best] == "making pizza"


def test_windows_cover_the_video_from_its_beginning_to_its_end(pulled):
    windows = watched(pulled.model, gray(40))
    assert [(w[0], w[-1]) for w in windows] == [(0, 15), (12, 27), (24, 39)]
    assert all((np.diff(w) == 1).all() for w in windows)


def test_a_faster_video_is_seen_at_the_same_pace(pulled):
    (window,) = watched(pulled.model, gray(32, 25.0))
    assert window.tolist() == list(range(0, 32, 2))


@pytest.mark.parametrize("count", [1, 5, 15])
def test_a_short_video_is_shown_again(pulled, count):
    (window,) = watched(pulled.model, gray(count))
    assert window.tolist() == [i % count for i in range(16)]


def test_a_long_video_is_looked_at_in_bounded_time(pulled):
    """Two hours: each window is sought, and nothing between them is asked for."""
    asked = []

    class Long(VideoOfPictures):
        def frames(self, start_us=0, end_us=None, step_us=None, rate=None):
            asked.append((start_us, end_us))
            return super().frames(0, (end_us or start_us) - start_us, step_us, rate)

    video = Long([np.zeros((4, 4, 3), np.uint8)] * 20, 12.5)
    video.seconds = 7200.0
    run = FakeRun()
    assert len(watched(pulled.model, video, run)) == len(asked) == len(run.reported) == 300
    assert {end - start for start, end in asked} == {1_280_000}
    assert (asked[0][0], asked[-1][1]) == (0, 7_200_000_000)


def test_a_video_of_unknown_length_is_looked_at_ever_more_seldom(pulled, monkeypatch):
    few = pulled.model._parameters.model_copy(update={"windows": 30})
    monkeypatch.setattr(pulled.model, "_parameters", few)
    video = SimpleNamespace(seconds=None, frames=gray(70 * 16, level=7).frames)
    session = named(pulled.model, archery=1.0)
    result = pulled.model.infer(video, AUTO, Tools({"main": session}), FakeRun())
    assert result.names[result.best] == "Archery"
    assert len(session.asked) == 31 + 15 + 2, "each window, then each second one, then each fourth"


def test_a_video_that_ends_early_is_used_as_far_as_it_goes(pulled):
    windows = watched(pulled.model, SimpleNamespace(seconds=5.0, frames=gray(20).frames))
    assert [w[0] for w in windows] == [0, 16]
    assert windows[1].tolist() == [16 + i % 4 for i in range(16)]


def test_no_picture_at_all_is_said(pulled):
    with pytest.raises(NotUsable, match="no picture"):
        watched(pulled.model, SimpleNamespace(seconds=5.0, frames=lambda **_: iter(())))


def test_it_stops_between_two_windows(pulled):
    with pytest.raises(Cancelled):
        watched(pulled.model, gray(40), FakeRun(Cancelled("nobody waits")))


def test_what_is_recognised_outweighs_what_is_not(pulled):
    """Half of the windows show something for sure, the other half nothing of note."""
    names = pulled.card.class_names()
    sure, vague = np.full((1, 400), 0.0, np.float32), np.full((1, 400), 0.0, np.float32)
    sure[0, names.index("skydiving")] = 20
    replies = itertools.cycle([sure, vague])
    tools = Tools({"main": FakeSession(lambda _: {"logits": next(replies)})})
    result = pulled.model.infer(gray(64), AUTO, tools, FakeRun())
    assert result.names[result.best] == "SkyDiving"
    assert result.probabilities.max() > 0.99


@pytest.mark.parametrize(
    ("taxonomy", "best", "others"),
    [
        ("auto", ("Skiing", "ucf101", 0.5), {"using segway": 0.4, "Archery": 0.1}),
        ("ucf101", ("Skiing", "ucf101", 0.5 / 0.6), {"Archery": 0.1 / 0.6}),
        ("kinetics400", ("using segway", "kinetics400", 0.4), {"skiing slalom": 0.3, "archery": 0.1}),
    ],
)
def test_names_are_those_that_were_asked_for(pulled, taxonomy, best, others):
    session = named(pulled.model, using_segway=0.4, skiing_slalom=0.3, skiing_crosscountry=0.2, archery=0.1)
    options = ActionOptions(taxonomy=taxonomy)
    result = pulled.model.infer(gray(16), options, Tools({"main": session}), FakeRun())
    answer = answer_of(pulled.card, result, taxonomy=taxonomy)
    assert (answer["class"], answer["taxonomy"], answer["class_probs"][best[0]]) == (
        *best[:2],
        pytest.approx(best[2], abs=1e-3),
    )
    for name, share in others.items():
        assert answer["class_probs"][name] == pytest.approx(share, abs=1e-3)
    assert result.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert pulled.card.class_names()[answer["class_id"]] == answer["class"]


def test_the_table_of_names_fits_both_lists(pulled):
    names, table = pulled.card.class_names(), pulled.card.parameters["ucf101"]
    assert len(names) == len(set(names)) == 501
    assert (names[0], names[188], names[399]) == ("abseiling", "making pizza", "zumba")
    assert (len(table), names[400], names[500]) == (101, "ApplyEyeMakeup", "YoYo")
    assert table["PlayingPiano"] == ["playing piano"]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"YoYo": ["abseiling"]}, "the last labels"),
        ({"B": ["x"]}, "there are not: x"),
        ({"B": ["a", "a"]}, "twice"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(pulled, table, fault):
    patch = {"labels": ("a", "B"), "parameters": {**pulled.card.parameters, "ucf101": table}}
    with pytest.raises(CardError, match=fault):
        type(pulled.model)(pulled.card.model_copy(update=patch))


def test_a_state_is_a_value(pulled):
    tools = Tools({"main": named(pulled.model, archery=1.0)})
    frames = [frame_of(np.full((4, 4, 3), i, np.uint8), i) for i in range(20)]
    steps = stepped(pulled.model, frames, AUTO, tools)
    full = steps[15][1]
    assert [int(picture[0, 0, 0]) for picture in full.pictures] == list(range(16))
    assert full.fresh == 0
    assert len(steps[19][1].pictures) == 16
