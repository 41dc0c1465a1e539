"""Graphs cut out of graphs: they compute what they computed there, and every node is in exactly one of them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from golden_sets import block_graph, images, selecting_graph
from helpers import tiny_graph
from hypothesis import given
from hypothesis import strategies as st

from intinfer import reference
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.errors import DataError
from intinfer.graph import Graph, Output
from intinfer.ops import Affine, Bitshift, Conv2d, Requant, Threshold
from intinfer.rounding import RoundMode
from intinfer.strategies import graphs_with_images
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from intinfer_golden.describe.regions import Region, each_chain, each_node, isolate


def check(graph: Graph, region: Region, trace: dict[str, np.ndarray]) -> None:
    """The region on what it reads in the whole network gives what the network has there."""
    inputs = {value.name: trace[value.name] for value in region.graph.inputs}
    for name, array in reference.trace(region.graph, inputs).items():
        assert np.array_equal(array, trace[name]), name
        assert region.graph.values[name] == graph.values[name]
    assert [node.name for node in region.graph.nodes] == list(region.nodes)
    for node in region.graph.nodes:
        assert (node.op, node.source) == (graph.node(node.name).op, graph.node(node.name).source)
    place = {name: i for i, name in enumerate(graph.values)}
    order = [place[value.name] for value in region.graph.inputs]
    assert order == sorted(order)
    read_outside = {x for node in graph.nodes if node.name not in region.nodes for x in node.inputs}
    read_at_all = {x for node in graph.nodes for x in node.inputs}
    wanted = {out.value for out in graph.outputs} | read_outside | (set(graph.values) - read_at_all)
    assert [out.value for out in region.graph.outputs] == [name for name in region.nodes if name in wanted]


@given(graphs_with_images(images=2), st.data())
def test_regions_compute_what_the_network_does(case: tuple[Graph, dict[str, np.ndarray]], data: st.DataObject) -> None:
    graph, inputs = case
    trace = reference.trace(graph, inputs)
    names = [node.name for node in graph.nodes]
    chosen = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    check(graph, isolate(graph, chosen, "mine"), trace)
    for regions in (each_node(graph), each_chain(graph)):
        for region in regions:
            check(graph, region, trace)
            assert region.name == region.nodes[-1]
            assert [out.name for out in region.graph.outputs] == [out.value for out in region.graph.outputs]
        assert sorted(name for region in regions for name in region.nodes) == sorted(names)
    assert [region.nodes for region in each_node(graph)] == [(name,) for name in names]


def chains(graph: Graph, nodes: list[str] | None = None) -> list[tuple[str, ...]]:
    return [region.nodes for region in each_chain(graph, nodes)]


def chain_graph() -> Graph:
    """Two linear maps and a threshold; an affine map that two nodes read; one that is an output of the network."""
    rng = np.random.default_rng(1)
    builder = GraphBuilder()
    x = builder.input("x", (2, 4, 4), IntType(0, 3))

    def conv(value: object, name: str, rule: Accumulator | None = None) -> object:
        weight = IntTensor(rng.integers(-1, 2, (2, 2, 1, 1)), "ternary")
        op = Conv2d(weight, (1, 1), (0, 0, 0, 0), (0,), (1, 1), 1, rule or Accumulator.prove(40))
        return builder.add(op, value, name=name)  # type: ignore[arg-type]

    def scaled(value: object, name: str) -> object:
        return builder.add(Affine(IntTensor([1, 2]), IntTensor([0, 1])), value, name=name)  # type: ignore[arg-type]

    def levels(value: object, name: str) -> object:
        op = Threshold(IntTensor([[0, 1, 2]]), IntTensor([0]), 0, 1)
        return builder.add(op, value, name=name)  # type: ignore[arg-type]

    a = levels(conv(conv(x, "pw"), "gc"), "act")
    shared = scaled(a, "shared")
    b = levels(shared, "b")
    requant = Requant(IntTensor([1]), IntTensor([0]), IntTensor([0]), RoundMode.FLOOR, 0, 3)
    c = builder.add(requant, shared, name="c")  # type: ignore[arg-type]
    d = builder.add(Bitshift(2), b, c, name="d")  # type: ignore[arg-type]
    out = conv(d, "out")
    e = levels(out, "e")
    w = levels(conv(scaled(e, "before"), "wrapped", Accumulator.wrap(3)), "after")
    builder.output("sums", out, (Fraction(1, 2),))  # type: ignore[arg-type]
    builder.output("levels", w)  # type: ignore[arg-type]
    return builder.finish()


def test_chains_by_hand() -> None:
    graph = chain_graph()
    alone = [("shared",), ("b",), ("c",), ("d",), ("out",), ("e",), ("before",), ("wrapped",), ("after",)]
    assert chains(graph) == [("pw", "gc", "act"), *alone]
    assert chains(graph, ["gc", "out"]) == [("pw", "gc", "act"), ("out",)]
    region = each_chain(graph, ["act"])[0]
    assert [value.name for value in region.graph.inputs] == ["x"]
    assert isolate(graph, ["out"]).graph.outputs == (Output("out", "out", (Fraction(1, 2),)),)


def test_blocks_by_hand() -> None:
    graph = block_graph()
    region = isolate(graph, ["mux", "select", "dw"], "block")
    assert (region.name, region.nodes) == ("block", ("select", "dw", "mux"))
    assert [value.name for value in region.graph.inputs] == ["act", "ca"]
    assert [out.value for out in region.graph.outputs] == ["mux"]
    assert region.graph.image is None
    assert isolate(graph, ["Conv/1"]).graph.image == graph.image
    check(graph, region, reference.trace(graph, images()))
    unused = isolate(selecting_graph(), ["unused"])  # nobody reads it: it is still a result
    assert [out.value for out in unused.graph.outputs] == ["unused"]


def test_refusals() -> None:
    graph = tiny_graph()
    for action in (each_node, each_chain, isolate):
        with pytest.raises(DataError, match=r"^the model has no node 'con'; close names: conv$"):
            action(graph, ["con"])
    with pytest.raises(DataError, match=r"^no nodes are asked for; a region needs at least one$"):
        isolate(graph, [])
    with pytest.raises(DataError, match=r"^no nodes are asked for; name some, or leave the choice out for all$"):
        each_chain(graph, [])
