"""Fixtures: a package index on this machine."""

import pytest

from tests.weights.registry import Registry


@pytest.fixture
def registry():
    """A package index that a test fills and disturbs."""
    with Registry() as made:
        yield made
