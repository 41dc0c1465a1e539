"""Which ATen ops there are: those with a handler, and those that are only computed of constants."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from . import elementwise, layers, quantisers
from .arrangement import COPY, SAME, pad, same
from .scope import Handler

HANDLERS: dict[str, Handler] = {
    **{f"aten.{name}": handler for table in (elementwise.HANDLERS, layers.HANDLERS) for name, handler in table.items()},
    **quantisers.HANDLERS,
    **dict.fromkeys(SAME | COPY, same),
    "aten.constant_pad_nd": pad,
    "aten.pad": pad,
}
"""Op without its overload -> the function that reads it. Ops of `MOVING` are read by `arrangement.move`."""

CONSTANT_ONLY = frozenset(
    "aten." + name
    for name in (
        *(
            "abs",
            "sqrt",
            "rsqrt",
            "reciprocal",
            "pow",
            "exp",
            "exp2",
            "log",
            "log2",
            "square",
            "sigmoid",
            "tanh",
            "erf",
        ),
        *(
            "softplus",
            "var",
            "std",
            "var_mean",
            "amin",
            "prod",
            "norm",
            "linalg_vector_norm",
            "frobenius_norm",
            "cumsum",
        ),
        *("eq", "ne", "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "isnan"),
        *(
            "arange",
            "full",
            "full_like",
            "zeros",
            "zeros_like",
            "ones",
            "ones_like",
            "new_zeros",
            "new_ones",
            "new_full",
        ),
        *(
            "scalar_tensor",
            "eye",
            "linspace",
            "tril",
            "triu",
            "bmm",
            "dot",
            "mv",
            "outer",
            "einsum",
            "gather",
            "scatter",
        ),
        *(
            "argmin",
            "sort",
            "topk",
            "quantile",
            "median",
            "remainder",
            "fmod",
            "ldexp",
            "copysign",
            "nan_to_num",
            "all",
        ),
        *(
            "any",
            "fill",
            "masked_select",
            "nonzero",
            "index_put",
            "weight_norm",
            "_weight_norm",
            "log1p",
            "expm1",
            "cos",
        ),
        *("sin", "atan", "tan", "meshgrid", "count_nonzero", "sum_to_size", "bucketize", "searchsorted", "take"),
    )
)
"""Ops of constants: pure, nothing read or written outside their arguments."""

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
