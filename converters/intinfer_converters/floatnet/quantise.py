"""The quantiser, and its lowering: it closes the pending chain into integers.

A table on the network's input; elsewhere thresholds, or the multiply, add and shift that is equal to many of them.
Where the quantiser and what it reads are together an op of the integer graph, they become that: the mean of a whole map
above half of the top level (`tgap`), and half of a sum of levels, rounded down (`bitshift`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intinfer.graph import Value
from intinfer.ops import Add, Bitshift, Flatten, Op, SumPool, Table, Tgap, Threshold
from intinfer.ops.table import MAX_ENTRIES
from intinfer.tensor import IntTensor
from intinfer.types import IntType

from ..evaluator import Chain, FloatArray, chain_positive
from ..lowered import ONE, ZERO, Lowered, Lowering, PendingSum
from ..sums import classified, resolved, tabled
from ..thresholds import Activation, LevelCode, find_requant, find_thresholds
from .base import Exact, Executor, FloatNode, OnGrid, Reads, SameShape, integers
from .pointwise import refuse_faults

MANY_THRESHOLDS = 15
"""Above this, a multiply, add and shift takes the place of the thresholds where it is proven equal."""
MAX_BITSHIFT = 16


@dataclass(frozen=True, eq=False)
class Quantise(Exact, SameShape):
    """The end of a pointwise chain: its result takes the values base + step * j, j = 0..count.

    What the levels mean is said by the Pointwise behind it. `base` and `count` are None for a rounding whose range the
    source does not state: then it is that of the integers which it reads.
    """

    chain: Chain
    base: int | None
    step: int
    count: int | None
    takes_pending = True
    reads = Reads.ANYTHING

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The chain, which ends in levels."""
        return floats.chain(self.chain, inputs[0])

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """Integers as they are."""
        return integers(chain_positive(self.chain, inputs[0].positive))

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """Close the pending chain and the quantiser's own. Raises RefusalError for operands that are no numbers."""
        refuse_faults(self.chain)
        (x,) = inputs
        stated = self.base is not None and self.count is not None
        code = LevelCode(self.base or 0, self.step, self.count or 0) if stated else LevelCode(0, self.step, 0)
        if isinstance(x, PendingSum):
            activation = Activation(x.tail + self.chain, ONE, ZERO, state.dtype, code)
            found = classified(state, x, activation, stated)
            if found is not None:
                return Lowered(_close(state, *found, x.pending + node.source))
            x = tabled(state, x) or resolved(state, x)
        activation = Activation(x.tail + self.chain, x.scale, x.offset, state.dtype, code)
        activation = (activation.reaching if stated else activation.bounded)(x.z.type, x.channels)
        source = x.pending + node.source
        if state.is_pixels(x.z) and x.z.type.hi - x.z.type.lo < MAX_ENTRIES:
            table = _table(activation, x.z)
            return Lowered(state.add(table, x.z, name=f"{x.z.name}.act", source=source))
        return Lowered(_close(state, find_thresholds(activation, x.z.type, x.channels), x.z, source))


def _table(activation: Activation, z: Value) -> Table:
    every = np.arange(z.type.lo, z.type.hi + 1, dtype=np.int64)
    rows = activation.levels(np.broadcast_to(every, (z.shape[0], every.size)))
    entries = IntTensor(rows[:1] if (rows == rows[0]).all() else rows)
    code = activation.code
    return Table(entries, z.type.lo, code.base, code.base + code.step * code.count)


def _close(state: Lowering, threshold: Threshold, z: Value, source: tuple[str, ...]) -> Value:
    special = _as_tgap(state, threshold, z) or _as_bitshift(state, threshold, z)
    if special is not None:
        op, inputs = special
        return state.add(op, *inputs, name=f"{z.name}.act", source=source)
    many = threshold.thresholds.shape[1] > MANY_THRESHOLDS
    requant = find_requant(threshold, z.type) if many else None
    return state.add(requant or threshold, z, name=f"{z.name}.act", source=source)


def _as_tgap(state: Lowering, threshold: Threshold, z: Value) -> tuple[Op, tuple[Value, ...]] | None:
    """[2 * sum of a map > top * pixels] is one threshold on the sum, at floor(top * pixels / 2) + 1."""
    flatten, inputs = state.made.get(z.name, (None, ()))
    pool, levels = state.made.get(inputs[0].name, (None, ())) if isinstance(flatten, Flatten) else (None, ())
    if not isinstance(pool, SumPool) or any(pool.pads) or pool.kernel != levels[0].shape[1:]:
        return None
    top = levels[0].type.hi
    pixels = pool.kernel[0] * pool.kernel[1]
    limits = threshold.thresholds.values
    plain = (threshold.base, threshold.step, limits.shape[1]) == (0, 1, 1) and not threshold.descending.values.any()
    if not plain or levels[0].type.lo < 0 or top < 1 or (limits != top * pixels // 2 + 1).any():
        return None
    state.optional.update((z.name, inputs[0].name))
    return Tgap(top), levels


def _as_bitshift(state: Lowering, threshold: Threshold, z: Value) -> tuple[Op, tuple[Value, ...]] | None:
    """(a + b) >> 1 of k-bit levels, or the OR of two bits."""
    add, inputs = state.made.get(z.name, (None, ()))
    if not isinstance(add, Add) or add.multipliers != (1, 1) or any(value.type.lo < 0 for value in inputs):
        return None
    bits = max(value.type.hi for value in inputs).bit_length()
    if not 1 <= bits <= MAX_BITSHIFT or not all(IntType.unsigned(bits).contains(value.type) for value in inputs):
        return None
    sums = np.arange(z.type.lo, z.type.hi + 1, dtype=np.int64)
    wanted = np.minimum(sums, 1) if bits == 1 else sums >> 1
    rows = len(threshold.thresholds.values)
    got = threshold.reference(np.broadcast_to(sums, (1, rows, sums.size)))
    if (got[0] != wanted).any():
        return None
    state.optional.add(z.name)
    return Bitshift(bits), inputs
