"""Graphs that are tiny and real: what a new plugin runs until it has its own."""

from typing import Any

import numpy as np

from edged.builders.graph import GraphBuilder

SIDE, CELL = 64, 8
"""Of the picture that is looked at, and of each of its cells, pixels."""
STEP = 16.0
"""Of two colours that differ by so much, of 255, one is e times the other."""
WINDOW, SPAN = 16_000, 2_000
"""Samples that are listened to at once, and those of which the loudness is told."""
GAIN = 10.0
"""A mean of 0.1 is loud."""
TOKENS, WIDTH = 259, 16
"""The 256 bytes and three marks; numbers of a vector."""


def of_pictures() -> Any:
    """How red, green and blue each cell of a picture is: `scores` [1, 3, rows, columns] of `picture`."""
    graph = GraphBuilder()
    cells = graph.node("AveragePool", "picture", kernel_shape=[CELL, CELL], strides=[CELL, CELL])
    graph.node("Softmax", graph.node("Div", cells, np.array(STEP)), axis=1, name="scores")
    grid = SIDE // CELL
    return graph.build({"picture": [1, 3, SIDE, SIDE]}, {"scores": [1, 3, grid, grid]})


def of_sound() -> Any:
    """How loud each part of a second is: `loudness` [1, parts] of `sound`."""
    graph = GraphBuilder()
    parts = graph.node("Reshape", graph.node("Abs", "sound"), np.array([1, WINDOW // SPAN, SPAN]))
    mean = graph.node("ReduceMean", parts, axes=[2], keepdims=0)
    graph.node("Tanh", graph.node("Mul", mean, np.array(GAIN)), name="loudness")
    return graph.build({"sound": [1, WINDOW]}, {"loudness": [1, WINDOW // SPAN]})


def of_text() -> Any:
    """A vector of each token, and of what is around it: `states` [1, tokens, width] of `ids`."""
    graph = GraphBuilder()
    table = np.random.default_rng(0).normal(size=(TOKENS, WIDTH)).astype(np.float32)
    each = graph.node("Gather", table, "ids")
    around = graph.node("ReduceMean", each, axes=[1], keepdims=1)
    graph.node("Add", each, around, name="states")
    return graph.build({"ids": [1, "tokens"]}, {"states": [1, "tokens", WIDTH]}, integers=["ids"])
