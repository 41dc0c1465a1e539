"""Quantised ONNX graphs in exact arithmetic: what ONNX and QONNX define, in `Fraction` and plain loops.

Every tensor has two values. `real` is exact: what weights times levels add up to. `machine` is what correctly rounded
float32 steps give, one rounding an operation, no fused multiply-add; where operands are mixed (convolution, matrix
product, mean, sum of two tensors whose scales are in a ratio of small integers) the exact result is rounded once. A
quantiser decides on `machine`, because its source is float32 code; its level times its scale is `real` again. Shares
no code with the converters.

Sources: the ONNX operator texts; the QONNX operator texts and their table of rounding modes (HALF_UP is half away
from zero; limits are applied before rounding; unsigned narrow tops at 2^b - 2; signed 1-bit is bipolar; Trunc rounds
x / s + z first, version 2 has an output scale and limits).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnx_tests.floats import nearest, root


@dataclass(frozen=True)
class Tensor:
    """Object arrays of `Fraction`, of the source's shape. `fixed`: an initializer."""

    real: np.ndarray
    machine: np.ndarray
    fixed: bool = False


HALF = Fraction(1, 2)


def _away(x: Fraction, magnitude: Callable[[Fraction], int]) -> int:
    return magnitude(x) if x >= 0 else -magnitude(-x)


ROUNDING: dict[str, Callable[[Fraction], int]] = {
    "ROUND": round,  # of a Fraction: exact, half to even
    "HALF_EVEN": round,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "UP": lambda x: _away(x, math.ceil),
    "DOWN": math.trunc,
    "HALF_UP": lambda x: _away(x, lambda m: math.floor(m + HALF)),
    "HALF_DOWN": lambda x: _away(x, lambda m: math.ceil(m - HALF)),
}
INTEGERS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-(2**15), 2**15 - 1), "uint16": (0, 2**16 - 1)}


def fractions(array: np.ndarray) -> np.ndarray:
    out = np.empty(np.shape(array), dtype=object)
    for place, value in np.ndenumerate(np.asarray(array)):
        out[place] = Fraction(float(value)) if np.asarray(array).dtype.kind == "f" else Fraction(int(value))
    return out


def elementwise(f: Callable[..., Fraction | int], *arrays: np.ndarray) -> np.ndarray:
    """f of each element; arrays broadcast."""
    wide = np.broadcast_arrays(*arrays)
    out = np.empty(wide[0].shape, dtype=object)
    for place in np.ndindex(out.shape):
        out[place] = Fraction(f(*(array[place] for array in wide)))
    return out


def stepped(f: Callable[..., Fraction], *tensors: Tensor) -> Tensor:
    """One float32 operation on each element: exact for `real`, rounded once for `machine`."""
    real = elementwise(f, *(t.real for t in tensors))
    return Tensor(real, elementwise(lambda *xs: nearest(f(*xs)), *(t.machine for t in tensors)))


def mixed(real: np.ndarray) -> Tensor:
    """The exact result of a sum, rounded once when a float operation reads it."""
    return Tensor(real, elementwise(nearest, real))


def constant(array: np.ndarray) -> Tensor:
    exact = fractions(array)
    return Tensor(exact, exact, fixed=True)


def run(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """Every tensor of the graph by name, for one image (batch axis 1)."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    known = {name: constant(array) for name, array in arrays.items()}
    known.update({name: constant(array) for name, array in inputs.items()})
    for node in model.graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        operands = [known[name] for name in node.input if name]
        if node.op_type == "QuantizeLinear":
            attributes["type"] = arrays[node.input[2]].dtype.name
        known[node.output[0]] = OPERATORS[node.op_type](attributes, *operands)
    return known


# ---- quantisers


def _limits(bits: Fraction, signed: int, narrow: int) -> tuple[int, int]:
    if signed:
        return -(2 ** (int(bits) - 1)) + narrow, 2 ** (int(bits) - 1) - 1
    return 0, 2 ** int(bits) - 1 - narrow


def _levels_back(level: np.ndarray, zero: Tensor, scale: Tensor) -> Tensor:
    real = elementwise(lambda q, z, s: (q - z) * s, level, zero.real, scale.real)
    machine = elementwise(lambda q, z, s: nearest(nearest(q - z) * s), level, zero.machine, scale.machine)
    return Tensor(real, machine)


def _quant(attributes, x: Tensor, scale: Tensor, zero: Tensor, bits: Tensor) -> Tensor:
    signed, narrow = attributes.get("signed", 1), attributes.get("narrow", 0)
    width = bits.real.reshape(-1)[0]
    scaled = elementwise(lambda v, s: nearest(v / s), x.machine, scale.machine)
    moved = elementwise(lambda v, z: nearest(v + z), scaled, zero.machine)
    if width == 1 and signed:
        return _levels_back(elementwise(lambda v: 1 if v >= 0 else -1, moved), zero, scale)
    low, high = _limits(width, signed, narrow)
    rounding = ROUNDING[attributes.get("rounding_mode", b"ROUND").decode().upper()]
    return _levels_back(elementwise(lambda v: rounding(min(max(v, low), high)), moved), zero, scale)


def _bipolar_quant(attributes, x: Tensor, scale: Tensor) -> Tensor:
    level = elementwise(lambda v: 1 if v >= 0 else -1, x.machine)
    return _levels_back(level, constant(np.int64(0)), scale)


def _trunc(attributes, x: Tensor, scale: Tensor, zero: Tensor, *rest: Tensor) -> Tensor:
    """Version 1: in_bits, out_bits; version 2: in_bits, out_scale, out_bits."""
    numbers = [tensor.real.reshape(-1)[0] for tensor in rest]
    rounding = ROUNDING[attributes.get("rounding_mode", b"FLOOR").decode().upper()]
    scaled = elementwise(lambda v, s: nearest(v / s), x.machine, scale.machine)
    whole = elementwise(lambda v, z: round(nearest(v + z)), scaled, zero.machine)
    if len(numbers) == 2:
        step = Fraction(2) ** int(numbers[0] - numbers[1])
        return _levels_back(elementwise(lambda v: rounding(v / step), whole), zero, scale)
    step = Fraction(rest[1].real.reshape(-1)[0]) / scale.real.reshape(-1)[0]
    assert step.numerator == 1 or step.denominator == 1
    low, high = _limits(numbers[2], attributes.get("signed", 1), attributes.get("narrow", 0))
    level = elementwise(lambda v: rounding(min(max(v / step, low), high)), whole)
    return _levels_back(level, Tensor(zero.real / step, zero.machine / step), rest[1])


def _multi_threshold(attributes, x: Tensor, thresholds: Tensor) -> Tensor:
    rows = thresholds.machine
    out = np.empty(x.machine.shape, dtype=object)
    for place, value in np.ndenumerate(x.machine):
        row = rows[place[1] if len(rows) > 1 else 0]
        out[place] = Fraction(sum(value >= t for t in row))
    scale, bias = (Fraction(attributes.get(n, d)) for n, d in (("out_scale", 1.0), ("out_bias", 0.0)))
    level = Tensor(out, out)
    return stepped(lambda v: v + bias, stepped(lambda v: v * scale, level))


def _along(axis: int, rank: int, parameter: Tensor) -> Tensor:
    if parameter.real.size == 1:
        return Tensor(parameter.real.reshape(()), parameter.machine.reshape(()))
    shape = [-1 if a == axis % rank else 1 for a in range(rank)]
    return Tensor(parameter.real.reshape(shape), parameter.machine.reshape(shape))


def _quantize_linear(attributes, x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """Rounds x / scale, then adds the zero point: a tie goes to the even quotient, not to the even level."""
    low, high = INTEGERS[attributes["type"]]
    s, z = (_along(attributes.get("axis", 1), x.real.ndim, p) for p in (scale, zero))
    level = elementwise(lambda v, s, z: min(max(round(nearest(v / s)) + z, low), high), x.machine, s.machine, z.machine)
    return Tensor(level, level)


def _dequantize_linear(attributes, x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    s, z = (_along(attributes.get("axis", 1), x.real.ndim, p) for p in (scale, zero))
    return _levels_back(x.real, z, s)


# ---- pointwise


def _clip(attributes, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    lo, hi = low.real.reshape(-1)[0], high.real.reshape(-1)[0]
    return stepped(lambda v: min(max(v, lo), hi), x)


def _batch_norm(attributes, x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, step by step."""
    epsilon = Fraction(float(np.float32(attributes.get("epsilon", 1e-5))))
    deviation = elementwise(lambda v: root(nearest(v + epsilon)), variance.machine)
    d, g, b, m = (_along(1, x.real.ndim, p) for p in (Tensor(deviation, deviation), gamma, beta, mean))
    x = stepped(lambda v, c: v - c, x, m)
    x = stepped(lambda v, c: v / c, x, d)
    x = stepped(lambda v, c: v * c, x, g)
    return stepped(lambda v, c: v + c, x, b)


def _sum(f: Callable[..., Fraction]) -> Callable[..., Tensor]:
    """Of two computed tensors the exact result, rounded once; with a constant one float32 operation."""

    def operator(attributes, a: Tensor, b: Tensor) -> Tensor:
        return stepped(f, a, b) if a.fixed or b.fixed else mixed(elementwise(f, a.real, b.real))

    return operator


# ---- mixing


def _positions(extents, kernel, strides, dilations, pads):
    """Output places, each with its window: lists of (kernel place, input place) inside the map."""
    rank = len(extents)
    before, after = pads[:rank], pads[rank:]
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    out = [(e + a + b - r) // s + 1 for e, a, b, r, s in zip(extents, before, after, reach, strides, strict=True)]
    for place in np.ndindex(*out):
        window = []
        for tap in np.ndindex(*kernel):
            at = tuple(p * s + t * d - b for p, s, t, d, b in zip(place, strides, tap, dilations, before, strict=True))
            if all(0 <= i < e for i, e in zip(at, extents, strict=True)):
                window.append((tap, at))
        yield tuple(out), place, window


def _geometry(attributes, kernel, extents):
    rank = len(extents)
    ones, zeros = [1] * rank, [0] * (2 * rank)
    names = (("strides", ones), ("dilations", ones), ("pads", zeros))
    return list(_positions(extents, kernel, *(attributes.get(name, default) for name, default in names)))


def _conv(attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    groups = attributes.get("group", 1)
    outputs, inner = weight.real.shape[:2]
    windows = _geometry(attributes, weight.real.shape[2:], x.real.shape[2:])
    out = np.empty((1, outputs, *windows[0][0]), dtype=object)
    for o in range(outputs):
        first = o // (outputs // groups) * inner
        for _, place, window in windows:
            total = Fraction(0) if bias is None else bias.machine[o]
            for tap, at in window:
                total += sum(weight.real[(o, c, *tap)] * x.real[(0, first + c, *at)] for c in range(inner))
            out[(0, o, *place)] = total
    return mixed(out)


def _gemm(attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    w = weight.real.T if attributes.get("transB", 0) else weight.real
    total = x.real.dot(w)
    return mixed(total if bias is None else total + bias.machine)


def _pool(reduce: Callable[[list[Fraction], int], Fraction], attributes, x: np.ndarray, kernel) -> np.ndarray:
    windows = _geometry(attributes, kernel, x.shape[2:])
    out = np.empty((1, x.shape[1], *windows[0][0]), dtype=object)
    for c in range(x.shape[1]):
        for _, place, window in windows:
            out[(0, c, *place)] = reduce([x[(0, c, *at)] for _, at in window], math.prod(kernel))
    return out


def _max_pool(attributes, x: Tensor) -> Tensor:
    kernel = attributes["kernel_shape"]
    real, machine = (_pool(lambda values, _: max(values), attributes, part, kernel) for part in (x.real, x.machine))
    return Tensor(real, machine)


def _average_pool(attributes, x: Tensor) -> Tensor:
    """count_include_pad, or no padding."""
    mean = lambda values, count: sum(values, Fraction(0)) / count  # noqa: E731
    return mixed(_pool(mean, attributes, x.real, attributes["kernel_shape"]))


def _global_average_pool(attributes, x: Tensor) -> Tensor:
    return _average_pool({"kernel_shape": x.real.shape[2:]}, x)


def _both_ways(f: Callable[..., np.ndarray]) -> Callable[..., Tensor]:
    """An operator that moves elements."""

    def operator(attributes, *tensors: Tensor) -> Tensor:
        return Tensor(f(attributes, *(t.real for t in tensors)), f(attributes, *(t.machine for t in tensors)))

    return operator


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": _sum(lambda x, y: x + y),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "BipolarQuant": _bipolar_quant,
    "Clip": _clip,
    "Concat": _both_ways(lambda a, *xs: np.concatenate(xs, axis=a["axis"])),
    "Conv": _conv,
    "DequantizeLinear": _dequantize_linear,
    "Div": lambda _, a, b: stepped(lambda x, y: x / y, a, b),
    "Flatten": _both_ways(lambda _, x: x.reshape(1, -1)),
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "IntQuant": _quant,
    "MatMul": _gemm,
    "MaxPool": _max_pool,
    "Mul": lambda _, a, b: stepped(lambda x, y: x * y, a, b),
    "MultiThreshold": _multi_threshold,
    "Quant": _quant,
    "QuantizeLinear": _quantize_linear,
    "Relu": lambda _, x: stepped(lambda v: max(v, Fraction(0)), x),
    "Sub": _sum(lambda x, y: x - y),
    "Trunc": _trunc,
}
