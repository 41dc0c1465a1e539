"""Graphs of thousands of nodes: what walks over one takes time in proportion to its nodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from intinfer import reference
from intinfer.accumulator import Accumulator
from intinfer.bounds import bounds_of
from intinfer.builder import GraphBuilder
from intinfer.cost import graph_cost
from intinfer.engine.session import Session
from intinfer.graph import Graph
from intinfer.model_file import to_bytes
from intinfer.ops import Affine, Clamp, Conv2d
from intinfer.reports.profile import profile
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from intinfer_golden.describe.regions import each_chain, each_node

NODES = 4_000
SECONDS = 10
"""Each takes about one; what looks at every node for every node takes a minute and more."""


@cache
def chain(linear: bool) -> Graph:
    builder = GraphBuilder()
    value = builder.input("x", (1, 2, 2), IntType(0, 255))
    step = Affine(IntTensor([-1]), IntTensor([1])) if linear else Clamp(0, 255)
    for i in range(NODES):
        value = builder.add(step, value, name=f"n{i}")
    builder.output("y", value)
    return builder.finish()


@pytest.mark.parametrize(
    "walk",
    [
        to_bytes,
        Session,
        lambda graph: Session(graph, every_value=True),
        graph_cost,
        lambda graph: bounds_of(graph).channels,
        each_node,
        each_chain,
        lambda graph: profile(graph, [np.zeros((1, 1, 2, 2), dtype=np.int64)]).to_text(),
        lambda graph: reference.trace(graph, np.zeros((1, 1, 2, 2), dtype=np.int64)),
    ],
    ids=["to_bytes", "session", "every value", "cost", "bounds", "each node", "each chain", "profile", "trace"],
)
@pytest.mark.parametrize("linear", [False, True], ids=["clamps", "affine maps"])
def test_a_long_chain(walk: Callable[[Graph], object], linear: bool) -> None:
    graph = chain(linear)
    begin = time.process_time()
    walk(graph)
    assert time.process_time() - begin < SECONDS


def test_ranges_along_a_chain_of_affine_maps() -> None:
    """x -> 1 - x, over and over."""
    ranges = bounds_of(chain(True)).channels
    assert [[int(end[0]) for end in ranges[name]] for name in ("n0", "n1", "n3998", "n3999")] == [
        [-254, 1],
        [0, 255],
        [-254, 1],
        [0, 255],
    ]


def test_forms_of_all_channels_are_those_of_each() -> None:
    rng = np.random.default_rng(3)
    builder = GraphBuilder()
    value = builder.input("x", (4, 5, 6), IntType(-3, 4))
    for name, shape, groups in (("a", (6, 2, 3, 2), 2), ("b", (4, 6, 1, 1), 1), ("c", (8, 1, 2, 3), 4)):
        weight = IntTensor(rng.integers(-1, 1, shape, endpoint=True))
        op = Conv2d(weight, (1, 2), (1, 0, 1, 2), (1,), (1, 1), groups, Accumulator.prove(32))
        value = builder.add(op, value, name=name)
    builder.output("y", value)
    graph = builder.finish()
    for name in ("x", "a", "b", "c"):
        found = bounds_of(graph).forms(name)
        assert len(found) == graph.values[name].shape[0]
        for channel, forms in enumerate(found):
            assert [place for place, _ in forms] == bounds_of(graph).positions(name, channel)
            for place, form in forms:
                alone = bounds_of(graph).form(name, place)
                assert (form.ancestor, form.constant) == (alone.ancestor, alone.constant)
                assert form.indices.tolist() == alone.indices.tolist()
                assert form.coefficients.tolist() == alone.coefficients.tolist()
