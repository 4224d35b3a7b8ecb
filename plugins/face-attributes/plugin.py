"""Age, gender and emotion of every face in a picture. Every number and label is in the card.

Ages and genders are read as dlib does (https://github.com/davisking/dlib-models), of chips that are aligned
by landmarks; emotions of the square around the face. Another model finds the faces.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edged import (
    CardError,
    Colour,
    FaceAttributes,
    Faces,
    FacesOptions,
    Frame,
    InferenceError,
    Model,
    ModelCard,
    Parameters,
    PixelFormat,
    Pixels,
    Register,
    Run,
    Session,
    Tools,
    hookimpl,
)
from edged.media.frame import PictureFrame
from edged.ops.faces import aligned, square_chip

GRAPHS = {"age", "gender", "emotion"}


class AttributeParameters(Parameters):
    """What a card says about the three graphs."""

    templates: dict[Literal["age", "gender"], tuple[tuple[float, float], ...]]
    """Where on a chip the first landmarks of `Faces.landmarks` belong: x, y in shares of its side."""
    emotion_padding: float = Field(gt=0)
    """Side of the square that the emotion is read of, in longer sides of the face's box."""
    ages: tuple[float, ...]
    """Years that each output of the graph `age` stands for."""
    genders: tuple[Literal["male", "female"], ...]
    """In the order of the graph's outputs."""
    emotions: tuple[Literal["Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Neutral"], ...]
    """In the order of the graph's outputs."""


class DlibFer(Model[Frame, FacesOptions, FaceAttributes]):
    """A face detector and three classifiers of one picture input and one output each."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        if set(card.graphs) != GRAPHS:
            raise CardError(f"the plugin wants the graphs {', '.join(sorted(GRAPHS))}")
        self._numbers = card.parameters_as(AttributeParameters)
        self._templates = {name: np.array(points) for name, points in self._numbers.templates.items()}
        self._ages = np.array(self._numbers.ages)

    def infer(self, item: Frame, options: FacesOptions, tools: Tools, run: Run) -> FaceAttributes:
        found: Faces = tools.models["faces"].infer(
            item, run, score_threshold=options.score_threshold, max_faces=options.max_faces
        )
        if not len(found):
            return FaceAttributes([], [], [], [])
        run.check()
        bgr = item.pixels(PixelFormat())
        numbers, sessions = self._numbers, tools.sessions
        ages = self._asked("age", sessions["age"], self._upright("age", bgr, found), len(numbers.ages))
        genders = self._asked(
            "gender", sessions["gender"], self._upright("gender", bgr, found), len(numbers.genders)
        )
        emotions = self._asked(
            "emotion", sessions["emotion"], self._squares(bgr, found), len(numbers.emotions)
        )
        return FaceAttributes(
            (ages @ self._ages).astype(np.float64).round(2).tolist(),
            [numbers.genders[i] for i in genders.argmax(axis=1)],
            [numbers.emotions[i] for i in emotions.argmax(axis=1)],
            _within(found, item).astype(np.float64).round(4).tolist(),
        )

    def _upright(self, graph: Literal["age", "gender"], bgr: Pixels, found: Faces) -> Iterable[Pixels]:
        """[height, width, 3] of each face, its landmarks where the template wants them."""
        template, size = self._templates[graph], self.card.picture(graph).fixed_size
        for landmarks in found.landmarks:
            yield aligned(bgr, landmarks[: len(template)], template * size[::-1], size)[0]

    def _squares(self, bgr: Pixels, found: Faces) -> Iterable[Pixels]:
        """[side, side, 3] around each face."""
        side, _ = self.card.picture("emotion").fixed_size
        return (square_chip(bgr, box, self._numbers.emotion_padding, side) for box in found.boxes)

    def _asked(
        self, graph: str, session: Session, chips: Iterable[Pixels], classes: int
    ) -> NDArray[np.floating]:
        """Probabilities [faces, classes], of all faces in one run where the graph allows it."""
        name, output = self.card.graphs[graph].single()
        colour = self.card.picture(graph).colour
        fed = np.stack([_coloured(chip, colour) for chip in chips])
        runs = [fed] if self.card.graphs[graph].batch_axis == 0 else np.split(fed, len(fed))
        answers = np.concatenate([session.run({name: part})[output] for part in runs])
        if answers.shape != (len(fed), classes) or not np.isfinite(answers).all():
            raise InferenceError(
                f"the graph {graph!r} of {self.card.id} does not give {classes} probabilities"
            )
        return answers


def _coloured(bgr: Pixels, colour: Colour) -> Pixels:
    """[height, width, channels] as a graph eats it."""
    frame = PictureFrame(bgr, 0.0)
    return frame.pixels(PixelFormat(colour=colour)).reshape(*bgr.shape[:2], -1)


def _within(found: Faces, item: Frame) -> NDArray[np.float32]:
    """[n, 5]: boxes within the picture, and scores."""
    limit = [item.width, item.height] * 2
    return np.column_stack([np.clip(found.boxes, 0, limit), found.scores]).astype(np.float32)


@hookimpl
def register_models(register: Register) -> None:
    register(DlibFer(ModelCard.load(Path(__file__).with_name("card.yaml"))))
