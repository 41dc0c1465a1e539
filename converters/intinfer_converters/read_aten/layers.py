"""ATen's ops with weights, windows and axes: their arguments as arguments of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ..symbolic import Symbolic, SymbolicNet, Unsupported
from ..symbolic.vocabulary import arithmetic, layers, reductions, refusals
from .elementwise import two
from .scope import Arguments, Handler, Scope, with_absent

INDICES = "the indices of a maximum are not computed; argmax and argmin are supported"
STATISTICS = "the statistics of a batch norm are not computed"


def each_axis(numbers: Any, axes: int) -> list[int]:
    """One number for every axis; a single one counts for all."""
    found = [int(n) for n in (numbers if isinstance(numbers, Sequence) else [numbers])]
    if len(found) not in (1, axes):
        raise Unsupported(f"{len(found)} numbers for {axes} axes")
    return found * axes if len(found) == 1 else found


def _axes(x: Symbolic) -> int:
    """How many axes a window slides along."""
    if len(x.shape) not in (3, 4):
        raise Unsupported(
            f"a window on {x.shape}; the batch axis comes first, then channels, then one or two axes: 1-d and 2-d"
        )
    return len(x.shape) - 2


# ---- products


def convolution(scope: Scope, a: Arguments) -> Symbolic:
    """convolution, conv1d, conv2d; padding may be "same" or "valid"."""
    if a.get("transposed"):
        raise Unsupported(refusals.TRANSPOSED)
    x, weight = _computed(a["input"]), scope.weight(a["weight"])
    axes, kernel = _axes(x), weight.shape[2:]
    stride, dilation = each_axis(a["stride"], axes), each_axis(a["dilation"], axes)
    if a["padding"] == "same":
        pads: Sequence[int] = reductions.same_pads(x.shape[2:], kernel, stride, dilation, more_first=False)
    else:
        pads = each_axis(0 if a["padding"] == "valid" else a["padding"], axes) * 2
    sliding = reductions.Sliding(kernel, stride, pads, dilation)
    return layers.conv(scope.net, x, weight, scope.optional(a.get("bias")), sliding, a["groups"])


def linear_layer(scope: Scope, a: Arguments) -> Symbolic:
    """The dense layer x @ weight.T + bias along the last axis."""
    bias = scope.optional(a.get("bias"))
    return layers.dense(scope.net, _computed(a["input"]), scope.weight(a["weight"]), bias)


def addmm(scope: Scope, a: Arguments) -> Symbolic:
    """bias + x @ w; beta and alpha 1."""
    if a["beta"] != 1 or a["alpha"] != 1:
        raise Unsupported(f"beta {a['beta']} and alpha {a['alpha']}; both must be 1")
    x, weight, bias = _computed(a["mat1"]), scope.weight(_transposed(scope, a["mat2"])), scope.operand(a["self"])
    if isinstance(bias, Symbolic):
        return arithmetic.add(scope.net, bias, layers.dense(scope.net, x, weight))
    if bias.ndim != 1:
        raise Unsupported(f"its bias has shape {bias.shape}; one number an output")
    return layers.dense(scope.net, x, weight, bias)


def matmul(scope: Scope, a: Arguments) -> Symbolic:
    """x @ w or w @ x with constant w."""
    left, right = a["self"], a["other" if "other" in a else "mat2"]
    if not isinstance(left, Symbolic):
        return layers.dense_from_left(scope.net, scope.weight(left), right)
    return layers.dense(scope.net, left, scope.weight(_transposed(scope, right)))


def _transposed(scope: Scope, weight: Any) -> torch.Tensor:
    if isinstance(weight, Symbolic):
        raise Unsupported("it multiplies two computed tensors; one must be constant weights")
    if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
        raise Unsupported("its weights are no matrix")
    result = weight.t()
    hint = scope.hints.get(id(weight))
    if hint is not None:
        scope.keep(result, hint[1].t(), hint[2].t())
    return result


def _computed(x: Any) -> Symbolic:
    if not isinstance(x, Symbolic):
        raise Unsupported("its input is constant and its weights are computed; exchange them: weights are constant")
    return x


def batch_norm(scope: Scope, a: Arguments) -> Symbolic:
    """Inference batch norm in ATen's form x * alpha + beta."""
    if a.get("training") or a.get("use_input_stats"):
        raise Unsupported("batch norm in training mode; call .eval() before exporting")
    if a["running_mean"] is None or a["running_var"] is None:
        raise Unsupported("batch norm without running statistics")
    mean, variance = scope.array(a["running_mean"]), scope.array(a["running_var"])
    gamma, beta = scope.optional(a["weight"]), scope.optional(a["bias"])
    gamma, beta = np.ones_like(mean) if gamma is None else gamma, np.zeros_like(mean) if beta is None else beta
    return layers.batch_norm(scope.net, a["input"], gamma, beta, mean, variance, float(a["eps"]), folded=True)


# ---- pools


def _sliding(a: Arguments) -> reductions.Sliding:
    axes = _axes(a["self"])
    kernel = each_axis(a["kernel_size"], axes)
    stride = each_axis(a["stride"], axes) if a["stride"] else kernel
    pads, dilation = each_axis(a["padding"], axes) * 2, each_axis(a.get("dilation", 1), axes)
    return reductions.Sliding(kernel, stride, pads, dilation, bool(a["ceil_mode"]))


def max_pool(scope: Scope, a: Arguments) -> Symbolic:
    """The maximum of each window."""
    return reductions.max_pool(scope.net, a["self"], _sliding(a))


def average_pool(scope: Scope, a: Arguments) -> Symbolic:
    """The mean of each window, all of one count."""
    sliding, divisor = _sliding(a), a.get("divisor_override")
    count = int(np.prod(sliding.kernel))
    if divisor not in (None, count):
        raise Unsupported(f"it divides by {divisor} instead of the {count} elements of its window")
    return reductions.average_pool(scope.net, a["self"], sliding, bool(a["count_include_pad"]))


def adaptive(word: Callable[[SymbolicNet, Symbolic, reductions.Sliding], Symbolic]) -> Handler:
    """A pool with as many windows an axis as its output has places."""

    def handler(scope: Scope, a: Arguments) -> Symbolic:
        x = a["self"]
        return word(scope.net, x, reductions.tiles(x, each_axis(a["output_size"], _axes(x))))

    return handler


# ---- over axes


Reduction = Callable[[SymbolicNet, Symbolic, tuple[int, ...], bool], Symbolic]


def reduced(word: Reduction) -> Handler:
    """A reduction over the axes `dim`; none or an empty list are all."""

    def handler(scope: Scope, a: Arguments) -> Symbolic:
        x, dim = a["self"], a.get("dim")
        if a.get("dtype") is not None and str(a["dtype"]).removeprefix("torch.") != str(x.dtype):
            raise Unsupported(f"it casts {x.dtype} to {str(a['dtype']).removeprefix('torch.')}; cast before it")
        axes = tuple(range(len(x.shape))) if dim is None or dim == [] else dim
        return word(scope.net, x, (axes,) if isinstance(axes, int) else tuple(axes), bool(a.get("keepdim")))

    return handler


def total(scope: Scope, a: Arguments) -> Any:
    """sum; integers are summed in 64 bits, so that they are cast before."""
    x = a["self"]
    return reduced(reductions.total)(scope, a if x.is_float else {**a, "self": scope.cast(x, np.int64)})


def of_truths(word: Reduction) -> Handler:
    """A reduction of bits, whether each number is not 0."""
    return lambda scope, a: reduced(word)(scope, {**a, "self": scope.truth(a["self"])})


def extreme(of_two: Handler, word: Reduction) -> Handler:
    """torch.max and torch.min: of two tensors, or over one axis with the places, which are not computed."""

    over_axis = with_absent(reduced(word), INDICES)
    return lambda scope, a: (of_two if "other" in a else over_axis)(scope, a)


def place_of(word: Callable[[SymbolicNet, Symbolic, int, bool], Symbolic]) -> Handler:
    """The place of an extreme element along the axis `dim`."""

    def handler(scope: Scope, a: Arguments) -> Symbolic:
        if a["dim"] is None:
            raise Unsupported("over a whole batch; give its axis")
        return word(scope.net, a["self"], a["dim"], bool(a["keepdim"]))

    return handler


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("convolution", "conv1d", "conv2d"), convolution),
    "linear": linear_layer,
    "addmm": addmm,
    **dict.fromkeys(("mm", "matmul"), matmul),
    "batch_norm": batch_norm,
    **dict.fromkeys(
        ("_native_batch_norm_legit_no_training", "native_batch_norm"), with_absent(batch_norm, STATISTICS, STATISTICS)
    ),
    **dict.fromkeys(("max_pool1d", "max_pool2d"), max_pool),
    "max_pool2d_with_indices": with_absent(max_pool, INDICES),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d"), average_pool),
    **dict.fromkeys(
        ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d"), adaptive(reductions.average_pool)
    ),
    **dict.fromkeys(
        ("adaptive_max_pool1d", "adaptive_max_pool2d"), with_absent(adaptive(reductions.max_pool), INDICES)
    ),
    "sum": total,
    "any": of_truths(reductions.max_over),
    "all": of_truths(reductions.min_over),
    "max": extreme(two(arithmetic.maximum), reductions.max_over),
    "min": extreme(two(arithmetic.minimum), reductions.min_over),
}
