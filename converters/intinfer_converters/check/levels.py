"""Exact real values of the float nodes that stand between integers, and the source's floats back to their integers.

The *value* of a float node that is an integer tensor of the graph, scale * z + offset, comes from these integers; of
one that waits for a quantiser, from those before it. The *error* says how far the source's float evaluation may be off
when it starts from the source's own levels, which have none.

A tensor of the source is a known function of integers: fl(chain(scale * z + offset)), each op rounded once. Where z has
few values, all floats it can give are enumerated and each float is looked up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError
from intinfer.graph import Output
from intinfer.types import IntArray, IntType

from .. import floatnet as f
from ..evaluator import FloatArray, apply_chain, chain_error, evaluate
from ..float_error import FloatFormat, Floats, Norm, Real, column, dyadic
from ..lowered import Lowered, spread
from .runner import Pair


@dataclass(eq=False)
class Reals:
    """Real values of the float nodes of one net, each computed once for a batch.

    Args:
        net: the float net.
        meanings: what each of its nodes is in the integer graph.
        norms: batch norm's own parameters, where the source knows them, by float node.
        approximate: names of adds that were allowed to be inexact: how far they are is part of their bound.
        live: the integers (N, ...) of the graph by name, the source's own levels.
    """

    net: f.FloatNet
    meanings: Mapping[str, Lowered]
    norms: Mapping[str, Norm]
    approximate: Collection[str] = ()
    live: Mapping[str, IntArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._nodes = {node.name: node for node in self.net.nodes}
        self._done: dict[str, Real] = {}

    def batch(self, live: Mapping[str, IntArray]) -> Reals:
        """The values of a batch whose integers are `live`."""
        return replace(self, live=live)

    def of(self, name: str) -> Real:
        """The values (N, ...) of the float node `name`."""
        if name not in self._done:
            node, meaning = self._nodes[name], self.meanings[name]
            settled = None  # where nothing is pending: scale * z + offset
            if not meaning.tail and meaning.z.name in self.live:
                settled = affine(self.live[meaning.z.name], meaning.scale, meaning.offset)
            if node.op.exact:
                assert settled is not None
                self._done[name] = settled
            else:
                inputs = map(self.of, node.inputs)
                real = node.op.error(FloatFormat.of(self.net.dtype), self.norms.get(name), settled, *inputs)
                if settled is not None and name in self.approximate:
                    real = Real(settled.value, real.error + np.abs(settled.value - real.value))
                elif settled is not None:
                    real = replace(real, value=settled.value)
                self._done[name] = real
        return self._done[name]

    def forget(self, z: str) -> None:
        """The graph's integers `z` have changed."""
        self._done = {name: real for name, real in self._done.items() if self.meanings[name].z.name != z}


def affine(z: IntArray, scale: tuple[Fraction, ...], offset: tuple[Fraction, ...]) -> Real:
    """scale * z + offset; on a grid where all scales and offsets are multiples of one power of two."""
    numbers = (*scale, *offset)
    grid = 2.0 ** -max(n.denominator.bit_length() - 1 for n in numbers) if dyadic(numbers) else 0.0
    return Real.exactly(column(scale, z.ndim) * z + column(offset, z.ndim), grid)


def real_output(out: Output, z: IntArray) -> tuple[Floats, Floats]:
    """scale * z + offset in float64, and |scale * z| + |offset|."""
    scaled, offset = column(out.scale, z.ndim) * z, column(out.offset, z.ndim)
    return scaled + offset, np.abs(scaled) + np.abs(offset)


MAX_LEVELS = 4096


class Levels:
    """One paired node: its integers as the source's floats, and back.

    Args:
        pair: the source tensor.
        type_: of the integers.
        step: their distance, when they are levels, to be enumerated; None for sums, whose floats are near anyway.
        dtype: of the source's float ops.
    """

    def __init__(self, pair: Pair, type_: IntType, step: int | None, dtype: npt.DTypeLike) -> None:
        self.pair = pair
        self.type = type_
        self.chain = pair.meaning.tail + pair.tap.chain
        self.dtype = np.dtype(dtype)
        self._step = step
        few = step is not None and type_.hi - type_.lo < MAX_LEVELS * step
        self._values = np.arange(type_.lo, type_.hi + 1, step) if few else None
        meaning = pair.meaning
        self._plain = not self.chain and all(s == 1 for s in meaning.scale) and not any(meaning.offset)
        shape = pair.node.shape
        self.channel = np.repeat(np.arange(shape[0]), int(np.prod(shape[1:])))
        """Of each element of the node, flat."""
        first = np.full(self.channel.size, -1, dtype=np.int64)
        kept = np.flatnonzero(pair.tap.index >= 0)[::-1]
        first[pair.tap.index[kept]] = kept
        self.elements = np.flatnonzero(first >= 0)
        """Elements of the node that the tensor shows, ascending."""
        self._places = first[self.elements]
        self._whole = len(self.elements) == first.size
        self._straight = self._whole and np.array_equal(self._places, np.arange(first.size))

    def shown(self, tensor: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The source's values of `elements`: (N, K). Raises DataError when the tensor has another size."""
        flat = tensor.reshape(len(tensor), -1)
        if flat.shape[1] != self.pair.tap.index.size:
            raise DataError(
                f"tensor {self.pair.tensor!r} of the source has {flat.shape[1]} elements an image, it was read as "
                f"{self.pair.tap.index.size}; the source does not compute what it was read as, report it"
            )
        return flat if self._straight else flat[:, self._places]

    def picked(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(N, *shape) of the node, at `elements`: (N, K)."""
        flat = values.reshape(len(values), -1)
        return flat if self._whole else flat[:, self.elements]

    def floats(self, z: IntArray) -> npt.NDArray[Any]:
        """What the source has at `elements` for the integers z (N, *shape): (N, K); of sums to the last place or so."""
        if self._plain:
            return self.picked(z)
        if self._values is not None and z.size and self.type.lo <= z.min() and z.max() <= self.type.hi:
            return self.picked(self._from_table(z))
        real = affine(z, self.pair.meaning.scale, self.pair.meaning.offset).value.astype(self.dtype)
        return self.picked(apply_chain(self.chain, real.reshape(*z.shape[:2], -1)))

    def _from_table(self, z: IntArray) -> FloatArray:
        table, place = self.table, (z.reshape(len(z), -1) - self.type.lo) // (self._step or 1)
        return np.asarray(table[0][place] if len(table) == 1 else table[self.channel, place])

    @cached_property
    def table(self) -> FloatArray:
        """The float of each level, one row a channel, or one for all."""
        assert self._values is not None
        meaning = self.pair.meaning
        every = np.broadcast_to(self._values, (self.pair.node.shape[0], len(self._values)))
        rows = evaluate(self.chain, every, meaning.scale, meaning.offset, self.dtype)
        return rows[:1] if (rows == rows[0]).all() else rows

    def integers(self, floats: npt.NDArray[Any], where: tuple[npt.NDArray[np.intp], ...], image: int) -> IntArray:
        """The levels of single elements of the source's tensor.

        Args:
            floats: (M,) values of the source at `where` = (image, element of the node).
            image: number of the batch's first image, for messages.

        Raises:
            DataError: a value that is none of the levels, and is not explained by roundings.
        """
        assert self._values is not None
        row = self.channel[where[1]] if len(self.table) > 1 else np.zeros(len(floats), dtype=np.int64)
        found = np.zeros(len(floats), dtype=np.int64)
        for channel in np.unique(row):
            mine = row == channel
            levels = self.table[channel].astype(np.float64)
            order = np.argsort(levels, kind="stable")
            nearest = _nearest(levels[order], floats[mine].astype(np.float64))
            place = order[nearest]
            apart = np.abs(levels[place] - floats[mine])
            allowed = self._rounding(place, int(channel))
            wrong = ~(apart <= allowed)
            if wrong.any():
                index = int(np.flatnonzero(mine)[np.argmax(wrong)])
                at = ", ".join(str(int(axis[index])) for axis in where[1:])
                raise DataError(
                    f"tensor {self.pair.tensor!r} of the source, image {image + int(where[0][index])}, element {at}: "
                    f"{float(floats[index]):.9g} is none of its {len(levels)} levels {levels.min():.9g}.."
                    f"{levels.max():.9g} (the nearest is {float(levels[place[np.argmax(wrong)]]):.9g}); the source "
                    "does not compute what it was read as, report it"
                )
            found[mine] = self._values[place]
        return found

    def _rounding(self, place: IntArray, channel: int) -> Floats:
        """How far another evaluation of each level's float may be off; nothing where levels would be confused."""
        assert self._values is not None
        meaning, channels = self.pair.meaning, self.pair.node.shape[0]
        scale, offset = (spread(numbers, channels)[channel] for numbers in (meaning.scale, meaning.offset))
        real = affine(self._values.reshape(-1, 1), (scale,), (offset,))
        which = np.full((len(self._values), 1), channel)
        error = chain_error(real, self.chain, which, FloatFormat.of(self.dtype)).error[:, 0]
        levels = np.sort(self.table[channel].astype(np.float64))
        apart = np.diff(np.unique(levels)).min(initial=np.inf)
        return np.where(2 * error < apart, error, 0.0)[place]


def _nearest(levels: Floats, floats: Floats) -> npt.NDArray[np.intp]:
    """Indices into `levels`, ascending; of what is NaN the last."""
    above = np.clip(np.searchsorted(levels, floats), 0, len(levels) - 1)
    below = np.maximum(above - 1, 0)
    return np.where(np.abs(floats - levels[below]) <= np.abs(levels[above] - floats), below, above)
