"""A FloatNet in exact rational arithmetic: NumPy object arrays of `fractions.Fraction`, plain loops.

What the real network computes before any float rounding. Shares no code with the lowering or the references.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np


def run(net, image):
    """Every node's real values by name; `image` is an integer array (C, H, W)."""
    values = {}
    for node in net.nodes:
        inputs = [values[name] for name in node.inputs]
        values[node.name] = globals()["_" + type(node.op).__name__.lower()](node.op, image, *inputs)
    return values


def _fractions(array):
    out = np.empty(np.shape(array), dtype=object)
    for index, value in np.ndenumerate(np.asarray(array)):
        out[index] = Fraction(float(value))
    return out


def _pixels(op, image):
    return _fractions(image)


def _conv(op, image, x):
    weight = op.weight.tensor.values
    outputs, a_group, kh, kw = weight.shape
    top, left, bottom, right = op.pads
    _, height, width = x.shape
    reach = (op.dilation[0] * (kh - 1) + 1, op.dilation[1] * (kw - 1) + 1)
    oh = (height + top + bottom - reach[0]) // op.stride[0] + 1
    ow = (width + left + right - reach[1]) // op.stride[1] + 1
    out = np.full((outputs, oh, ow), Fraction(0), dtype=object)
    for o, y, xx in np.ndindex(outputs, oh, ow):
        first = (o * op.groups // outputs) * a_group
        scale = op.weight.scale[o if len(op.weight.scale) > 1 else 0]
        total = Fraction(0) if op.bias is None else op.bias[o]
        for c, i, j in np.ndindex(a_group, kh, kw):
            row = y * op.stride[0] + i * op.dilation[0] - top
            column = xx * op.stride[1] + j * op.dilation[1] - left
            if 0 <= row < height and 0 <= column < width:
                total += scale * int(weight[o, c, i, j]) * x[first + c, row, column]
        out[o, y, xx] = total
    return out


def _dense(op, image, x):
    weight = op.weight.tensor.values
    out = np.empty(weight.shape[0], dtype=object)
    for o in range(weight.shape[0]):
        scale = op.weight.scale[o if len(op.weight.scale) > 1 else 0]
        total = Fraction(0) if op.bias is None else op.bias[o]
        out[o] = total + sum((scale * int(q) * v for q, v in zip(weight[o], x, strict=True)), Fraction(0))
    return out


def _fraction(number):
    """A float as a rational; infinities stay floats, which compare with rationals."""
    return float(number) if math.isinf(number) else Fraction(float(number))


HALF = Fraction(1, 2)


def _toward(value, tie):
    """The nearest integer; what lies half-way goes to `tie(lower, upper)`."""
    low = math.floor(value)
    rest = value - low
    return low if rest < HALF else low + 1 if rest > HALF else tie(low, low + 1)


INTEGERS = {
    "rint": lambda v: _toward(v, lambda low, high: low if low % 2 == 0 else high),
    "half_away": lambda v: _toward(v, lambda low, high: high if v > 0 else low),
    "half_down": lambda v: _toward(v, lambda low, high: low if v > 0 else high),
    "half_up": lambda v: _toward(v, lambda low, high: high),
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "up": lambda v: math.ceil(v) if v > 0 else math.floor(v),
    "sign": lambda v: (v > 0) - (v < 0),
}
WITH_CONSTANT = {
    "add": lambda v, c: v + c,
    "sub": lambda v, c: v - c,
    "mul": lambda v, c: v * c,
    "div": lambda v, c: v / c,
    "greater": lambda v, c: int(v > c),
    "greater_equal": lambda v, c: int(v >= c),
    "less": lambda v, c: int(v < c),
    "less_equal": lambda v, c: int(v <= c),
    "leaky": lambda v, c: v * c if v < 0 else v,
}


def apply(primitive, value, channel):
    """One op of a chain on one rational."""
    kind, operand = primitive.kind, primitive.operand
    if kind in INTEGERS:
        return Fraction(INTEGERS[kind](value))
    if kind == "clip":
        low, high = (_fraction(limit) for limit in operand)
        return low if value < low else high if value > high else value
    row = operand[channel if len(operand) > 1 else 0]
    if kind == "count":
        return Fraction(sum(value >= _fraction(limit) for limit in row))
    return Fraction(WITH_CONSTANT[kind](value, _fraction(row)))


def _chain(chain, x):
    for primitive in chain:
        out = np.empty(x.shape, dtype=object)
        for index, value in np.ndenumerate(x):
            out[index] = apply(primitive, value, index[0])
        x = out
    return x


def _pointwise(op, image, x):
    return _chain(op.chain, x)


def _quantise(op, image, x):
    return _chain(op.chain, x)


def _concatenate(op, image, *inputs):
    return np.concatenate(inputs, axis=0)


def _selectchannels(op, image, x):
    return np.stack([x[i] for i in op.indices])


def _maximumpool(op, image, x):
    kh, kw = op.kernel
    channels, height, width = x.shape
    top, left, bottom, right = op.pads
    oh = (height + top + bottom - op.dilation[0] * (kh - 1) - 1) // op.stride[0] + 1
    ow = (width + left + right - op.dilation[1] * (kw - 1) - 1) // op.stride[1] + 1
    out = np.empty((channels, oh, ow), dtype=object)
    for c, y, xx in np.ndindex(channels, oh, ow):
        rows = [y * op.stride[0] + i * op.dilation[0] - top for i in range(kh)]
        columns = [xx * op.stride[1] + j * op.dilation[1] - left for j in range(kw)]
        out[c, y, xx] = max(x[c, r, q] for r in rows for q in columns if 0 <= r < height and 0 <= q < width)
    return out


def _averagepool(op, image, x):
    kh, kw = op.kernel
    top, left, bottom, right = op.pads
    channels, height, width = x.shape
    oh = (height + top + bottom - kh) // op.stride[0] + 1
    ow = (width + left + right - kw) // op.stride[1] + 1
    out = np.empty((channels, oh, ow), dtype=object)
    for c, y, xx in np.ndindex(channels, oh, ow):
        total = Fraction(0)
        for i, j in np.ndindex(kh, kw):
            row, column = y * op.stride[0] + i - top, xx * op.stride[1] + j - left
            if 0 <= row < height and 0 <= column < width:
                total += x[c, row, column]
        out[c, y, xx] = total / (kh * kw)
    return out


def _globalsum(op, image, x):
    return np.array([sum(plane.reshape(-1), Fraction(0)) for plane in x], dtype=object)


def _sum(op, image, *inputs):
    signs = op.signs or (1,) * len(inputs)
    return sum((sign * x for sign, x in zip(signs, inputs, strict=True)), np.zeros(inputs[0].shape, dtype=object))


def _gather(op, image, x):
    flat = x.reshape(-1)
    out = np.empty(len(op.index), dtype=object)
    for i, place in enumerate(op.index.tolist()):
        out[i] = op.fill if place < 0 else flat[place]
    return out.reshape(op.size)


def _globalaverage(op, image, x):
    pixels = x.shape[1] * x.shape[2]
    return np.array([sum(plane.reshape(-1), Fraction(0)) / pixels for plane in x], dtype=object)


def _flattenmap(op, image, x):
    return x.reshape(-1)


def _bitshiftmean(op, image, a, b):
    """On levels; the tests give both branches scale 1 and offset 0."""
    out = np.empty(a.shape, dtype=object)
    for index in np.ndindex(a.shape):
        p, q = int(a[index]), int(b[index])
        out[index] = Fraction(p | q if op.bits == 1 else (p + q) // 2)
    return out


def _thresholdedmean(op, image, x):
    pixels = x.shape[1] * x.shape[2]
    return np.array([Fraction(int(2 * sum(p.reshape(-1), Fraction(0)) > op.top * pixels)) for p in x], dtype=object)


def _multiplex(op, image, select, one, zero):
    return np.stack([one[c] if select[c] == 1 else zero[c] for c in range(len(select))])
