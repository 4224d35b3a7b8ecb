"""What a session gives is what the model expects, or an error: shapes, finite numbers, several pictures."""

import numpy as np
import pytest

from edged.contracts.errors import InferenceError
from edged.contracts.model import Opened
from edged.runtimes.checked import checked
from edged.testing import FakeSession
from tests.graphs import card, write_graph

INPUTS = {
    "pictures": {"kind": "picture", "size": [8, 8], "fit": "stretch", "colour": "rgb"},
    "scale": {"kind": "tensor", "shape": [1, 2], "dtype": "f32"},
    "words": {"kind": "tensor", "shape": [-1, 2], "dtype": "f32"},
}


class Shaped(Opened):
    """Says of the graph what a test wants."""

    wanted: dict

    def shapes(self, graph):
        assert graph == "main"
        return self.wanted


@pytest.fixture
def session(tmp_path):
    def opened(reply, wanted=None, **graph):
        made = card(
            write_graph(tmp_path / "a.onnx"), graph={"inputs": INPUTS, "outputs": ["y", "z"], **graph}
        )
        model = Shaped(made)
        model.wanted = wanted or {}
        fake = FakeSession(reply)
        return checked({"main": fake}, model)["main"], fake

    return opened


def gives(session, shapes, wanted):
    """Run a session whose outputs have these shapes."""
    made, _ = session(lambda _: {n: np.zeros(s, np.float32) for n, s in shapes.items()}, wanted, batch_axis=0)
    return made.run({})


@pytest.mark.parametrize(
    ("shapes", "wanted"),
    [
        ({"y": (1, 4)}, {}),
        ({"y": (1, 4), "z": (9,)}, {"y": (1, 4)}),
        ({"y": (1, 7)}, {"y": (1, None)}),
        ({"y": ()}, {"y": ()}),
        ({"y": (5, 4), "z": (5,)}, {"y": ("boxes", 4), "z": ("boxes",)}),
        ({"y": (0, 4), "z": (0,)}, {"y": ("boxes", 4), "z": ("boxes",)}),
        ({"y": (3, 3)}, {"y": ("side", "side")}),
        ({"y": (2, 3)}, {"y": ("rows", "columns")}),
    ],
)
def test_outputs_of_the_expected_shape_are_given(session, shapes, wanted):
    assert {name: values.shape for name, values in gives(session, shapes, wanted).items()} == shapes


@pytest.mark.parametrize(
    ("shapes", "wanted", "said"),
    [
        ({"y": (1, 5)}, {"y": (1, 4)}, r"'y' of shape \(1, 5\), and not \(1, 4\)"),
        ({"y": (1, 4, 1)}, {"y": (1, 4)}, r"'y' of shape \(1, 4, 1\)"),
        ({"y": (4,)}, {"y": (None, 4)}, r"'y' of shape \(4,\), and not \(any, 4\)"),
        (
            {"y": (5, 4), "z": (6,)},
            {"y": ("boxes", 4), "z": ("boxes",)},
            r"'z' of shape \(6,\), and not \(boxes\)",
        ),
        ({"y": (3, 2)}, {"y": ("side", "side")}, r"'y' of shape \(3, 2\), and not \(side, side\)"),
    ],
)
def test_another_shape_is_refused_with_graph_model_and_output(session, shapes, wanted, said):
    with pytest.raises(InferenceError, match=rf"^the graph 'main' of small gives {said}"):
        gives(session, shapes, wanted)


def test_an_output_that_the_model_waits_for_and_that_is_lacking_is_refused(session):
    with pytest.raises(InferenceError, match="the graph 'main' of small gives no 'z', but 'y'"):
        gives(session, {"y": (1,)}, {"z": (1,)})


def test_words_stand_for_another_size_in_each_run(session):
    lengths = iter((3, 5))
    made, _ = session(lambda _: {"y": np.zeros(next(lengths))}, {"y": ("n",)}, batch_axis=0)
    assert [len(made.run({})["y"]) for _ in range(2)] == [3, 5]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_not_finite_is_refused(session, bad, dtype):
    values = np.zeros((3, 4), dtype)
    values[1, 2] = bad
    made, _ = session(lambda _: {"y": np.zeros(2), "z": values}, batch_axis=0)
    with pytest.raises(InferenceError, match="'main' of small gives values that are not finite"):
        made.run({})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_sum_that_is_too_large_for_its_type_is_no_fault(session, dtype):
    values = np.full((4, 4), np.finfo(dtype).max, dtype)
    made, _ = session(lambda _: {"y": values}, batch_axis=0)
    np.testing.assert_array_equal(made.run({})["y"], values)


@pytest.mark.filterwarnings("error")
def test_what_is_not_finite_is_found_among_values_of_a_sum_that_is_none(session):
    made, _ = session(lambda _: {"y": np.array([np.inf, -np.inf, 1], np.float32)}, batch_axis=0)
    with pytest.raises(InferenceError, match="not finite"):
        made.run({})


@pytest.mark.parametrize("values", [np.array([1, 2]), np.array([True]), np.zeros((0, 3), np.float32)])
def test_whole_numbers_and_nothing_are_finite(session, values):
    made, _ = session(lambda _: {"y": values}, batch_axis=0)
    assert made.run({})["y"] is values


def pictures(count):
    return np.arange(count * 192, dtype=np.float64).reshape(count, 8, 8, 3).astype(np.uint8)


def means(inputs):
    """One row a picture."""
    return {"y": inputs["pictures"].mean(axis=(1, 2), dtype=np.float64) * inputs["scale"].sum()}


def test_several_pictures_are_run_one_by_one_where_the_graph_takes_one(session):
    made, fake = session(means, {"y": ("pictures", 3)}, batch_axis=None)
    inputs = {"pictures": pictures(3), "scale": np.ones((1, 2), np.float32)}
    np.testing.assert_array_equal(made.run(inputs)["y"], means(inputs)["y"])
    assert [len(asked["pictures"]) for asked in fake.asked] == [1, 1, 1]


def test_an_input_that_is_not_per_picture_goes_with_each_of_them_as_it_is(session):
    made, fake = session(means, batch_axis=None)
    words = np.arange(6, dtype=np.float32).reshape(3, 2)
    scale = np.ones((1, 2), np.float32)
    for count in (2, 3):  # as many words as pictures are no words of a picture each
        fake.asked.clear()
        made.run({"pictures": pictures(count), "scale": scale, "words": words})
        assert len(fake.asked) == count
        assert all(asked["scale"] is scale and asked["words"] is words for asked in fake.asked)


def test_an_input_of_which_the_graph_takes_one_goes_with_its_picture(session):
    made, fake = session(means, batch_axis=None)
    scales = np.arange(6, dtype=np.float32).reshape(3, 2)
    made.run({"pictures": pictures(3), "scale": scales})
    assert [asked["scale"].tolist() for asked in fake.asked] == [[[0, 1]], [[2, 3]], [[4, 5]]]


def test_a_number_goes_with_each_picture(session):
    made, fake = session(lambda inputs: {"y": inputs["pictures"]}, batch_axis=None)
    made.run({"pictures": pictures(2), "scale": np.float32(7)})
    assert [asked["scale"] for asked in fake.asked] == [7, 7]


@pytest.mark.parametrize(("count", "batch_axis"), [(3, 0), (1, 0), (1, None)])
def test_what_the_graph_takes_goes_in_at_once(session, count, batch_axis):
    made, fake = session(means, batch_axis=batch_axis)
    made.run({"pictures": pictures(count), "scale": np.ones((1, 2), np.float32)})
    assert [len(asked["pictures"]) for asked in fake.asked] == [count]


@pytest.mark.parametrize("inputs", [{}, {"pictures": pictures(0)}])
def test_what_lacks_a_picture_is_left_to_the_session_that_names_it(session, inputs):
    def refuse(_):
        raise InferenceError("'pictures' should be another")

    with pytest.raises(InferenceError, match="'pictures' should be another"):
        session(refuse, batch_axis=None)[0].run(inputs)


def test_each_of_several_pictures_is_checked(session):
    answers = iter((1.0, np.nan))
    made, _ = session(lambda _: {"y": np.array([next(answers)])}, batch_axis=None)
    with pytest.raises(InferenceError, match="not finite"):
        made.run({"pictures": pictures(2)})
