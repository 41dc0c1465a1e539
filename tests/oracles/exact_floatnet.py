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


def _chain(chain, x):
    for primitive in chain:
        out = np.empty(x.shape, dtype=object)
        for index, value in np.ndenumerate(x):
            operand = primitive.operand
            if primitive.kind == "clip":
                out[index] = min(max(value, Fraction(float(operand[0]))), Fraction(float(operand[1])))
            elif primitive.kind == "rint":
                out[index] = Fraction(round(value))
            elif primitive.kind == "floor":
                out[index] = Fraction(math.floor(value))
            elif primitive.kind == "greater":
                out[index] = Fraction(int(value > Fraction(float(operand[0]))))
            else:
                constant = Fraction(float(operand[index[0] if operand.size > 1 else 0]))
                if primitive.kind == "add":
                    out[index] = value + constant
                elif primitive.kind == "sub":
                    out[index] = value - constant
                elif primitive.kind == "mul":
                    out[index] = value * constant
                else:
                    out[index] = value / constant
        x = out
    return x


def _pointwise(op, image, x):
    return _chain(op.chain, x)


def _quantise(op, image, x):
    return _chain(op.chain, x)


def _sum(op, image, *inputs):
    return sum(inputs[1:], inputs[0])


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
    channels, height, width = x.shape
    oh, ow = (height - kh) // op.stride[0] + 1, (width - kw) // op.stride[1] + 1
    out = np.empty((channels, oh, ow), dtype=object)
    for c, y, xx in np.ndindex(channels, oh, ow):
        window = x[c, y * op.stride[0] : y * op.stride[0] + kh, xx * op.stride[1] : xx * op.stride[1] + kw]
        out[c, y, xx] = sum(window.reshape(-1), Fraction(0)) / (kh * kw)
    return out


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
