"""The oracle itself: the tables of the operator texts, worked examples, and onnx.reference where floats are exact."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from onnx_tests import exact

COLUMNS = ("ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")
QONNX_TABLE = {
    "5.5": (6, 6, 5, 6, 5, 6, 5),
    "2.5": (2, 3, 2, 3, 2, 3, 2),
    "1.6": (2, 2, 1, 2, 1, 2, 2),
    "1.1": (1, 2, 1, 2, 1, 1, 1),
    "1.0": (1, 1, 1, 1, 1, 1, 1),
    "-1.0": (-1, -1, -1, -1, -1, -1, -1),
    "-1.1": (-1, -1, -2, -2, -1, -1, -1),
    "-1.6": (-2, -1, -2, -2, -1, -2, -2),
    "-2.5": (-2, -2, -3, -3, -2, -3, -2),
    "-5.5": (-6, -5, -6, -6, -5, -6, -5),
}
"""The rounding modes of IntQuant, as its text lists them."""


@pytest.mark.parametrize("number", QONNX_TABLE)
def test_rounding_modes_are_those_of_the_text(number):
    assert tuple(exact.ROUNDING[mode](Fraction(number)) for mode in COLUMNS) == QONNX_TABLE[number]


def one_node(kind, x, *parameters, **attributes):
    """The exact result of one operator on x (1, n), as floats."""
    names = [f"p{i}" for i in range(len(parameters))]
    node = helper.make_node(kind, ["x", *names], ["y"], **attributes)
    arrays = [numpy_helper.from_array(np.asarray(p), n) for p, n in zip(parameters, names, strict=True)]
    graph = helper.make_graph([node], "one", [], [], arrays)
    result = exact.run(helper.make_model(graph), {"x": np.asarray([x], dtype=np.float32)})["y"]
    return [float(v) for v in result.real.reshape(-1)]


def quant(x, scale, zero, bits, **attributes):
    return one_node("Quant", x, *(np.float32(v) for v in (scale, zero, bits)), **attributes)


def test_the_odd_corners_of_quant():
    assert quant([99.0], 1, 0, 4, signed=0, narrow=1) == [14]
    assert quant([99.0, -99], 1, 0, 4, signed=1, narrow=1) == [7, -7]
    assert quant([99.0, -99], 1, 0, 2, signed=1, narrow=1) == [1, -1]
    assert quant([0.0, -0.01, 5], 0.5, 0, 1, signed=1, narrow=0) == [0.5, -0.5, 0.5]
    assert quant([0.4, 0.6, 5], 1, 0, 1, signed=0, narrow=0) == [0, 1, 1]
    assert one_node("BipolarQuant", [0.0, -0.1], np.float32(0.25)) == [0.25, -0.25]


def test_a_tie_under_an_odd_zero_point_tells_the_two_quantisers_apart():
    """0.5: Quant rounds 0.5 + 1 to 2, QuantizeLinear rounds 0.5 to 0 and adds 1."""
    assert quant([0.5, 1.5], 1, 1, 8, signed=1, narrow=0) == [1, 1]
    assert one_node("QuantizeLinear", [0.5, 1.5], np.float32(1), np.int8(1)) == [1, 3]
    assert one_node("QuantizeLinear", [300.0, -300], np.float32(1), np.uint8(3)) == [255, 0]


def test_limits_come_before_the_rounding():
    """7.4 is 7 by its limit and stays 7 when rounded up; 3.2 is rounded up."""
    assert quant([7.4, 3.2, -8.9], 1, 0, 4, signed=1, rounding_mode="CEIL") == [7, 4, -8]


def test_trunc_of_both_versions():
    one, zero = np.float32(0.5), np.float32(0)
    x = [3.5, -3.5, 2.0, 7.5]  # levels 7, -7, 4, 15
    assert one_node("Trunc", x, one, zero, np.float32(4), np.float32(2)) == [0.5, -1.0, 0.5, 1.5]
    assert one_node("Trunc", x, one, zero, np.float32(4), np.float32(2), rounding_mode="ROUND") == [1, -1, 0.5, 2]
    second = one_node("Trunc", x, one, zero, np.float32(4), np.float32(2), np.float32(2), rounding_mode="CEIL")
    assert second == [2.0, -2.0, 2.0, 2.0]  # levels 1.75, -1.75, 1, 3.75 limited to -2..1


def test_thresholds_count_equality():
    rows = np.float32([[-1, 0.5, 2]])
    assert one_node("MultiThreshold", [0.5, 2.5, -2], rows, out_scale=2.0, out_bias=-1.0, out_dtype="INT4") == [
        3,
        5,
        -1,
    ]


def dyadic_model(seed: int) -> tuple[onnx.ModelProto, np.ndarray]:
    """QDQ -> Conv -> BatchNormalization -> pools -> QDQ -> Gemm, all of whose float32 results are exact."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {
        "s": np.float32(0.25),
        "z": np.int8(rng.integers(-9, 10)),
        "w": rng.integers(-3, 4, (4, 1, 3, 2)).astype(np.float32) * np.float32(0.5),
        "b": rng.integers(-9, 10, 4).astype(np.float32),
        "gamma": rng.choice([-2.0, -0.5, 1.0, 0.25], 4).astype(np.float32),
        "beta": rng.integers(-9, 10, 4).astype(np.float32),
        "mean": rng.integers(-4, 5, 4).astype(np.float32),
        "var": np.full(4, 4, dtype=np.float32),
        "s2": np.float32(0.5),
        "z2": np.uint8(rng.integers(100, 140)),
        "fc": rng.integers(-4, 5, (3, 4)).astype(np.float32),
    }
    pads = rng.integers(0, 2, 4).tolist()
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node(
            "Conv", ["d", "w", "b"], ["c"], group=2, pads=pads, strides=[1, 2], dilations=[1, int(rng.integers(1, 3))]
        ),
        node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["n"], epsilon=0.0),
        node("MaxPool", ["n"], ["m"], kernel_shape=[2, 2], pads=[0, 1, 1, 0]),
        node("AveragePool", ["m"], ["a"], kernel_shape=[2, 2], pads=[1, 0, 0, 1], count_include_pad=1),
        node("QuantizeLinear", ["a", "s2", "z2"], ["q2"]),
        node("DequantizeLinear", ["q2", "s2", "z2"], ["d2"]),
        node("GlobalAveragePool", ["d2"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("Gemm", ["f", "fc"], ["y"], transB=1),
    ]
    outputs = [helper.make_empty_tensor_value_info(n.output[0]) for n in nodes[:-3]]
    initializers = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 2, 6, 7))
    graph = helper.make_graph(nodes, "dyadic", [x], outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), rng.integers(
        -40, 41, (1, 2, 6, 7)
    ) / 8


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_standard_operators_are_those_of_onnx_reference(seed):
    """Scales are powers of two, so that ties abound and float32 rounds nothing."""
    model, x = dyadic_model(seed)
    image = x.astype(np.float32)
    expected = ReferenceEvaluator(model).run(None, {"x": image})
    known = exact.run(model, {"x": image})
    for output, due in zip(model.graph.output, expected, strict=True):
        got = known[output.name]
        assert got.real.shape == due.shape
        assert [float(v) for v in got.real.reshape(-1)] == due.reshape(-1).astype(float).tolist()
        assert (got.real == got.machine).all()


def test_machine_values_round_at_every_step():
    """0.1f + 0.2f is not the float32 nearest to the sum of what they stand for; products are rounded, sums once."""
    x = np.float32([0.1])
    value = one_node("Mul", x, np.float32([3]))
    assert value == [float(Fraction(float(np.float32(0.1))) * 3)]
    node = helper.make_node("Mul", ["x", "p"], ["y"])
    arrays = [numpy_helper.from_array(np.float32([3]), "p")]
    known = exact.run(helper.make_model(helper.make_graph([node], "one", [], [], arrays)), {"x": x})
    assert float(known["y"].machine[0]) == float(np.float32(0.1) * np.float32(3)) != value[0]
