"""`FloatNet` to `Graph`: the only place where floats become integers.

One walk in topological order; each float op says what it becomes (`FloatOp.lower`). A node without an exact integer
meaning is refused with its reason; everything that depends on it is passed over, the rest is still looked at, and all
refusals are reported together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from intinfer.accumulator import Accumulator
from intinfer.errors import IntinferError, MalformedError
from intinfer.graph import Graph
from intinfer.types import LIMIT

from .floatnet import FloatNet
from .lowered import ZERO, Lowered, Lowering, PendingSum, RefusalError, common_unit
from .sums import resolved

MAX_TEXT = 5_000
"""Characters of one entry of the provenance."""


class LoweringError(MalformedError):
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
    recorded: dict[str, Lowered] | None = None,
    exact_pixels: bool = False,
    approximate_adds: bool = False,
) -> Graph:
    """The integer graph that computes exactly what `net` means.

    Args:
        accumulator: of all convolutions and dense layers; None gives each the narrowest that its type rule proves.
        provenance: notes for the graph. Added to them: "wide multipliers" (over 16 bits), "exact pixels" (their
            width) and "approximate adds" (their largest error), where there are such.
        recorded: gets what every float node has become, by its name.
        exact_pixels: a float preprocessing of the pixels may become wide integers before a layer with weights.
        approximate_adds: adds of scales without a small ratio, read by no quantiser, get multipliers rounded to 16
            bits. The only inexact thing there is.

    Raises:
        LoweringError: nodes without an exact integer meaning, all of them.
        GraphError: class names that do not fit the output.
    """
    state = Lowering(net.dtype, accumulator, exact_pixels, approximate_adds)
    done: dict[str, Lowered] = {}
    refusals: list[str] = []
    for node in net.nodes:
        if not all(name in done for name in node.inputs):
            continue
        try:
            inputs = [done[name] for name in node.inputs]
            if not node.op.takes_pending:
                inputs = [resolved(state, x) for x in inputs]
            done[node.name] = node.op.lower(state, node, *inputs)
        except (RefusalError, IntinferError) as reason:
            refusals.append(f"{node.name} ({type(node.op).__name__}): {reason}")
    for name, value in net.outputs.items():
        if value in done:
            try:
                _output(state, name, resolved(state, done[value]))
            except RefusalError as reason:
                refusals.append(f"output {name}: {reason}")
    if refusals:
        raise LoweringError(refusals)
    if recorded is not None:
        for name, x in done.items():  # a pending sum is what it became, when anything needed it whole
            whole = isinstance(x, PendingSum) and x.node.name in state.sums
            recorded[name] = resolved(state, x) if whole else x
    notes = {**(provenance or {}), **_provenance(state.notes)}
    return _without_unread(state, state.builder.finish(net.image, classes, notes))


def _provenance(notes: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The lines of each key in one text, or in several numbered ones: a model file limits their length."""
    texts: dict[str, str] = {}
    for key, lines in notes.items():
        name, number = key, 1
        for line in lines:
            if len(texts.get(name, "")) + len(line) > MAX_TEXT:
                number += 1
                name = f"{key} {number}"
            texts[name] = f"{texts[name]}; {line}" if name in texts else line
    return texts


def _without_unread(state: Lowering, graph: Graph) -> Graph:
    """The graph without nodes that another form of their reader made superfluous."""
    read = {out.value for out in graph.outputs}
    kept = []
    for node in reversed(graph.nodes):
        if node.name in read or node.name not in state.optional:
            kept.append(node)
            read.update(node.inputs)
    return graph.with_nodes(reversed(kept))


def _output(state: Lowering, name: str, x: Lowered) -> None:
    """Fold a pending affine into the stored one; channels of different scales get one common unit.

    A * z + B is exact because float constants are dyadic rationals; where it needs more than 62 bits, each channel
    keeps a stored affine of its own.
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
    largest = max(
        abs(m) * max(abs(x.z.type.lo), abs(x.z.type.hi)) + abs(o) for m, o in zip(multiplier, offset, strict=True)
    )
    if largest > LIMIT or max(map(abs, multiplier)) > LIMIT:
        state.builder.output(name, x.z, x.scale, x.offset)
        return
    state.builder.output(name, state.scaled(x.z, multiplier, offset, name=name, source=source), (unit,), ZERO)
