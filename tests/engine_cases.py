"""What the engine's edge tests share: small graphs, edge values, and the comparison with the reference."""

from itertools import product

import numpy as np

from intinfer import reference
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.engine.planner import make_plan
from intinfer.engine.session import Session
from intinfer.ops import Conv2d, Threshold
from intinfer.tensor import IntTensor

LIMIT = 2**62
NONE = (0, 0, 0, 0)
LIMITLESS = Accumulator.prove(62)
UP = IntTensor([0])
IDENTITY = Threshold(IntTensor([[1, 2, 3]]), UP, 0, 1)
"""Levels 0..3 to themselves."""


def conv(weight, **changes):
    """A convolution of stride 1 without a border, 62 bits proven, unless told otherwise."""
    plain = {"stride": (1, 1), "pads": NONE, "pad_value": (0,), "dilation": (1, 1), "groups": 1}
    return Conv2d(IntTensor(np.array(weight)), **{**plain, "accumulator": LIMITLESS, **changes})


def graph_of(inputs, *ops):
    """The chain of `ops` behind inputs [(shape, type), ...]; the first op reads all of them."""
    builder = GraphBuilder()
    values = [builder.input(f"x{i}", shape, type_) for i, (shape, type_) in enumerate(inputs)]
    for i, op in enumerate(ops):
        values = [builder.add(op, *values, name=f"n{i}")]
    builder.output("y", values[0])
    return builder.finish()


def edge_values(graph, images=3):
    """Random values of each input: its ends, those beside them, 0, ±1 and any others."""
    rng = np.random.default_rng(5)
    arrays = {}
    for value in graph.inputs:
        lo, hi = value.type.lo, value.type.hi
        special = {lo, min(lo + 1, hi), max(hi - 1, lo), hi, *(z for z in (-1, 0, 1) if lo <= z <= hi)}
        shape = (images, *value.shape)
        any_value = rng.integers(lo, hi, shape, endpoint=True)
        arrays[value.name] = np.where(rng.integers(0, 4, shape) > 0, rng.choice(sorted(special), shape), any_value)
    return arrays


def assert_engine(graph, inputs=None):
    """Returns the reference's outputs. Without reuse of memory no value stands where another, alike, has stood."""
    inputs = edge_values(graph) if inputs is None else inputs
    wanted = reference.run(graph, inputs)
    for skip, fuse, reuse in product((True, False), repeat=3):
        session = Session(graph, skip=skip, fuse=fuse)
        session.plan = make_plan(graph, skip=skip, fuse=fuse, reuse=reuse)
        got = session.run(inputs, poison=True)
        for name in wanted:
            np.testing.assert_array_equal(got[name], wanted[name], err_msg=f"{name}, {skip=}, {fuse=}, {reuse=}")
    return wanted
