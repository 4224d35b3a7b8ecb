"""For tests of plugins: fakes of what the host gives to a model, and the checks that all must pass."""

from edged.testing.answers import answer_of
from edged.testing.checks import CHECKS, Check, Row, checked_rows, conformance
from edged.testing.fakes import FakeRun, FakeSession, VideoOfPictures, chunks_of, frame_of, stepped
from edged.testing.items import Items, items_for
from edged.testing.subject import Subject
from edged.testing.trial import tried

__all__ = [
    "CHECKS",
    "Check",
    "FakeRun",
    "FakeSession",
    "Items",
    "Row",
    "Subject",
    "VideoOfPictures",
    "answer_of",
    "checked_rows",
    "chunks_of",
    "conformance",
    "frame_of",
    "items_for",
    "stepped",
    "tried",
]
