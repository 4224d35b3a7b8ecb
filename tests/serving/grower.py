"""A plugin of a model with several variants, found by a child as by the daemon."""

from typing import Any

import numpy as np

import edged
from edged import hookimpl


class Grower(edged.SinglePassModel[Any, None, Any, Any]):
    """Classifies by the small graph."""

    def preprocess(self, item, options):
        return edged.Prepared({"pictures": item.pixels(self.card.picture().format)[None]}, None)

    def postprocess(self, outputs, context, options):
        raw = outputs["scores"][0]
        return edged.Classification(np.exp(raw - raw.max()), self.card.labels)


@hookimpl
def register_models(register):
    register(Grower)
