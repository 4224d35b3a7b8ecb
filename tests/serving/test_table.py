"""Which services are up, and what is said of those that are not."""

import pytest

from edged.contracts.errors import NotFound, NotReady
from edged.serving.table import ServiceTable

NAME = "object-detection"


@pytest.fixture
def table():
    return ServiceTable()


def test_whom_nobody_configured_is_not_found(table):
    with pytest.raises(NotFound, match="not among `services`"):
        table.get(NAME)
    with pytest.raises(NotFound, match="did you mean object-detection"):
        table.get("objct-detection")


def test_what_fails_to_open_says_why(table):
    table.load(NAME)
    assert table.is_loading(NAME)
    table.withdraw(NAME, "the weights are damaged")
    assert not table.is_loading(NAME)
    with pytest.raises(NotReady, match="the weights are damaged"):
        table.get(NAME)


def test_one_that_begins_anew_is_waited_for_and_one_that_ends_is_not(table):
    """A reload with other settings of a service: its unit is stopped, and another one started."""
    table.want([NAME])
    table.load(NAME)
    table.withdraw(NAME, None)
    assert table.is_loading(NAME), "its next unit is about to be started"
    table.want([])
    table.withdraw(NAME, None)
    assert not table.is_loading(NAME)
    with pytest.raises(NotFound):
        table.get(NAME)


def test_who_watches_hears_of_each_change_until_it_does_not_want_to(table):
    heard = []
    changed = lambda: heard.append(table.is_loading(NAME))  # noqa: E731
    table.watch(changed)
    table.load(NAME)
    table.withdraw(NAME, "gone")
    table.unwatch(changed)
    table.withdraw(NAME, None)
    assert heard == [False]
