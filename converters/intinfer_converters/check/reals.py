"""Exact real values, with error bounds, of the float nodes that stand between integers.

The *value* of a float node that is an integer tensor of the graph, scale * z + offset, comes from these integers; of
one that waits for a quantiser, from those before it. The *error* says how far the source's float evaluation may be off
when it starts from the source's own levels, which have none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from intinfer.types import IntArray

from .. import floatnet as f
from ..float_error import Format, Norm, Real, dyadic
from ..lowered import Lowered, spread


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
                real = node.op.error(Format.of(self.net.dtype), self.norms.get(name), settled, *inputs)
                self._done[name] = real if settled is None else self._placed(name, settled, real)
        return self._done[name]

    def _placed(self, name: str, settled: Real, real: Real) -> Real:
        """The value of the graph's integers with the error of the float evaluation."""
        if name in self.approximate:
            return Real(settled.value, real.error + np.abs(settled.value - real.value))
        return Real(settled.value, real.error, real.grid)

    def forget(self, z: str) -> None:
        """The graph's integers `z` have changed."""
        self._done = {name: real for name, real in self._done.items() if self.meanings[name].z.name != z}


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
