"""For a plugin's `graph.py`: read the arrays of a published checkpoint safely, and assemble a graph of them.

Neither torch nor TensorFlow is needed, nothing of a file is executed, and what is neither an array of numbers
nor a plain container is refused by name. Runs at `edged pull`, once.
"""

from edged.builders.dynamic import without_roundings
from edged.builders.graph import GraphBuilder, fold_batch_norm
from edged.builders.hdf5 import hdf5_arrays
from edged.builders.ncnn import Layer, ncnn_layers
from edged.builders.pickles import pickled_arrays
from edged.builders.torch import torch_arrays
from edged.builders.transformer import NOWHERE, Quantized, TransformerBuilder

__all__ = [
    "NOWHERE",
    "GraphBuilder",
    "Layer",
    "Quantized",
    "TransformerBuilder",
    "fold_batch_norm",
    "hdf5_arrays",
    "ncnn_layers",
    "pickled_arrays",
    "torch_arrays",
    "without_roundings",
]
