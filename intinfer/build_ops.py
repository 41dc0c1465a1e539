"""One method an op, for `GraphBuilder`: nodes from plain numbers and arrays.

Numbers that a design can be built in several ways with are always said: pads and what they hold, accumulators with
what happens at the edge of their width, rounding, the code of weights. Stride, dilation and groups are 1 unless said.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from . import ops
from .accumulator import Accumulator
from .build_arguments import (
    Extent,
    Numbers,
    Pads,
    accumulator_of,
    array_of,
    descending_of,
    flag_of,
    integer_of,
    integers_of,
    of_node,
    pad_value_of,
    pads_of,
    pair_of,
    rounding_of,
    same_code,
    stored,
    vector,
    weight_of,
)
from .errors import GraphError
from .graph import Value
from .ops.threshold import clip_thresholds
from .rounding import RoundMode
from .tensor import CellularWeights, IntTensor


class OpMethods(ABC):
    """The methods append one node each and return its value. Every name is unique in the graph; `source` says which
    checkpoint keys or node names a node came from. They raise GraphError, naming the node, for what the op refuses.
    """

    @abstractmethod
    def add(self, op: ops.Op, *inputs: Value, name: str, source: Sequence[str] = ()) -> Value:
        """Append any op, as `GraphBuilder.add` says."""

    @staticmethod
    def constant(values: npt.ArrayLike, encoding: str | None = None) -> IntTensor:
        """Integers in a stated code: binary, ternary, uK or sK; without one in the narrowest uK or sK."""
        return stored("values", values, encoding)

    @staticmethod
    def automaton(rule: int, seed: Sequence[int], rows: int) -> CellularWeights:
        """Weights (len(seed), rows, 1, 1) of -1 and +1 that a cellular automaton generates; see `CellularWeights`."""
        return CellularWeights(integer_of("rule", rule), integers_of("seed", seed), integer_of("rows", rows))

    def conv2d(
        self,
        x: Value,
        weight: npt.ArrayLike | IntTensor | CellularWeights,
        *,
        name: str,
        pads: Pads,
        accumulator: Accumulator | str,
        pad_value: int | Sequence[int] | None = None,
        stride: Extent = 1,
        dilation: Extent = 1,
        groups: int = 1,
        encoding: str | None = None,
        source: Sequence[str] = (),
    ) -> Value:
        """Cross-correlation of (C, H, W) with a weight (O, C/groups, KH, KW).

        Args:
            accumulator: such as "16 prove", "9 wrap" or "12 saturate CKK fold 2"; see `Accumulator`.
            pad_value: what the border holds, one integer or one a channel; needed where there is a border.
            encoding: of a weight that is an array: binary, ternary, uK or sK.
        """
        with of_node(name, ops.Conv2d.kind):
            border = pads_of(pads)
            op = ops.Conv2d(
                weight=weight_of(weight, encoding),
                stride=pair_of("stride", stride),
                pads=border,
                pad_value=pad_value_of(pad_value, border),
                dilation=pair_of("dilation", dilation),
                groups=integer_of("groups", groups),
                accumulator=accumulator_of(accumulator),
            )
        return self.add(op, x, name=name, source=source)

    def dense(
        self,
        x: Value,
        weight: npt.ArrayLike | IntTensor,
        *,
        name: str,
        accumulator: Accumulator | str,
        encoding: str | None = None,
        source: Sequence[str] = (),
    ) -> Value:
        """A weight (O, C) times a vector (C,). Arguments as `conv2d`."""
        with of_node(name, ops.Dense.kind):
            matrix = weight_of(weight, encoding)
            if isinstance(matrix, CellularWeights):
                raise GraphError("generated weights are for a pointwise convolution")
            op = ops.Dense(matrix, accumulator_of(accumulator))
        return self.add(op, x, name=name, source=source)

    def threshold(
        self,
        x: Value,
        thresholds: Numbers,
        *,
        name: str,
        base: int,
        step: int,
        descending: npt.ArrayLike,
        clip: bool = False,
        encoding: str | None = None,
        source: Sequence[str] = (),
    ) -> Value:
        """base + step * how many thresholds a value crosses: z >= T, in a descending channel z <= T.

        Args:
            thresholds: (C, N), or (1, N) for all channels, in the order in which they are crossed.
            descending: 0 or 1, for all channels or one a channel.
            clip: move thresholds that no value of `x` can tell apart from a nearer one into its range; without it
                they are refused.
            encoding: of thresholds that are an array; the narrowest unless said.
        """
        with of_node(name, ops.Threshold.kind, x):
            rows = thresholds.values if isinstance(thresholds, IntTensor) else array_of("thresholds", thresholds)
            down = descending_of(descending, len(np.atleast_1d(rows)))
            if flag_of("clip", clip):
                rows = clip_thresholds(rows, down, x.type)
            if isinstance(thresholds, IntTensor):
                encoding = same_code(thresholds, encoding)
            counted = stored("thresholds", rows, encoding)
            op = ops.Threshold(counted, IntTensor(down), integer_of("base", base), integer_of("step", step))
        return self.add(op, x, name=name, source=source)

    def requant(
        self,
        x: Value,
        *,
        name: str,
        multiplier: Numbers,
        offset: Numbers,
        shift: Numbers,
        rounding: RoundMode | str,
        lo: int,
        hi: int,
        source: Sequence[str] = (),
    ) -> Value:
        """(x * multiplier + offset) >> shift, rounded, clipped to lo..hi; the three for all channels or one a channel.

        Args:
            rounding: floor, half_up, half_even or half_away.
        """
        with of_node(name, ops.Requant.kind):
            op = ops.Requant(
                vector("multiplier", multiplier),
                vector("offset", offset),
                vector("shift", shift),
                rounding_of(rounding),
                integer_of("lo", lo),
                integer_of("hi", hi),
            )
        return self.add(op, x, name=name, source=source)

    def affine(self, x: Value, *, name: str, multiplier: Numbers, offset: Numbers, source: Sequence[str] = ()) -> Value:
        """x * multiplier + offset, exact; each for all channels or one a channel."""
        with of_node(name, ops.Affine.kind, x):
            channels = x.shape[0]
            op = ops.Affine(vector("multiplier", multiplier, channels), vector("offset", offset, channels))
        return self.add(op, x, name=name, source=source)

    def table(
        self,
        x: Value,
        entries: npt.ArrayLike | IntTensor,
        *,
        name: str,
        lo: int,
        hi: int,
        encoding: str | None = None,
        source: Sequence[str] = (),
    ) -> Value:
        """Entry z - x.type.lo for each value z: entries (C, size), or (1, size) for all channels, in lo..hi."""
        with of_node(name, ops.Table.kind, x):
            values = stored("entries", entries, encoding)
            op = ops.Table(values, x.type.lo, integer_of("lo", lo), integer_of("hi", hi))
        return self.add(op, x, name=name, source=source)

    def weighted_sum(self, *inputs: Value, name: str, multipliers: Sequence[int], source: Sequence[str] = ()) -> Value:
        """The op `add`: multipliers[0] * inputs[0] + multipliers[1] * inputs[1] + ..., elementwise."""
        with of_node(name, ops.Add.kind):
            op = ops.Add(integers_of("multipliers", multipliers))
        return self.add(op, *inputs, name=name, source=source)

    def bitshift(self, a: Value, b: Value, *, name: str, bits: int, source: Sequence[str] = ()) -> Value:
        """(a + b) >> 1 of levels of so many bits; of single bits the OR."""
        with of_node(name, ops.Bitshift.kind):
            op = ops.Bitshift(integer_of("bits", bits))
        return self.add(op, a, b, name=name, source=source)

    def tgap(self, x: Value, *, name: str, top: int, source: Sequence[str] = ()) -> Value:
        """(C, H, W) -> (C,): 1 where the mean of levels 0..top is above top / 2."""
        with of_node(name, ops.Tgap.kind):
            op = ops.Tgap(integer_of("top", top))
        return self.add(op, x, name=name, source=source)

    def mux(self, select: Value, one: Value, zero: Value, *, name: str, source: Sequence[str] = ()) -> Value:
        """Channels of `one` where the bit in `select` (C,) is 1, of `zero` elsewhere."""
        return self.add(ops.Mux(), select, one, zero, name=name, source=source)

    def max_pool(
        self,
        x: Value,
        *,
        name: str,
        kernel: Extent,
        pads: Pads,
        stride: Extent = 1,
        dilation: Extent = 1,
        source: Sequence[str] = (),
    ) -> Value:
        """The largest value of each window; a border takes no part."""
        with of_node(name, ops.MaxPool.kind):
            op = ops.MaxPool(
                pair_of("kernel", kernel), pair_of("stride", stride), pads_of(pads), pair_of("dilation", dilation)
            )
        return self.add(op, x, name=name, source=source)

    def sum_pool(
        self, x: Value, *, name: str, kernel: Extent, pads: Pads, stride: Extent = 1, source: Sequence[str] = ()
    ) -> Value:
        """The sum of each window; a border counts as 0."""
        with of_node(name, ops.SumPool.kind):
            op = ops.SumPool(pair_of("kernel", kernel), pair_of("stride", stride), pads_of(pads))
        return self.add(op, x, name=name, source=source)

    def concat(self, *inputs: Value, name: str, source: Sequence[str] = ()) -> Value:
        """The channels of the first input, then of the second, and so on."""
        return self.add(ops.Concat(), *inputs, name=name, source=source)

    def channel_select(self, x: Value, indices: Numbers, *, name: str, source: Sequence[str] = ()) -> Value:
        """Channels `indices` (C_out,) of x, in this order."""
        with of_node(name, ops.ChannelSelect.kind):
            op = ops.ChannelSelect(vector("indices", indices))
        return self.add(op, x, name=name, source=source)

    def channel_shuffle(self, x: Value, *, name: str, groups: int, source: Sequence[str] = ()) -> Value:
        """out[j * groups + i] = in[i * (C / groups) + j], as a `channel_select`."""
        with of_node(name, ops.ChannelSelect.kind, x):
            op = ops.ChannelSelect.shuffle(x.shape[0], integer_of("groups", groups))
        return self.add(op, x, name=name, source=source)

    def clamp(self, x: Value, *, name: str, lo: int, hi: int, source: Sequence[str] = ()) -> Value:
        """The nearest of lo..hi."""
        with of_node(name, ops.Clamp.kind):
            op = ops.Clamp(integer_of("lo", lo), integer_of("hi", hi))
        return self.add(op, x, name=name, source=source)

    def flatten(self, x: Value, *, name: str, source: Sequence[str] = ()) -> Value:
        """(C, H, W) -> (C * H * W,), columns innermost."""
        return self.add(ops.Flatten(), x, name=name, source=source)

    def gather(self, x: Value, index: Numbers, *, name: str, fill: int = 0, source: Sequence[str] = ()) -> Value:
        """The elements of x at places `index` (C, H, W) or (C,), flat in C order; `fill` where it is -1."""
        with of_node(name, ops.Gather.kind):
            op = ops.Gather(stored("index", index), integer_of("fill", fill))
        return self.add(op, x, name=name, source=source)

    def argmax(self, x: Value, *, name: str, source: Sequence[str] = ()) -> Value:
        """The channel of the largest value, the first of several."""
        return self.add(ops.ArgMax(), x, name=name, source=source)

    def abs(self, x: Value, *, name: str, source: Sequence[str] = ()) -> Value:
        """The absolute value."""
        return self.add(ops.Abs(), x, name=name, source=source)
