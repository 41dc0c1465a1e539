"""The operators that `check` defines itself, against exact rationals and plain loops."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from intinfer.errors import DataError
from intinfer_converters.check.onnx_exact import EXACT
from intinfer_converters.check.onnx_runner import OnnxRunner
from intinfer_converters.symbolic import SymbolicNet
from intinfer_converters.symbolic.pointwise import pointwise

F = np.float32
HALF = Fraction(1, 2)


def nearest(x: Fraction, tie: str) -> int:
    """The nearest integer; ties to even, away from zero, or towards it."""
    below = math.floor(x)
    if x - below != HALF:
        return below + (x - below > HALF)
    if tie == "even":
        return below + below % 2
    return below + ((tie == "away") == (x > 0))


MODES = {
    "ROUND": lambda x: nearest(x, "even"),
    "HALF_EVEN": lambda x: nearest(x, "even"),
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "UP": lambda x: math.ceil(x) if x > 0 else math.floor(x),
    "DOWN": math.trunc,
    "ROUND_TO_ZERO": math.trunc,
    "HALF_UP": lambda x: nearest(x, "away"),
    "HALF_DOWN": lambda x: nearest(x, "to zero"),
}


def run_one(
    op: str, x: np.ndarray, constants: list[Any], domain: str, opset: int = 11, **attributes: Any
) -> np.ndarray:
    """One node on floats x (N, ...), which are fed as integers 4 * x behind a division by 4."""
    names = [f"c{i}" for i in range(len(constants))]
    tensors = [numpy_helper.from_array(np.asarray(c), name) for c, name in zip(constants, names, strict=True)]
    node = helper.make_node(op, ["x", *names], ["y"], domain=domain, **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *x.shape[1:]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(domain, 1)])
    net = SymbolicNet()
    image = net.input("image", (1, *x.shape[1:]), -4096, 4096)
    source = pointwise(net, image, "div", F(4))
    reading = net.finish({"y": source}, {"x": source})
    integers = np.rint(4 * x).astype(np.int64)
    assert (integers == 4 * x).all()
    return np.asarray(OnnxRunner(model, reading).run(integers.reshape(len(x), *reading.net.nodes[0].shape))["y"])


QUARTERS = np.arange(-80, 81).reshape(1, -1).astype(F) / 4


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("domain", ["qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"])
def test_quant_in_every_rounding_mode(mode: str, domain: str) -> None:
    scale, zero = Fraction(1, 2), Fraction(3)
    for bits, signed, narrow in product((2, 4), (0, 1), (0, 1)):
        y = run_one(
            "Quant", QUARTERS, [F(scale), F(zero), F(bits)], domain, signed=signed, narrow=narrow, rounding_mode=mode
        )
        low, high = (narrow - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1 - narrow)
        wanted = [
            (MODES[mode](min(max(Fraction(float(x)) / scale + zero, low), high)) - zero) * scale for x in QUARTERS[0]
        ]
        assert y[0].tolist() == [float(w) for w in wanted], (bits, signed, narrow)


def test_halfway_modes_do_not_round_up_what_is_just_below_a_half() -> None:
    x = np.array([[1.0, -1.0]], dtype=F)
    below = np.nextafter(F(0.5), F(0))
    scale = F(1) / below  # x / scale is below or at most at `below`
    for mode in ("HALF_UP", "HALF_DOWN"):
        y = run_one("Quant", x, [scale, F(0), F(4)], "onnx.brevitas", signed=1, narrow=0, rounding_mode=mode)
        assert (F(1) / scale) < 0.5
        assert y.tolist() == [[0, 0]]


def test_one_signed_bit_and_bipolar_are_minus_one_or_one() -> None:
    wanted = np.where(QUARTERS >= 0, 0.5, -0.5)
    bits = [F(0.5), F(0), F(1)]
    y = run_one("IntQuant", QUARTERS, bits, "qonnx.custom_op.general", signed=1, narrow=0, rounding_mode="ROUND")
    assert np.array_equal(y, wanted)
    assert np.array_equal(run_one("BipolarQuant", QUARTERS, [F(0.5)], "", opset=9), wanted)


@pytest.mark.parametrize("mode", ["ROUND", "FLOOR", "CEIL"])
def test_trunc_of_both_versions(mode: str) -> None:
    scale, zero = Fraction(1, 4), Fraction(4)
    first = run_one("Trunc", QUARTERS, [F(scale), F(zero), F(8), F(6)], "onnx.brevitas", rounding_mode=mode)
    wanted = [(MODES[mode]((Fraction(float(x)) / scale + zero) / 4) - zero) * scale for x in QUARTERS[0]]
    assert first[0].tolist() == [float(w) for w in wanted]
    out_scale = Fraction(2)
    second = run_one(
        "Trunc",
        QUARTERS,
        [F(scale), F(zero), F(8), F(out_scale), F(4)],
        "qonnx.custom_op.general",
        rounding_mode=mode,
        signed=1,
        narrow=1,
    )
    levels = [min(max((Fraction(float(x)) / scale + zero) / 8, -7), 7) for x in QUARTERS[0]]
    assert second[0].tolist() == [float((MODES[mode](level) - zero / 8) * out_scale) for level in levels]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_multithreshold_counts(layout: str) -> None:
    x = np.random.default_rng(0).integers(-20, 21, (3, 2, 2, 2)).astype(F) / 4
    thresholds = np.array([[-1.5, 0.25, 2], [-3, -3, 0]], dtype=F)
    attributes = {"out_scale": 0.5, "out_bias": -1.0, "out_dtype": "INT4", "data_layout": layout}
    y = run_one("MultiThreshold", x, [thresholds], "finn.custom_op.general", **attributes)
    for index, value in np.ndenumerate(x):
        row = thresholds[index[1] if layout == "NCHW" else index[3]]
        assert y.reshape(x.shape)[index] == 0.5 * sum(value >= t for t in row) - 1


def test_a_convolution_with_channels_last() -> None:
    x = np.random.default_rng(1).integers(-9, 10, (2, 5, 4, 3)).astype(F)
    weight = np.random.default_rng(2).integers(-2, 3, (2, 2, 2, 3)).astype(F)
    y = run_one("Conv", x, [weight], "qonnx.custom_op.channels_last", kernel_shape=[2, 2])
    y = y.reshape(2, 4, 3, 2)
    for n, i, j, o in np.ndindex(y.shape):
        assert y[n, i, j, o] == (x[n, i : i + 2, j : j + 2] * weight[o]).sum()


def test_unknown_rounding_modes_and_inputs_name_the_node() -> None:
    bits = [F(1), F(0), F(4)]
    with pytest.raises(DataError, match=r"^y \(Quant\): rounding mode 'NEAREST' is not one of QONNX's$"):
        run_one("Quant", QUARTERS, bits, "onnx.brevitas", signed=1, narrow=0, rounding_mode="NEAREST")
    with pytest.raises(DataError, match=r"^y \(Quant\): 3 inputs are not its operator's$"):
        run_one("Quant", QUARTERS, bits[:2], "onnx.brevitas", signed=1, narrow=0, rounding_mode="ROUND")


# ------------------------------------------------------------------------------------- integer operators


def looped(x: np.ndarray, w: np.ndarray, pads: list[int], strides: list[int], dilations: list[int], groups: int) -> Any:
    """Cross-correlation of Python integers, border 0, (N, C, H, W)."""
    top, left, bottom, right = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    (kh, kw), (sy, sx), (dy, dx) = w.shape[2:], strides, dilations
    height, width = (x.shape[2] - (kh - 1) * dy - 1) // sy + 1, (x.shape[3] - (kw - 1) * dx - 1) // sx + 1
    y = np.zeros((len(x), len(w), height, width), dtype=object)
    for n, o, i, j in np.ndindex(y.shape):
        first = o * groups // len(w) * w.shape[1]
        for c, a, b in np.ndindex(w.shape[1:]):
            y[n, o, i, j] += int(x[n, first + c, i * sy + a * dy, j * sx + b * dx]) * int(w[o, c, a, b])
    return y


@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
def test_integer_convolutions(auto_pad: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 256, (2, 4, 6, 5), dtype=np.uint8)
    w = rng.integers(-128, 128, (4, 2, 3, 2), dtype=np.int8)
    x_zero, w_zero = np.uint8(131), rng.integers(-9, 9, 4, dtype=np.int8)
    attributes: dict[str, Any] = {"group": 2, "strides": [2, 1], "auto_pad": auto_pad}
    # 6 rows, kernel 3, stride 2: 3 rows out, one row of padding; 5 columns, kernel 2, stride 1: one column
    pads = {"SAME_UPPER": [0, 0, 1, 1], "SAME_LOWER": [1, 1, 0, 0], "VALID": [0] * 4, "NOTSET": [1, 0, 2, 1]}[auto_pad]
    if auto_pad == "NOTSET":
        attributes["pads"] = pads
    centred = x.astype(int) - 131, w.astype(int) - w_zero.astype(int).reshape(-1, 1, 1, 1)
    sums = looped(*centred, pads, [2, 1], [1, 1], 2)
    y = EXACT["ConvInteger"](attributes, x, w, x_zero, w_zero)
    assert y.dtype == np.int32
    assert np.array_equal(y, sums.astype(np.int64))
    bias, w_scale = rng.integers(-999, 999, 4, dtype=np.int32), np.array([0.25, 0.5, 1, 2], dtype=F)
    scales = (F(0.5), F(64))
    z = EXACT["QLinearConv"](attributes, x, scales[0], x_zero, w, w_scale, w_zero, scales[1], np.uint8(77), bias)
    for index, total in np.ndenumerate(sums):
        real = Fraction(int(total) + int(bias[index[1]])) * Fraction(float(w_scale[index[1]])) * HALF / 64
        assert z[index] == min(max(nearest(real, "even") + 77, 0), 255)


def test_integer_matrix_products() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 256, (3, 7), dtype=np.uint8), rng.integers(-128, 128, (7, 5), dtype=np.int8)
    a_zero, b_zero = np.array([3, 128, 255], dtype=np.uint8), rng.integers(-9, 9, 5, dtype=np.int8)
    sums = [
        [sum((int(a[i, k]) - int(a_zero[i])) * (int(b[k, j]) - int(b_zero[j])) for k in range(7)) for j in range(5)]
        for i in range(3)
    ]
    assert EXACT["MatMulInteger"]({}, a, b, a_zero, b_zero).tolist() == sums
    assert EXACT["MatMulInteger"]({}, a, b).tolist() == (a.astype(int) @ b.astype(int)).tolist()
    b_scale = np.array([1, 0.5, 0.25, 2, 4], dtype=F)
    y = EXACT["QLinearMatMul"]({}, a, F(0.25), np.uint8(9), b, b_scale, b_zero, F(32), np.int8(-5))
    for i, j in np.ndindex(3, 5):
        total = sum((int(a[i, k]) - 9) * (int(b[k, j]) - int(b_zero[j])) for k in range(7))
        real = Fraction(total) * Fraction(float(b_scale[j])) / 4 / 32
        assert y[i, j] == min(max(nearest(real, "even") - 5, -128), 127)
