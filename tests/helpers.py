"""Small graphs that several test files use."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np

from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph, ImageInput
from intinfer.ops import Conv2d, Dense, Flatten, MaxPool, SumPool, Threshold
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, IntType

CLASSES = ("cat", "dog", "frog", "ship")


def tiny_graph(
    *,
    mode: str = "RGB",
    fit: str = "exact",
    classes: tuple[str, ...] = CLASSES,
    scale: tuple[Fraction, ...] = (Fraction(1, 3),),
    offset: tuple[Fraction, ...] = (Fraction(-1, 2),),
    accumulator: Accumulator | None = None,
) -> Graph:
    """8x8 image -> conv 3x3 (ternary) -> threshold (2 bits) -> max pool -> sum pool -> flatten -> dense, 4 classes.

    `accumulator` is the convolution's, 32 bits proven unless given.
    """
    rng = np.random.default_rng(7)
    image = ImageInput(mode, fit)
    builder = GraphBuilder()
    x = builder.input("image", (image.channels, 8, 8), IntType(0, 255))
    weight = IntTensor(rng.integers(-1, 2, (6, image.channels, 3, 3)), "ternary")
    conv = Conv2d(weight, (1, 1), (1, 1, 1, 1), (0,), (1, 1), 1, accumulator or Accumulator.prove(32))
    x = builder.add(conv, x, name="conv", source=("conv.weight",))
    levels = IntTensor(np.array([[-200, 0, 200]] * 6))
    x = builder.add(Threshold(levels, IntTensor(np.zeros(6, int)), 0, 1), x, name="Act", source=("bn.weight", "act"))
    x = builder.add(MaxPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), x, name="pool")
    x = builder.add(SumPool((2, 2), (2, 2), (0, 0, 0, 0)), x, name="sum")
    x = builder.add(Flatten(), x, name="flatten")
    dense = IntTensor(2 * rng.integers(0, 2, (4, 24)) - 1, "binary")
    x = builder.add(Dense(dense, Accumulator.prove(16)), x, name="fc", source=("fc.weight",))
    builder.output("logits", x, scale, offset)
    return builder.finish(image, classes, {"net": "tiny"})


def unchecked(graph: Graph, **changes: object) -> Graph:
    """The graph with other fields as they are given: no type rule runs, as none does for a graph that is forged."""
    kept = {field.name: getattr(graph, field.name) for field in fields(graph)}
    return Graph._finished(**kept | changes)


def trapping_graph() -> Graph:
    """`tiny_graph` with a convolution that leaves its 9 bits on bright images, and does not on black ones."""
    return tiny_graph(accumulator=Accumulator.trap(9, TapOrder.CKK))


def two_ended_graph() -> Graph:
    """Inputs a and b (2, 3, 3) of 0..3; outputs their maps after a pool, "map", and flattened, "vector"."""
    builder = GraphBuilder()
    a = builder.input("a", (2, 3, 3), IntType(0, 3))
    b = builder.input("b", (2, 3, 3), IntType(0, 3))
    builder.output("map", builder.add(MaxPool((2, 2), (1, 1), (0, 0, 0, 0), (1, 1)), a, name="pooled"))
    builder.output("vector", builder.add(Flatten(), b, name="flat"))
    return builder.finish()


def tiny_images(count: int, channels: int = 3) -> IntArray:
    """(count, channels, 8, 8) of 0..255, the same in every run."""
    return np.random.default_rng(count).integers(0, 256, (count, channels, 8, 8))


def write_png(path: Path, chw: IntArray) -> Path:
    """An 8-bit PNG, RGB or L by the number of channels; returns its path."""
    from PIL import Image

    pixels = chw.astype(np.uint8).transpose(1, 2, 0)
    Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]).save(path)
    return path
