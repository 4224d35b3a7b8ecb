"""A card of a model, small."""

from edged.contracts.card import ModelCard

CARD = ModelCard.model_validate(
    {
        "id": "fake",
        "service": "object-detection",
        "rank": 1,
        "summary": "a fake",
        "source": "nowhere",
        "licence": {"id": "Apache-2.0", "permissive": True},
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
