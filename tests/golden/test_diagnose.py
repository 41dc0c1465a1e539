"""Causes: each usual mistake of a design is named by `verify`, from dumps of designs that share nothing with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_designs import Frames, conv, count, each, inside, signed
from golden_sets import write_unchecked

from intinfer import reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph
from intinfer.ops import (
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
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, IntType
from intinfer_golden import verify
from intinfer_golden.compare import Comparison

Design = Callable[[dict[str, Any]], Any]
"""From the set's own values, as nested lists by node, to what the faulty design gives."""


@dataclass(frozen=True)
class Net:
    """A graph, the inputs of its set, and what a design of its convolution is made from."""

    graph: Graph
    inputs: dict[str, IntArray]
    convolution: tuple[Any, ...] = ()
    options: dict[str, Any] | None = None

    def attribute(self, node: str, name: str) -> Any:
        return getattr(self.graph.node(node).op, name).values.tolist()


def made(
    inputs: dict[str, tuple[tuple[int, ...], int, int]], *nodes: tuple[str, Op, tuple[str, ...]], frames: int = 12
) -> tuple[Graph, dict[str, IntArray]]:
    """A graph and noise for its inputs; (name, op, operands) a node."""
    rng = np.random.default_rng(len(nodes) + frames)
    builder = GraphBuilder()
    values = {name: builder.input(name, shape, IntType(lo, hi)) for name, (shape, lo, hi) in inputs.items()}
    for name, op, operands in nodes:
        values[name] = builder.add(op, *(values[x] for x in operands), name=name)
    read = {x for _, _, operands in nodes for x in operands}
    for name, _, _ in nodes:
        if name not in read:
            builder.output(name, values[name])
    arrays = {name: rng.integers(lo, hi, (frames, *shape), endpoint=True) for name, (shape, lo, hi) in inputs.items()}
    return builder.finish(), arrays


def plain() -> Net:
    """3x3, 6 channels to 4, ternary, padded with 0, thresholds both ways."""
    rng = np.random.default_rng(5)
    weight = rng.integers(-1, 2, (4, 6, 3, 3))
    levels = np.sort(rng.integers(-20, 20, (4, 3)), axis=1)
    levels[2:] = levels[2:, ::-1]
    op = Conv2d(IntTensor(weight, "ternary"), (1, 1), (1, 1, 1, 1), (0,), (1, 1), 1, Accumulator.prove(12))
    act = Threshold(IntTensor(levels), IntTensor([0, 0, 1, 1]), 0, 1)
    graph, arrays = made({"x": ((6, 6, 7), 0, 7)}, ("conv", op, ("x",)), ("act", act, ("conv",)))
    return Net(graph, arrays, (weight.tolist(), (6, 7)), {"pads": (1, 1)})


def depthwise() -> Net:
    """3x3 depthwise, binary, stride 2, pad value 3, signed input, 9 bits that wrap."""
    weight = np.random.default_rng(6).integers(0, 2, (5, 1, 3, 3)) * 2 - 1
    op = Conv2d(IntTensor(weight, "binary"), (2, 2), (1, 1, 1, 1), (3,), (1, 1), 5, Accumulator.wrap(5))
    graph, arrays = made({"x": ((5, 7, 8), -4, 3)}, ("dw", op, ("x",)))
    options = {"stride": (2, 2), "pads": (1, 1), "pad": 3, "groups": 5}
    return Net(graph, arrays, (weight.tolist(), (4, 4)), options)


def grouped() -> Net:
    """3x2 in two groups, 8 channels to 6, 4-bit weights, dilation (2, 1), saturating, max pool behind."""
    weight = np.random.default_rng(8).integers(-8, 8, (6, 4, 3, 2))
    rule = Accumulator.saturate(7, TapOrder.CKK)
    op = Conv2d(IntTensor(weight, "s4"), (1, 1), (0, 0, 0, 0), (0,), (2, 1), 2, rule)
    pool = MaxPool((2, 2), (1, 1), (0, 0, 0, 0), (1, 1))
    graph, arrays = made({"x": ((8, 8, 6), 0, 3)}, ("conv", op, ("x",)), ("pool", pool, ("conv",)))
    return Net(graph, arrays, (weight.tolist(), (4, 5)), {"dilation": (2, 1), "groups": 2})


def pointwise() -> Net:
    """1x1, 12 channels to 8, 8-bit weights, requantised to 5 bits."""
    rng = np.random.default_rng(9)
    weight = rng.integers(-128, 128, (8, 12, 1, 1))
    op = Conv2d(IntTensor(weight, "s8"), (1, 1), (0, 0, 0, 0), (0,), (1, 1), 1, Accumulator.prove(20))
    multiplier, offset = IntTensor(rng.integers(20, 60, 8)), IntTensor(rng.integers(-3000, 3000, 8))
    requant = Requant(multiplier, offset, IntTensor([11]), RoundMode.HALF_EVEN, -16, 15)
    graph, arrays = made({"x": ((12, 4, 5), 0, 15)}, ("conv", op, ("x",)), ("requant", requant, ("conv",)))
    return Net(graph, arrays, (weight.tolist(), (4, 5)), {})


def block() -> Net:
    """A TGAP that selects one of two branches, 3-bit levels."""
    graph, arrays = made(
        {"x": ((4, 2, 3), 0, 7), "a": ((4, 3, 3), 0, 7), "b": ((4, 3, 3), 0, 7)},
        ("select", Tgap(7), ("x",)),
        ("mux", Mux(), ("select", "a", "b")),
        ("merge", Bitshift(3), ("a", "b")),
        ("add", Add((3, -2)), ("a", "b")),
        ("both", Concat(), ("a", "b")),
        frames=24,
    )
    arrays["x"][1::3, :, 1, 2] += 21 - arrays["x"][1::3].sum(axis=(2, 3))  # ties, where that is a level
    arrays["x"][0] = 7 * np.array([0, 1, 0, 1])[:, None, None]
    arrays["x"] = np.clip(arrays["x"], 0, 7)
    return Net(graph, arrays)


def others() -> Net:
    """One of each op that is left."""
    rng = np.random.default_rng(10)
    index = rng.permutation(4 * 4 * 5).reshape(4, 4, 5)
    index[:, 0] = -1
    graph, arrays = made(
        {"x": ((4, 4, 5), -8, 7)},
        ("affine", Affine(IntTensor([3, -2, 5, 7]), IntTensor([1, 20, -30, 4])), ("x",)),
        ("table", Table(IntTensor(rng.integers(0, 32, (4, 16))), -8, 0, 31), ("x",)),
        ("clamp", Clamp(-3, 4), ("x",)),
        ("max", MaxPool((2, 2), (2, 2), (0, 0, 0, 1), (1, 1)), ("x",)),
        ("sum", SumPool((2, 3), (1, 1), (0, 1, 0, 1)), ("x",)),
        ("shuffle", ChannelSelect.shuffle(4, 2), ("table",)),
        ("flat", Flatten(), ("clamp",)),
        ("gather", Gather(IntTensor(index), 5), ("x",)),
        ("argmax", ArgMax(), ("clamp",)),
        ("fc", Dense(IntTensor(rng.integers(-20, 20, (5, 80))), Accumulator.prove(20)), ("flat",)),
        frames=16,
    )
    return Net(graph, arrays)


NETS = {
    name: make()
    for name, make in globals().items()
    if name in {"plain", "depthwise", "grouped", "pointwise", "block", "others"}
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diagnose")


def told(folder: Path, net: str, node: str, actual: Any) -> Comparison:
    """What `verify` says of a dump in the order of the vectors."""
    target = folder / net
    if not target.exists():
        write_unchecked(NETS[net].graph, NETS[net].inputs, target, formats=["npy"])
    array = np.array(actual)
    dump = folder / "dump.csv"
    flat = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
    dump.write_text("\n".join(map(str, flat.reshape(-1).tolist())))
    (comparison,) = verify(target, [dump], node=node).comparisons
    return comparison


def right(net: str) -> dict[str, IntArray]:
    return reference.trace(NETS[net].graph, NETS[net].inputs)


def designed(net: str, after: Callable[[Net, Frames], Frames] | None = None, **faults: Any) -> Any:
    """What the faulty convolution of a net gives; numbers replace its options, functions its methods."""
    made_ = NETS[net]
    methods = {name: fault for name, fault in faults.items() if callable(fault)}
    options = {**(made_.options or {}), **{name: fault for name, fault in faults.items() if not callable(fault)}}
    frames = conv(methods, *made_.convolution, **options)(made_.inputs["x"].tolist())
    return after(made_, frames) if after else frames


def act(net: Net, frames: Frames) -> Frames:
    rows, down = net.attribute("act", "thresholds"), net.attribute("act", "descending")
    return each(frames, lambda v, n, c, y, x: count(v, rows[c], down[c] == 1))


def wrap5(net: Net, frames: Frames) -> Frames:
    return each(frames, lambda v, *_: signed(v, 5))


def requant(net: Net, frames: Frames) -> Frames:
    ms, bs = net.attribute("requant", "multiplier"), net.attribute("requant", "offset")
    return each(frames, lambda v, n, c, y, x: max(-16, min(15, half_even(v * ms[c] + bs[c], 11))))


def half_even(value: int, shift: int) -> int:
    quotient, rest = divmod(value, 2**shift)
    half = 2 ** (shift - 1)
    return quotient + (rest > half or (rest == half and quotient % 2 == 1))


def pooled(net: Net, frames: Frames) -> Frames:
    return each(
        [[[row[:-1] for row in plane[:-1]] for plane in frame] for frame in frames],
        lambda v, n, c, y, x: max(frames[n][c][y + i][x + j] for i in (0, 1) for j in (0, 1)),
    )


def sat7(self: Any, total: int, product: int) -> int:
    return max(-64, min(63, total + product))


def changed(place: tuple[int, int, int, int], value: int) -> Callable[..., int]:
    """One weight with another value."""
    return lambda self, *at: value if at == place else int(self.weight[at[0]][at[1]][at[2]][at[3]])


def weight(net: str, *place: int) -> int:
    value = NETS[net].convolution[0]
    for index in place:
        value = value[index]
    return int(value)


def read(change: Callable[[int], int]) -> Callable[..., int]:
    """Weights that are read as others."""
    return lambda self, o, i, ky, kx: change(int(self.weight[o][i][ky][kx]))


CONVOLUTIONS: dict[str, tuple[str, str, Callable[..., Any] | None, dict[str, Any], str]] = {
    "flipped": ("plain", "conv", None, {"w": lambda s, o, i, a, b: s.weight[o][i][2 - a][2 - b]}, "conv: the kernel is flipped in both axes"),
    "flipped behind thresholds": ("plain", "act", act, {"w": lambda s, o, i, a, b: s.weight[o][i][2 - a][b]}, "conv: the kernel is flipped top to bottom"),
    "transposed": ("plain", "act", act, {"w": lambda s, o, i, a, b: s.weight[o][i][b][a]}, "conv: the kernel is transposed: KH and KW are exchanged"),
    "flipped one way, strided": ("depthwise", "dw", wrap5, {"w": lambda s, o, i, a, b: s.weight[o][i][a][2 - b]}, "dw: the kernel is flipped left to right"),
    "flipped, not square": ("grouped", "conv", None, {"step": sat7, "w": lambda s, o, i, a, b: s.weight[o][i][2 - a][1 - b]}, "conv: the kernel is flipped in both axes"),
    "inputs in reverse": ("plain", "act", act, {"channel": lambda s, o, i: 5 - i}, "conv: input channels of the weights are in reverse: 0 is 5"),
    "inputs rotated": ("pointwise", "conv", None, {"channel": lambda s, o, i: (i + 5) % 12}, "conv: the input's channels are rotated by 5: 0 is 5"),
    "inputs exchanged": ("pointwise", "requant", requant, {"channel": lambda s, o, i: {3: 7, 7: 3}.get(i, i)}, "conv: input channels 3 and 7 of the weights are exchanged"),
    "wrong group": ("grouped", "conv", None, {"step": sat7, "channel": lambda s, o, i: (1 - o // 3) * 4 + i}, "conv: groups read the input channels of others, in reverse: group 0 reads those of group 1"),
    "groups interleaved": ("grouped", "pool", pooled, {"step": sat7, "channel": lambda s, o, i: 2 * i + o // 3}, "conv: input channel i is of group i mod 2, not of i // 4"),
    "outputs exchanged": ("plain", "act", act, {"w": lambda s, o, i, a, b: s.weight[{0: 3, 3: 0}.get(o, o)][i][a][b]}, "conv: output channels 0 and 3 of the weights are exchanged"),
    "outputs permuted": ("pointwise", "requant", requant, {"w": lambda s, o, i, a, b: s.weight[(3, 0, 1, 2, 6, 4, 7, 5)[o]][i][a][b]}, "conv: output channels are permuted: 0 is 3, 1 is 0, 2 is 1, 3 is 2, 4 is 6, 5 is 4, 6 is 7, 7 is 5"),
    "|w|": ("plain", "conv", None, {"w": read(abs)}, "conv: weights are taken without their sign: |w|"),
    "-1 read as 0": ("plain", "act", act, {"w": read(lambda w: max(w, 0))}, "conv: weights: -1 is read as 0"),
    "-1 read as 0, binary": ("depthwise", "dw", wrap5, {"w": read(lambda w: max(w, 0))}, "dw: weights: -1 is read as 0"),
    "0 read as -1": ("plain", "act", act, {"w": read(lambda w: w or -1)}, "conv: weights: 0 is read as -1"),
    "weights negated": ("depthwise", "dw", wrap5, {"w": read(lambda w: -w)}, "dw: weights are negated"),
    "sign and magnitude": ("pointwise", "conv", None, {"w": read(lambda w: -(w % 128) if w < 0 else w)}, "conv: weights are read as sign and magnitude"),
    "weights unsigned": ("grouped", "conv", None, {"step": sat7, "w": read(lambda w: w % 16)}, "conv: weights are read as unsigned 4 bits"),
    "pad 0": ("depthwise", "dw", wrap5, {"pad": 0}, "dw: the pad value is 0, not 3"),
    "pad -2": ("depthwise", "dw", wrap5, {"pad": -2}, "dw: the pad value is -2, not 3"),
    "edge": ("plain", "act", act, {"pixel": lambda s, n, c, y, x: s.frames[n][c][min(max(y, 0), 5)][min(max(x, 0), 6)]}, "conv: beyond the edge stands the edge's own pixel (replicated), not 0"),
    "reflect": ("depthwise", "dw", wrap5, {"pixel": lambda s, n, c, y, x: s.frames[n][c][y if 0 <= y < 7 else 1 if y < 0 else 5][x if 0 <= x < 8 else 1 if x < 0 else 6]}, "dw: beyond the edge stands the map mirrored without its edge (reflected), not 3"),
    "no pad at the ends of rows": ("plain", "conv", None, {"pixel": lambda s, n, c, y, x: s.frames[n][c][(y * 7 + x) // 7][(y * 7 + x) % 7] if 0 <= y * 7 + x < 42 else 0}, "conv: beyond the edge stands the end of the row before and the start of the row after (line buffer without pads), not 0"),
    "old line buffer": ("plain", "act", act, {"pixel": lambda s, n, c, y, x: s.frames[n][c][y][x] if inside(s.frames[n], y, x) else s.frames[n - 1][c][y + 6][x] if n and y < 0 and 0 <= x < 7 else 0}, "conv: above the first row stand the last rows of the frame before (line buffer not cleared)"),
    "wraps": ("plain", "act", act, {"end": lambda s, t, o: signed(t, 6)}, "conv: the accumulator wraps at 6 bits"),
    "wraps narrower": ("depthwise", "dw", None, {"end": lambda s, t, o: signed(t, 4)}, "dw: the accumulator wraps at 4 bits"),
    "saturates": ("depthwise", "dw", None, {"step": lambda s, t, p: max(-16, min(15, t + p))}, "dw: the accumulator saturates at 5 bits after each product, in the order CKK"),
    "saturates at the end": ("plain", "conv", None, {"end": lambda s, t, o: max(-32, min(31, t))}, "conv: the sum is clipped to 6 bits at its end, -32..31"),
    "wraps, should saturate": ("grouped", "conv", None, {"end": lambda s, t, o: signed(t, 7)}, "conv: the accumulator wraps at 7 bits"),
    "signed as unsigned": ("depthwise", "dw", wrap5, {"pixel": lambda s, n, c, y, x: s.frames[n][c][y][x] % 8 if inside(s.frames[n], y, x) else 3}, "dw: the input is read as unsigned 3 bits"),
    "unsigned as signed": ("pointwise", "requant", requant, {"pixel": lambda s, n, c, y, x: signed(s.frames[n][c][y][x], 4)}, "conv: the input is read as two's complement of 4 bits"),
    "stride phase": ("depthwise", "dw", wrap5, {"at": lambda s, y, x, a, b: (2 * y + a, 2 * x + b - 1)}, "dw: the windows stand 1 row down (phase 1 of stride 2) (as without the pad at the top)"),
    "a column late": ("plain", "act", act, {"at": lambda s, y, x, a, b: (y + a - 1, x + b - 2)}, "conv: the windows stand 1 column left"),
    "no stride": ("depthwise", "dw", wrap5, {"stride": (1, 1)}, "dw: the stride is (1, 1), not (2, 2)"),
    "no dilation": ("grouped", "pool", pooled, {"step": sat7, "dilation": (1, 1)}, "conv: the dilation is (1, 1), not (2, 1)"),
    "frame before added": ("plain", "conv", None, {"start": lambda s, n, o, y, x: s.out[n - 1][o][y][x] if n else 0}, "conv: the accumulator is not cleared: the sums of all frames before are added"),
    "constant": ("plain", "conv", None, {"start": lambda s, *_: 5}, "conv: +5 is added"),
    "constant behind thresholds": ("plain", "act", act, {"start": lambda s, *_: -4}, "conv: -4 is added"),
    "constant in one channel": ("pointwise", "conv", None, {"start": lambda s, n, o, y, x: 1000 * (o == 3)}, "conv: +1000 is added, in channel 3 alone"),
    "starts at 37": ("plain", "act", act, {"start": lambda s, n, o, y, x: 37 * (n == 0)}, "conv: a constant between +37 and +38 is added, in frame 0 alone"),
    "inputs in reverse in frame 0": ("plain", "act", act, {"channel": lambda s, o, i: 5 - i if len(s.out) == 1 else i}, "conv: input channels of the weights are in reverse: 0 is 5, in frame 0 alone"),
    "missing tap": ("plain", "act", act, {"w": lambda s, o, i, a, b: 0 if (a, b) == (2, 0) else s.weight[o][i][a][b]}, "conv: tap (ky=2, kx=0) is not summed"),
    "input not summed": ("pointwise", "requant", requant, {"w": lambda s, o, i, a, b: 0 if i == 11 else s.weight[o][i][a][b]}, "conv: input channel 11 is not summed"),
    "one weight": ("plain", "conv", None, {"w": changed((2, 1, 0, 2), 0)}, "conv: weight[2,1,0,2] is 0, not 1"),
    "one weight behind thresholds": ("plain", "act", act, {"w": changed((0, 3, 1, 2), -weight("plain", 0, 3, 1, 2) or 1)}, f"conv: weight[0,3,1,2] is {-weight('plain', 0, 3, 1, 2) or 1}, not {weight('plain', 0, 3, 1, 2)}"),
    "one weight of a depthwise": ("depthwise", "dw", wrap5, {"w": changed((4, 0, 1, 1), -weight("depthwise", 4, 0, 1, 1))}, f"dw: weight[4,0,1,1] is {-weight('depthwise', 4, 0, 1, 1)}, not {weight('depthwise', 4, 0, 1, 1)}"),
    "one 8-bit weight": ("pointwise", "conv", None, {"w": changed((6, 9, 0, 0), 77)}, f"conv: weight[6,9,0,0] is 77, not {weight('pointwise', 6, 9, 0, 0)}"),
    "one weight that saturates": ("grouped", "conv", None, {"step": sat7, "w": changed((5, 2, 2, 1), -8)}, f"conv: weight[5,2,2,1] is -8, not {weight('grouped', 5, 2, 2, 1)}"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_mistake_in_a_convolution_is_named(folder: Path, name: str) -> None:
    net, node, after, faults, cause = CONVOLUTIONS[name]
    comparison = told(folder, net, node, designed(net, after, **faults))
    assert cause in comparison.causes, (comparison.where, comparison.causes)


def test_the_designs_without_a_mistake_are_right(folder: Path) -> None:
    for net, node, after, faults in (
        ("plain", "conv", None, {}),
        ("plain", "act", act, {}),
        ("depthwise", "dw", wrap5, {}),
        ("grouped", "conv", None, {"step": sat7}),
        ("grouped", "pool", pooled, {"step": sat7}),
        ("pointwise", "requant", requant, {}),
    ):
        comparison = told(folder, net, node, designed(net, after, **faults))
        assert (comparison.equal, comparison.where, comparison.causes) == (True, "", ())


def rows(values: Any) -> Any:
    return np.asarray(values).tolist()


def tgap(values: dict[str, Any], bit: Callable[[int, int, int], int]) -> list[list[int]]:
    """bit(sum, n, c) of every channel of every frame."""
    return [[bit(sum(map(sum, plane)), n, c) for c, plane in enumerate(frame)] for n, frame in enumerate(values["x"])]


def muxed(values: dict[str, Any], pick: Callable[[list[list[int]], int, int], int]) -> Frames:
    """pick(select bits by frame and channel, n, c): whether branch a is given."""
    select, a, b = values["select"], values["a"], values["b"]
    return [[(a if pick(select, n, c) else b)[n][c] for c in range(4)] for n in range(len(select))]


def both(values: dict[str, Any], function: Callable[[int, int], int]) -> Frames:
    return each(values["a"], lambda v, n, c, y, x: function(v, values["b"][n][c][y][x]))


def merged_frames(frames: Any) -> list[list[int]]:
    """Running sums over the frames, by channel."""
    sums = [[sum(map(sum, plane)) for plane in frame] for frame in frames]
    return [[sum(s[c] for s in sums[: n + 1]) for c in range(4)] for n in range(len(sums))]


BLOCK: dict[str, tuple[str, Design, str]] = {
    "tie": ("select", lambda v: tgap(v, lambda s, n, c: int(2 * s >= 42)), "select: the compare is >= in place of >: a tie gives 1"),
    "inverted": ("select", lambda v: tgap(v, lambda s, n, c: int(2 * s <= 42)), "select: the select is inverted: 1 where the mean is at most half of the top level"),
    "not cleared": ("select", lambda v: [[int(2 * s > 42) for s in row] for row in merged_frames(v["x"])], "select: the pool is not cleared: the sums of all frames before are added"),
    "a pixel too few": ("select", lambda v: [[int(2 * (sum(map(sum, p)) - p[1][2]) > 42) for p in f] for f in v["x"]], "select: the last pixel is not summed"),
    "other limit": ("select", lambda v: tgap(v, lambda s, n, c: int(2 * s > 49)), "select: twice the sum is compared with between 48 and 49, not 42; or -3 is added to the sum"),
    "top 8": ("select", lambda v: tgap(v, lambda s, n, c: int(2 * s > 48)), "select: the top level is 8, not 7"),
    "stuck in frame 0": ("select", lambda v: tgap(v, lambda s, n, c: int(n > 0 and 2 * s > 42)), "select: the select is stuck at 0, in frame 0 alone"),
    "branches": ("mux", lambda v: muxed(v, lambda s, n, c: 1 - s[n][c]), "mux: the select is inverted: a and b are exchanged"),
    "other channel": ("mux", lambda v: muxed(v, lambda s, n, c: s[n][3 - c]), "mux: operand select's channels are in reverse: 0 is 3"),
    "old select": ("mux", lambda v: muxed(v, lambda s, n, c: s[max(n - 1, 0)][c]), "mux: operand select is that of the frame before"),
    "one select stuck": ("mux", lambda v: muxed(v, lambda s, n, c: c == 2 or s[n][c]), "mux: channel 2 of select is stuck at 1"),
    "branch 0 in frame 0": ("mux", lambda v: muxed(v, lambda s, n, c: n > 0 and s[n][c]), "mux: the select is stuck at 0: always b, in frame 0 alone"),
    "tgap behind the mux": ("mux", lambda v: muxed({**v, "select": tgap(v, lambda s, n, c: int(2 * s >= 42))}, lambda s, n, c: s[n][c]), "select: the compare is >= in place of >: a tie gives 1"),
    "OR": ("merge", lambda v: both(v, lambda a, b: a | b), "merge: a OR b is given, not (a + b) >> 1"),
    "XOR": ("merge", lambda v: both(v, lambda a, b: a ^ b), "merge: a XOR b is given, not (a + b) >> 1"),
    "rounded up": ("merge", lambda v: both(v, lambda a, b: (a + b + 1) // 2), "merge: the mean is rounded up: (a + b + 1) >> 1"),
    "carry": ("merge", lambda v: both(v, lambda a, b: (a + b) % 8 // 2), "merge: the carry of a + b is lost: the sum has 3 bits"),
    "no shift": ("merge", lambda v: both(v, lambda a, b: (a + b) % 8), "merge: the sum is given, a + b, cut to 3 bits: there is no shift"),
    "sign of an add": ("add", lambda v: both(v, lambda a, b: 3 * a + 2 * b), "add: the multiplier of operand b is 2, not -2"),
    "multiplier of an add": ("add", lambda v: both(v, lambda a, b: 17 * a - 2 * b), "add: the multiplier of operand a is 17, not 3"),
    "operands exchanged": ("add", lambda v: both(v, lambda a, b: 3 * b - 2 * a), "add: operands are exchanged: b for a, a for b"),
    "other order": ("both", lambda v: [b + a for a, b in zip(v["a"], v["b"], strict=True)], "both: operands are exchanged: b for a, a for b"),
    "interleaved": ("both", lambda v: [[p for pair in zip(a, b, strict=True) for p in pair] for a, b in zip(v["a"], v["b"], strict=True)], "both: the operands' channels are interleaved, not one operand after the other"),
    "one channel for another": ("both", lambda v: [[*a, b[0], b[1], a[3], b[3]] for a, b in zip(v["a"], v["b"], strict=True)], "both: output channel 6 is channel 3 of a"),
}  # fmt: skip


def shift(value: int, by: int, mode: str) -> int:
    quotient, rest = divmod(value, 2**by)
    half = 2**by // 2
    return quotient + {"floor": 0, "up": int(rest >= half), "zero": int(rest > 0 > value)}[mode]


def requanted(
    v: dict[str, Any], mode: str = "", by: int = 11, other: dict[str, Any] | None = None, end: Any = None
) -> Frames:
    net = NETS["pointwise"]
    ms, bs = net.attribute("requant", "multiplier"), net.attribute("requant", "offset")
    ms, bs = (other or {}).get("m", ms), (other or {}).get("b", bs)
    clip = end or (lambda z: max(-16, min(15, z)))
    rounded = half_even if not mode else lambda z, s: shift(z, s, mode)
    return each(v["conv"], lambda z, n, c, y, x: clip(rounded(z * ms[c] + bs[c], by)))


def with_entry(values: list[Any], place: int, value: Any) -> list[Any]:
    return [value if i == place else old for i, old in enumerate(values)]


def wide(v: dict[str, Any], function: Callable[[Any, int, int, int, int], int], height: int, width: int) -> Frames:
    """function(plane, n, c, y, x) of every place of a map of another size."""
    return [
        [[[function(p, n, c, y, x) for x in range(width)] for y in range(height)] for c, p in enumerate(f)]
        for n, f in enumerate(v["x"])
    ]


def largest(plane: Any, y: int, x: int, start: int, pad: int) -> int:
    return max(start, *(plane[2 * y + i][2 * x + j] if 2 * x + j < 5 else pad for i in (0, 1) for j in (0, 1)))


def best(column: Any, key: Callable[[int], int], last: bool) -> int:
    top = max(map(key, column))
    found = [i for i, z in enumerate(column) if key(z) == top]
    return found[-1] if last else found[0]


def argmax(v: dict[str, Any], key: Callable[[int], int], last: bool = False) -> Frames:
    return [
        [[[best([f[c][y][x] for c in range(4)], key, last) for x in range(5)] for y in range(4)]] for f in v["clamp"]
    ]


def table(v: dict[str, Any], place: Callable[[int, int], tuple[int, int]]) -> Frames:
    entries = NETS["others"].attribute("table", "entries")
    return each(v["x"], lambda z, n, c, y, x: entries[place(z, c)[0]][place(z, c)[1]])


def dense(v: dict[str, Any], place: Callable[[int, int], int]) -> Any:
    w = NETS["others"].attribute("fc", "weight")
    return [[sum(place(o, i) * z for i, z in enumerate(row)) for o in range(len(w))] for row in v["flat"]]


def fc(o: int, i: int) -> int:
    return int(NETS["others"].attribute("fc", "weight")[o][i])


def rest(name: str) -> Any:
    op = {"affine": "affine", "m": "multiplier", "b": "offset"}
    return NETS["others"].attribute("affine", op[name])


LEVELS, DOWN = NETS["plain"].attribute("act", "thresholds"), NETS["plain"].attribute("act", "descending")
MS, BS = NETS["pointwise"].attribute("requant", "multiplier"), NETS["pointwise"].attribute("requant", "offset")
OTHERS: dict[str, tuple[str, str, Design, str]] = {
    "floor": ("pointwise", "requant", lambda v: requanted(v, "floor"), "requant: the shift rounds floor, not half_even"),
    "toward zero": ("pointwise", "requant", lambda v: requanted(v, "zero"), "requant: the shift rounds toward zero, not half_even"),
    "shift": ("pointwise", "requant", lambda v: requanted(v, by=10), "requant: the shift is 1 less"),
    "wraps": ("pointwise", "requant", lambda v: requanted(v, end=lambda z: signed(z, 5)), "requant: the result wraps at 5 bits, it is not clipped"),
    "no offset": ("pointwise", "requant", lambda v: requanted(v, other={"b": [0] * 8}), "requant: offsets are not applied"),
    "multipliers rotated": ("pointwise", "requant", lambda v: requanted(v, other={"m": MS[1:] + MS[:1]}), "requant: multipliers of the channels are rotated by 1: 0 has those of 1"),
    "strict": ("plain", "act", lambda v: each(v["conv"], lambda z, n, c, y, x: count(z, LEVELS[c], DOWN[c] == 1, strict=True)), "act: the compares are > and < in place of >= and <="),
    "strict up": ("plain", "act", lambda v: each(v["conv"], lambda z, n, c, y, x: count(z, LEVELS[c], DOWN[c] == 1, strict=not DOWN[c])), "act: the compare is > in place of >= in ascending channels"),
    "descending ignored": ("plain", "act", lambda v: each(v["conv"], lambda z, n, c, y, x: count(z, LEVELS[c], False)), "act: descending is ignored: every channel compares with >="),
    "thresholds of another channel": ("plain", "act", lambda v: each(v["conv"], lambda z, n, c, y, x: count(z, LEVELS[c ^ 1], DOWN[c] == 1)), "act: thresholds of the channels are in reverse inside each 2: 0 has those of 1"),
    "one threshold": ("plain", "act", lambda v: each(v["conv"], lambda z, n, c, y, x: count(z, with_entry(LEVELS[c], 1, LEVELS[c][1] + 7 * (c == 1)), DOWN[c] == 1)), "act: thresholds[1,1] is 4, not -3"),
    "first threshold missing": ("plain", "act", lambda v: each(v["conv"], lambda z, n, c, y, x: count(z, LEVELS[c][1:], DOWN[c] == 1)), "act: threshold 0 of every channel is not counted"),
    "affine multiplier": ("others", "affine", lambda v: each(v["x"], lambda z, n, c, y, x: with_entry(rest("m"), 2, 6)[c] * z + rest("b")[c]), "affine: multiplier[2] is 6, not 5"),
    "affine offset": ("others", "affine", lambda v: each(v["x"], lambda z, n, c, y, x: rest("m")[c] * z + with_entry(rest("b"), 1, 4)[c]), "affine: offset[1] is 4, not 20"),
    "index": ("others", "table", lambda v: table(v, lambda z, c: (c, min(z + 9, 15))), "table: the index is 1 too high, up to the end"),
    "index unsigned": ("others", "table", lambda v: table(v, lambda z, c: (c, z % 16)), "table: the highest bit of the index is inverted (signed for unsigned, or back)"),
    "one entry": ("others", "table", lambda v: each(table(v, lambda z, c: (c, z + 8)), lambda t, n, c, y, x: 31 - t if (c, v["x"][n][c][y][x]) == (2, 3) else t), "table: entries[2,11] (input 3) is "),
    "no clamp": ("others", "clamp", lambda v: v["x"], "clamp: there is no clamp"),
    "clamp end": ("others", "clamp", lambda v: each(v["x"], lambda z, *_: max(-3, min(5, z))), "clamp: the clamp is to -3..5, not -3..4"),
    "start at 0": ("others", "max", lambda v: wide(v, lambda p, n, c, y, x: largest(p, y, x, 0, -99), 2, 3), "max: the maximum starts at 0, not at the lowest value"),
    "pads counted": ("others", "max", lambda v: wide(v, lambda p, n, c, y, x: largest(p, y, x, -99, 0), 2, 3), "max: padding counts as 0"),
    "sum not cleared": ("others", "sum", lambda v: rows(np.cumsum(v["sum"], axis=0)), "sum: the pool is not cleared: the sums of all frames before are added"),
    "a tap too few": ("others", "sum", lambda v: wide(v, lambda p, n, c, y, x: sum(p[y + i][x + j - 1] for i in (0, 1) for j in (0, 1, 2) if (i, j) != (0, 1) and 0 <= x + j - 1 < 5), 3, 5), "sum: tap (ky=0, kx=1) does not count"),
    "not shuffled": ("others", "shuffle", lambda v: v["table"], "shuffle: the channels are not selected: 0..3 are given in their order"),
    "flat order": ("others", "flat", lambda v: [[f[c][y][x] for y in range(4) for x in range(5) for c in range(4)] for f in v["clamp"]], "flat: the values are flattened in HWC order, not CHW"),
    "flat order behind dense": ("others", "fc", lambda v: dense({"flat": [[f[c][y][x] for y in range(4) for x in range(5) for c in range(4)] for f in v["clamp"]]}, fc), "flat: the values are flattened in HWC order, not CHW"),
    "fill": ("others", "gather", lambda v: each(v["gather"], lambda z, n, c, y, x: 0 if y == 0 else z), "gather: the fill is 0, not 5"),
    "last of ties": ("others", "argmax", lambda v: argmax(v, lambda z: z, True), "argmax: at a tie the last index wins, not the first"),
    "smallest": ("others", "argmax", lambda v: argmax(v, lambda z: -z), "argmax: the index of the smallest is given"),
    "dense weight": ("others", "fc", lambda v: dense(v, lambda o, i: -9 if (o, i) == (3, 41) else fc(o, i)), "fc: weight[3,41] is -9, not "),
    "dense outputs": ("others", "fc", lambda v: dense(v, lambda o, i: fc({1: 4, 4: 1}.get(o, o), i)), "fc: output channels 1 and 4 of the weights are exchanged"),
    "dense clamped before": ("others", "fc", lambda v: dense({"flat": [[z for p in f for r in p for z in r] for f in v["x"]]}, fc), "clamp: there is no clamp"),
    "frame before": ("others", "sum", lambda v: [v["sum"][0], *v["sum"][:-1]], "sum: each frame is the one before it"),
    "bit stuck": ("others", "table", lambda v: each(v["table"], lambda z, *_: z | 8), "table: bit 3 of the result is stuck at 1"),
    "low bit lost": ("pointwise", "requant", lambda v: each(v["requant"], lambda z, *_: z // 2 * 2), "requant: bit 0 of the result is stuck at 0"),
    "channel stuck": ("others", "affine", lambda v: each(v["affine"], lambda z, n, c, y, x: 7 if c == 1 else z), "affine: channel 1 is 7 all over"),
    "row late": ("others", "affine", lambda v: [[[p[-1], *p[:-1]] for p in f] for f in v["affine"]], "affine: the result is one row late, around the edge"),
    "last column": ("others", "affine", lambda v: each(v["affine"], lambda z, n, c, y, x: 0 if x == 4 else z), "affine: the last column is 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCK)
def test_a_mistake_in_a_block_is_named(folder: Path, name: str) -> None:
    node, design, cause = BLOCK[name]
    comparison = told(folder, "block", node, design({k: v.tolist() for k, v in right("block").items()}))
    assert cause in comparison.causes, (comparison.where, comparison.causes)


@pytest.mark.parametrize("name", OTHERS)
def test_a_mistake_in_another_op_is_named(folder: Path, name: str) -> None:
    net, node, design, cause = OTHERS[name]
    comparison = told(folder, net, node, design({k: v.tolist() for k, v in right(net).items()}))
    assert any(found.startswith(cause) for found in comparison.causes), (comparison.where, comparison.causes)
