"""Designs that are wrong in one way each, by +fault=NUMBER, and the sets of vectors that must show it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from intinfer.builder import GraphBuilder
from intinfer.graph import Graph
from intinfer.model import Model
from intinfer_golden import write_vectors
from intinfer_golden.make.frames import Stimulus
from intinfer_golden.make.stimulus.direct import directed

HOSTILE = Path(__file__).parent / "golden" / "hostile"
WEIGHT = np.array([[[[1, 0, -1], [-1, 1, 1], [0, -1, 1]]]])


def conv() -> Graph:
    builder = GraphBuilder()
    x = builder.input("x", (1, 5, 5), (0, 7))
    z = builder.conv2d(x, WEIGHT, name="conv", encoding="ternary", pads=1, pad_value=0, accumulator="16 prove")
    builder.output("y", builder.threshold(z, [[-3, 4]], name="act", base=0, step=1, descending=0, clip=False))
    return builder.finish()


def add() -> Graph:
    builder = GraphBuilder()
    a, b = (builder.input(name, (2, 3, 3), (0, 15)) for name in "ab")
    builder.output("y", builder.weighted_sum(a, b, name="sum", multipliers=(1, 1)))
    return builder.finish()


def gate() -> Graph:
    builder = GraphBuilder()
    x = builder.input("x", (4, 2, 3), (0, 7))
    other = builder.affine(x, name="other", multiplier=-1, offset=7)
    builder.output("y", builder.mux(builder.tgap(x, name="average", top=7), x, other, name="mux"))
    return builder.finish()


def banks() -> Graph:
    builder = GraphBuilder()
    x = builder.input("x", (1, 3, 6), (0, 7))
    builder.output("y", builder.affine(x, name="other", multiplier=-1, offset=7))
    return builder.finish()


SETS = {"conv": (conv, 1), "add": (add, 2), "gate": (gate, 1), "banks": (banks, 1)}
"""Design -> its network, and the channels a beat."""


def hostile_set(folder: Path, name: str) -> Path:
    """A set of the directed stimulus of a network."""
    graph, fold = SETS[name]
    stimulus = directed(graph())
    directory = folder / name
    write_vectors(Model(graph()), Stimulus(stimulus.frames, stimulus.labels), directory, formats=("memh",), fold=fold)
    return directory
