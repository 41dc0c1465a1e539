"""`explain`: what it says by hand is what the reference and the naive evaluator say, for every op and accumulator."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from golden_sets import block_graph, images, selecting_graph
from helpers import tiny_graph, tiny_images, trapping_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import naive

from intinfer import reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.errors import DataError, GraphError, IntinferError, RangeError
from intinfer.graph import Graph
from intinfer.ops import Bitshift, Conv2d, Dense, MaxPool, Op, Requant, Tgap
from intinfer.rounding import RoundMode
from intinfer.strategies import MAKERS, Operands, arrays, graphs_with_images
from intinfer.tensor import CellularWeights, IntTensor
from intinfer.types import IntType
from intinfer_golden.ops.conv2d import Conv2dFacts
from intinfer_golden.ops.steps import Operand, Place, Steps
from intinfer_golden.verification.explain import Explanation, describe, document, explain


def single(op: Op, *shapes: tuple[int, ...], lo: int = -100, hi: int = 100) -> Graph:
    """A graph of one node, "y", on inputs in0, in1, ..."""
    builder = GraphBuilder()
    inputs = [builder.input(f"in{i}", shape, IntType(lo, hi)) for i, shape in enumerate(shapes)]
    builder.output("out", builder.add(op, *inputs, name="y"))
    return builder.finish()


def rows(explanation: Explanation, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in explanation.steps.rows]


def element(values: Any, at: tuple[int, ...]) -> int:
    """An element of nested lists."""
    for i in at:
        values = values[i]
    return int(values)


def check_sums(explanation: Explanation) -> None:
    """The products listed are products, and add up to the exact sum, and to the last partial sum without overflow."""
    products = [row for row in explanation.steps.rows if "product" in row]
    for row in products:
        factors = [row[name] for name in ("activation", "weight", "value", "multiplier") if name in row]
        assert row["product"] == int(factors[0]) * int(factors[1])
    if explanation.op in ("conv2d", "dense"):
        assert explanation.steps.facts["exact sum"] == sum(int(row["product"]) for row in products)
        assert products[-1]["sum"] == explanation.value
        if not any(row["note"] for row in products):
            assert explanation.steps.facts["exact sum"] == explanation.value
    elif explanation.op == "add":
        assert sum(int(row["product"]) for row in products) == explanation.value
    for part in explanation.inputs:
        check_sums(part)


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_an_op_of_every_kind(kind: str) -> None:
    @settings(max_examples=40)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        @st.composite
        def drawn(draw: st.DrawFn) -> Graph:
            source = Operands(draw, fresh=True)
            MAKERS[kind](source)
            source.builder.output("y", source.values[-1])
            return source.builder.finish()

        graph = data.draw(drawn())
        inputs = {value.name: data.draw(arrays(value.type, (1, *value.shape))) for value in graph.inputs}
        at = tuple(data.draw(st.integers(0, extent - 1)) for extent in graph.nodes[-1].output.shape)
        explanation = explain(graph, inputs, graph.nodes[-1].name, at)
        wanted = naive.evaluate(graph, {name: array[0].tolist() for name, array in inputs.items()})
        assert explanation.value == element(wanted[explanation.node], at)
        check_sums(explanation)
        assert json.loads(json.dumps(document(explanation)))["value"] == explanation.value
        assert describe(explanation)[-1] == f"  result: {explanation.value}"

    check()


@settings(max_examples=60)
@given(graphs_with_images(images=1), st.data())
def test_any_element_of_a_random_graph_to_any_depth(case: Any, data: st.DataObject) -> None:
    graph, inputs = case
    node = data.draw(st.sampled_from(graph.nodes))
    at = tuple(data.draw(st.integers(0, extent - 1)) for extent in node.output.shape)
    explanation = explain(graph, inputs, node.name, at, depth=data.draw(st.integers(0, 4)))
    wanted = naive.evaluate(graph, {name: array[0].tolist() for name, array in inputs.items()})

    def check(part: Explanation) -> None:
        assert part.value == element(wanted[part.node], part.at)
        for deeper in part.inputs:
            check(deeper)

    check(explanation)
    check_sums(explanation)


# ------------------------------------------------------------------------------------------------- sums, row by row


def test_a_convolution_with_padding_in_its_order() -> None:
    weight = IntTensor([[[[1, 2], [-1, 0]], [[3, 0], [0, 1]]]])
    op = Conv2d(weight, (1, 1), (1, 0, 0, 0), (7, -5), (1, 1), 1, Accumulator.trap(20, TapOrder.KKC, 3))
    image = {"in0": np.array([[[[10, 20], [30, 40]], [[50, 60], [70, 80]]]])}
    explanation = explain(single(op, (2, 2, 2)), image, "y", (0, 0, 0))
    assert rows(explanation, "c", "y", "x", "ky", "kx", "activation", "weight", "product", "sum") == [
        (0, "pad", "pad", 0, 0, 7, 1, 7, 7),
        (1, "pad", "pad", 0, 0, -5, 3, -15, -8),
        (0, "pad", "pad", 0, 1, 7, 2, 14, 6),
        (1, "pad", "pad", 0, 1, -5, 0, 0, 6),
        (0, 0, 0, 1, 0, 10, -1, -10, -4),
        (1, 0, 0, 1, 0, 50, 0, 0, -4),
        (0, 0, 1, 1, 1, 20, 0, 0, -4),
        (1, 0, 1, 1, 1, 60, 1, 60, 56),
    ]
    assert explanation.steps.facts == {
        "products": 8,
        "products that are not 0": 5,
        "exact sum": 56,
        "accumulator": "20 bits, trap, order KKC, 3 products an addition",
    }


def test_what_wrap_and_saturate_do() -> None:
    weight = IntTensor([[1, 1, 1, -1, 1]])
    image = {"in0": np.array([[90, 50, 60, 100, 3]])}
    wrapped = explain(single(Dense(weight, Accumulator.wrap(8)), (5,)), image, "y", (0,))
    assert rows(wrapped, "sum", "note") == [
        *((90, ""), (-116, "wraps from 140"), (-56, "")),
        *((100, "wraps from -156"), (103, "")),
    ]
    assert (wrapped.value, wrapped.steps.facts["exact sum"]) == (103, 103)
    cut = explain(single(Dense(weight, Accumulator.saturate(8, TapOrder.CKK)), (5,)), image, "y", (0,))
    assert rows(cut, "sum", "note") == [
        *((90, ""), (127, "saturates from 140"), (127, "saturates from 187")),
        *((27, ""), (30, "")),
    ]
    pairs = explain(single(Dense(weight, Accumulator.saturate(8, TapOrder.CKK, 2)), (5,)), image, "y", (0,))
    assert rows(pairs, "sum", "note") == [
        *((90, ""), (127, "saturates from 140"), (187, "")),  # the third product waits for the fourth
        *((87, ""), (90, "")),
    ]
    assert (cut.value, pairs.value, pairs.steps.facts["exact sum"]) == (30, 90, 103)


def test_weights_of_a_cellular_automaton_and_of_a_group() -> None:
    weight = CellularWeights(30, (0, 1, 1, 0), 3)
    conv = Conv2d(weight, (1, 1), (0, 0, 0, 0), (0,), (1, 1), 1, Accumulator.prove(20))
    image = {"in0": np.array([10, 20, 30]).reshape(1, 3, 1, 1)}
    explanation = explain(single(conv, (3, 1, 1)), image, "y", (2, 0, 0))
    # rule 30 on a ring: 0110 -> 1101 -> 0001
    assert rows(explanation, "c", "automaton", "weight", "code") == [
        (0, "row 0 cell 2", 1, "0x1"),
        (1, "row 1 cell 2", -1, "0x0"),
        (2, "row 2 cell 2", -1, "0x0"),
    ]
    grouped = Conv2d(
        IntTensor(np.arange(8).reshape(4, 2, 1, 1)), (1, 1), (0, 0, 0, 0), (0,), (1, 1), 2, Accumulator.prove(20)
    )
    image = {"in0": np.array([1, 2, 3, 4]).reshape(1, 4, 1, 1)}
    explanation = explain(single(grouped, (4, 1, 1)), image, "y", (3, 0, 0))
    assert explanation.steps.formula == "sum of weight[3, c - 2, ky, kx] * activation[c, y, x]"
    assert rows(explanation, "c", "activation", "weight") == [(2, 3, 6), (3, 4, 7)]


# ----------------------------------------------------------------------------------------------------- other steps


@pytest.mark.parametrize(
    ("mode", "z", "quotient", "remainder", "why", "rounded"),
    [
        (RoundMode.FLOOR, -5, -3, 1, "always down, +0", -3),
        (RoundMode.HALF_UP, -5, -3, 1, "a tie goes up, +1", -2),
        (RoundMode.HALF_EVEN, 5, 2, 1, "a tie goes to the even neighbour, 2 is even, +0", 2),
        (RoundMode.HALF_EVEN, 7, 3, 1, "a tie goes to the even neighbour, 3 is odd, +1", 4),
        (RoundMode.HALF_AWAY, -5, -3, 1, "a tie goes away from zero, -5 is negative, +0", -3),
        (RoundMode.HALF_AWAY, 5, 2, 1, "a tie goes away from zero, 5 is not negative, +1", 3),
    ],
)
def test_rounding_of_ties(mode: RoundMode, z: int, quotient: int, remainder: int, why: str, rounded: int) -> None:
    graph = single(Requant(IntTensor([1]), IntTensor([0]), IntTensor([1]), mode, -100, 100), (1,))
    facts = explain(graph, {"in0": np.array([[z]])}, "y", (0,)).steps.facts
    assert (facts["quotient (floor)"], facts["remainder"]) == (quotient, f"{remainder} of 2")
    assert (facts["rounding"], facts["rounded"]) == (f"{mode}: {why}", rounded)


def test_the_clip_says_what_it_cut() -> None:
    graph = single(Requant(IntTensor([3]), IntTensor([1]), IntTensor([0]), RoundMode.FLOOR, -8, 7), (1,))
    facts = explain(graph, {"in0": np.array([[5]])}, "y", (0,)).steps.facts
    assert (facts["z * M + B"], facts["rounded"], facts["clip"]) == (16, 16, "-8..7 cuts 16 to 7")
    assert facts["rounding"] == "floor: nothing is below the shift, +0"


def test_equality_of_tgap_and_padding_of_a_pool() -> None:
    graph = single(Tgap(3), (1, 2, 2), lo=0, hi=3)
    tie = explain(graph, {"in0": np.array([[[[3, 3], [0, 0]]]])}, "y", (0,))
    assert tie.steps.facts == {"sum": 6, "2 * sum": 12, "N * h * w = 3 * 2 * 2": 12, "tie": "equality gives 0"}
    assert tie.value == 0
    pool = single(MaxPool((2, 2), (1, 1), (1, 1, 0, 0), (1, 1)), (1, 2, 2))
    found = explain(pool, {"in0": np.full((1, 1, 2, 2), -9)}, "y", (0, 0, 1))
    assert rows(found, "y", "x", "value", "largest") == [
        *(("pad", "pad", "-", "-"), ("pad", "pad", "-", "-")),
        *((0, 0, -9, -9), (0, 1, -9, -9)),
    ]


def test_a_bitshift_says_the_bit_it_loses() -> None:
    image = {"in0": np.array([[3]]), "in1": np.array([[2]])}
    halved = explain(single(Bitshift(2), (1,), (1,), lo=0, hi=3), image, "y", (0,))
    assert (halved.value, halved.steps.facts) == (2, {"a + b": 5, "lost bit": 1})
    ored = {"in0": np.array([[0]]), "in1": np.array([[1]])}
    assert explain(single(Bitshift(1), (1,), (1,), lo=0, hi=1), ored, "y", (0,)).steps.formula == "a OR b"


# ------------------------------------------------------------------------------------------------- depth and the text


def test_depth_goes_on_through_what_is_taken_and_ends_at_sums() -> None:
    graph, image = block_graph(), images(1)

    def names(explanation: Explanation) -> Any:
        return {explanation.node: [names(part) for part in explanation.inputs]}

    select = reference.trace(graph, image)["select"][0]
    assert set(select.tolist()) == {0, 1}
    one = int(np.argmax(select))
    indices = [0, 2, 1, 3]  # of the shuffle
    explanation = explain(graph, image, "requant", (indices.index(one), 1, 2), depth=9)
    assert names(explanation) == {"requant": [{"shuffle": [{"mux": [{"select": []}, {"dw": []}]}]}]}
    assert names(explain(graph, image, "requant", (0, 0, 0), depth=1)) == {"requant": [{"shuffle": []}]}
    assert names(explain(graph, image, "act", (0, 0, 0), depth=2)) == {"act": [{"Conv/1": []}]}


TEXT = """\
Act (threshold, from bn.weight, act) at c=1 y=0 x=0 is 0
  base + step * number of thresholds with z >= threshold
  j     z  compare  threshold  crossed
  0  -218  >=            -200       no
  1  -218  >=               0       no
  2  -218  >=             200       no
  z: -218
  crossed: 0 of 3
  base: 0
  step: 1
  result: 0

  conv (conv2d, from conv.weight) at c=1 y=0 x=0 is -218
    sum of weight[1, c, ky, kx] * activation[c, y, x]
    tap  c  y  x  ky  kx  activation  weight  code  product   sum
      7  0  1  0   2   1          63       1   0x1       63    63
      8  0  1  1   2   2          79       1   0x1       79   142
     14  1  0  1   1   2         159      -1   0x3     -159   -17
     16  1  1  0   2   1         109      -1   0x3     -109  -126
     17  1  1  1   2   2          10       1   0x1       10  -116
     22  2  0  0   1   1         105      -1   0x3     -105  -221
     23  2  0  1   1   2         213      -1   0x3     -213  -434
     25  2  1  0   2   1         216       1   0x1      216  -218
    19 products of 0 are not shown
    products: 27
    products that are not 0: 8
    exact sum: -218
    accumulator: 32 bits, prove
    result: -218"""


def test_the_text() -> None:
    explanation = explain(tiny_graph(), tiny_images(1), "Act", (1, 0, 0), depth=1)
    assert "\n".join(describe(explanation, nonzero=True)) == TEXT
    every = describe(explanation)
    assert not any("not shown" in line for line in every)
    assert sum(line.startswith("    ") and line.split()[0].isdigit() for line in every) == 27
    assert len(document(explanation)["inputs"][0]["rows"]) == 27
    assert len(document(explanation, nonzero=True)["inputs"][0]["rows"]) == 8


# ------------------------------------------------------------------------------------------------------------- errors


def test_an_explanation_that_differs_is_an_error() -> None:
    right = Conv2dFacts.explain

    def wrong(facts: Conv2dFacts, at: Place, *operands: Operand) -> Steps:
        steps = right(facts, at, *operands)
        return Steps(steps.formula, steps.rows, steps.facts, steps.result + 1)

    message = r"node 'conv' \(conv2d\) at \(0, 0, 0\): the explanation gives \S+ and the reference \S+; please report"
    with (
        patch.object(Conv2dFacts, "explain", wrong),
        pytest.raises(IntinferError, match=message),
    ):
        explain(tiny_graph(), tiny_images(1), "conv", (0, 0, 0))


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ((6, 0, 0), r"node 'conv' has shape \(6, 8, 8\): c=6 is outside 0\.\.5"),
        ((0, 0, 8), r"node 'conv' has shape \(6, 8, 8\): x=8 is outside 0\.\.7"),
        ((0, -1, 0), r"node 'conv' has shape \(6, 8, 8\): y=-1 is outside 0\.\.7"),
        ((0,), r"node 'conv' has shape \(6, 8, 8\): an element is at c,y,x, not at 0"),
    ],
)
def test_places_outside(at: tuple[int, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        explain(tiny_graph(), tiny_images(1), "conv", at)


def test_other_refusals() -> None:
    with pytest.raises(GraphError, match="no node named 'con'; close names: conv"):
        explain(tiny_graph(), tiny_images(1), "con", (0, 0, 0))
    with pytest.raises(DataError, match="an explanation is of one image; give a batch of 1"):
        explain(tiny_graph(), tiny_images(2), "conv", (0, 0, 0))


def test_what_traps_behind_the_node_does_not_matter() -> None:
    graph = trapping_graph()
    bright = np.full((1, 3, 8, 8), 255)
    with pytest.raises(RangeError):
        explain(graph, bright, "Act", (0, 0, 0))
    builder = GraphBuilder()
    x = builder.input("image", (3, 8, 8), IntType(0, 255))
    pooled = builder.add(MaxPool((1, 1), (1, 1), (0, 0, 0, 0), (1, 1)), x, name="pooled")
    builder.output("z", builder.add(graph.nodes[0].op, pooled, name="conv"))
    assert explain(builder.finish(), bright, "pooled", (0, 0, 0)).value == 255


def test_several_inputs() -> None:
    graph = selecting_graph()
    inputs = {"s": np.array([[0, 1, 1, 0]]), "x": np.arange(36).reshape(1, 4, 3, 3)}
    explanation = explain(graph, inputs, "mux", (1, 2, 2))
    assert explanation.steps.facts == {"S = s[c=1]": 1}
    assert rows(explanation, "branch", "input", "taken") == [("I1", "shuffled", "yes"), ("I0", "picked", "no")]
