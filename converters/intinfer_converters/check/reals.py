"""Exact real values, with error bounds, of the float nodes that stand between integers.

The *value* of a float node that is an integer tensor of the graph, scale * z + offset, comes from these integers; of
one that waits for a quantiser, from those before it. The *error* says how far the source's float evaluation may be off
when it starts from the source's own levels, which have none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fractions import Fraction

import numpy as np

from intinfer.types import IntArray

from .. import floatnet as f
from ..float_error import Format, Norm, Real, dyadic
from ..lowered import Lowered, spread


class Reals:
    """Evaluates float nodes of one net.

    Args:
        net: the float net.
        meanings: what each of its nodes is in the integer graph.
        norms: batch norm's own parameters, where the source knows them, by float node.
        approximate: names of adds that were allowed to be inexact: how far they are is part of their bound.
    """

    def __init__(
        self,
        net: f.FloatNet,
        meanings: Mapping[str, Lowered],
        norms: Mapping[str, Norm],
        approximate: Collection[str] = (),
    ) -> None:
        self.nodes = {node.name: node for node in net.nodes}
        self.meanings = meanings
        self.norms = norms
        self.approximate = approximate
        self.format = Format.of(net.dtype)

    def batch(self, live: Mapping[str, IntArray]) -> Batch:
        """The values of a batch; `live` holds the integers (N, ...) of the graph by name, the source's own levels."""
        return Batch(self, live)


class Batch:
    """Real values of one batch, each computed once."""

    def __init__(self, reals: Reals, live: Mapping[str, IntArray]) -> None:
        self.reals = reals
        self.live = live
        self._done: dict[str, Real] = {}

    def of(self, name: str) -> Real:
        """The float node `name`. Raises DataError for an op without an error analysis."""
        if name not in self._done:
            node = self.reals.nodes[name]
            settled = self._settled(self.reals.meanings[name])
            if node.op.exact:
                assert settled is not None
                self._done[name] = settled
            else:
                real = node.op.error(self.reals.format, self.reals.norms.get(name), settled, *map(self.of, node.inputs))
                self._done[name] = real if settled is None else self._placed(name, settled, real)
        return self._done[name]

    def _placed(self, name: str, settled: Real, real: Real) -> Real:
        """The value of the graph's integers with the error of the float evaluation."""
        if name in self.reals.approximate:
            return Real(settled.value, real.error + np.abs(settled.value - real.value))
        return Real(settled.value, real.error, real.grid)

    def forget(self, z: str) -> None:
        """The graph's integers `z` have changed."""
        self._done = {name: real for name, real in self._done.items() if self.reals.meanings[name].z.name != z}

    def _settled(self, meaning: Lowered) -> Real | None:
        """scale * z + offset, where nothing is pending."""
        if meaning.tail or meaning.z.name not in self.live:
            return None
        return affine(self.live[meaning.z.name], meaning.scale, meaning.offset)


def affine(z: IntArray, scale: tuple[Fraction, ...], offset: tuple[Fraction, ...]) -> Real:
    """scale * z + offset; on a grid where all scales and offsets are multiples of one power of two."""
    channels = z.shape[1]
    column = (1, -1, *[1] * (z.ndim - 2))
    scales, offsets = (
        np.array([float(n) for n in spread(numbers, channels)]).reshape(column) for numbers in (scale, offset)
    )
    numbers = (*scale, *offset)
    grid = 2.0 ** -max(n.denominator.bit_length() - 1 for n in numbers) if dyadic(numbers) else 0.0
    return Real.exactly(scales * z + offsets, grid)
