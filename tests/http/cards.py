"""A card of a model, small, and what a runtime would tell of its graph."""

import numpy as np

from edged.contracts.card import ModelCard
from edged.runtimes.signature import Port, Signature

CARD = ModelCard.model_validate(
    {
        "id": "fake",
        "service": "object-detection",
        "rank": 1,
        "summary": "a fake",
        "source": "nowhere",
        "licence": {"id": "Apache-2.0", "permissive": True},
        "labels": ["person, somebody", "crane, bird", "crane, machine"],
        "weights": {
            "fake.onnx": {"sha256": "0" * 64, "size": 1, "origins": [{"file": "fake.onnx"}]},
        },
        "graphs": {
            "main": {
                "weights": ["fake.onnx"],
                "inputs": {
                    "image": {"size": [416, None], "fit": "letterbox", "colour": "bgr"},
                    "scale": {"kind": "tensor", "shape": [1, 2], "dtype": "f32"},
                },
                "outputs": ["boxes"],
                "variants": ["onnxruntime-f32"],
            }
        },
    }
)

SIGNATURES = {
    "main": Signature(
        [
            Port("image", np.dtype(np.uint8), (None, 416, None, 3)),
            Port("scale", np.dtype(np.float32), (1, 2)),
        ],
        [
            Port("boxes", np.dtype(np.float32), (None, 6)),
            Port("boxes.1", np.dtype(np.float32), (None, 6)),
        ],
    )
}
