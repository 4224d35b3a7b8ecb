"""Probabilities and the best classes."""

import numpy as np
import pytest

from edged.ops.scores import softmax, top_k


def test_softmax_sums_to_one_and_does_not_overflow():
    found = softmax(np.array([1000.0, 1000.0, 0.0], np.float32))
    assert found.tolist() == pytest.approx([0.5, 0.5, 0])
    assert softmax(np.random.default_rng(0).normal(size=(3, 5)), axis=0).sum(axis=0) == pytest.approx(1)


def test_top_k_best_first_and_of_equal_ones_the_lower_index():
    assert top_k(np.array([0.1, 0.5, 0.5, 0.9]), 3).tolist() == [3, 1, 2]
    assert top_k(np.array([0.1]), 5).tolist() == [0]
