"""Age, gender and emotion of every face in a picture. Every number and label is in the card.

Ages and genders are read as dlib does (https://github.com/davisking/dlib-models), of chips that are aligned
by landmarks; emotions of the square around the face. Another model finds the faces.
"""

from collections.abc import Iterable, Mapping
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
    Model,
    ModelCard,
    Parameters,
    PixelFormat,
    Pixels,
    Register,
    Run,
    Session,
    Shape,
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
        super().__init__(card)
        if set(card.graphs) != GRAPHS:
            raise CardError(f"the plugin wants the graphs {', '.join(sorted(GRAPHS))}")
        self._numbers = card.parameters_as(AttributeParameters)
        self._templates = {name: np.array(points) for name, points in self._numbers.templates.items()}
        self._ages = np.array(self._numbers.ages)

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        numbers = self._numbers
        classes = {"age": numbers.ages, "gender": numbers.genders, "emotion": numbers.emotions}[graph]
        return {self.card.graphs[graph].single()[1]: (None, len(classes))}

    def infer(self, item: Frame, options: FacesOptions, tools: Tools, run: Run) -> FaceAttributes:
        found: Faces = tools.models["faces"].infer(
            item, run, score_threshold=options.score_threshold, max_faces=options.max_faces
        )
        size = item.height, item.width
        if not len(found):
            return FaceAttributes(found.scores, (), (), found.boxes, found.scores, size)
        run.check()
        bgr = item.pixels(PixelFormat())
        numbers, sessions = self._numbers, tools.sessions
        ages = self._asked("age", sessions, self._upright("age", bgr, found))
        genders = self._asked("gender", sessions, self._upright("gender", bgr, found))
        emotions = self._asked("emotion", sessions, self._squares(bgr, found))
        return FaceAttributes(
            ages @ self._ages,
            [numbers.genders[i] for i in genders.argmax(axis=1)],
            [numbers.emotions[i] for i in emotions.argmax(axis=1)],
            found.boxes,
            found.scores,
            size,
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
        self, graph: str, sessions: Mapping[str, Session], chips: Iterable[Pixels]
    ) -> NDArray[np.floating]:
        """Probabilities [faces, classes]."""
        name, output = self.card.graphs[graph].single()
        colour = self.card.picture(graph).colour
        return sessions[graph].run({name: np.stack([_coloured(chip, colour) for chip in chips])})[output]


def _coloured(bgr: Pixels, colour: Colour) -> Pixels:
    """[height, width, channels] as a graph eats it."""
    frame = PictureFrame(bgr, 0.0)
    return frame.pixels(PixelFormat(colour=colour)).reshape(*bgr.shape[:2], -1)


@hookimpl
def register_models(register: Register) -> None:
    register(DlibFer)
