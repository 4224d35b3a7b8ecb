"""Probabilities."""

import numpy as np
import pytest

from edged.ops.scores import softmax


def test_softmax_sums_to_one_and_does_not_overflow():
    found = softmax(np.array([1000.0, 1000.0, 0.0], np.float32))
    assert found.tolist() == pytest.approx([0.5, 0.5, 0])
    assert softmax(np.random.default_rng(0).normal(size=(3, 5)), axis=0).sum(axis=0) == pytest.approx(1)
