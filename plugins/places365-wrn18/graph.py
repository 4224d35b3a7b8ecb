"""The graph of places365-wrn18: a ResNet-18 without the max-pool behind its first convolution.

Paper: https://arxiv.org/abs/1512.03385. The maker dropped the max-pool, so all of it runs at twice the width
and height of a ResNet-18, and the mean at the end is over 14 x 14 cells.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edged import CardError
from edged.builders import GraphBuilder, fold_batch_norm, torch_arrays

EPSILON = 1e-5
"""Of torch's batch normalisation; it is in no checkpoint."""
STAGES = (1, 2, 3, 4)
BLOCKS = (0, 1)


def build(checkpoint: Path, size: tuple[int, int]) -> Any:
    """`image` [batch, 3, height, width] to `probabilities` [batch, classes], as an `onnx.ModelProto`."""
    found = torch_arrays(checkpoint)
    if found.get("arch") != "wideresnet18":
        raise CardError(f"{checkpoint.name} holds {found.get('arch')!r}, not wideresnet18")
    arrays = {name.removeprefix("module."): array for name, array in found["state_dict"].items()}
    net = _Net(arrays)
    value = net.relu(net.conv_bn("image", "conv1", "bn1", stride=2, pad=3))
    for stage in STAGES:
        for block in BLOCKS:
            value = net.block(value, f"layer{stage}.{block}", stride=2 if stage > 1 and block == 0 else 1)
    means = net.graph.node("Flatten", net.graph.node("GlobalAveragePool", value), axis=1)
    logits = net.graph.node("Gemm", means, arrays["fc.weight"], arrays["fc.bias"], transB=1)
    net.graph.node("Softmax", logits, axis=1, name="probabilities")
    classes = len(arrays["fc.bias"])
    return net.graph.build({"image": ("batch", 3, *size)}, {"probabilities": ("batch", classes)})


class _Net:
    """The parts of a ResNet, by the names of its arrays."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.graph = GraphBuilder()
        self._arrays = arrays

    def conv_bn(self, value: str, conv: str, norm: str, *, stride: int, pad: int) -> str:
        of_norm = (
            self._arrays[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        weight, bias = fold_batch_norm(self._arrays[f"{conv}.weight"], *of_norm, epsilon=EPSILON)
        return self.graph.conv(value, weight, bias, stride=stride, pad=pad)

    def relu(self, value: str) -> str:
        return self.graph.node("Relu", value)

    def block(self, value: str, name: str, *, stride: int) -> str:
        """Two convolutions beside a short cut, which is a convolution itself where the shape changes."""
        inner = self.relu(self.conv_bn(value, f"{name}.conv1", f"{name}.bn1", stride=stride, pad=1))
        inner = self.conv_bn(inner, f"{name}.conv2", f"{name}.bn2", stride=1, pad=1)
        if f"{name}.downsample.0.weight" in self._arrays:
            value = self.conv_bn(value, f"{name}.downsample.0", f"{name}.downsample.1", stride=stride, pad=0)
        return self.relu(self.graph.node("Add", inner, value))
