"""Where a float net needs activation quantisers so that every op has an exact integer meaning.

A walk keeps, for each node, what `lower` would have there: integers on one grid, or something that needs a quantiser
before it can be read by a convolution, a pool or a merge. Quantisers whose results meet in an add, a concat or a MUX
form a group: their scales must be a power of two apart, so that the merge is exact.

The scales come from samples of the float net's values: percentiles, or the least squared error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError

from .. import floatnet as f
from ..evaluator import Chain, FloatArray
from ..floatnet.base import OnGrid, Reads, Status
from ..primitives import Clip, Div, GreaterEqual, Mul, Rint, Sub
from .weights import exact_step


@dataclass(frozen=True)
class Point:
    """A quantiser to put behind a node."""

    signed: bool
    of_input: bool


EXACT = (Status.LEVELS, Status.MIXED)
MERGES = (Reads.SUMMED, Reads.JOINED, Reads.CHOSEN)


@dataclass
class QuantiserPlan:
    """The quantisers that a net needs, and who reads their results.

    Attributes:
        points: node name -> the quantiser behind it.
        reads: (node, input number) of every edge that reads the quantised value.
        outputs: names of outputs that are quantised.
        groups: sets of points whose scales are a power of two apart.
        equal: points of groups whose scales are the same.
    """

    points: dict[str, Point] = field(default_factory=dict)
    reads: set[tuple[str, int]] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)
    groups: list[frozenset[str]] = field(default_factory=list)
    equal: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, net: f.FloatNet) -> QuantiserPlan:
        """The quantisers that `net` needs."""
        plan, feeds = cls(), _feeds_quantised(net)
        states: dict[str, OnGrid] = {}
        for node in net.nodes:
            inputs = [states[name] for name in node.inputs]
            for number in _needed(node, inputs, node.name in feeds):
                inputs[number] = plan._quantised(node.inputs[number], inputs[number])
                plan.reads.add((node.name, number))
            if node.op.reads in MERGES:
                plan._group(node.op, inputs)
            states[node.name] = node.op.on_grid(node.shape[0], *inputs)
        for name, source in net.outputs.items():
            if states[source].status is Status.CURVED:
                plan._quantised(source, states[source])
                plan.outputs.add(name)
        grouped = frozenset(name for group in plan.groups for name in group)
        plan.groups += [frozenset({name}) for name in plan.points if name not in grouped]
        return plan

    def _quantised(self, source: str, state: OnGrid) -> OnGrid:
        """What a quantiser behind the node `source` makes of its value."""
        self.points.setdefault(source, Point(not state.positive, state.early))
        return OnGrid(Status.LEVELS, None, frozenset({source}), state.positive)

    def _group(self, op: f.FloatOp, inputs: list[OnGrid]) -> None:
        together = frozenset[str]().union(*(x.origins for x in inputs[op.selects :]))
        if op.reads is Reads.CHOSEN:
            self.equal |= together
        if together:
            meeting = [group for group in self.groups if group & together]
            self.groups = [group for group in self.groups if not group & together]
            self.groups.append(together.union(*meeting))


def _needed(node: f.FloatNode, inputs: list[OnGrid], feeds: bool) -> list[int]:
    """The inputs that need a quantiser; `feeds` says whether something behind the node reads levels."""
    reads, first = node.op.reads, node.op.selects
    if reads is Reads.LEVELS or (reads is Reads.PASSED and feeds):
        return [i for i, x in enumerate(inputs) if x.status not in EXACT]
    if reads not in MERGES:
        return []
    merged = inputs[first:]
    if all(x.status is Status.LEVELS and x.grid == merged[0].grid is not None for x in merged):
        return [i for i in range(first) if inputs[i].status is not Status.LEVELS]
    allowed = EXACT if reads is Reads.JOINED else (Status.LEVELS,)
    return [i for i, x in enumerate(inputs) if x.status not in allowed or (i >= first and not x.origins)]


def _feeds_quantised(net: f.FloatNet) -> set[str]:
    """Nodes behind which, through pointwise ops and rearrangements, something comes that reads levels."""
    found: set[str] = set()
    for node in reversed(net.nodes):
        passing = node.op.reads in (Reads.WAITING, Reads.PASSED)
        if not passing or node.name in found:
            found.update(node.inputs)
    return found


ActivationRange = Literal["percentile", "mse"]
SCALE_BITS = 8
"""Significant bits of an activation scale."""
INPUT_BITS = 8
SAMPLE = 2**15
"""Values of a point that the choice of its scale looks at."""
PERCENTILE = {True: 99.99, False: 99.9}
"""By whether there are 6 bits or more: with few levels a shorter range costs less than coarser steps."""
PER_OCTAVE = 16
"""Steps of the search for the least squared error, between a scale and its double."""
OCTAVES = 10
"""How far below the scale that clips nothing the search goes."""
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """A quantiser's levels lo..hi times `scale`; one signed bit is -1, +1.

    `scale` has few significant bits, so that it is exact in float32.
    """

    scale: Fraction
    lo: int
    hi: int

    @property
    def bipolar(self) -> bool:
        """Whether the levels are -1 and +1."""
        return (self.lo, self.hi) == (-1, 1)

    @property
    def step(self) -> int:
        """The distance of two levels, as integers."""
        return 2 if self.bipolar else 1

    @property
    def count(self) -> int:
        """How many levels there are above the lowest."""
        return (self.hi - self.lo) // self.step

    def chain(self, dtype: npt.DTypeLike) -> Chain:
        """Reals to levels: divide, round half to even, clip; or [x >= 0] * 2 - 1."""
        if self.bipolar:
            zero, two, one = (np.array([number], dtype=dtype) for number in (0, 2, 1))
            return (GreaterEqual(zero), Mul(two), Sub(one))
        scale = np.array([float(self.scale)], dtype=dtype)
        return (Div(scale), Rint(), Clip(np.array([self.lo, self.hi], dtype=dtype)))

    def error(self, values: Reals, scale: float) -> float:
        """Mean squared error of `values` quantised with another scale."""
        if self.bipolar:
            return float(np.mean((np.abs(values) - scale) ** 2))
        return float(np.mean((np.clip(np.rint(values / scale), self.lo, self.hi) * scale - values) ** 2))


@dataclass(frozen=True, eq=False)
class Sample:
    """Some of the values at one point, the same in every run, and the extremes of all."""

    values: Reals
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: FloatArray) -> Sample:
        """The sample of the values at one point, of any shape."""
        flat = values.reshape(-1)
        picked = flat[np.random.default_rng(0).integers(0, flat.size, SAMPLE)] if flat.size > SAMPLE else flat
        return cls(picked.astype(np.float64), float(flat.min()), float(flat.max()))


def choose_levels(
    plan: QuantiserPlan, samples: Mapping[str, Sample], bits: int, method: ActivationRange
) -> dict[str, Grid]:
    """The levels of every point of the plan.

    Args:
        samples: of every point.
        bits: of activations, 1..8; the input's quantiser always has 8.
        method: "percentile", 99.99 % of the magnitudes from 6 bits on and 99.9 % below; "mse", the scale with the
            least squared error. The input is never clipped.

    Returns:
        Point name -> levels; inside a group the scales are a power of two apart.

    Raises:
        DataError: an unknown method.
    """
    if method not in ("percentile", "mse"):
        raise DataError(f"activation range {method!r} is unknown: allowed are percentile and mse")
    chosen: dict[str, Grid] = {}
    for group in plan.groups:
        forms = {name: _form(plan.points[name], bits) for name in sorted(group)}
        equal = bool(group & plan.equal)
        if method == "mse" and not any(plan.points[name].of_input for name in group):
            scales = _least_error(forms, samples, equal)
        else:
            wanted = {name: _wanted(plan.points[name], samples[name], form) for name, form in forms.items()}
            scales = _percentiles(wanted, equal)
        chosen.update({name: Grid(scales[name], form.lo, form.hi) for name, form in forms.items()})
    return chosen


def _form(point: Point, bits: int) -> Grid:
    bits = INPUT_BITS if point.of_input else bits
    if not point.signed:
        return Grid(Fraction(1), 0, 2**bits - 1)
    return Grid(Fraction(1), -1, 1) if bits == 1 else Grid(Fraction(1), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _wanted(point: Point, sample: Sample, form: Grid) -> float:
    """The scale at which the percentile (the extremes, for the input) is the outermost level."""
    if form.bipolar:
        return float(np.abs(sample.values).mean())
    if point.of_input:
        return max(sample.highest / form.hi, sample.lowest / form.lo if form.lo else 0.0)
    reach = np.percentile(np.abs(sample.values), PERCENTILE[form.count >= 2**6 - 1])
    return float(reach) / form.hi or max(sample.highest, -sample.lowest) / form.hi


def _percentiles(wanted: Mapping[str, float], equal: bool) -> dict[str, Fraction]:
    """The largest scale wanted, and for the others the smallest that a power of two allows without more clipping."""
    largest = max(wanted.values())
    common = exact_step(largest, SCALE_BITS)
    if equal:
        return dict.fromkeys(wanted, common)
    octaves = {name: int(np.floor(np.log2(largest / scale))) if scale > 0 else 0 for name, scale in wanted.items()}
    return {name: common / 2 ** min(octaves[name], OCTAVES) for name in wanted}


def _least_error(forms: Mapping[str, Grid], samples: Mapping[str, Sample], equal: bool) -> dict[str, Fraction]:
    """The scales of a geometric series, the members of the group whole octaves apart, with the least error in all."""
    peaks = {name: max(samples[name].highest, -samples[name].lowest) / form.hi for name, form in forms.items()}
    largest = max(peaks.values())
    if largest <= 0:
        return dict.fromkeys(forms, Fraction(1))
    top = int(np.ceil(np.log2(largest)))
    series = [exact_step(2 ** (i / PER_OCTAVE), SCALE_BITS) for i in range(PER_OCTAVE)]
    octaves = [Fraction(2) ** (top - octave) for octave in range(OCTAVES + 1)]
    best: tuple[float, dict[str, Fraction]] = (np.inf, {})
    values = {name: samples[name].values for name in forms}
    for fraction in series:
        candidates = [fraction * octave for octave in octaves]
        errors = {
            name: np.array([form.error(values[name], float(scale)) for scale in candidates])
            for name, form in forms.items()
        }
        if equal:
            errors = dict.fromkeys(errors, np.sum(list(errors.values()), axis=0))
        total = sum(float(error.min()) for error in errors.values())
        if total < best[0]:
            best = (total, {name: candidates[int(error.argmin())] for name, error in errors.items()})
    return best[1]
