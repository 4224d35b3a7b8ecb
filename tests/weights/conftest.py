"""Fixtures: a package index on this machine."""

import pytest

from edged.weights import transfer, web
from tests.weights.registry import Registry


@pytest.fixture
def registry():
    """A package index that a test fills and disturbs."""
    with Registry() as made:
        yield made


@pytest.fixture
def twice(monkeypatch):
    """Two tries instead of five, for what fails for good."""
    monkeypatch.setattr(web, "TRIES", 2)
    monkeypatch.setattr(transfer, "TRIES", 2)
