"""Which ATen ops there are: those with a handler, and those that are only computed of constants."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..symbolic import Symbolic, vocabulary
from ..symbolic.vocabulary import Form, refusals
from . import arrangement, elementwise, layers, ours, quantisers
from .scope import Handler

FORMS: dict[Form, Callable[[Callable[..., Symbolic]], Handler]] = {
    "tensor": elementwise.one,
    "operands": elementwise.two,
    "axes": layers.reduced,
    "place": layers.place_of,
}
"""Form of a word of the vocabulary -> what finds its arguments in a node."""
_WORDS = {name: FORMS[form](meaning) for name, (form, meaning) in vocabulary.ATEN.items()}
HANDLERS: dict[str, Handler] = {
    **{
        f"aten.{name}": handler
        for table in (_WORDS, elementwise.HANDLERS, layers.HANDLERS, arrangement.HANDLERS)
        for name, handler in table.items()
    },
    **quantisers.HANDLERS,
    **ours.HANDLERS,
}
"""Op without its overload -> the function that reads it. Ops of `MOVING` are read by `arrangement.move`."""

_CONSTANT_ONLY = """
sqrt rsqrt reciprocal pow exp exp2 log log2 square sigmoid tanh erf softplus var std var_mean prod norm
linalg_vector_norm frobenius_norm cumsum eq ne logical_xor bitwise_xor isnan arange full full_like zeros zeros_like
ones ones_like new_zeros new_ones new_full scalar_tensor eye linspace tril triu bmm dot mv outer einsum gather
scatter sort topk quantile median fmod ldexp copysign nan_to_num fill masked_select nonzero
index_put weight_norm _weight_norm log1p expm1 cos sin atan tan meshgrid count_nonzero sum_to_size bucketize
searchsorted take
"""
CONSTANT_ONLY = frozenset(f"aten.{name}" for name in _CONSTANT_ONLY.split())
"""Ops of constants: pure, nothing read or written outside their arguments."""

_SOFTMAX = refusals.SOFTMAX.format(way_out="export the network without it, its input as the output")
REFUSED_OPS = {
    **dict.fromkeys(("aten.softmax", "aten._softmax", "aten.log_softmax", "aten._log_softmax"), _SOFTMAX),
    **{f"aten.conv_transpose{axes}d": refusals.TRANSPOSED for axes in (1, 2, 3)},
}
"""Ops with a reason of their own."""

IGNORED = frozenset(
    (
        *("aten._assert_tensor_metadata", "aten._assert_scalar", "aten._assert_async", "aten.sym_constrain_range"),
        *("aten.sym_constrain_range_for_size",),
    )
)
"""Checks that torch.export leaves in a graph; they compute nothing."""

SCALAR_OPS: dict[str, Callable[..., Any]] = {
    f"_operator.{name}": getattr(operator, name)
    for name in (
        "add",
        "sub",
        "mul",
        "floordiv",
        "truediv",
        "mod",
        "neg",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "and_",
        "or_",
    )
}
"""Arithmetic of sizes."""
