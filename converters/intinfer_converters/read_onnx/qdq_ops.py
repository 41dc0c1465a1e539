"""QuantizeLinear, DequantizeLinear, and the operators that have both inside (QLinear...), as ONNX defines them.

QuantizeLinear rounds x / scale half to even, then adds the zero point, then saturates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from intinfer.types import IntArray

from ..symbolic import Array, Operand, Symbolic, SymbolicNet, Unsupported
from ..symbolic.pointwise import pointwise
from ..symbolic.vocabulary import arithmetic, arrangement, elementwise, layers, quantisers, reductions
from .call import Call, Rule, Value, weight_in
from .layer_ops import convolved, multiplied
from .qonnx_ops import scale_of
from .tensors import DTYPES, ELEM_TYPES, Constant, constant_of, integer_range, type_name

NO_ZERO: IntArray = np.zeros((), np.int64)


def _zero(call: Call, place: int, what: str = "zero point") -> IntArray:
    """A zero point, 0 where it is left out."""
    zero = call.optional(place, what)
    return NO_ZERO if zero is None else zero.astype(np.int64)


def _along(array: Array, shape: tuple[int, ...], axis: int, block: int = 0) -> Array:
    """A scale or zero point of one element, one an axis entry, or one a block, against a tensor of `shape`."""
    if array.size == 1:
        return array.reshape(())
    axis = arrangement.axis_of(axis, len(shape))
    if array.ndim == len(shape) and block > 0:
        wide = np.repeat(array, block, axis)
        cut = wide[tuple(slice(extent) for extent in shape)]
        if cut.shape != shape:
            raise Unsupported(f"blocks of {block} with scales {array.shape} do not cover {shape}")
        return cut
    if array.shape != (shape[axis],):
        raise Unsupported(f"its scale or zero point has shape {array.shape}; axis {axis} has {shape[axis]} entries")
    return array.reshape([-1 if a == axis else 1 for a in range(len(shape))])


def _target(call: Call, place: int) -> int:
    """The ONNX type of QuantizeLinear's result."""
    asked = call.integer("output_dtype", 0)
    given = call.constant(place, "zero point").elem_type if call.has(place) else 0
    if asked and given and asked != given:
        raise Unsupported(f"output_dtype is {type_name(asked)}, its zero point {type_name(given)}")
    elem = given or asked or 2
    if elem not in DTYPES or DTYPES[elem].kind not in "iu" or DTYPES[elem].itemsize > 2:
        raise Unsupported(f"it quantises to {type_name(elem)}; integers of 2 to 16 bits are supported")
    return elem


def quantize_linear(call: Call) -> Value:
    """saturate(rint(x / scale) + zero point)."""
    if call.integer("precision", 0) not in (0, call.constant(1, "scale").elem_type):
        raise Unsupported("its precision is not the type of its scale")
    x, axis, block = call.operand(0), call.integer("axis", 1), call.integer("block_size", 0)
    if block and isinstance(x, Symbolic):
        raise Unsupported("it quantises an activation in blocks; one scale, or one a channel, is supported")
    scale, zero = (_along(array, x.shape, axis, block) for array in (scale_of(call, 1), _zero(call, 2)))
    return _quantised(call.net, x, scale, zero, _target(call, 2))


def _quantised(net: SymbolicNet, x: Operand, scale: Array, zero: IntArray, elem: int) -> Value:
    """Real numbers as integers of an ONNX type."""
    if isinstance(x, Symbolic):
        if not x.is_float:
            raise Unsupported(f"it quantises a {x.dtype} tensor; a float tensor is due")
        levels = quantisers.quantise(net, pointwise(net, x, "div", scale), zero, integer_range(elem))
        return elementwise.cast(net, levels, DTYPES[elem])
    with np.errstate(all="ignore"):
        scaled = (x.astype(scale.dtype) / scale).astype(np.float64)
    if np.isnan(scaled).any():
        raise Unsupported("its constant has NaN entries")
    return Constant(quantisers.quantise(net, scaled, zero, integer_range(elem)).astype(DTYPES[elem]), elem)


def dequantize_linear(call: Call) -> Value:
    """(x - zero point) * scale, of the scale's type."""
    x, axis, block = call.value(0), call.integer("axis", 1), call.integer("block_size", 0)
    scale_type = call.constant(1, "scale").elem_type
    if call.integer("output_dtype", scale_type) not in (0, scale_type):
        raise Unsupported("its output_dtype is not the type of its scale")
    given = call.optional(2, "zero point")
    if given is not None and given.dtype != (x.dtype if isinstance(x, Symbolic) else x.values.dtype):
        raise Unsupported(f"its zero point is {given.dtype}, what it dequantises is not; they are of one type")
    scale, zero = (_along(array, x.shape, axis, block) for array in (scale_of(call, 1), _zero(call, 2)))
    if isinstance(x, Symbolic) and block:
        raise Unsupported("it has a scale a block of an activation; one scale, or one a channel, is supported")
    if isinstance(x, Constant) and x.values.dtype.kind not in "iu":
        raise Unsupported(f"its constant is of type {type_name(x.elem_type)}; integers are due")
    return _dequantised(call.net, x, scale, zero)


def _dequantised(net: SymbolicNet, x: Value, scale: Array, zero: IntArray) -> Value:
    """Integers as real numbers; a constant keeps its integers and scale."""
    if isinstance(x, Symbolic):
        return quantisers.dequantise(net, x, scale, zero)
    q = x.values.astype(np.int64) - zero
    with np.errstate(over="ignore"):  # weights that are infinite are refused where they are used
        real = constant_of(q.astype(scale.dtype) * scale)
    return replace(real, quantised=(q, np.broadcast_to(scale, q.shape)))


# ---- integer products


def _integer_weights(call: Call, place: int, zero: IntArray, columns: bool) -> Constant:
    """Weights less their zero point, which is one an output channel: the last axis for `columns`, else the first."""
    weights = call.array(place, "weight")
    if weights.dtype.kind not in "iu":
        raise Unsupported(f"its weights are {weights.dtype}; integers are due")
    if zero.size > 1 and not columns:
        zero = zero.reshape([-1, *[1] * (weights.ndim - 1)])
    return constant_of(weights.astype(np.int64) - zero)


def _centred(call: Call, x: Symbolic, zero: IntArray) -> Symbolic:
    return elementwise.cast(call.net, quantisers.centred(call.net, x, zero), np.int32)


def conv_integer(call: Call) -> Symbolic:
    """ConvInteger(x, w, x zero point, w zero point): padding is the zero point of x."""
    x, weights = _centred(call, call.tensor(), _zero(call, 2)), _integer_weights(call, 1, _zero(call, 3), False)
    return convolved(call, x, weights, None)


def matmul_integer(call: Call) -> Symbolic:
    """MatMulInteger(a, b, a zero point, b zero point): zero points one, one a row of a, one a column of b."""
    return multiplied(call.net, _factor(call, 0, 2, rows=True), _factor(call, 1, 3))


def _factor(call: Call, place: int, zero_place: int, rows: bool = False) -> Value:
    """A factor less its zero point, as 32-bit integers where it is no constant."""
    value, zero = call.value(place), _zero(call, zero_place)
    if rows and zero.ndim == 1 and zero.size > 1:
        zero = zero.reshape(-1, 1)
    if isinstance(value, Constant):
        return constant_of(value.values.astype(np.int64) - zero)
    return _centred(call, value, zero)


def _requantised(call: Call, sums: Symbolic, places: tuple[int, int, int, int], axis: int, like: int = 0) -> Value:
    """Integer sums times (input scale * weight scale / output scale), rounded to the output type.

    The multiplier is computed in the scales' float type from left to right; its product with the sum is rounded to that
    type, then half to even, then the zero point is added.

    Args:
        places: of the inputs' two scales, the output's scale and its zero point, which says the type.
        axis: of the sums along which scales may differ.
        like: the input whose type is that of the result without a zero point.
    """
    first, second, scale_place, zero_place = places
    with np.errstate(over="ignore"):  # infinity is refused as a factor
        scales = (scale_of(call, first) * scale_of(call, second)).reshape(-1)
        multiplier = _along(scales / scale_of(call, scale_place, "output scale"), sums.shape, axis)
    real = pointwise(call.net, elementwise.cast(call.net, sums, call.net.dtype), "mul", multiplier)
    zero = _zero(call, zero_place, "output zero point").reshape(())
    elem = _elem_of(call, zero_place if call.has(zero_place) else like)
    return _quantised(call.net, real, np.ones((), call.net.dtype), zero, elem)


def _elem_of(call: Call, place: int) -> int:
    value = call.value(place)
    return value.elem_type if isinstance(value, Constant) else ELEM_TYPES[value.dtype]


def qlinear_conv(call: Call) -> Value:
    """QLinearConv(x, scale, zero, w, scale, zero, y scale, y zero, bias): the bias is an integer of the sums."""
    x, weights = _centred(call, call.tensor(), _zero(call, 2)), _integer_weights(call, 3, _zero(call, 5), False)
    return _requantised(call, convolved(call, x, weights, call.optional(8, "bias")), (1, 4, 6, 7), 1)


def qlinear_matmul(call: Call) -> Value:
    """QLinearMatMul(a, scale, zero, b, scale, zero, y scale, y zero)."""
    sums = multiplied(call.net, _factor(call, 0, 2, rows=True), _factor(call, 3, 5))
    return _requantised(call, sums, (1, 4, 6, 7), -1, 0 if isinstance(call.value(0), Symbolic) else 3)


def qgemm(call: Call) -> Value:
    """QGemm(a, scale, zero, b, scale, zero, c, y scale, y zero) of ONNX Runtime; c is an integer of the sums."""
    call.refuse("transA", 0)
    call.refuse("alpha", 1.0)
    transposed = bool(call.integer("transB", 0))
    weights = _integer_weights(call, 3, _zero(call, 5), columns=not transposed)
    weights, bias = weights if transposed else weights.changed(np.transpose), call.optional(6, "bias")
    flat = None if bias is None else np.broadcast_to(bias.reshape(-1), (weights.shape[0],))
    sums = layers.dense(call.net, _centred(call, call.tensor(), _zero(call, 2)), weight_in(weights), flat)
    if call.has(7):
        return _requantised(call, sums, (1, 4, 7, 8), -1)
    scales = (scale_of(call, 1) * scale_of(call, 4)).reshape(-1)
    return pointwise(call.net, elementwise.cast(call.net, sums, call.net.dtype), "mul", _along(scales, sums.shape, -1))


# ---- ONNX Runtime's quantised ops: dequantise, compute, quantise


def _real(call: Call, place: int) -> Operand:
    """The real numbers of the inputs (x, scale, zero point) from `place` on."""
    scale, zero = scale_of(call, place + 1).reshape(()), _zero(call, place + 2).reshape(())
    real = _dequantised(call.net, call.value(place), scale, zero)
    return real if isinstance(real, Symbolic) else real.values


def _levels(call: Call, x: Operand, place: int) -> Value:
    """Quantised with the scale and zero point from `place` on."""
    scale, zero = scale_of(call, place).reshape(()), call.constant(place + 1, "output zero point")
    return _quantised(call.net, x, scale, zero.values.astype(np.int64).reshape(()), zero.elem_type)


def of_reals(word: Callable[..., Symbolic], *places: int) -> Rule:
    """A quantised op: `word` of the operands at `places`, behind which the output's scale and zero point come."""
    return lambda call: _levels(call, word(call.net, *(_real(call, place) for place in places)), places[-1] + 3)


qlinear_add, qlinear_mul = of_reals(arithmetic.add, 0, 3), of_reals(arithmetic.mul, 0, 3)


def _real_tensor(call: Call) -> Symbolic:
    x = _real(call, 0)
    assert isinstance(x, Symbolic)
    return x


def qlinear_leaky_relu(call: Call) -> Value:
    """QLinearLeakyRelu(x, scale, zero, y scale, y zero)."""
    slope = call.reals(call.number("alpha", 0.01))
    return _levels(call, elementwise.leaky_relu(call.net, _real_tensor(call), slope), 3)


def qlinear_global_average_pool(call: Call) -> Value:
    """QLinearGlobalAveragePool(x, scale, zero, y scale, y zero)."""
    x = _real_tensor(call)
    rank, last = len(x.shape), call.integer("channels_last", 0)
    axes = tuple(range(1, rank - 1)) if last else tuple(range(2, rank))
    return _levels(call, reductions.mean(call.net, x, axes, keepdims=True), 3)


def qlinear_concat(call: Call) -> Symbolic:
    """QLinearConcat(y scale, y zero, then (x, scale, zero) for each)."""
    levels = [_levels(call, _real(call, place), 0) for place in range(2, len(call.inputs), 3)]
    parts = [part if isinstance(part, Symbolic) else part.values for part in levels]
    return arrangement.concat(call.net, parts, call.integer("axis", 0))
