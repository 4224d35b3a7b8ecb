"""A model under test, and what is done with it."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from edged.contracts.model import AnyModel, Model, Session, StreamModel, Tools
from edged.contracts.services import card_options
from edged.runtimes.checked import checked
from edged.testing.fakes import FakeRun, VideoOfPictures
from edged.testing.items import Items
from edged.testing.watched import WatchedSession


@dataclass(frozen=True)
class Subject:
    """A model that is open, and what it is tried on."""

    model: AnyModel
    tools: Tools
    """As they were opened: the sessions are not checked yet."""
    items: Items

    @cached_property
    def result(self) -> Any:
        """For the usual item; the model is asked once."""
        return self.call()

    def call(self, item: Any = None, sessions: Mapping[str, Session] | None = None) -> Any:
        """Its result for an item, else the usual one; of a model that remembers alone it is a whole stream.

        What the graphs are given and give is checked, as the host does it, and more strictly.
        """
        item = fresh(self.items.usual if item is None else item)
        options, tools, run = card_options(self.model.card), self._tools(sessions), FakeRun()
        if isinstance(self.model, Model):
            return taken(self.model.infer(item, options, tools, run))
        return taken(self.model.step(item, self.model.start(options), options, tools, run)[0])

    def step(self, chunk: Any, state: Any) -> tuple[Any, Any]:
        """One chunk of a stream."""
        assert isinstance(self.model, StreamModel)
        tools, run = self._tools(None), FakeRun()
        return self.model.step(chunk, state, card_options(self.model.card), tools, run)

    def start(self) -> Any:
        """The state before the first chunk."""
        assert isinstance(self.model, StreamModel)
        return self.model.start(card_options(self.model.card))

    def _tools(self, sessions: Mapping[str, Session] | None) -> Tools:
        graphs = self.model.card.graphs
        given = self.tools.sessions if sessions is None else sessions
        watched = {name: WatchedSession(session, graphs[name]) for name, session in given.items()}
        return replace(self.tools, sessions=checked(watched, self.model))


def fresh(item: Any) -> Any:
    """The item as nobody has used it yet: a video goes forward once."""
    return copy.copy(item) if isinstance(item, VideoOfPictures) else item


def taken(result: Any) -> Any:
    """A result whose pictures, if they are made while they are taken, are there."""
    if not is_dataclass(result) or isinstance(result, type):
        return result
    given = {field.name: getattr(result, field.name) for field in fields(result)}
    flowing = {name: list(value) for name, value in given.items() if isinstance(value, Iterator)}
    return replace(result, **flowing) if flowing else result


def same(a: Any, b: Any) -> bool:
    """Whether two results hold the same, down to the last number."""
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if is_dataclass(a):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)
