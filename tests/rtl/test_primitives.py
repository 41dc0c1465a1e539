"""The reference RTL of windows, sums and quantisers, each as an isolated node in a generated test bench.

What it sends is compared twice: by the bench with the vectors, and here, from the bench's dump, with the plain loops of
`oracles.naive`, which share nothing with the ops that the vectors come from.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import naive
from rtl.sets import run, written
from tools import needs_icarus, needs_verilator

from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph, Shape
from intinfer.ops import Conv2d, Dense, MaxPool, Requant, Threshold
from intinfer.ops.base import Op
from intinfer.rounding import RoundMode
from intinfer.tensor import CellularWeights, IntTensor, Weights
from intinfer.types import LIMIT, IntArray, IntType
from intinfer_golden.make.frames import Stimulus

RTL = Path(__file__).parent
BIT, LEVELS, BYTE, SIGNED = IntType(0, 1), IntType(0, 7), IntType(0, 255), IntType(-4, 3)
RNG = np.random.default_rng(30)


@dataclass(frozen=True)
class Case:
    """A node with the shape and type of its input; `fold` as in `write_vectors`, of x and y."""

    op: Op
    shape: Shape
    type: IntType
    fold: int | Mapping[str, int] = 1
    profile: str = "random"
    frames: IntArray | None = None
    """None for some that are drawn: all at the lower end, all at the upper end, two anywhere."""

    @property
    def graph(self) -> Graph:
        builder = GraphBuilder()
        builder.output("y", builder.add(self.op, builder.input("x", self.shape, self.type), name="y"))
        return builder.finish()

    def images(self) -> IntArray:
        if self.frames is not None:
            return self.frames
        drawn = np.random.default_rng(11).integers(self.type.lo, self.type.hi, (4, *self.shape), endpoint=True)
        drawn[0], drawn[2] = self.type.lo, self.type.hi
        return drawn


def window(
    weight: Weights | IntArray,
    encoding: str = "ternary",
    stride: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    pad_value: tuple[int, ...] = (0,),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    accumulator: Accumulator | None = None,
) -> Conv2d:
    stored = IntTensor(weight, encoding) if isinstance(weight, np.ndarray) else weight
    return Conv2d(stored, stride, pads, pad_value, dilation, groups, accumulator or Accumulator.prove(24))


def ternary(*shape: int) -> IntArray:
    return RNG.integers(-1, 2, shape)


def binary(*shape: int) -> IntArray:
    return 2 * RNG.integers(0, 2, shape) - 1


def every_value(op: Op, channels: int, type_: IntType, fold: int) -> Case:
    """Each channel sees all values of its type."""
    values = np.arange(type_.lo, type_.hi + 1)
    frame = np.broadcast_to(values, (1, channels, 1, len(values)))
    return Case(op, frame.shape[1:], type_, fold, frames=frame)


def every_pair() -> Case:
    """All products of two taps: every pair of ternary weights with every pair of 3-bit signed values."""
    weights = np.array([[a, b] for a in (-1, 0, 1) for b in (-1, 0, 1)])[:, :, None, None]
    first, second = np.meshgrid(np.arange(-4, 4), np.arange(-4, 4))
    return Case(window(weights), (2, 8, 8), SIGNED, {"x": 2, "y": 9}, "always", np.stack([first, second])[None])


def falling_and_rising(type_: IntType, channels: int, count: int, base: int = 0, step: int = 1) -> Threshold:
    rows = np.sort(RNG.integers(type_.lo, type_.hi + 1, (channels, count)), axis=1)
    falling = np.arange(channels) % 2
    rows[falling == 1] = rows[falling == 1, ::-1]
    return Threshold(IntTensor(rows), IntTensor(falling, "u1"), base, step)


def scale(
    rounding: RoundMode, multiplier: list[int], shift: list[int], lo: int, hi: int, offset: tuple[int, ...] = (-7, 0, 8)
) -> Requant:
    multipliers, offsets, shifts = (IntTensor(np.array(numbers)) for numbers in (multiplier, offset, shift))
    return Requant(multipliers, offsets, shifts, rounding, lo, hi)


SEED = (0, 1, 1, 0, 1, 0, 0)
CONVOLUTIONS = {
    "every pair of ternary products": every_pair(),
    "asymmetric pads, one value a channel": Case(
        window(ternary(4, 3, 3, 3), stride=(2, 1), pads=(0, 2, 1, 0), pad_value=(1, -2, 3)), (3, 5, 4), SIGNED, 2
    ),
    "stride of 3 that leaves a rest": Case(
        window(ternary(2, 2, 3, 2), stride=(3, 3), pads=(2, 1, 1, 2)), (2, 7, 8), LEVELS, 1, "bursty"
    ),
    "a border as large as the window": Case(
        window(ternary(3, 3, 1, 1), stride=(1, 2), pads=(1, 2, 0, 2), pad_value=(5,)), (3, 3, 3), LEVELS, 3, "always"
    ),
    "one row, padded at the right only": Case(window(ternary(2, 2, 1, 3), pads=(0, 0, 0, 2)), (2, 1, 4), LEVELS, 2),
    "dilation, groups, 4-bit weights": Case(
        window(RNG.integers(-8, 8, (4, 2, 3, 2)), "s4", (1, 2), (1, 0, 2, 1), dilation=(2, 3), groups=2),
        (4, 7, 6),
        LEVELS,
        {"x": 3, "y": 8},
    ),
    "depthwise, binary weights, bytes": Case(
        window(binary(5, 1, 3, 3), "binary", pads=(1, 1, 1, 1), groups=5), (5, 4, 5), BYTE, 8, "bursty"
    ),
    "one bit of weight and activation": Case(window(binary(6, 5, 2, 2), "binary"), (5, 3, 3), BIT, 3, "always"),
    "unsigned weights": Case(window(RNG.integers(0, 8, (3, 4, 1, 2)), "u3"), (4, 2, 4), SIGNED, 2),
    "bipolar activations": Case(window(ternary(3, 4, 2, 2), pads=(1, 0, 0, 1)), (4, 3, 3), IntType(-1, 1), 2),
    "generated weights": Case(window(CellularWeights.of(30, SEED, 9)), (9, 2, 3), SIGNED, {"x": 2, "y": 3}),
    "wrap": Case(window(ternary(3, 3, 3, 3), accumulator=Accumulator.wrap(5)), (3, 5, 5), LEVELS, 2),
    "saturate, channels outermost": Case(
        window(ternary(4, 3, 3, 2), accumulator=Accumulator.saturate(5, TapOrder.CKK, 4)), (3, 4, 4), SIGNED, 2
    ),
    "saturate, channels innermost": Case(
        window(ternary(4, 3, 3, 2), accumulator=Accumulator.saturate(4, TapOrder.KKC, 5)), (3, 4, 4), LEVELS, 3
    ),
    "saturate one product at a time": Case(
        window(RNG.integers(-4, 4, (3, 3, 2, 2)), "s3", accumulator=Accumulator.saturate(5, TapOrder.KKC)),
        (3, 3, 4),
        SIGNED,
        1,
        "always",
    ),
    "a trap that holds": Case(
        window(ternary(2, 2, 2, 2), accumulator=Accumulator.trap(7, TapOrder.CKK, 3)), (2, 3, 3), LEVELS, 2
    ),
    "dense": Case(Dense(IntTensor(ternary(5, 11), "ternary"), Accumulator.prove(8)), (11,), LEVELS, 4),
    "dense, saturating": Case(
        Dense(IntTensor(RNG.integers(-8, 8, (3, 7)), "s4"), Accumulator.saturate(6, TapOrder.CKK, 2)), (7,), SIGNED, 3
    ),
}
QUANTISERS = {
    "every value": every_value(falling_and_rising(IntType(-20, 20), 5, 3), 5, IntType(-20, 20), 2),
    "bipolar codes": Case(falling_and_rising(IntType(-20, 20), 3, 1, -1, 2), (3, 2, 4), IntType(-20, 20), 8, "always"),
    "base and step": Case(falling_and_rising(BYTE, 4, 5, -7, 3), (4, 3, 3), BYTE, {"x": 3, "y": 4}, "bursty"),
    "constant channels": Case(
        Threshold(IntTensor([[0, 0], [8, 8], [7, 7], [-1, -1]]), IntTensor([0, 0, 1, 1]), 0, 1), (4, 2, 4), LEVELS, 4
    ),
    "thresholds for all channels": Case(
        Threshold(IntTensor([[1, 3, 200]]), IntTensor([0]), 0, 1), (5,), BYTE, 2, "always"
    ),
    "62 bits": Case(
        Threshold(IntTensor([[-LIMIT, 0, LIMIT], [LIMIT, 1, 1 - LIMIT]]), IntTensor([0, 1]), 0, 1),
        (2, 1, 3),
        IntType(-LIMIT, LIMIT),
    ),
    **{
        f"requant {mode}": every_value(scale(mode, [5, -3, 7], [0, 1, 3], -40, 40), 3, IntType(-32, 31), fold)
        for fold, mode in enumerate(RoundMode, start=1)
    },
    "requant, one multiplier and shift": Case(
        scale(RoundMode.HALF_EVEN, [3], [2], 0, 300), (3, 2, 5), BYTE, 3, "bursty"
    ),
    "requant, one offset": Case(scale(RoundMode.HALF_UP, [3, 2, -5], [2, 1, 0], -9, 90, (5,)), (3, 2, 5), SIGNED, 2),
    "requant, 62 bits": Case(
        scale(RoundMode.HALF_AWAY, [2**30, -(2**30), 1], [62, 20, 1], -(2**40), 2**41),
        (3, 2, 2),
        IntType(-(2**31), 2**31),
        2,
    ),
    "max pool": Case(MaxPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), (3, 5, 6), LEVELS, 2, "always"),
    "max pool of negative values": Case(
        MaxPool((3, 2), (2, 1), (1, 0, 1, 1), (1, 1)), (3, 4, 3), IntType(-8, -3), {"x": 2, "y": 3}
    ),
    "max pool, dilated": Case(MaxPool((2, 3), (1, 2), (0, 1, 1, 0), (2, 1)), (2, 5, 6), SIGNED, 1, "bursty"),
}
CASES = CONVOLUTIONS | QUANTISERS


def simulated(case: Case, folder: Path, masks: IntArray | None = None) -> str:
    """Write vectors, run the assembled design on them and compare what it sent; what the simulation printed."""
    images = case.images()
    given_masks = None if masks is None else {"y": masks}
    written(case.graph, Stimulus({"x": images}, masks=given_masks), folder / "set", fold=case.fold)
    simulation = run(folder / "set", profile=case.profile)
    live = slice(None) if masks is None else masks
    np.testing.assert_array_equal(simulation.values["y"][live], naive.apply(case.op, images)[live])
    return simulation.result.output


@needs_icarus
@pytest.mark.parametrize("name", CASES)
def test_icarus_sends_what_the_loops_compute(name: str, tmp_path: Path) -> None:
    simulated(CASES[name], tmp_path)


@needs_verilator
def test_verilator_sends_what_the_loops_compute(tmp_path: Path) -> None:
    """One design of every module, as a build takes seconds."""
    builder = GraphBuilder()
    value = builder.input("x", (4, 7, 8), SIGNED)
    layers: dict[str, Op] = {
        "conv": window(RNG.integers(-8, 8, (4, 2, 3, 2)), "s4", (1, 2), (1, 0, 2, 1), dilation=(2, 3), groups=2),
        "act": falling_and_rising(IntType(-60, 60), 4, 3),
        "pool": MaxPool((2, 2), (1, 1), (0, 1, 0, 0), (1, 1)),
        "generated": window(CellularWeights.of(30, (0, 1, 1), 4), accumulator=Accumulator.saturate(4, TapOrder.KKC)),
        "y": scale(RoundMode.HALF_EVEN, [5, -3, 7], [0, 1, 3], -40, 40),
    }
    for name, op in layers.items():
        value = builder.add(op, value, name=name)
    builder.output("y", value)
    graph, frames = builder.finish(), RNG.integers(-4, 4, (3, 4, 7, 8))
    written(graph, {"x": frames}, tmp_path / "set", fold={"": 3, "act": 2, "y": 8})
    simulation = run(tmp_path / "set", simulator="verilator")
    expected = [naive.evaluate(graph, {"x": frame.tolist()})["y"] for frame in frames]
    assert simulation.values["y"].tolist() == expected


@needs_icarus
@needs_verilator
@pytest.mark.parametrize("module", [file.stem for file in sorted(RTL.glob("*.sv"))])
def test_all_warnings_of_both_simulators_are_on_and_there_are_none(module: str) -> None:
    for command in (
        ["verilator", "--lint-only", "-Wall", "--top-module", module, "-y", ".", f"{module}.sv"],
        ["iverilog", "-g2012", "-Wall", "-t", "null", "-s", module, "-y", ".", "-Y", ".sv", f"{module}.sv"],
    ):
        done = subprocess.run(command, cwd=RTL, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), command


@needs_icarus
@pytest.mark.parametrize("groups", [1, 2])
def test_only_demanded_channels_cost_products(groups: int, tmp_path: Path) -> None:
    """Frames with all, none and some channels demanded; a skip that is stuck changes the count."""
    masks = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 1], [0, 1, 0, 0]], dtype=bool)
    case = Case(window(ternary(4, 4 // groups, 3, 2), groups=groups, pads=(1, 0, 0, 1)), (4, 4, 3), LEVELS, 3)
    printed = simulated(case, tmp_path, masks=masks)
    (products,) = re.findall(r"^MACS y (\d+)$", printed, re.MULTILINE)
    taps, pixels = 4 // groups * 3 * 2, 3 * 3
    assert int(products) == masks.sum() * taps * pixels


@st.composite
def convolutions(draw: st.DrawFn) -> Case:
    """Small convolutions with any geometry, code, accumulator and folds."""
    small = st.integers(1, 3)
    groups, inputs, outputs = draw(small), draw(small), draw(small)
    kernel, stride = (draw(small), draw(small)), (draw(small), draw(small))
    pads = tuple(draw(st.integers(0, 2)) for _ in range(4))
    type_ = draw(st.sampled_from([BIT, LEVELS, BYTE, SIGNED, IntType(-1, 1)]))
    encoding = draw(st.sampled_from(["binary", "ternary", "s3", "u2", "s1"]))
    lo, hi = {"u2": (0, 3), "s3": (-4, 3), "s1": (-1, 0)}.get(encoding, (-1, 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    weight = rng.integers(lo, hi, (groups * outputs, inputs, *kernel), endpoint=True)
    weight = np.where(weight < 0, -1, 1) if encoding == "binary" else weight
    bits, order, lanes = draw(st.integers(2, 8)), draw(st.sampled_from(TapOrder)), draw(st.integers(1, 5))
    rules = [Accumulator.prove(24), Accumulator.wrap(bits), Accumulator.saturate(bits, order, lanes)]
    pad_value = (int(rng.integers(type_.lo, type_.hi, endpoint=True)),)
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    op = window(weight, encoding, stride, pads, pad_value, dilation, groups, draw(st.sampled_from(rules)))
    fold = {name: draw(st.integers(1, 8)) for name in ("x", "y")}
    least = [max(1, op.window.reach[axis] - pads[axis] - pads[axis + 2]) for axis in (0, 1)]
    height, width = (draw(st.integers(extent, extent + 4)) for extent in least)
    return Case(
        op, (groups * inputs, height, width), type_, fold, draw(st.sampled_from(["always", "random", "bursty"]))
    )


@needs_icarus
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(case=convolutions())
def test_any_convolution(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    simulated(case, tmp_path_factory.mktemp("case"))
