"""`FloatNet` to `Graph`: the only place where floats become integers.

One walk in topological order; `rules.RULES` has one rule a float op. A node without an exact integer meaning is
refused with its reason; everything that depends on it is passed over, the rest is still looked at, and all
refusals are reported together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from intinfer.accumulator import Accumulator
from intinfer.errors import IntinferError
from intinfer.graph import Graph
from intinfer.ops import Affine
from intinfer.tensor import IntTensor

from .floatnet import FloatNet
from .lowered import Lowered, Lowering, RefusalError, common_unit
from .rules import RULES


class LoweringError(IntinferError):
    """The network has parts without an exact integer meaning. `refusals` lists all of them, one line each."""

    def __init__(self, refusals: Sequence[str]) -> None:
        self.refusals = tuple(refusals)
        super().__init__(f"{len(refusals)} node(s) have no exact integer meaning: " + "; ".join(refusals))


def lower(
    net: FloatNet,
    *,
    accumulator: Accumulator | None = None,
    classes: Sequence[str] = (),
    provenance: Mapping[str, str] | None = None,
) -> Graph:
    """The integer graph that computes exactly what `net` means.

    Args:
        accumulator: of all convolutions and dense layers; None gives each the narrowest that its type rule proves.

    Raises:
        LoweringError: nodes without an exact integer meaning, all of them.
        GraphError: class names that do not fit the output.
    """
    state = Lowering(net.dtype, accumulator)
    done: dict[str, Lowered] = {}
    refusals: list[str] = []
    for node in net.nodes:
        if not all(name in done for name in node.inputs):
            continue
        try:
            done[node.name] = RULES[type(node.op)](state, node, *(done[name] for name in node.inputs))
        except (RefusalError, IntinferError) as reason:
            refusals.append(f"{node.name} ({type(node.op).__name__}): {reason}")
    for name, value in net.outputs.items():
        if value in done:
            try:
                _output(state, name, done[value])
            except RefusalError as reason:
                refusals.append(f"output {name}: {reason}")
    if refusals:
        raise LoweringError(refusals)
    return state.builder.finish(net.image, classes, provenance)


def _output(state: Lowering, name: str, x: Lowered) -> None:
    """Fold a pending affine into the stored one; channels of different scales get one common unit.

    A * z + B is exact because float constants are dyadic rationals; it is refused beyond 62 bits.
    """
    source = x.pending
    x = state.settle(x)
    scales, offsets = x.scales(), x.offsets()
    if len(set(scales)) == 1 and len(set(offsets)) == 1 and scales[0] > 0:
        state.builder.output(name, x.z, scales[:1], offsets[:1])
        return
    unit = common_unit([*scales, *offsets])
    multiplier = [int(s / unit) for s in scales]
    offset = [int(o / unit) for o in offsets]
    if max(map(abs, (*multiplier, *offset))).bit_length() > 62:
        raise RefusalError(f"its exact affine needs {max(map(abs, (*multiplier, *offset))).bit_length()} bits, over 62")
    op = Affine(IntTensor(np.array(multiplier)), IntTensor(np.array(offset)))
    state.builder.output(name, state.add(op, x.z, name=name, source=source), (unit,), (Fraction(0),))
