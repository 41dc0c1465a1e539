"""The operators of QONNX and of ONNX Runtime's quantiser, against their definitions written out in exact arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from converters.onnx_reading import constants, model, node, read, values
from intinfer.errors import DataError
from intinfer_converters.floatnet import Conv, Dense, Quantise, QuantisedWeight

GENERAL = "qonnx.custom_op.general"
HALF = Fraction(1, 2)


def away(rule):
    return lambda x: rule(abs(x)) * (1 if x >= 0 else -1)


MODES = {
    "ROUND": round,
    "HALF_EVEN": round,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "UP": away(math.ceil),
    "DOWN": math.trunc,
    "ROUND_TO_ZERO": math.trunc,
    "HALF_UP": away(lambda m: math.floor(m + HALF)),
    "HALF_DOWN": away(lambda m: math.ceil(m - HALF)),
    "floor": math.floor,
}
LINE = np.arange(-40, 41).reshape(1, -1)


def quantised(x, scale, zero, bits, signed, narrow, mode):
    """QONNX Quant of one number; scale and zero point are dyadic, so that float32 is exact."""
    level = Fraction(int(x)) / Fraction(scale) + Fraction(zero)
    if bits == 1 and signed:
        level = 1 if level >= 0 else -1
    else:
        low, high = (-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1 - narrow)
        level = MODES[mode](min(max(level, low), high))
    return float((level - Fraction(zero)) * Fraction(scale))


def quant_model(domain, kind, scale, zero, bits, shape=LINE.shape, **attributes):
    numbers = constants(s=np.float32(scale), z=np.float32(zero), b=np.float32(bits))
    return model([node(kind, "x s z b", "y", domain=domain, **attributes)], shape, numbers)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0, -2.0]),
    st.sampled_from([0.0, 1.0, -3.0, 0.5]),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
    st.sampled_from(sorted(MODES)),
)
def test_quant_in_every_rounding_mode(scale, zero, bits, signed, narrow, mode):
    if bits == 1 and narrow and not signed:
        narrow = False
    proto = quant_model(GENERAL, "Quant", scale, zero, bits, signed=int(signed), narrow=int(narrow), rounding_mode=mode)
    due = [quantised(x, scale, zero, bits, signed, narrow, mode) for x in LINE[0]]
    if len(set(due)) == 1:
        return
    assert values(read(proto, -40, 40), LINE)["y"].tolist() == due


@pytest.mark.parametrize("domain", [GENERAL, "onnx.brevitas", "finn.custom_op.general", ""])
@pytest.mark.parametrize("kind", ["Quant", "IntQuant"])
def test_every_domain_of_quant_imported_or_not(domain, kind):
    proto = quant_model(domain, kind, 2.0, 0.0, 3, signed=1, narrow=1)
    assert values(read(proto, -40, 40), LINE)["y"].tolist() == [quantised(x, 2, 0, 3, 1, 1, "ROUND") for x in LINE[0]]


def test_half_up_is_half_away_from_zero_also_just_below_a_half():
    """float32 rounds 0.49999997 + 0.5 up to 1; the definition does not."""
    below = float(np.nextafter(np.float32(0.5), np.float32(0)))
    proto = quant_model(GENERAL, "Quant", 1 / below, 0.0, 3, (1, 2), rounding_mode="HALF_UP")
    real = np.float32(1) / np.float32(1 / below)
    assert real < 0.5
    assert values(read(proto, 0, 3), np.array([[1, 3]]))["y"].tolist() == [0, np.float32(1 / below)]


def test_scales_of_each_channel():
    numbers = constants(s=np.float32([1, 2, 4]).reshape(1, 3, 1), z=np.float32(0), b=np.float32(4))
    proto = model([node("Quant", "x s z b", "y", domain=GENERAL, signed=1, narrow=0)], (1, 3, 27), numbers)
    found = values(read(proto, -40, 40), LINE.reshape(1, 3, 27))["y"]
    assert found.tolist() == [quantised(x, 2.0 ** (n // 27), 0, 4, 1, 0, "ROUND") for n, x in enumerate(LINE[0])]


def test_bipolar_quant_does_not_divide_by_its_scale():
    proto = model([node("BipolarQuant", "x s", "y", domain=GENERAL)], LINE.shape, constants(s=np.float32(-0.5)))
    assert values(read(proto, -40, 40), LINE)["y"].tolist() == [-0.5 if x >= 0 else 0.5 for x in LINE[0]]


@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL"])
def test_trunc_1_keeps_the_scale(mode):
    numbers = constants(s=np.float32(1), z=np.float32(0), i=np.float32(7), o=np.float32(5))
    proto = model([node("Trunc", "x s z i o", "y", domain=GENERAL, rounding_mode=mode)], LINE.shape, numbers)
    due = [MODES[mode](Fraction(int(x), 4)) for x in LINE[0]]
    assert values(read(proto, -40, 40), LINE)["y"].tolist() == due


@pytest.mark.parametrize("with_zero_point", [False, True])
@pytest.mark.parametrize(("signed", "narrow"), [(1, 0), (1, 1), (0, 0)])
def test_trunc_2_has_the_output_scale(signed, narrow, with_zero_point):
    numbers = constants(
        s=np.float32(1), z=np.float32(0), i=np.float32(7), so=np.float32(4), zo=np.float32(0), o=np.float32(4)
    )
    inputs = "x s z i so zo o" if with_zero_point else "x s z i so o"
    proto = model([node("Trunc", inputs, "y", domain=GENERAL, signed=signed, narrow=narrow)], LINE.shape, numbers)
    low, high = (-8 + narrow, 7) if signed else (0, 15)
    due = [4 * min(max(math.floor(Fraction(int(x), 4)), low), high) for x in LINE[0]]
    assert values(read(proto, -40, 40), LINE)["y"].tolist() == due


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_multi_threshold_counts_the_thresholds_reached(layout):
    thresholds = np.float32([[-3, 0, 5, 5], [7, -7, 1, 2]])  # a repeated one, and a row that is not sorted
    x = np.arange(-8, 8).reshape(1, 2, 2, 4) if layout == "NCHW" else np.arange(-8, 8).reshape(1, 4, 2, 2)
    attributes = {"out_scale": 2.0, "out_bias": -1.0, "data_layout": layout, "out_dtype": "INT8"}
    proto = model([node("MultiThreshold", "x t", "y", domain=GENERAL, **attributes)], x.shape, constants(t=thresholds))
    axis = 1 if layout == "NCHW" else 3
    due = [2 * sum(v >= thresholds[place[axis]]) - 1 for place, v in np.ndenumerate(x)]
    assert values(read(proto, -8, 7), x)["y"].tolist() == due


def _weight(reading):
    return next(n.op.weight for n in reading.net.nodes if isinstance(n.op, Conv | Dense))


@pytest.mark.parametrize(("kind", "bits", "encoding"), [("BipolarQuant", 1, "binary"), ("Quant", 2, "ternary")])
def test_quantised_weights_are_integers_and_one_scale(kind, bits, encoding):
    w = np.random.default_rng(3).normal(size=(5, 12)).astype(np.float32)
    w[0, 0] = 0
    numbers = constants(w=w, s=np.float32(0.3), z=np.float32(0), b=np.float32(bits))
    inputs = "w s" if kind == "BipolarQuant" else "w s z b"
    attributes = {} if kind == "BipolarQuant" else {"signed": 1, "narrow": 1}
    nodes = [
        node(kind, inputs, "q", domain="onnx.brevitas", **attributes),
        node("Transpose", "q", "t"),
        node("MatMul", "x t", "y"),
    ]
    weight = _weight(read(model(nodes, (1, 12), numbers)))
    assert isinstance(weight, QuantisedWeight)
    assert weight.tensor.encoding.name == encoding
    assert [float(s) for s in weight.scale] == [float(np.float32(0.3))]
    due = np.where(w >= 0, 1, -1) if bits == 1 else np.clip(np.rint(w / np.float32(0.3)), -1, 1)
    assert np.array_equal(weight.tensor.values, due)


def test_channels_last_convolutions():
    w = np.random.default_rng(4).integers(-3, 4, (4, 3, 3, 2)).astype(np.float32)  # O, KH, KW, I
    conv = node("Conv", "x w", "y", domain="qonnx.custom_op.channels_last", pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    first = node("Conv", "x w", "y", pads=[1, 1, 1, 1])
    x = np.random.default_rng(5).integers(-9, 9, (1, 5, 4, 2))
    last = values(read(model([conv], x.shape, constants(w=w)), -9, 9), x)["y"].reshape(5, 4, 4)
    proto = model([first], (1, 2, 5, 4), constants(w=np.ascontiguousarray(np.moveaxis(w, -1, 1))))
    due = values(read(proto, -9, 9), np.moveaxis(x, -1, 1))["y"].reshape(4, 5, 4)
    assert np.array_equal(np.moveaxis(last, -1, 0), due)


def _q8(real, scale, zero):
    return np.clip(np.rint(real / np.float32(scale)) + zero, -128, 127)


def test_the_quantised_ops_of_onnx_runtime():
    x = np.random.default_rng(6).integers(-128, 128, (1, 3, 4, 4))
    c = np.random.default_rng(7).integers(-128, 128, (1, 3, 1, 1)).astype(np.int8)
    names = {"xs": 0.5, "xz": 3, "cs": 0.25, "cz": -1, "ys": 0.75, "yz": 5}
    numbers = constants(c=c, **{k: np.float32(v) if k[1] == "s" else np.int8(v) for k, v in names.items()})
    nodes = [
        node("QLinearAdd", "x xs xz c cs cz ys yz", "sum", domain="com.microsoft"),
        node("QLinearGlobalAveragePool", "x xs xz ys yz", "mean", domain="com.microsoft"),
        node("QLinearConcat", "ys yz x xs xz sum ys yz", "both", domain="com.microsoft", axis=1),
        node("QLinearLeakyRelu", "x xs xz ys yz", "leaky", domain="com.microsoft", alpha=0.125),
        node("QLinearMul", "x xs xz c cs cz ys yz", "product", domain="com.microsoft"),
    ]
    outputs = ("sum", "mean", "both", "leaky", "product")
    found = values(read(model(nodes, x.shape, numbers, TensorProto.INT8, outputs=outputs)), x)
    real, constant = (x - 3) * 0.5, (c.astype(int) + 1) * 0.25
    total = _q8(real + constant, 0.75, 5)
    due = {
        "sum": total,
        "mean": _q8(real.mean(axis=(2, 3)), 0.75, 5),
        "both": np.concatenate([_q8(real, 0.75, 5), total], axis=1),
        "leaky": _q8(np.where(real >= 0, real, real * 0.125), 0.75, 5),
        "product": _q8(real * constant, 0.75, 5),
    }
    for name, expected in due.items():
        assert np.array_equal(found[name], expected.reshape(-1)), name


def test_qgemm():
    rng = np.random.default_rng(8)
    x, w, c = rng.integers(-128, 128, (1, 12)), rng.integers(-128, 128, (5, 12)), rng.integers(-999, 999, 5)
    numbers = constants(
        w=w.astype(np.int8),
        c=c.astype(np.int32),
        s=np.float32(0.5),
        z=np.int8(2),
        ws=np.float32(0.25),
        wz=np.int8(0),
        ys=np.float32(64),
        yz=np.int8(-4),
    )
    gemm = node("QGemm", "x s z w ws wz c ys yz", "y", domain="com.microsoft", transB=1, alpha=1.0)
    found = values(read(model([gemm], (1, 12), numbers, TensorProto.INT8)), x)["y"]
    sums = (x[0] - 2) @ w.T + c
    assert np.array_equal(found, np.clip(np.rint(sums * (0.125 / 64)) - 4, -128, 127))


def test_clip_between_quantise_and_dequantise_narrows_the_levels():
    numbers = constants(s=np.float32(2), z=np.int8(0), lo=np.int8(-1), hi=np.int8(1))
    nodes = [node("QuantizeLinear", "x s z", "q"), node("Clip", "q lo hi", "c"), node("DequantizeLinear", "c s z", "y")]
    reading = read(model(nodes, LINE.shape, numbers), -40, 40)
    assert values(reading, LINE)["y"].tolist() == [2 * max(-1, min(1, round(Fraction(int(x), 2)))) for x in LINE[0]]
    quantise = [n.op for n in reading.net.nodes if isinstance(n.op, Quantise)]
    assert [(op.base, op.count) for op in quantise] == [(-1, 2)]


REFUSED = [
    ("Quant", "x s z b", {"rounding_mode": "NEAREST"}, "rounding_mode 'NEAREST' is not supported; ROUND, "),
    ("Quant", "x s z half", {}, r"its bit width is \[2.5\]"),
    ("Quant", "x s z b", {"sign": 1}, "its attribute sign is not known; known are narrow, rounding_mode, signed"),
    ("Quant", "x s z b", {"signed": 3}, "signed = 3; it is 0 or 1"),
    ("Quant", "x x z b", {}, r"its scale \(x\) is computed from the input"),
    ("Quant", "x nan z b", {}, "its scale holds 0, NaN or infinity"),
    ("Quant", "x s z", {}, "input 3 is missing"),
    ("Quant", "x s z one", {"signed": 0, "narrow": 1}, "has one level only"),
    ("Quant", "x s z b b", {}, "it has 5 inputs; 4 are due"),
    ("BipolarQuant", "x s z", {}, "it has 3 inputs; 2 are due"),
    ("Trunc", "x s z b", {}, "version 1 has 5, version 2 has 6 or 7"),
    ("Trunc", "x s z one b", {}, "it truncates 1 bits to 4"),
    ("MultiThreshold", "x s", {}, "thresholds"),
    ("FloatQuant", "x s", {}, "of qonnx.custom_op.general, BipolarQuant, IntQuant, MultiThreshold, Quant, Trunc"),
]


@pytest.mark.parametrize(("kind", "inputs", "attributes", "reason"), REFUSED)
def test_what_qonnx_does_not_define_is_refused(kind, inputs, attributes, reason):
    numbers = constants(
        s=np.float32(1),
        z=np.float32(0),
        b=np.float32(4),
        half=np.float32(2.5),
        nan=np.float32("nan"),
        one=np.float32(1),
    )
    proto = model(
        [helper.make_node(kind, inputs.split(), ["y"], name="q", domain=GENERAL, **attributes)], (1, 4), numbers
    )
    with pytest.raises(DataError, match=rf"q \({GENERAL}.{kind}\): .*{reason}"):
        read(proto)
