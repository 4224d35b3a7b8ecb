"""Scores of classes."""

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[np.floating], axis: int = -1) -> NDArray[np.float32]:
    """f32 of the same shape: probabilities that sum to 1 along `axis`; large logits do not overflow."""
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True), np.float32)
