"""ATen's ops with weights, windows and whole maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..symbolic import Symbolic, Unsupported
from .scope import Scope

Arguments = Mapping[str, Any]


class Absent:
    """A result that is never computed: reading it is refused with `reason`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


INDICES = Absent("the indices of a maximum are not computed")


def each_axis(numbers: Any, axes: int) -> list[int]:
    """One number for every axis; a single one counts for all."""
    found = [int(n) for n in (numbers if isinstance(numbers, Sequence) else [numbers])]
    if len(found) not in (1, axes):
        raise Unsupported(f"{len(found)} numbers for {axes} axes")
    return found * axes if len(found) == 1 else found


def convolution(scope: Scope, a: Arguments) -> Symbolic:
    """convolution, conv1d, conv2d; padding may be "same" or "valid"."""
    x = _computed(a["input"])
    if a.get("transposed"):
        raise Unsupported("transposed convolutions are not supported; use nearest upsampling and a convolution")
    weight = scope.weight(a["weight"])
    axes = len(x.shape) - 2
    if axes not in (1, 2) or len(weight.shape) != axes + 2:
        raise Unsupported(f"a convolution of {x.shape} with weights {weight.shape}; 1-d and 2-d ones are supported")
    dilation = each_axis(a["dilation"], axes)
    if a["padding"] == "same":
        reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        pads = [n // 2 for n in reach] + [n - n // 2 for n in reach]
    elif a["padding"] == "valid":
        pads = [0] * (2 * axes)
    else:
        pads = each_axis(a["padding"], axes) * 2
    bias = None if a.get("bias") is None else scope.array(a["bias"])
    return scope.net.conv(x, weight, bias, each_axis(a["stride"], axes), pads, dilation, a["groups"])


def linear(scope: Scope, a: Arguments) -> Symbolic:
    return _dense(scope, a["input"], a["weight"], a.get("bias"))


def addmm(scope: Scope, a: Arguments) -> Symbolic:
    """bias + x @ w; beta and alpha 1."""
    if a["beta"] != 1 or a["alpha"] != 1:
        raise Unsupported(f"beta {a['beta']} and alpha {a['alpha']}; both must be 1")
    bias = a["self"]
    if isinstance(bias, Symbolic):
        return scope.net.add(bias, _dense(scope, a["mat1"], _transposed(scope, a["mat2"]), None))
    if scope.array(bias).ndim != 1:
        raise Unsupported(f"its bias has shape {tuple(bias.shape)}; one number an output")
    return _dense(scope, a["mat1"], _transposed(scope, a["mat2"]), bias)


def matmul(scope: Scope, a: Arguments) -> Symbolic:
    """x @ w with constant w."""
    return _dense(scope, a["self"], _transposed(scope, a["other" if "other" in a else "mat2"]), None)


def _transposed(scope: Scope, weight: Any) -> torch.Tensor:
    if isinstance(weight, Symbolic):
        raise Unsupported("it multiplies two computed tensors; one must be constant weights")
    if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
        raise Unsupported("its weights are no matrix")
    result = weight.t()
    hint = scope.hints.get(id(weight))
    if hint is not None:
        scope.keep(result, hint[0].t(), hint[1].t())
    return result


def _dense(scope: Scope, x: Any, weight: Any, bias: Any) -> Symbolic:
    known = scope.weight(weight)
    numbers = None if bias is None else scope.array(bias)
    return scope.net.dense(_computed(x), known, numbers)


def _computed(x: Any) -> Symbolic:
    if not isinstance(x, Symbolic):
        raise Unsupported("it multiplies a constant from the left; write it as a layer of the computed tensor")
    return x


def batch_norm(scope: Scope, a: Arguments) -> Symbolic:
    """Inference batch norm in ATen's form x * alpha + beta."""
    if a.get("training") or a.get("use_input_stats"):
        raise Unsupported("batch norm in training mode; call .eval() before exporting")
    if a["running_mean"] is None or a["running_var"] is None:
        raise Unsupported("batch norm without running statistics")
    x = a["input"]
    mean, variance = scope.array(a["running_mean"]), scope.array(a["running_var"])
    gamma = np.ones_like(mean) if a["weight"] is None else scope.array(a["weight"])
    beta = np.zeros_like(mean) if a["bias"] is None else scope.array(a["bias"])
    return scope.net.batch_norm(x, gamma, beta, mean, variance, float(a["eps"]), axis=1, form="torch")


def batch_norm_with_statistics(scope: Scope, a: Arguments) -> list[Any]:
    """The forms whose other results are statistics of training."""
    unused = Absent("statistics of a batch norm are not computed")
    return [batch_norm(scope, a), unused, unused]


def max_pool(scope: Scope, a: Arguments) -> Symbolic:
    x = a["self"]
    axes = _pooled_axes(x)
    kernel = each_axis(a["kernel_size"], axes)
    stride = each_axis(a["stride"], axes) if a["stride"] else kernel
    pads, dilation = each_axis(a["padding"], axes) * 2, each_axis(a["dilation"], axes)
    return scope.net.max_pool(x, kernel, stride, pads, dilation, bool(a["ceil_mode"]))


def max_pool_with_indices(scope: Scope, a: Arguments) -> list[Any]:
    return [max_pool(scope, a), INDICES]


def _pooled_axes(x: Symbolic) -> int:
    if len(x.shape) not in (3, 4):
        raise Unsupported(f"a pool of {x.shape}; the batch axis comes first, then channels, then one or two axes")
    return len(x.shape) - 2


def average_pool(scope: Scope, a: Arguments) -> Symbolic:
    x = a["self"]
    axes = _pooled_axes(x)
    kernel = each_axis(a["kernel_size"], axes)
    stride = each_axis(a["stride"], axes) if a["stride"] else kernel
    divisor = a.get("divisor_override")
    if divisor is not None and divisor != np.prod(kernel):
        raise Unsupported(f"it divides by {divisor} instead of the {np.prod(kernel)} elements of its window")
    pads = each_axis(a["padding"], axes) * 2
    included = bool(a["count_include_pad"]) or not any(pads)
    return scope.net.average_pool(x, kernel, stride, pads, included, bool(a["ceil_mode"]))


def _adaptive(x: Symbolic, output: Any) -> list[int]:
    """The window, when windows of one size tile the map."""
    axes = _pooled_axes(x)
    wanted = each_axis(output, axes)
    extents = x.shape[2:]
    if any(n < 1 or extent % n for extent, n in zip(extents, wanted, strict=True)):
        raise Unsupported(f"its windows differ in size: {extents} does not divide into {tuple(wanted)}")
    return [extent // n for extent, n in zip(extents, wanted, strict=True)]


def adaptive_average_pool(scope: Scope, a: Arguments) -> Symbolic:
    x = a["self"]
    window = _adaptive(x, a["output_size"])
    if list(x.shape[2:]) == window:
        return scope.net.mean(x, tuple(range(2, len(x.shape))), keepdims=True)
    return scope.net.average_pool(x, window, window, [0] * (2 * len(window)))


def adaptive_max_pool(scope: Scope, a: Arguments) -> list[Any]:
    x = a["self"]
    window = _adaptive(x, a["output_size"])
    pads, dilation = [0] * (2 * len(window)), [1] * len(window)
    return [scope.net.max_pool(x, window, window, pads, dilation), INDICES]


def _axes(a: Arguments) -> tuple[int, ...]:
    """The axes of a reduction; none or an empty list are all."""
    found = a.get("dim")
    if found is None or found == []:
        return tuple(range(len(a["self"].shape)))
    return tuple(each_axis(found, 1)) if isinstance(found, int) else tuple(int(n) for n in found)


def _uncast(a: Arguments) -> Symbolic:
    x: Symbolic = a["self"]
    if a.get("dtype") is not None and str(a["dtype"]).removeprefix("torch.") != str(x.dtype):
        raise Unsupported(f"it casts {x.dtype} to {str(a['dtype']).removeprefix('torch.')}; cast before it")
    return x


def mean(scope: Scope, a: Arguments) -> Symbolic:
    return scope.net.mean(_uncast(a), _axes(a), bool(a.get("keepdim")))


def total(scope: Scope, a: Arguments) -> Symbolic:
    """sum; integers are summed in 64 bits, so that they are cast before."""
    x = _uncast(a) if a["self"].is_float else scope.cast(a["self"], np.int64)
    return scope.net.sum(x, _axes(a), bool(a.get("keepdim")))


def amax(scope: Scope, a: Arguments) -> Symbolic:
    return scope.net.maximum_over(a["self"], _axes(a), bool(a.get("keepdim")))


def max_over(scope: Scope, a: Arguments) -> Any:
    """torch.max of two tensors, or over one axis with the places, which are not computed."""
    if "other" in a:
        return scope.net.maximum(*scope.promoted(a["self"], a["other"]))
    if "dim" not in a:
        raise Unsupported("the maximum over a whole batch; give its axes")
    return [amax(scope, a), INDICES]


def min_over(scope: Scope, a: Arguments) -> Symbolic:
    if "other" not in a:
        raise Unsupported("the minimum over axes; use -amax(-x)")
    return scope.net.minimum(*scope.promoted(a["self"], a["other"]))


def argmax(scope: Scope, a: Arguments) -> Symbolic:
    if a["dim"] is None:
        raise Unsupported("over a whole batch; give its axis")
    return scope.net.argmax(a["self"], a["dim"], bool(a["keepdim"]))


HANDLERS: dict[str, Callable[[Scope, Arguments], Any]] = {
    "convolution": convolution,
    "conv1d": convolution,
    "conv2d": convolution,
    "linear": linear,
    "addmm": addmm,
    "mm": matmul,
    "matmul": matmul,
    "batch_norm": batch_norm,
    "_native_batch_norm_legit_no_training": batch_norm_with_statistics,
    "native_batch_norm": batch_norm_with_statistics,
    "max_pool1d": max_pool,
    "max_pool2d": max_pool,
    "max_pool2d_with_indices": max_pool_with_indices,
    "avg_pool1d": average_pool,
    "avg_pool2d": average_pool,
    "adaptive_avg_pool1d": adaptive_average_pool,
    "adaptive_avg_pool2d": adaptive_average_pool,
    "_adaptive_avg_pool2d": adaptive_average_pool,
    "adaptive_max_pool1d": adaptive_max_pool,
    "adaptive_max_pool2d": adaptive_max_pool,
    "mean": mean,
    "sum": total,
    "amax": amax,
    "max": max_over,
    "min": min_over,
    "argmax": argmax,
}
