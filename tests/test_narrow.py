"""Narrowed networks: bit for bit what plain Python makes of the original constants and the new accumulators."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import tiny_graph, tiny_images, unchecked
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.naive import LeftRangeError, evaluate

import intinfer
from intinfer import reference
from intinfer.accumulator import Accumulator, Overflow, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.engine.session import Session
from intinfer.errors import GraphError, RangeError
from intinfer.graph import Graph
from intinfer.narrow import narrow
from intinfer.ops import Conv2d, Dense, MaxPool, Table, Threshold
from intinfer.strategies import images, networks
from intinfer.tensor import IntTensor
from intinfer.types import IntType

DEMO = Path(intinfer.__file__).parent / "demo" / "mognet.npz"
CKK, KKC = TapOrder.CKK, TapOrder.KKC


def rules(bits):
    """Every rule that may overflow, at so many bits."""
    sequential = st.builds(
        Accumulator,
        bits,
        st.sampled_from((Overflow.SATURATE, Overflow.TRAP)),
        st.sampled_from(TapOrder),
        st.integers(1, 7),
    )
    return sequential | st.builds(Accumulator.wrap, bits)


def in_plain_python(graph: Graph, rule: Accumulator, names, image):
    """Every value, with the rule in the named nodes and nothing else changed: no type rule, no constant adapted."""
    wide = Accumulator.prove(62)
    nodes = []
    for node in graph.nodes:
        if isinstance(node.op, Conv2d | Dense):
            node = replace(node, op=replace(node.op, accumulator=rule if node.name in names else wide))
        nodes.append(node)
    return evaluate(unchecked(graph, nodes=tuple(nodes)), {graph.inputs[0].name: image.tolist()})


def assert_narrowed(graph: Graph, rule: Accumulator, names, narrowed: Graph, image) -> None:
    try:
        wanted = in_plain_python(graph, rule, names, image)
    except LeftRangeError:
        for run in (reference.run, lambda g, x: Session(g).run(x)):
            with pytest.raises(RangeError, match=f"accumulator of {rule.bits} bits "):
                run(narrowed, image[None])
        return
    traced = reference.trace(narrowed, image[None])
    fast = Session(narrowed, every_value=True).run(image[None])
    for name in narrowed.values:
        assert traced[name][0].tolist() == wanted[name], name
        assert fast[name][0].tolist() == wanted[name], name
    skipping = Session(narrowed).run(image[None])
    for out in narrowed.outputs:
        assert skipping[out.name][0].tolist() == wanted[out.value], out.name


@pytest.mark.parametrize("overflow", ["wrap", "saturate", "trap"])
@given(st.data())
@settings(max_examples=8)
def test_whole_networks_are_what_plain_python_makes_of_them(overflow, data):
    graph = data.draw(networks(max_blocks=1))
    rule = data.draw(rules(st.integers(2, 9)).filter(lambda rule: rule.overflow == overflow))
    names = [node.name for node in graph.nodes if isinstance(node.op, Conv2d | Dense)]
    try:
        narrowed = narrow(graph, rule)
    except GraphError as refusal:
        assert "pad value" in str(refusal)  # noqa: PT017
        return
    assert_narrowed(graph, rule, names, narrowed, data.draw(images(graph)))


RULES = (
    *(Accumulator.wrap(bits) for bits in (3, 8, 11)),
    *(Accumulator.saturate(bits, order, fold) for bits in (4, 9) for order, fold in ((CKK, 1), (KKC, 5))),
    Accumulator.trap(9, KKC, 2),
    Accumulator.trap(15, CKK),
)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("pattern", ["*", "conv", "f?"])
def test_the_tiny_network(rule, pattern):
    graph = tiny_graph()
    names = {"*": ["conv", "fc"], "conv": ["conv"], "f?": ["fc"]}[pattern]
    narrowed = narrow(graph, rule, pattern)
    assert [n.name for n in narrowed.nodes if getattr(n.op, "accumulator", None) == rule] == names
    assert narrowed.provenance == {"net": "tiny", "accumulators": f"{rule} in {pattern}"}
    assert (narrowed.outputs, narrowed.image, narrowed.classes) == (graph.outputs, graph.image, graph.classes)
    assert [n.source for n in narrowed.nodes] == [n.source for n in graph.nodes]
    for image in (*tiny_images(2), np.zeros((3, 8, 8), int)):
        assert_narrowed(graph, rule, names, narrowed, image)


def test_a_width_that_is_enough_changes_no_bit_of_the_demo_model():
    graph = intinfer.load(DEMO).graph
    image = np.random.default_rng(4).integers(0, 256, (1, 3, 32, 32))
    wanted = reference.run(graph, image)
    enough = narrow(graph, Accumulator.wrap(19))  # composed, 19 bits are proven; the type rules say up to 24
    assert {n.op.accumulator.bits for n in enough.nodes if isinstance(n.op, Conv2d)} == {19}
    too_few = narrow(graph, Accumulator.wrap(11))
    for name in wanted:
        np.testing.assert_array_equal(Session(enough).run(image)[name], wanted[name])
        np.testing.assert_array_equal(reference.run(too_few, image)[name], Session(too_few).run(image)[name])
        assert (reference.run(too_few, image)[name] != wanted[name]).any()


def chain(*ops):
    """The ops one after another behind an input (1, 1, 2) of 0..200."""
    builder = GraphBuilder()
    x = builder.input("x", (1, 1, 2), IntType(0, 200))
    for i, op in enumerate(ops):
        x = builder.add(op, x, name=f"n{i}")
    builder.output("y", x)
    return builder.finish()


def sums(weight, accumulator, pad=0, value=0):
    return Conv2d(IntTensor(np.array(weight)), (1, 1), (0, pad, 0, 0), (value,), (1, 1), 1, accumulator)


ONE = [[[[1]]]]
P62 = Accumulator.prove(62)


def test_thresholds_outside_the_range_are_clipped_to_what_is_never_or_always_crossed():
    up = Threshold(IntTensor([[0, 50, 128, 200]]), IntTensor([0]), 0, 1)
    down = Threshold(IntTensor([[200, 127, 0, -1]]), IntTensor([1]), 0, 1)
    for op, clipped in ((up, [[0, 50, 128, 128]]), (down, [[127, 127, 0, -1]])):
        graph = chain(sums(ONE, P62), op)
        narrowed = narrow(graph, Accumulator.saturate(8, CKK))
        assert narrowed.nodes[1].op.thresholds.values.tolist() == clipped
        every = np.stack([np.arange(201), np.arange(200, -1, -1)], axis=1)[:, None, None]
        wanted = [in_plain_python(graph, Accumulator.saturate(8, CKK), ["n0"], image)["n1"] for image in every]
        assert reference.run(narrowed, every)["y"].tolist() == wanted
    same = narrow(chain(sums(ONE, P62), up), Accumulator.wrap(9))
    assert same.nodes[1].op is not None
    assert same.nodes[1].op.thresholds.values.tolist() == [[0, 50, 128, 200]]


def test_a_table_keeps_the_entries_that_are_reached():
    table = Table(IntTensor(np.arange(100, 301)[None]), 0, 100, 300)
    graph = chain(sums(ONE, P62), MaxPool((1, 1), (1, 1), (0, 0, 0, 0), (1, 1)), table)
    with pytest.raises(GraphError, match=r"^node 'n2' \(table\): its input may become -128..127 and it has entries"):
        narrow(graph, Accumulator.wrap(8))
    wide = Table(IntTensor(np.arange(601)[None]), -400, 0, 700)
    graph = chain(sums([[[[1, -2]]]], P62), wide)
    narrowed = narrow(graph, Accumulator.wrap(8))
    assert (narrowed.nodes[1].op.start, narrowed.nodes[1].op.entries.shape) == (-128, (1, 256))
    assert reference.run(narrowed, np.array([[[[7, 100]]]]))["y"].tolist() == [[[[400 + (7 - 200 + 256)]]]]


def test_proven_accumulators_left_out_grow_with_their_input_and_never_shrink():
    graph = chain(sums(ONE, P62), sums([[[[1, 1]]]], Accumulator.prove(10)))
    grown = narrow(graph, Accumulator.saturate(12, CKK), "n0")
    assert grown.nodes[0].output.type == IntType(-2048, 2047)
    assert grown.nodes[1].op.accumulator == Accumulator.prove(13)
    kept = narrow(graph, Accumulator.saturate(4, CKK), "n0")
    assert kept.nodes[1].op.accumulator == Accumulator.prove(10)


@pytest.mark.parametrize(
    ("graph", "rule", "nodes", "message"),
    [
        (tiny_graph(), Accumulator.wrap(8), "c", "no conv2d or dense node matches 'c'; such nodes are: conv, fc"),
        (chain(MaxPool((1, 1), (1, 1), (0,) * 4, (1, 1))), Accumulator.wrap(8), "*", "there are none at all"),
        (
            tiny_graph(),
            Accumulator.prove(9),
            "*",
            r"^node 'conv' \(conv2d\): sums reach .* signed bits, the accumulator has 9: widen it",
        ),
        (
            chain(sums(ONE, P62), sums([[[[1, 1]]]], P62, pad=1, value=130)),
            Accumulator.wrap(8),
            "n0",
            r"^node 'n1' \(conv2d\): pad value 130 is outside the input's type -128..127",
        ),
        (
            narrow(tiny_graph(), Accumulator.wrap(8)),
            Accumulator.wrap(9),
            "*",
            r"^node 'conv': its accumulator is 8 bits, wrap, and cannot become one of 9: thresholds behind it",
        ),
    ],
)
def test_refusals(graph, rule, nodes, message):
    with pytest.raises(GraphError, match=message):
        narrow(graph, rule, nodes)


def test_twice_is_noted_twice():
    twice = narrow(narrow(tiny_graph(), Accumulator.wrap(12)), Accumulator.trap(10, KKC, 2), "conv")
    assert twice.provenance["accumulators"] == "12 wrap in *; 10 trap KKC fold 2 in conv"
