"""ATen ops that only move elements, and those that put tensors beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..symbolic import Operand, Symbolic, SymbolicNet, Unsupported
from ..symbolic.vocabulary import arrangement
from .schema import Bound
from .scope import Arguments, Handler, Scope

_MOVING = """
view _unsafe_view reshape flatten unflatten squeeze unsqueeze permute transpose t numpy_T mT movedim moveaxis
swapaxes swapdims expand view_as expand_as reshape_as repeat repeat_interleave tile slice select narrow split
split_with_sizes chunk unbind index_select index flip roll rot90 pixel_shuffle pixel_unshuffle channel_shuffle
native_channel_shuffle upsample_nearest2d upsample_nearest1d broadcast_to _upsample_nearest_exact2d
_upsample_nearest_exact1d reflection_pad2d replication_pad2d reflection_pad1d replication_pad1d _reshape_alias
view_copy permute_copy slice_copy unsqueeze_copy squeeze_copy expand_copy transpose_copy select_copy diagonal unfold
im2col
"""
MOVING = frozenset(f"aten.{name}" for name in _MOVING.split())
SAME = frozenset(("aten.alias", "aten.detach", "aten.dropout", "aten.feature_dropout", "aten.lift_fresh"))
"""Ops whose result is their argument, the very same memory."""
MAYBE_VIEWS = frozenset(
    "aten." + name
    for name in (
        *("type_as", "pixel_shuffle", "pixel_unshuffle", "_unsafe_view"),
        *("fused_moving_avg_obs_fake_quant", "_fused_moving_avg_obs_fq_helper"),
    )
)
"""Ops whose schema does not say that their result is, at times, in the memory of their argument."""
COPY = frozenset(("aten.clone", "aten.contiguous", "aten.lift_fresh_copy", "aten.alias_copy", "aten.detach_copy"))


def move(scope: Scope, bound: Bound) -> Any:
    """An op of `MOVING`; its constants may be tensors, its one computed argument the tensor that is moved."""
    x, *others = bound.arguments.values()
    if bound.arguments.get("dtype") is not None:
        raise Unsupported("it takes the bits of its argument for another type; use a cast")
    shapes_only = bound.packet.endswith("_as") or not any(isinstance(value, Symbolic) for value in others)
    if not isinstance(x, Symbolic) or not shapes_only:
        raise Unsupported("its places are computed from the input; they must be constants")

    def shaped(value: Any) -> Any:
        """Another computed tensor counts for its shape alone: of view_as, expand_as, reshape_as."""
        if isinstance(value, Symbolic):
            return torch.empty([1] * len(value.shape)).expand(scope.batch, *value.shape[1:])
        return value

    if bound.packet == "aten.im2col":  # a border has no place: it is put around before
        pads = [(0, 0)] * (len(x.shape) - 2) + [(n, n) for n in bound.arguments["padding"]]
        x = arrangement.pad(scope.net, x, pads)
        bound = replace(bound, arguments={**bound.arguments, "self": x, "padding": [0, 0]})
    return scope.arranged(bound, x, shaped)


def same(scope: Scope, a: Arguments) -> Any:
    """An op of `SAME` or `COPY`."""
    if a.get("train"):
        raise Unsupported("it is in training mode; call .eval() before exporting")
    return next(iter(a.values()))


def pad(scope: Scope, a: Arguments) -> Symbolic:
    """constant_pad_nd, and aten.pad where it is constant."""
    widths = list(a["pad"])
    x: Symbolic = a["self"]
    if len(widths) % 2 or len(widths) > 2 * (len(x.shape) - 1):
        raise Unsupported(f"pads {widths} of {x.shape}")
    pairs = [(widths[i], widths[i + 1]) for i in range(0, len(widths), 2)][::-1]
    value = a["value"] if a["value"] is not None else 0
    number = scope.promoted(x, value)[1].item() if x.is_float else scope.number(value)
    return arrangement.pad(scope.net, x, [(0, 0)] * (len(x.shape) - len(pairs)) + pairs, number)


def beside(word: Callable[[SymbolicNet, Sequence[Operand], int], Symbolic]) -> Handler:
    """A handler of cat or stack: the tensors beside each other along `dim`."""
    return lambda scope, a: word(scope.net, scope.promoted(*a["tensors"]), a["dim"])


HANDLERS: dict[str, Handler] = {
    **{name.removeprefix("aten."): same for name in SAME | COPY},
    **dict.fromkeys(("constant_pad_nd", "pad"), pad),
    **dict.fromkeys(("cat", "concat", "concatenate"), beside(arrangement.concat)),
    "stack": beside(arrangement.stack),
}
