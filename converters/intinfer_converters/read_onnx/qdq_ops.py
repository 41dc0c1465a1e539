"""QuantizeLinear, DequantizeLinear, and the operators that have both inside (QLinear...), as ONNX defines them.

QuantizeLinear rounds x / scale half to even, then adds the zero point, then saturates.
"""

from __future__ import annotations

import numpy as np

from ..symbolic import Symbolic, Unsupported
from .call import Call, Value, axis_of, weight_in
from .float_ops import convolved, multiplied
from .qonnx_ops import scale_of
from .tensors import DTYPES, NARROW_BITS, Array, Constant, constant_of, integer_range, type_name


def _along(array: Array, shape: tuple[int, ...], axis: int, block: int) -> Array:
    """A scale or zero point of one element, one an axis entry, or one a block, against a tensor of `shape`."""
    if array.size == 1:
        return array.reshape(())
    axis = axis_of(axis, len(shape))
    if array.ndim == len(shape) and block > 0:
        wide = np.repeat(array, block, axis)
        cut = wide[tuple(slice(extent) for extent in shape)]
        if cut.shape != shape:
            raise Unsupported(f"blocks of {block} with scales {array.shape} do not cover {shape}")
        return cut
    if array.shape != (shape[axis],):
        raise Unsupported(f"its scale or zero point has shape {array.shape}; axis {axis} has {shape[axis]} entries")
    return array.reshape([-1 if a == axis else 1 for a in range(len(shape))])


def _target(call: Call, zero: Constant | None) -> int:
    """The ONNX type of QuantizeLinear's result."""
    asked = call.integer("output_dtype", 0)
    given = zero.elem_type if zero is not None else 0
    if asked and given and asked != given:
        raise Unsupported(f"output_dtype is {type_name(asked)}, its zero point {type_name(given)}")
    elem = given or asked or 2
    if elem not in DTYPES or DTYPES[elem].kind not in "iu" or DTYPES[elem].itemsize > 2:
        raise Unsupported(f"it quantises to {type_name(elem)}; integers of 2 to 16 bits are supported")
    return elem


def quantize_linear(call: Call) -> Value:
    """saturate(rint(x / scale) + zero point)."""
    zero = call.constant(2, "zero point") if call.has(2) else None
    if call.integer("precision", 0) not in (0, call.constant(1, "scale").elem_type):
        raise Unsupported("its precision is not the type of its scale")
    x, axis, block = call.value(0), call.integer("axis", 1), call.integer("block_size", 0)
    if block and isinstance(x, Symbolic):
        raise Unsupported("it quantises an activation in blocks; one scale, or one a channel, is supported")
    elem, scale = _target(call, zero), _along(scale_of(call, 1), x.shape, axis, block)
    offset = np.zeros((), np.int64) if zero is None else _along(zero.values.astype(np.int64), x.shape, axis, block)
    if isinstance(x, Symbolic):
        return quantised(call, x, scale, offset, elem)
    low, high = integer_range(elem)
    with np.errstate(all="ignore"):
        levels = np.rint(x.values.astype(scale.dtype) / scale)
    if np.isnan(levels).any():
        raise Unsupported("its constant has NaN entries")
    inside = np.clip(levels.astype(np.float64), -(2.0**31), 2.0**31).astype(np.int64)
    return Constant(np.clip(inside + offset, low, high).astype(DTYPES[elem]), elem)


def quantised(call: Call, x: Symbolic, scale: Array, zero: Array, elem: int) -> Symbolic:
    """An activation as integers of an ONNX type."""
    if not x.is_float:
        raise Unsupported(f"it quantises a {x.dtype} tensor; a float tensor is due")
    net, (low, high) = call.net, integer_range(elem)
    levels = net.pointwise(net.pointwise(x, "div", scale), "rint")
    if (zero != zero.reshape(-1)[0]).any():
        levels = net.pointwise(levels, "clip", (low - int(zero.max()), high - int(zero.min())))
        levels = net.pointwise(net.pointwise(levels, "add", zero), "clip", (low, high))
        # Integers already: the rounding says that these are the levels of a quantiser, one range for all channels.
        return net.cast(net.pointwise(levels, "rint"), DTYPES[elem])
    common = int(zero.reshape(-1)[0])
    levels = net.pointwise(levels, "clip", (low - common, high - common))
    return net.cast(net.pointwise(levels, "add", common), DTYPES[elem])


def dequantize_linear(call: Call) -> Value:
    """(x - zero point) * scale, of the scale's type."""
    x, axis, block = call.value(0), call.integer("axis", 1), call.integer("block_size", 0)
    scale_type = call.constant(1, "scale").elem_type
    if call.integer("output_dtype", scale_type) not in (0, scale_type):
        raise Unsupported("its output_dtype is not the type of its scale")
    scale = _along(scale_of(call, 1), x.shape, axis, block)
    given = call.optional(2, "zero point")
    if given is not None and given.dtype != (x.dtype if isinstance(x, Symbolic) else x.values.dtype):
        raise Unsupported(f"its zero point is {given.dtype}, what it dequantises is not; they are of one type")
    zero = np.zeros((), np.int64) if given is None else _along(given.astype(np.int64), x.shape, axis, block)
    if isinstance(x, Symbolic):
        if block:
            raise Unsupported("it has a scale a block of an activation; one scale, or one a channel, is supported")
        return dequantised(call, x, scale, zero)
    if x.values.dtype.kind not in "iu":
        raise Unsupported(f"its constant is of type {type_name(x.elem_type)}; integers are due")
    q = x.values.astype(np.int64) - zero
    with np.errstate(over="ignore"):  # weights that are infinite are refused where they are used
        real = constant_of(q.astype(scale.dtype) * scale)
    return Constant(real.values, real.elem_type, (q, np.broadcast_to(scale, q.shape)))


def centred(call: Call, x: Symbolic, zero: Array | None) -> Symbolic:
    """x - zero point, as 32-bit integers."""
    if x.dtype.kind not in "iu":
        raise Unsupported(f"its input is {x.dtype}; a quantised integer tensor is due")
    if x.dtype.itemsize > 2 and (zero is None or not zero.any()):
        return x
    return call.net.pointwise(call.net.cast(x, np.int32), "sub", np.zeros(1, np.int64) if zero is None else zero)


def dequantised(call: Call, x: Symbolic, scale: Array, zero: Array | None) -> Symbolic:
    """The real numbers of integers."""
    return call.net.pointwise(call.net.cast(centred(call, x, zero), call.net.dtype), "mul", scale)


def dynamic(call: Call) -> Value:
    """DynamicQuantizeLinear: refused."""
    raise Unsupported("its scale depends on the image; quantise statically (QuantizeLinear with a constant scale)")


# ---- integer products


def _zero(call: Call, place: int) -> Array | None:
    zero = call.optional(place, "zero point")
    return None if zero is None else zero.astype(np.int64)


def _column(array: Array, rank: int) -> Array:
    """One number, or one an output channel (axis 0 of the weights)."""
    return array.reshape(()) if array.size == 1 else array.reshape([-1, *[1] * (rank - 1)])


def _integer_weights(call: Call, place: int, zero: Array | None, columns: bool) -> Constant:
    """Weights less their zero point, which is one an output channel: the last axis for `columns`, else the first."""
    weights = call.array(place, "weight")
    if weights.dtype.kind not in "iu":
        raise Unsupported(f"its weights are {weights.dtype}; integers are due")
    shift = np.zeros((), np.int64) if zero is None else zero
    if shift.size > 1 and not columns:
        shift = _column(shift, weights.ndim)
    return constant_of(weights.astype(np.int64) - shift)


def conv_integer(call: Call) -> Symbolic:
    """ConvInteger(x, w, x zero point, w zero point): padding is the zero point of x."""
    x = centred(call, call.tensor(), _zero(call, 2))
    return convolved(call, call.net.cast(x, np.int32), _integer_weights(call, 1, _zero(call, 3), False), None)


def matmul_integer(call: Call) -> Symbolic:
    """MatMulInteger(a, b, a zero point, b zero point): zero points one, one a row of a, one a column of b."""
    return multiplied(call, *_factors(call, (0, 2), (1, 3)))


def _factors(call: Call, first: tuple[int, int], second: tuple[int, int]) -> tuple[Value, Value]:
    """Both factors less their zero points, as 32-bit integers; exactly one is constant."""
    factors: list[Value] = []
    for (place, zero_place), rows in ((first, True), (second, False)):
        value, zero = call.value(place), _zero(call, zero_place) if call.has(zero_place) else None
        if zero is not None and rows and zero.ndim == 1 and zero.size > 1:
            zero = zero.reshape(-1, 1)
        if isinstance(value, Constant):
            shift = np.zeros((), np.int64) if zero is None else zero
            factors.append(constant_of(value.values.astype(np.int64) - shift))
        else:
            factors.append(call.net.cast(centred(call, value, zero), np.int32))
    return factors[0], factors[1]


def _requantised(call: Call, sums: Symbolic, scales: Array, places: tuple[int, int], axis: int, like: int) -> Symbolic:
    """Integer sums times (input scale * weight scale / output scale), rounded to the output type.

    The multiplier is computed in the scales' float type from left to right; its product with the sum is rounded to that
    type, then half to even, then the zero point is added.
    """
    scale_place, zero_place = places
    zero = call.constant(zero_place, "output zero point") if call.has(zero_place) else None
    with np.errstate(over="ignore"):  # infinity is refused as a factor
        multiplier = _along(scales / scale_of(call, scale_place, "output scale"), sums.shape, axis, 0)
    real = call.net.pointwise(call.net.cast(sums, call.net.dtype), "mul", multiplier)
    offset = np.zeros((), np.int64) if zero is None else zero.values.astype(np.int64).reshape(())
    elem = zero.elem_type if zero is not None else like
    return quantised(call, real, np.ones((), call.net.dtype), offset, elem)


def _elem_of(x: Symbolic) -> int:
    return next(elem for elem, dtype in DTYPES.items() if dtype == x.dtype and elem not in NARROW_BITS)


def qlinear_conv(call: Call) -> Symbolic:
    """QLinearConv(x, scale, zero, w, scale, zero, y scale, y zero, bias): the bias is an integer of the sums."""
    x = call.tensor()
    weights = _integer_weights(call, 3, _zero(call, 5), False)
    bias = call.optional(8, "bias")
    sums = convolved(call, call.net.cast(centred(call, x, _zero(call, 2)), np.int32), weights, bias)
    scales = (scale_of(call, 1) * scale_of(call, 4)).reshape(-1)
    return _requantised(call, sums, scales, (6, 7), 1, _elem_of(x))


def qlinear_matmul(call: Call) -> Symbolic:
    """QLinearMatMul(a, scale, zero, b, scale, zero, y scale, y zero)."""
    a, b = _factors(call, (0, 2), (3, 5))
    sums = multiplied(call, a, b)
    scales = (scale_of(call, 1) * scale_of(call, 4)).reshape(-1)
    known = call.value(0) if isinstance(call.value(0), Symbolic) else call.value(3)
    assert isinstance(known, Symbolic)
    return _requantised(call, sums, scales, (6, 7), -1, _elem_of(known))


def qgemm(call: Call) -> Symbolic:
    """QGemm(a, scale, zero, b, scale, zero, c, y scale, y zero) of ONNX Runtime; c is an integer of the sums."""
    call.refuse("transA", 0)
    call.refuse("alpha", 1.0)
    x = call.tensor()
    weights = _integer_weights(call, 3, _zero(call, 5), columns=not call.integer("transB", 0))
    if not call.integer("transB", 0):
        weights = constant_of(weights.values.T)
    bias = call.optional(6, "bias")
    a = call.net.cast(centred(call, x, _zero(call, 2)), np.int32)
    flat = None if bias is None else np.broadcast_to(bias.reshape(-1), (weights.shape[0],))
    sums = call.net.dense(a, weight_in(weights), flat)
    scales = (scale_of(call, 1) * scale_of(call, 4)).reshape(-1)
    if not call.has(7):
        real = call.net.cast(sums, call.net.dtype)
        return call.net.pointwise(real, "mul", _along(scales, sums.shape, -1, 0))
    return _requantised(call, sums, scales, (7, 8), -1, _elem_of(x))


# ---- ONNX Runtime's quantised ops: dequantise, compute, quantise


def _real(call: Call, place: int) -> Symbolic | Array:
    """The real numbers of the inputs (x, scale, zero point) from `place` on."""
    value, scale = call.value(place), scale_of(call, place + 1).reshape(())
    zero = _zero(call, place + 2)
    zero = np.zeros((), np.int64) if zero is None else zero.reshape(())
    if isinstance(value, Symbolic):
        return dequantised(call, value, scale, zero)
    return np.asarray((value.values.astype(np.int64) - zero).astype(scale.dtype) * scale)


def _levels(call: Call, x: Symbolic, place: int) -> Symbolic:
    """Quantised with the scale and zero point from `place` on."""
    zero = call.constant(place + 1, "output zero point")
    return quantised(call, x, scale_of(call, place).reshape(()), zero.values.astype(np.int64), zero.elem_type)


def qlinear_add(call: Call) -> Symbolic:
    """QLinearAdd(a, scale, zero, b, scale, zero, y scale, y zero)."""
    return _levels(call, call.net.add(_real(call, 0), _real(call, 3)), 6)


def qlinear_mul(call: Call) -> Symbolic:
    """QLinearMul, of which one factor is constant."""
    return _levels(call, call.net.mul(_real(call, 0), _real(call, 3)), 6)


def qlinear_leaky_relu(call: Call) -> Symbolic:
    """QLinearLeakyRelu(x, scale, zero, y scale, y zero)."""
    x = _real(call, 0)
    assert isinstance(x, Symbolic)
    return _levels(call, call.net.pointwise(x, "leaky", call.reals(call.number("alpha", 0.01))), 3)


def qlinear_global_average_pool(call: Call) -> Symbolic:
    """QLinearGlobalAveragePool(x, scale, zero, y scale, y zero)."""
    x = _real(call, 0)
    assert isinstance(x, Symbolic)
    rank, last = len(x.shape), call.integer("channels_last", 0)
    axes = tuple(range(1, rank - 1)) if last else tuple(range(2, rank))
    return _levels(call, call.net.mean(x, axes, keepdims=True), 3)


def qlinear_concat(call: Call) -> Symbolic:
    """QLinearConcat(y scale, y zero, then (x, scale, zero) for each)."""
    axis = call.integer("axis", 0)
    parts = [_real(call, place) for place in range(2, len(call.inputs), 3)]
    return call.net.concat(
        [_levels(call, p, 0) if isinstance(p, Symbolic) else _constant_levels(call, p) for p in parts], axis
    )


def _constant_levels(call: Call, real: Array) -> Array:
    zero = call.constant(1, "output zero point")
    low, high = integer_range(zero.elem_type)
    levels = np.rint(real / scale_of(call, 0).reshape(())).astype(np.int64) + zero.values.astype(np.int64).reshape(())
    return np.asarray(np.clip(levels, low, high), dtype=DTYPES[zero.elem_type])
