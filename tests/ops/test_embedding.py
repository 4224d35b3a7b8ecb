"""Vectors, their distance, and the scale of 0 to 100."""

from itertools import pairwise

import numpy as np
import pytest

from edged.contracts.errors import InferenceError
from edged.ops.embedding import Scale, cosine, fit_border, l2, nearest, unit

RNG = np.random.default_rng(5)
VECTORS = unit(RNG.normal(size=(20, 16)))


def test_length_one():
    np.testing.assert_allclose(np.linalg.norm(VECTORS, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(unit(np.array([3.0, 4.0])), [0.6, 0.8])


@pytest.mark.parametrize("wrong", [[0, 0], [np.nan, 1], [np.inf, 1]])
def test_a_vector_without_direction_is_the_models_fault(wrong):
    with pytest.raises(InferenceError):
        unit(np.array(wrong, float))


def test_the_same_is_exactly_the_same():
    for vector in VECTORS:
        assert cosine(vector, vector) == 1.0
        assert l2(vector, vector.copy()) == 0.0


def test_distance_and_cosine_say_the_same():
    for a, b in pairwise(VECTORS):
        assert l2(a, b) == pytest.approx(np.sqrt(2 - 2 * cosine(a, b)), abs=1e-6)
    assert cosine(VECTORS[0], -VECTORS[0]) == -1
    assert l2(VECTORS[0], -VECTORS[0]) == pytest.approx(2)


def test_the_nearest_is_that_of_a_loop():
    queries = unit(VECTORS[:4] + RNG.normal(scale=0.1, size=(4, 16)))
    index, distance = nearest(queries, VECTORS)
    for query, found, far in zip(queries, index, distance, strict=True):
        all_of_them = [l2(query, known) for known in VECTORS]
        assert found == int(np.argmin(all_of_them))
        assert far == pytest.approx(min(all_of_them), rel=1e-5)


def test_what_is_known_is_at_no_distance():
    index, distance = nearest(VECTORS, VECTORS)
    assert index.tolist() == list(range(20))
    assert distance.tolist() == [0] * 20
    none, nowhere = nearest(VECTORS[:0], VECTORS)
    assert none.shape == nowhere.shape == (0,)


def test_what_is_no_number_is_not_the_same():
    assert np.isnan(Scale([[0.0, 0.0], [1.0, 100.0]]).score(float("nan")))


def test_a_scale_goes_through_its_points():
    scale = Scale([[0.0, 0.0], [0.5, 80.0], [1.0, 100.0]])
    assert [scale.score(c) for c in (-1, 0, 0.25, 0.5, 0.75, 1, 1.1)] == [0, 0, 40, 80, 90, 100, 100]


@pytest.mark.parametrize(
    "points",
    [
        [[0, 0]],
        [[0, 0], [0, 100]],
        [[0, 80], [1, 80]],
        [[1, 0], [0, 100]],
        [[0, -1], [1, 100]],
        [[0, 0], [1, 101]],
    ],
)
def test_a_scale_must_rise(points):
    with pytest.raises(ValueError, match="both rising"):
        Scale(points)


def test_the_border_lies_in_the_gap():
    assert fit_border(np.array([0.8, 0.9]), np.array([0.1, 0.4])) == pytest.approx(0.6)


def test_the_border_has_the_fewest_errors():
    same, different = np.array([0.3, 0.7, 0.8, 0.9]), np.array([0.1, 0.2, 0.5, 0.6])
    assert 0.6 < fit_border(same, different) < 0.7


def test_of_two_gaps_that_are_as_good_it_is_one_and_not_between():
    same, different = np.array([0.5, 0.9]), np.array([0.1, 0.6])  # 0.1 to 0.5 or 0.6 to 0.9
    assert fit_border(same, different) == pytest.approx(0.3)


@pytest.mark.parametrize("seed", range(20))
def test_no_border_has_fewer_errors(seed):
    rng = np.random.default_rng(seed)
    same, different = rng.normal(0.6, 0.2, 9).round(1), rng.normal(0.3, 0.2, 7 + seed % 3).round(1)

    def errors(border):
        return np.mean(same < border) + np.mean(different >= border)

    fewest = min(errors(border) for border in np.linspace(-1, 2, 601) + 1e-4)
    assert errors(fit_border(same, different)) == pytest.approx(fewest)


def test_a_border_wants_both_kinds():
    with pytest.raises(ValueError, match="wants pairs"):
        fit_border(np.array([0.5]), np.array([]))
