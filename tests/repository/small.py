"""The small graph of `tests.graphs` as a model."""

from typing import Any

import numpy as np

from edged.contracts.image import Classification
from edged.contracts.model import Prepared, SinglePassModel


class Small(SinglePassModel[Any, None, Any, Classification]):
    """The small graph as a classifier."""

    def __init__(self, of):
        self.card = of

    def preprocess(self, item, options):
        return Prepared({"pictures": item.pixels(self.card.picture().format)[None]}, None)

    def postprocess(self, outputs, context, options):
        raw = outputs["scores"][0]
        return Classification(np.exp(raw - raw.max()), self.card.labels)
