"""DeOldify: colour for a gray picture. Only the colour is taken of what the network paints; the light stays
ours.

Project: https://github.com/jantic/DeOldify (NoGAN), which joins colour and light in the same way.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from edged import (
    Frame,
    ModelCard,
    OutImage,
    PictureOptions,
    PixelFormat,
    Pixels,
    Prepared,
    Register,
    Shape,
    SinglePassModel,
    Tensors,
    hookimpl,
)
from edged.ops.colour import with_colour_of
from edged.ops.image import batch_of_one


class Deoldify(SinglePassModel[Frame, Pixels, PictureOptions, OutImage]):
    """Any graph that gives a picture [n, 3, height, width], RGB of 0 to 255, for three equal gray planes."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._input, self._output = card.graphs["main"].single()
        self._gray = card.picture().format

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._output: (1, 3, None, None)}

    def preprocess(self, item: Frame, options: PictureOptions) -> Prepared[Pixels]:
        gray = cv2.cvtColor(item.pixels(self._gray), cv2.COLOR_RGB2GRAY)
        fed = {self._input: batch_of_one(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB))}
        return Prepared(fed, item.pixels(PixelFormat()))

    def postprocess(self, outputs: Tensors, context: Pixels, options: PictureOptions) -> OutImage:
        planes = outputs[self._output][0]
        painted = np.clip(np.moveaxis(planes, 0, 2)[..., ::-1], 0, 255).astype(np.uint8)
        return OutImage(with_colour_of(painted, context))


@hookimpl
def register_models(register: Register) -> None:
    register(Deoldify)
