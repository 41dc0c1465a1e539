"""Which mistakes are looked for at which op: `FAMILIES`, and at one that is not in it those that any op can make."""

from __future__ import annotations

from intinfer.ops import (
    Abs,
    Add,
    Affine,
    ArgMax,
    Bitshift,
    ChannelSelect,
    Clamp,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Gather,
    MaxPool,
    Mux,
    Op,
    Requant,
    SumPool,
    Table,
    Tgap,
    Threshold,
)

from . import (
    constants,
    elementwise,
    history,
    operands,
    pools,
    quantisers,
    results,
    routing,
    solve,
    sums,
    weights,
    windows,
)
from .suspect import Family

_OF_ANY: tuple[Family, ...] = (operands.mistakes, history.mistakes, results.mistakes)
_WEIGHTS = (solve.weights.mistakes, solve.inputs.permuted, solve.channels.groups, solve.inputs.read_anywhere)


def _of(*own: Family, solved: tuple[Family, ...] = (), sums: tuple[Family, ...] = ()) -> tuple[Family, ...]:
    """Those of the op, of any op, those whose numbers are solved for: in the op, in channels, in sums."""
    return (*own, *_OF_ANY, *solved, solve.channels.mistakes, *sums)


FAMILIES: dict[type[Op], tuple[Family, ...]] = {
    Conv2d: _of(weights.mistakes, windows.mistakes, sums.mistakes, solved=_WEIGHTS, sums=(solve.sums.convolution,)),
    Dense: _of(weights.mistakes, sums.mistakes, solved=_WEIGHTS, sums=(solve.sums.constant,)),
    Threshold: _of(quantisers.thresholds, constants.mistakes, solved=(solve.constants.threshold,)),
    Requant: _of(quantisers.requant, constants.mistakes, solved=(solve.constants.scalars,)),
    Affine: _of(quantisers.affine, constants.mistakes, solved=(solve.constants.scalars,), sums=(solve.sums.constant,)),
    Table: _of(quantisers.table, constants.mistakes, solved=(solve.constants.entry,)),
    Clamp: _of(quantisers.clamp),
    Abs: _of(quantisers.absolute),
    Bitshift: _of(elementwise.bitshift),
    Add: _of(elementwise.add, sums=(solve.sums.add,)),
    Mux: _of(elementwise.mux),
    MaxPool: _of(windows.mistakes, pools.max_pool),
    SumPool: _of(windows.mistakes, pools.sum_pool, sums=(solve.sums.constant,)),
    Tgap: _of(pools.tgap, solved=(solve.constants.limit,)),
    ChannelSelect: _of(routing.channel_select),
    Concat: _of(routing.concat),
    Flatten: _of(routing.flatten),
    Gather: _of(routing.gather),
    ArgMax: _of(routing.argmax),
}


def families_of(op: Op) -> tuple[Family, ...]:
    """In the order in which they are told."""
    return FAMILIES.get(type(op), _of())
