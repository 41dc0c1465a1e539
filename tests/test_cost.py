"""Costs counted by hand, and the two outputs that carry them."""

from __future__ import annotations

import numpy as np
from helpers import tiny_graph, two_ended_graph

from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.cost import COUNTS, PEAK_RULE, RULES, CostReport, LayerCost, graph_cost
from intinfer.ops import Conv2d, Threshold
from intinfer.tensor import CellularWeights, IntTensor
from intinfer.types import IntType


def test_tiny_graph_by_hand() -> None:
    graph = tiny_graph()
    report = graph_cost(graph)
    rows = {layer.name: layer for layer in report.layers}
    conv_bits = graph.values["conv"].type.bits
    assert rows["conv"] == LayerCost(
        name="conv",
        op="conv2d",
        inputs=((3, 8, 8),),
        output=(6, 8, 8),
        macs=6 * 8 * 8 * 27,
        weights=6 * 27,
        weight_bits=2 * 6 * 27,
        activation_bits=6 * 64 * conv_bits,
        bops=6 * 8 * 8 * 27 * 2 * 8,
    )
    # the pooled sums of four 2-bit levels are 0..12, 4 bits
    assert (rows["fc"].macs, rows["fc"].weights, rows["fc"].weight_bits, rows["fc"].bops) == (96, 96, 96, 96 * 4)
    assert rows["Act"] == LayerCost("Act", "threshold", ((6, 8, 8),), (6, 8, 8), activation_bits=6 * 64 * 2)
    assert (report.macs, report.weights) == (6 * 64 * 27 + 96, 6 * 27 + 96)
    assert (report.total("weight_bits"), report.total("bops")) == (2 * 6 * 27 + 96, 6 * 64 * 27 * 16 + 96 * 4)
    # alive at once at most: the image and the convolution's sums of it
    assert report.peak_activation_bits == 3 * 64 * 8 + 6 * 64 * conv_bits


def test_generated_weights_cost_macs_but_no_weights() -> None:
    builder = GraphBuilder()
    x = builder.input("x", (4, 5, 5), IntType(0, 3))
    op = Conv2d(CellularWeights.of(30, (0, 1, 1, 0, 1), 4), (1, 1), (0, 0, 0, 0), (0,), (1, 1), 1, Accumulator.prove(8))
    builder.output("y", builder.add(op, x, name="ca"))
    (row,) = graph_cost(builder.finish()).layers
    assert (row.macs, row.weights, row.weight_bits, row.bops) == (5 * 25 * 4, 0, 0, 5 * 25 * 4 * 1 * 2)


def test_peak_keeps_what_is_read_later_and_outputs_to_the_end() -> None:
    builder = GraphBuilder()
    x = builder.input("x", (1, 4, 4), IntType(0, 1))  # 16 bits, read by both nodes
    step = Threshold(IntTensor(np.array([[1]])), IntTensor(np.array([0])), 0, 1)
    a = builder.add(step, x, name="a")  # 16 bits, an output
    b = builder.add(step, x, name="b")  # 16 bits, read by c
    c = builder.add(step, b, name="c")  # here a, b and c live, x no longer
    builder.output("a", a)
    builder.output("c", c)
    assert graph_cost(builder.finish()).peak_activation_bits == 48


def test_peak_counts_the_inputs_before_the_first_node() -> None:
    # a and b: 18 values of 2 bits each; pooled 8 x 2 bits beside both; then b and flat beside pooled
    assert graph_cost(two_ended_graph()).peak_activation_bits == 16 + 36 + 36


def test_json_has_totals_and_the_same_keys_a_layer() -> None:
    report = graph_cost(tiny_graph())
    document = report.to_json()
    assert list(document) == [*COUNTS, "params", "peak_activation_bits", "layers"]
    assert [layer["name"] for layer in document["layers"]] == ["conv", "Act", "pool", "sum", "flatten", "fc"]
    for count in (*COUNTS, "params"):
        assert document[count] == sum(layer[count] for layer in document["layers"])
    assert document["params"] == document["weights"] == report.weights


def test_text_of_a_report_that_no_graph_made() -> None:
    layers = (
        LayerCost("conv1", "conv2d", ((3, 4, 4),), (10, 4, 4), 4320, 270, 540, 2400, 69120),
        LayerCost("fc", "dense", ((10,),), (2,), 20, 20, 20, 12, 80),
    )
    text = CostReport(layers).to_text()
    assert text.splitlines() == [
        "layer  op      in     out      MACs  weights  weight bits  activation bits    BOPs",
        "conv1  conv2d  3x4x4  10x4x4  4,320      270          540            2,400  69,120",
        "fc     dense   10     2          20       20           20               12      80",
        "total                         4,340      290          560            2,412  69,200",
        "",
        *RULES,
    ]
    with_peak = CostReport(layers, 2784).to_text().splitlines()
    assert with_peak[4] == "peak activation memory: 2,784 bits"
    assert with_peak[-1] == PEAK_RULE
