"""Wrong designs in software: directed frames of a node or chain must tell each of them from the right one.

A mutant is a function of an op and of the frames in their order. It gives what a plausible wrong circuit gives, and
stands beside a node on which it is wrong for some input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from intinfer import ops, reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, IntType
from intinfer_golden.make.stimulus.direct import directed

LEVELS = IntType(0, 7)
SIGNED = IntType(-20, 19)


def node(op: ops.Op, *inputs: tuple[tuple[int, ...], IntType]) -> Graph:
    builder = GraphBuilder()
    values = [builder.input(f"x{i}", shape, type_) for i, (shape, type_) in enumerate(inputs)]
    builder.output("y", builder.add(op, *values, name="y"))
    return builder.finish()


def conv(accumulator: Accumulator, **attributes: Any) -> ops.Conv2d:
    usual: dict[str, Any] = {
        "weight": IntTensor(np.random.default_rng(3).integers(-1, 2, (4, 3, 3, 3)), "ternary"),
        "stride": (1, 1),
        "pads": (1, 1, 1, 1),
        "pad_value": (0,),
        "dilation": (1, 1),
        "groups": 2,
        "accumulator": accumulator,
    }
    return ops.Conv2d(**{**usual, **attributes})


def ladder(channels: int, type_: IntType) -> ops.Threshold:
    """Three thresholds a channel, all different, every second channel descending."""
    rows = np.sort(np.random.default_rng(9).choice(np.arange(type_.lo + 2, type_.hi - 1), (channels, 3), False), axis=1)
    down = np.arange(channels) % 2
    return ops.Threshold(IntTensor(np.where(down[:, None] == 1, rows[:, ::-1], rows)), IntTensor(down), 0, 1)


def rounding(mode: RoundMode) -> ops.Requant:
    return ops.Requant(IntTensor([3, 5]), IntTensor([4, -6]), IntTensor([3, 4]), mode, -9, 8)


MAP, SMALL, VECTOR = (6, 5, 4), (4, 4, 6), (6,)
PROVEN = Accumulator.prove(16)
STRIDED = conv(PROVEN, stride=(2, 2), dilation=(2, 1), pads=(2, 0, 1, 1), pad_value=(3,))
BYTES = IntTensor(np.random.default_rng(4).integers(-128, 128, (5, 6)), "s8")
BORDER = ops.Gather(IntTensor(np.pad(np.arange(24).reshape(2, 3, 4), ((0, 0), (1, 0), (1, 1)), constant_values=-1)), 1)
NEAREST = ops.Gather(IntTensor(np.arange(18).reshape(3, 2, 3).repeat(2, 1).repeat(2, 2)))
NODES: dict[str, Graph] = {
    "conv": node(conv(PROVEN), (MAP, LEVELS)),
    "strided": node(STRIDED, ((6, 9, 8), LEVELS)),
    "wrap": node(conv(Accumulator.wrap(6)), (MAP, LEVELS)),
    "saturate": node(conv(Accumulator.saturate(6, TapOrder.CKK, 2)), (MAP, LEVELS)),
    "dense": node(ops.Dense(BYTES, Accumulator.prove(24)), (VECTOR, IntType(-8, 7))),
    "threshold": node(ladder(4, IntType(-50, 60)), (SMALL, IntType(-50, 60))),
    **{f"requant {mode}": node(rounding(mode), ((2, 4, 3), IntType(-60, 60))) for mode in RoundMode},
    "or": node(ops.Bitshift(1), (SMALL, IntType(0, 1)), (SMALL, IntType(0, 1))),
    "mean": node(ops.Bitshift(3), (SMALL, LEVELS), (SMALL, LEVELS)),
    "wide mean": node(ops.Bitshift(8), (SMALL, IntType(0, 255)), (SMALL, IntType(0, 255))),
    "tgap": node(ops.Tgap(7), (SMALL, LEVELS)),
    "tgap odd": node(ops.Tgap(7), ((4, 3, 5), LEVELS)),
    "mux": node(ops.Mux(), ((4,), IntType(0, 1)), (SMALL, LEVELS), (SMALL, LEVELS)),
    "max": node(ops.MaxPool((3, 2), (2, 2), (1, 0, 1, 1), (1, 1)), ((3, 6, 5), SIGNED)),
    "max bits": node(ops.MaxPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), ((4, 6, 6), IntType(0, 1))),
    "sum": node(ops.SumPool((2, 2), (2, 1), (1, 0, 0, 1)), ((3, 5, 4), SIGNED)),
    "add": node(ops.Add((2, -1)), (SMALL, SIGNED), (SMALL, LEVELS)),
    "affine": node(ops.Affine(IntTensor([3, -2, 5, 0]), IntTensor([7, -1, 0, 4])), (SMALL, SIGNED)),
    "clamp": node(ops.Clamp(-5, 9), (SMALL, SIGNED)),
    "abs": node(ops.Abs(), (SMALL, SIGNED)),
    "table": node(ops.Table(IntTensor(np.arange(80).reshape(2, 40) * 7 % 83), -20, 0, 90), ((2, 3, 3), SIGNED)),
    "argmax": node(ops.ArgMax(), ((5,), SIGNED)),
    "argmax map": node(ops.ArgMax(), ((4, 2, 3), LEVELS)),
    "concat": node(ops.Concat(), ((2, 3, 3), LEVELS), ((3, 3, 3), LEVELS)),
    "shuffle": node(ops.ChannelSelect.shuffle(8, 2), ((8, 3, 2), IntType(0, 1))),
    "flatten": node(ops.Flatten(), ((3, 4, 5), IntType(0, 1))),
    "border": node(BORDER, ((2, 3, 4), IntType(0, 1))),
    "nearest": node(NEAREST, ((3, 2, 3), SIGNED)),
}


@cache
def frames(name: str) -> tuple[list[IntArray], IntArray]:
    """Directed frames of a node's inputs, in order, and what the right design gives."""
    graph = NODES[name]
    inputs = directed(graph).frames
    return [inputs[x.name] for x in graph.inputs], reference.run(graph, inputs)["y"]


# ------------------------------------------------------------------------------------------------- wrong circuits


def exact(op: Any, x: IntArray, **attributes: Any) -> IntArray:
    """The op's result with other attributes, where its accumulator never overflows."""
    return replace(op, **{"accumulator": Accumulator.prove(40), **attributes}).reference(x)


def weights(change: Callable[[IntArray], IntArray]) -> Callable[..., IntArray]:
    return lambda op, x: replace(op, weight=IntTensor(change(op.weight.values))).reference(x)


def given_border(op: Any, x: IntArray, mode: str) -> IntArray:
    """Padding by NumPy's modes instead of the pad value."""
    top, left, bottom, right = op.pads
    wide = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), mode)  # type: ignore[call-overload]
    return replace(op, pads=(0, 0, 0, 0)).reference(wide)


def stale_lines(op: Any, x: IntArray) -> IntArray:
    """The line buffer is not cleared: the first row is preceded by the last row of the frame before."""
    before = np.concatenate([np.zeros_like(x[:1]), x[:-1]])[:, :, -1:]
    _, left, bottom, right = op.pads
    return replace(op, pads=(0, left, bottom, right)).reference(np.concatenate([before, x], axis=2))


def leak(op: Any, *inputs: IntArray) -> IntArray:
    """The accumulator of the first pixel begins with what the last pixel of the frame before left."""
    y = op.reference(*inputs).copy()
    rows = y.reshape(len(y), y.shape[1], -1)
    rows[1:, :, 0] += rows[:-1, :, -1].copy()
    return y


def wrapped(z: IntArray, bits: int) -> IntArray:
    half = 2 ** (bits - 1)
    return (z + half) % (2 * half) - half


def counts(op: Any, z: IntArray, compare: Callable[[Any, Any, Any], Any]) -> IntArray:
    """A threshold with another comparator: compare(z, thresholds, descending)."""
    cuts, down = op.thresholds.values[None, :, :, None, None], op.descending.values[None, :, None, None, None]
    return op.base + op.step * compare(z[:, :, None], cuts, down).sum(axis=2)


def crossed(z: Any, cuts: Any, down: Any) -> Any:
    return np.where(down == 1, z <= cuts, z >= cuts)


def rounded(op: Any, z: IntArray, shift: Callable[[IntArray, IntArray], IntArray], clip: bool = True) -> IntArray:
    m, b, s = (t.values[None, :, None, None] for t in (op.multiplier, op.offset, op.shift))
    result = shift(z * m + b, s)
    return np.clip(result, op.lo, op.hi) if clip else result


def swapped(values: IntArray, a: int, b: int, axis: int) -> IntArray:
    order = np.arange(values.shape[axis])
    order[[a, b]] = b, a
    return values.take(order, axis)


def running_sum(op: Any, x: IntArray) -> IntArray:
    """Twice the sum of this frame and the one before: the sum is not reset."""
    sums = x.sum(axis=(2, 3))
    sums[1:] += sums[:-1].copy()
    return (2 * sums > op.top * x.shape[2] * x.shape[3]).astype(np.int64)


def without_tap(op: Any, x: IntArray, row: int, column: int) -> IntArray:
    """A max pool that does not look at one place of its window."""
    view = op.window.view(op.window.pad(x, -(2**40))).copy()
    view[..., row, column] = -(2**40)
    return view.max(axis=(4, 5))


MUTANTS: list[tuple[str, str, Callable[..., IntArray]]] = [
    # convolution: weights, lanes, geometry
    ("conv", "sign dropped", weights(np.abs)),
    ("conv", "sign inverted in the last channel", weights(lambda w: np.concatenate([w[:3], -w[3:]]))),
    ("conv", "kernel mirrored", weights(lambda w: w[..., ::-1, ::-1])),
    ("conv", "kernel transposed", weights(lambda w: w.swapaxes(2, 3))),
    ("conv", "lanes swapped", lambda op, x: op.reference(swapped(x, 1, 2, 1))),
    ("conv", "lanes reversed", lambda op, x: op.reference(x[:, ::-1])),
    ("conv", "groups swapped", lambda op, x: op.reference(np.roll(x, 3, axis=1))),
    ("conv", "output channels swapped", lambda op, x: swapped(op.reference(x), 0, 1, 1)),
    ("conv", "output groups interleaved", lambda op, x: op.reference(x)[:, [0, 2, 1, 3]]),
    ("conv", "pad off by one upward", lambda op, x: replace(op, pads=(2, 1, 0, 1)).reference(x)),
    ("conv", "pad off by one to the left", lambda op, x: replace(op, pads=(1, 2, 1, 0)).reference(x)),
    ("conv", "pad of 1", lambda op, x: replace(op, pad_value=(1,)).reference(x)),
    ("conv", "border replicated", lambda op, x: given_border(op, x, "edge")),
    ("conv", "border mirrored", lambda op, x: given_border(op, x, "reflect")),
    ("conv", "border wraps around", lambda op, x: given_border(op, x, "wrap")),
    ("conv", "line buffer not cleared", stale_lines),
    ("conv", "accumulator not reset", leak),
    ("conv", "input read as signed", lambda op, x: op.reference(wrapped(x, 3))),
    ("conv", "top bit of the input lost", lambda op, x: op.reference(x & 3)),
    ("conv", "one frame late", lambda op, x: np.roll(op.reference(x), 1, axis=0)),
    ("conv", "accumulator of 7 bits", lambda op, x: wrapped(op.reference(x), 7)),
    ("conv", "accumulator clipped one below its maximum", lambda op, x: np.minimum(y := op.reference(x), y.max() - 1)),
    ("conv", "result never negative", lambda op, x: np.maximum(op.reference(x), 0)),
    ("conv", "zero becomes one", lambda op, x: (y := op.reference(x)) + (y == 0)),
    ("conv", "rows and columns exchanged", lambda op, x: op.reference(x.swapaxes(2, 3)).swapaxes(2, 3)),
    ("strided", "phase of the stride", lambda op, x: op.reference(np.roll(x, 1, axis=3))),
    ("strided", "pads of top and bottom exchanged", lambda op, x: replace(op, pads=(1, 0, 2, 1)).reference(x)),
    ("strided", "pad value 0", lambda op, x: replace(op, pad_value=(0,)).reference(x)),
    ("strided", "dilation ignored", lambda op, x: replace(op, dilation=(1, 1), pads=(1, 0, 0, 1)).reference(x)),
    # overflow
    ("wrap", "saturates", lambda op, x: np.clip(exact(op, x), -32, 31)),
    ("wrap", "one bit wider", lambda op, x: wrapped(exact(op, x), 7)),
    ("wrap", "one bit narrower", lambda op, x: wrapped(exact(op, x), 5)),
    ("saturate", "wraps", lambda op, x: wrapped(exact(op, x), 6)),
    ("saturate", "clips at the end only", lambda op, x: np.clip(exact(op, x), -32, 31)),
    (
        "saturate",
        "order KKC",
        lambda op, x: replace(op, accumulator=Accumulator.saturate(6, TapOrder.KKC, 2)).reference(x),
    ),
    (
        "saturate",
        "fold 1",
        lambda op, x: replace(op, accumulator=Accumulator.saturate(6, TapOrder.CKK, 1)).reference(x),
    ),
    ("saturate", "symmetric range", lambda op, x: np.maximum(op.reference(x), -31)),
    # dense
    ("dense", "sign dropped", weights(np.abs)),
    ("dense", "inputs reversed", lambda op, x: op.reference(x[:, ::-1])),
    ("dense", "weights unsigned", weights(lambda w: w & 255)),
    ("dense", "accumulator of 13 bits", lambda op, x: wrapped(op.reference(x), 13)),
    # threshold
    ("threshold", "> for >=", lambda op, z: counts(op, z, lambda z, t, d: np.where(d == 1, z < t, z > t))),
    (
        "threshold",
        "> for >= when ascending",
        lambda op, z: counts(op, z, lambda z, t, d: np.where(d == 1, z <= t, z > t)),
    ),
    ("threshold", "< for <=", lambda op, z: counts(op, z, lambda z, t, d: np.where(d == 1, z < t, z >= t))),
    ("threshold", "descending ignored", lambda op, z: counts(op, z, lambda z, t, d: z >= t)),
    (
        "threshold",
        "thresholds of channel 0 for all",
        lambda op, z: counts(op, z, lambda z, t, d: crossed(z, t[:, :1], d)),
    ),
    ("threshold", "channels swapped", lambda op, z: counts(op, z, lambda z, t, d: crossed(z, swapped(t, 0, 2, 1), d))),
    ("threshold", "last threshold missing", lambda op, z: counts(op, z, lambda z, t, d: crossed(z, t, d)[:, :, :-1])),
    ("threshold", "compared as unsigned", lambda op, z: counts(op, z & 127, lambda z, t, d: crossed(z, t & 127, d))),
    ("threshold", "z of 6 bits", lambda op, z: op.reference(np.clip(wrapped(z, 6), -50, 60))),
    # requant
    ("requant floor", "rounds half up", lambda op, z: rounded(op, z, lambda p, s: (p + (1 << s >> 1)) >> s)),
    ("requant floor", "rounds up", lambda op, z: rounded(op, z, lambda p, s: -(-p >> s))),
    ("requant floor", "toward zero", lambda op, z: rounded(op, z, lambda p, s: np.sign(p) * (abs(p) >> s))),
    ("requant floor", "logical shift", lambda op, z: rounded(op, z, lambda p, s: (p & 1023) >> s)),
    ("requant floor", "not clipped", lambda op, z: rounded(op, z, lambda p, s: p >> s, clip=False)),
    ("requant half_up", "floor", lambda op, z: replace(op, rounding=RoundMode.FLOOR).reference(z)),
    ("requant half_up", "half even", lambda op, z: replace(op, rounding=RoundMode.HALF_EVEN).reference(z)),
    ("requant half_up", "half away", lambda op, z: replace(op, rounding=RoundMode.HALF_AWAY).reference(z)),
    (
        "requant half_up",
        "rounding constant one short",
        lambda op, z: rounded(op, z, lambda p, s: (p + (1 << s >> 1) - 1) >> s),
    ),
    ("requant half_even", "half up", lambda op, z: replace(op, rounding=RoundMode.HALF_UP).reference(z)),
    ("requant half_even", "half away", lambda op, z: replace(op, rounding=RoundMode.HALF_AWAY).reference(z)),
    ("requant half_away", "half up", lambda op, z: replace(op, rounding=RoundMode.HALF_UP).reference(z)),
    ("requant half_away", "half even", lambda op, z: replace(op, rounding=RoundMode.HALF_EVEN).reference(z)),
    ("requant half_up", "clips one early", lambda op, z: replace(op, hi=op.hi - 1).reference(z)),
    ("requant half_up", "clips one late", lambda op, z: replace(op, lo=op.lo - 1).reference(z)),
    ("requant half_up", "offset forgotten", lambda op, z: replace(op, offset=IntTensor([0])).reference(z)),
    ("requant half_up", "channels swapped", lambda op, z: replace(op, shift=IntTensor([4, 3])).reference(z)),
    # two inputs
    ("or", "XOR", lambda op, a, b: a ^ b),
    ("or", "AND", lambda op, a, b: a & b),
    ("or", "first input alone", lambda op, a, b: a),
    ("mean", "rounds up", lambda op, a, b: (a + b + 1) >> 1),
    ("mean", "carry lost", lambda op, a, b: (a + b & 7) >> 1),
    ("mean", "shifted before the sum", lambda op, a, b: (a >> 1) + (b >> 1)),
    ("mean", "OR", lambda op, a, b: a | b),
    ("mean", "not shifted", lambda op, a, b: np.minimum(a + b, 7)),
    ("wide mean", "carry lost", lambda op, a, b: (a + b & 255) >> 1),
    ("wide mean", "rounds up", lambda op, a, b: (a + b + 1) >> 1),
    (
        "wide mean",
        "carry between nibbles lost",
        lambda op, a, b: ((a & 15) + (b & 15) & 15) + (a & 240) + (b & 240) >> 1,
    ),
    ("add", "multiplier of the wrong input", lambda op, a, b: 2 * b - a),
    ("add", "sign dropped", lambda op, a, b: 2 * a + b),
    ("add", "result of 6 bits", lambda op, a, b: wrapped(op.reference(a, b), 6)),
    ("affine", "offset forgotten", lambda op, z: replace(op, offset=IntTensor([0] * 4)).reference(z)),
    ("affine", "channel 0 for all", lambda op, z: 3 * z + 7),
    ("affine", "z unsigned", lambda op, z: op.reference(z & 63)),
    ("clamp", "upper limit one low", lambda op, z: np.clip(z, -5, 8)),
    ("clamp", "lower limit one low", lambda op, z: np.clip(z, -6, 9)),
    ("clamp", "not below", lambda op, z: np.minimum(z, 9)),
    ("abs", "sign kept", lambda op, z: z),
    ("abs", "inverted, not negated", lambda op, z: np.where(z < 0, ~z, z)),
    ("abs", "result of 5 signed bits", lambda op, z: wrapped(np.abs(z), 5)),
    # selection
    ("tgap", ">= for >", lambda op, x: (2 * x.sum(axis=(2, 3)) >= 7 * 24).astype(np.int64)),
    ("tgap", "one more", lambda op, x: (2 * x.sum(axis=(2, 3)) > 7 * 24 + 2).astype(np.int64)),
    ("tgap", "sum of 7 bits", lambda op, x: (2 * (x.sum(axis=(2, 3)) & 127) > 7 * 24).astype(np.int64)),
    ("tgap", "sum not reset", running_sum),
    (
        "tgap",
        "last pixel missing",
        lambda op, x: (2 * (x.sum(axis=(2, 3)) - x[:, :, -1, -1]) > 7 * 24).astype(np.int64),
    ),
    ("tgap", "stuck at 1", lambda op, x: np.ones(x.shape[:2], dtype=np.int64)),
    ("tgap odd", "half rounded up", lambda op, x: (x.sum(axis=(2, 3)) > 53).astype(np.int64)),
    ("tgap odd", "half rounded down and equal", lambda op, x: (x.sum(axis=(2, 3)) >= 52).astype(np.int64)),
    ("mux", "swapped", lambda op, s, a, b: op.reference(s, b, a)),
    ("mux", "stuck at 0", lambda op, s, a, b: b),
    ("mux", "stuck at 1", lambda op, s, a, b: a),
    ("mux", "bit of the neighbour", lambda op, s, a, b: op.reference(np.roll(s, 1, axis=1), a, b)),
    ("mux", "one bit for all", lambda op, s, a, b: op.reference(np.repeat(s[:, :1], 4, axis=1), a, b)),
    ("mux", "bits of the frame before", lambda op, s, a, b: op.reference(np.concatenate([s[:1], s[:-1]]), a, b)),
    ("max", "border of 0 wins", lambda op, x: op.window.view(op.window.pad(x, 0)).max(axis=(4, 5))),
    ("max", "border of -1 wins", lambda op, x: op.window.view(op.window.pad(x, -1)).max(axis=(4, 5))),
    ("max", "minimum", lambda op, x: -op.reference(-x)),
    ("max", "compared as unsigned", lambda op, x: wrapped(op.reference(x & 63), 6)),
    ("max", "begins with 0", lambda op, x: np.maximum(op.reference(x), 0)),
    ("max", "window shifted", lambda op, x: replace(op, pads=(0, 0, 2, 1)).reference(x)),
    ("max bits", "AND", lambda op, x: 1 - op.reference(1 - x)),
    ("sum", "border of 1", lambda op, x: op.window.view(op.window.pad(x, 1)).sum(axis=(4, 5))),
    ("sum", "result of 7 bits", lambda op, x: wrapped(op.reference(x), 7)),
    ("sum", "window shifted", lambda op, x: replace(op, pads=(0, 0, 1, 1)).reference(x)),
    ("argmax", "highest index on ties", lambda op, x: 4 - op.reference(x[:, ::-1])),
    ("argmax", "compared as unsigned", lambda op, x: op.reference(x & 63)),
    ("argmax", "last class ignored", lambda op, x: op.reference(x[:, :-1])),
    ("argmax", "minimum", lambda op, x: op.reference(-x)),
    ("argmax map", "highest index on ties", lambda op, x: 3 - op.reference(x[:, ::-1])),
    # routing and tables
    ("concat", "inputs exchanged", lambda op, a, b: np.concatenate([b, a], axis=1)),
    ("concat", "interleaved", lambda op, a, b: op.reference(a, b)[:, [0, 2, 1, 3, 4]]),
    ("shuffle", "not shuffled", lambda op, x: x),
    ("shuffle", "inverse", lambda op, x: x[:, np.argsort(op.indices.values)]),
    ("shuffle", "lanes reversed", lambda op, x: op.reference(x)[:, ::-1]),
    ("flatten", "channel innermost", lambda op, x: x.transpose(0, 2, 3, 1).reshape(len(x), -1)),
    ("flatten", "columns before rows", lambda op, x: x.swapaxes(2, 3).reshape(len(x), -1)),
    ("border", "stuck at 0", lambda op, x: replace(op, fill=0).reference(x)),
    ("border", "repeats the edge", lambda op, x: np.pad(x, ((0, 0), (0, 0), (1, 0), (1, 1)), "edge")),
    ("border", "after instead of before", lambda op, x: np.pad(x, ((0, 0),) * 2 + ((0, 1), (1, 1)), constant_values=1)),
    ("border", "one column late", lambda op, x: np.roll(op.reference(x), 1, axis=3)),
    ("nearest", "tiles", lambda op, x: np.tile(x, (1, 1, 2, 2))),
    ("nearest", "rounded up", lambda op, x: op.reference(x[:, :, :, [1, 2, 2]])),
    ("table", "row 0 for all", lambda op, z: replace(op, entries=IntTensor(op.entries.values[:1])).reference(z)),
    ("table", "address off by one", lambda op, z: op.reference(np.maximum(z - 1, -20))),
    ("table", "address unsigned", lambda op, z: op.reference(np.minimum(abs(z), 19))),
]


@pytest.mark.parametrize(("name", "fault", "mutant"), MUTANTS, ids=[f"{m[0]}: {m[1]}" for m in MUTANTS])
def test_the_frames_of_an_isolated_node_tell_a_wrong_design(
    name: str, fault: str, mutant: Callable[..., IntArray]
) -> None:
    inputs, wanted = frames(name)
    got = mutant(NODES[name].nodes[0].op, *(x.copy() for x in inputs))
    assert got.shape == wanted.shape
    assert (got != wanted).any(), f"{name}: {fault} survives {len(wanted)} frames"


@dataclass(frozen=True)
class Fault:
    """One stored number that is changed."""

    attribute: str
    place: tuple[int, ...]
    by: int


def stored_faults(op: Any, attribute: str, steps: tuple[int, ...]) -> list[Fault]:
    return [Fault(attribute, place, by) for place in np.ndindex(getattr(op, attribute).shape) for by in steps]


@pytest.mark.parametrize(
    ("name", "attribute", "steps"),
    [
        ("conv", "weight", (1, -1, 2)),
        ("strided", "weight", (1, -1)),
        ("wrap", "weight", (1, -1)),
        ("saturate", "weight", (1, -1)),
        ("dense", "weight", (1, -1, 64)),
        ("threshold", "thresholds", (1, -1)),
        ("affine", "multiplier", (1, -1)),
        ("affine", "offset", (1, -1)),
        ("table", "entries", (1, -1)),
    ],
)
def test_every_stored_number_matters(name: str, attribute: str, steps: tuple[int, ...]) -> None:
    """A memory with any one number wrong is told from the right one."""
    inputs, wanted = frames(name)
    op = NODES[name].nodes[0].op
    survivors = []
    for fault in stored_faults(op, attribute, steps):
        values = getattr(op, attribute).values.copy()
        values[fault.place] += fault.by
        wrong = replace(op, **{attribute: IntTensor(values)})
        if np.array_equal(wrong.reference(*inputs), wanted):
            survivors.append(fault)
    assert survivors == []


@pytest.mark.parametrize("name", ["conv", "strided", "wrap", "saturate", "dense", "concat", "shuffle", "flatten"])
def test_every_exchange_of_two_channels_matters(name: str) -> None:
    inputs, wanted = frames(name)
    op = NODES[name].nodes[0].op
    for index, x in enumerate(inputs):
        for a, b in combinations(range(x.shape[1]), 2):
            changed = [swapped(y, a, b, 1) if k == index else y for k, y in enumerate(inputs)]
            assert not np.array_equal(op.reference(*changed), wanted), (name, index, a, b)


@pytest.mark.parametrize("name", ["border", "nearest"])
def test_every_address_matters(name: str) -> None:
    """An address table with any one entry replaced, by any other element or by the constant, is told from the right."""
    (x,), wanted = frames(name)
    op: Any = NODES[name].nodes[0].op
    sources = np.concatenate([x.reshape(len(x), -1), np.full((len(x), 1), op.fill)], axis=1)  # -1 is the last
    elements = np.unique(op.index.values).tolist()
    for place in np.ndindex(op.index.shape):
        same = [i for i in elements if np.array_equal(sources[:, i], wanted[:, *place])]
        assert same == [op.index.values[place]], place


@pytest.mark.parametrize("name", ["max", "max bits"])
def test_every_place_of_a_maximum_matters(name: str) -> None:
    (x,), wanted = frames(name)
    op: Any = NODES[name].nodes[0].op
    for row, column in np.ndindex(*op.kernel):
        assert not np.array_equal(without_tap(op, x, row, column), wanted), (row, column)


def chain() -> Graph:
    """1x1, grouped 3x3, thresholds: only the codes leave it."""
    rng = np.random.default_rng(8)
    builder = GraphBuilder()
    x = builder.input("x", (4, 6, 6), LEVELS)
    first = conv(PROVEN, weight=IntTensor(rng.choice([-1, 1], (4, 4, 1, 1)), "binary"), pads=(0, 0, 0, 0), groups=1)
    second = conv(PROVEN, weight=IntTensor(rng.integers(-1, 2, (4, 2, 3, 3)), "ternary"))
    y = builder.add(second, builder.add(first, x, name="pw"), name="gc")
    rows = np.sort(rng.integers(-60, 61, (4, 7)), axis=1)
    cuts = ops.Threshold(IntTensor(rows), IntTensor(np.zeros(4, dtype=np.int64)), 0, 1)
    builder.output("y", builder.add(cuts, y, name="act"))
    return builder.finish()


def test_every_stored_number_of_a_chain_matters_at_its_end() -> None:
    graph = chain()
    stimulus = directed(graph)
    assert stimulus.coverage.percent == 100
    wanted = reference.run(graph, stimulus.frames)["y"]
    pw, gc, act = (n.op for n in graph.nodes)
    assert isinstance(pw, ops.Conv2d)
    survivors = []
    for position, attribute in ((0, "weight"), (1, "weight"), (2, "thresholds")):
        for fault in stored_faults((pw, gc, act)[position], attribute, (1, -1)):
            steps: list[Any] = [pw, gc, act]
            values = getattr(steps[position], attribute).values.copy()
            values[fault.place] += fault.by
            steps[position] = replace(steps[position], **{attribute: IntTensor(values)})
            y = stimulus.frames["x"]
            for op in steps:
                y = op.reference(y)
            if np.array_equal(y, wanted):
                survivors.append((position, fault))
    assert survivors == []
