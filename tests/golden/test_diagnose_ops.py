"""Causes in every other op: each usual mistake is named by `verify`, from dumps made by plain loops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnose_nets import NETS, Design, names, right, told
from faulty_designs import Frames, count, each, half_even, muxed, signed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diagnose")


def rows(values: Any) -> Any:
    return np.asarray(values).tolist()


def tgap(values: dict[str, Any], bit: Callable[[int, int, int], int]) -> list[list[int]]:
    """bit(sum, n, c) of every channel of every frame."""
    return [[bit(sum(map(sum, plane)), n, c) for c, plane in enumerate(frame)] for n, frame in enumerate(values["x"])]


def both(values: dict[str, Any], function: Callable[[int, int], int]) -> Frames:
    return each(values["a"], lambda v, n, c, y, x: function(v, values["b"][n][c][y][x]))


def merged_frames(frames: Any) -> list[list[int]]:
    """Running sums over the frames, by channel."""
    sums = [[sum(map(sum, plane)) for plane in frame] for frame in frames]
    return [[sum(s[c] for s in sums[: n + 1]) for c in range(4)] for n in range(len(sums))]


BLOCK: dict[str, tuple[str, Design, str]] = {
    "tie": (
        "select",
        lambda v: tgap(v, lambda s, n, c: int(2 * s >= 42)),
        "select: the compare is >= in place of >: a tie gives 1",
    ),
    "inverted": (
        "select",
        lambda v: tgap(v, lambda s, n, c: int(2 * s <= 42)),
        "select: the select is inverted: 1 where the mean is at most half of the top level",
    ),
    "not cleared": (
        "select",
        lambda v: [[int(2 * s > 42) for s in row] for row in merged_frames(v["x"])],
        "select: the pool is not cleared: the sums of all frames before are added",
    ),
    "a pixel too few": (
        "select",
        lambda v: [[int(2 * (sum(map(sum, p)) - p[1][2]) > 42) for p in f] for f in v["x"]],
        "select: the last pixel is not summed",
    ),
    "other limit": (
        "select",
        lambda v: tgap(v, lambda s, n, c: int(2 * s > 49)),
        "select: twice the sum is compared with between 48 and 49, not 42; or -3 is ...",
    ),
    "top 8": ("select", lambda v: tgap(v, lambda s, n, c: int(2 * s > 48)), "select: the top level is 8, not 7"),
    "stuck in frame 0": (
        "select",
        lambda v: tgap(v, lambda s, n, c: int(n > 0 and 2 * s > 42)),
        "select: the select is stuck at 0, in frame 0 alone",
    ),
    "branches": (
        "mux",
        lambda v: muxed(v, lambda s, n, c: 1 - s[n][c]),
        "mux: the select is inverted: a and b are exchanged",
    ),
    "other channel": (
        "mux",
        lambda v: muxed(v, lambda s, n, c: s[n][3 - c]),
        "mux: operand select's channels are in reverse: 0 is 3",
    ),
    "old select": (
        "mux",
        lambda v: muxed(v, lambda s, n, c: s[max(n - 1, 0)][c]),
        "mux: operand select is that of the frame before",
    ),
    "one select stuck": (
        "mux",
        lambda v: muxed(v, lambda s, n, c: c == 2 or s[n][c]),
        "mux: channel 2 of select is stuck at 1",
    ),
    "branch 0 in frame 0": (
        "mux",
        lambda v: muxed(v, lambda s, n, c: n > 0 and s[n][c]),
        "mux: the select is stuck at 0: always b, in frame 0 alone",
    ),
    "tgap behind the mux": (
        "mux",
        lambda v: muxed({**v, "select": tgap(v, lambda s, n, c: int(2 * s >= 42))}, lambda s, n, c: s[n][c]),
        "select: the compare is >= in place of >: a tie gives 1",
    ),
    "OR": ("merge", lambda v: both(v, lambda a, b: a | b), "merge: a OR b is given, not (a + b) >> 1"),
    "XOR": ("merge", lambda v: both(v, lambda a, b: a ^ b), "merge: a XOR b is given, not (a + b) >> 1"),
    "rounded up": (
        "merge",
        lambda v: both(v, lambda a, b: (a + b + 1) // 2),
        "merge: the mean is rounded up: (a + b + 1) >> 1",
    ),
    "carry": (
        "merge",
        lambda v: both(v, lambda a, b: (a + b) % 8 // 2),
        "merge: the carry of a + b is lost: the sum has 3 bits",
    ),
    "no shift": (
        "merge",
        lambda v: both(v, lambda a, b: (a + b) % 8),
        "merge: the sum is given, a + b, cut to 3 bits: there is no shift",
    ),
    "sign of an add": (
        "add",
        lambda v: both(v, lambda a, b: 3 * a + 2 * b),
        "add: the multiplier of operand b is 2, not -2",
    ),
    "multiplier of an add": (
        "add",
        lambda v: both(v, lambda a, b: 17 * a - 2 * b),
        "add: the multiplier of operand a is 17, not 3",
    ),
    "operands exchanged": (
        "add",
        lambda v: both(v, lambda a, b: 3 * b - 2 * a),
        "add: operands are exchanged: b for a, a for b",
    ),
    "other order": (
        "both",
        lambda v: [b + a for a, b in zip(v["a"], v["b"], strict=True)],
        "both: operands are exchanged: b for a, a for b",
    ),
    "interleaved": (
        "both",
        lambda v: [[p for pair in zip(a, b, strict=True) for p in pair] for a, b in zip(v["a"], v["b"], strict=True)],
        "both: the operands' channels are interleaved, not one operand after the other",
    ),
    "one channel for another": (
        "both",
        lambda v: [[*a, b[0], b[1], a[3], b[3]] for a, b in zip(v["a"], v["b"], strict=True)],
        "both: output channel 6 is channel 3 of a",
    ),
}


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
    "floor": (
        "pointwise",
        "requant",
        lambda v: requanted(v, "floor"),
        "requant: the shift rounds floor, not half_even",
    ),
    "toward zero": (
        "pointwise",
        "requant",
        lambda v: requanted(v, "zero"),
        "requant: the shift rounds toward zero, not half_even",
    ),
    "shift": ("pointwise", "requant", lambda v: requanted(v, by=10), "requant: the shift is 1 less"),
    "wraps": (
        "pointwise",
        "requant",
        lambda v: requanted(v, end=lambda z: signed(z, 5)),
        "requant: the result wraps at 5 bits, it is not clipped",
    ),
    "no offset": (
        "pointwise",
        "requant",
        lambda v: requanted(v, other={"b": [0] * 8}),
        "requant: offsets are not applied",
    ),
    "multipliers rotated": (
        "pointwise",
        "requant",
        lambda v: requanted(v, other={"m": MS[1:] + MS[:1]}),
        "requant: multipliers of the channels are rotated by 1: 0 has those of 1",
    ),
    "constants of one channel": (
        "pointwise",
        "requant",
        lambda v: requanted(v, other={"m": MS[2:3] * 8, "b": BS[2:3] * 8}),
        "requant: multiplier and offset of the channels are all those of channel 2",
    ),
    "strict": (
        "plain",
        "act",
        lambda v: each(v["conv"], lambda z, n, c, y, x: count(z, LEVELS[c], DOWN[c] == 1, strict=True)),
        "act: the compares are > and < in place of >= and <=",
    ),
    "strict up": (
        "plain",
        "act",
        lambda v: each(v["conv"], lambda z, n, c, y, x: count(z, LEVELS[c], DOWN[c] == 1, strict=not DOWN[c])),
        "act: the compare is > in place of >= in ascending channels",
    ),
    "descending ignored": (
        "plain",
        "act",
        lambda v: each(v["conv"], lambda z, n, c, y, x: count(z, LEVELS[c], False)),
        "act: descending is ignored: every channel compares with >=",
    ),
    "thresholds of another channel": (
        "plain",
        "act",
        lambda v: each(v["conv"], lambda z, n, c, y, x: count(z, LEVELS[c ^ 1], DOWN[c] == 1)),
        "act: thresholds of the channels are in reverse inside each 2: 0 has those of 1",
    ),
    "one threshold": (
        "plain",
        "act",
        lambda v: each(
            v["conv"],
            lambda z, n, c, y, x: count(z, with_entry(LEVELS[c], 1, LEVELS[c][1] + 7 * (c == 1)), DOWN[c] == 1),
        ),
        "act: thresholds[1,1] is 4, not -3",
    ),
    "first threshold missing": (
        "plain",
        "act",
        lambda v: each(v["conv"], lambda z, n, c, y, x: count(z, LEVELS[c][1:], DOWN[c] == 1)),
        "act: threshold 0 of every channel is not counted",
    ),
    "affine multiplier": (
        "others",
        "affine",
        lambda v: each(v["x"], lambda z, n, c, y, x: with_entry(rest("m"), 2, 6)[c] * z + rest("b")[c]),
        "affine: multiplier[2] is 6, not 5",
    ),
    "affine offset": (
        "others",
        "affine",
        lambda v: each(v["x"], lambda z, n, c, y, x: rest("m")[c] * z + with_entry(rest("b"), 1, 4)[c]),
        "affine: offset[1] is 4, not 20",
    ),
    "index": (
        "others",
        "table",
        lambda v: table(v, lambda z, c: (c, min(z + 9, 15))),
        "table: the index is 1 too high, up to the end",
    ),
    "index unsigned": (
        "others",
        "table",
        lambda v: table(v, lambda z, c: (c, z % 16)),
        "table: the highest bit of the index is inverted (signed for unsigned, or back)",
    ),
    "one entry": (
        "others",
        "table",
        lambda v: each(
            table(v, lambda z, c: (c, z + 8)), lambda t, n, c, y, x: 31 - t if (c, v["x"][n][c][y][x]) == (2, 3) else t
        ),
        "table: entries[2,11] (input 3) is ...",
    ),
    "no clamp": ("others", "clamp", lambda v: v["x"], "clamp: there is no clamp"),
    "clamp end": (
        "others",
        "clamp",
        lambda v: each(v["x"], lambda z, *_: max(-3, min(5, z))),
        "clamp: the clamp is to -3..5, not -3..4",
    ),
    "sign kept": ("signs", "abs", lambda v: v["x"], "abs: the sign is kept, there is no absolute value"),
    "inverted": (
        "signs",
        "abs",
        lambda v: each(v["x"], lambda z, *_: z if z >= 0 else -z - 1),
        "abs: negative values are inverted, not negated: 1 too low",
    ),
    "rectified": ("signs", "abs", lambda v: each(v["x"], lambda z, *_: max(z, 0)), "abs: negative values give 0"),
    "sign kept before": (
        "signs",
        "low",
        lambda v: each(v["x"], lambda z, *_: min(z & 15, 6)),
        "size: the sign is kept, there is no absolute value",
    ),
    "start at 0": (
        "others",
        "max",
        lambda v: wide(v, lambda p, n, c, y, x: largest(p, y, x, 0, -99), 2, 3),
        "max: the maximum starts at 0, not at the lowest value",
    ),
    "pads counted": (
        "others",
        "max",
        lambda v: wide(v, lambda p, n, c, y, x: largest(p, y, x, -99, 0), 2, 3),
        "max: padding counts as 0",
    ),
    "sum not cleared": (
        "others",
        "sum",
        lambda v: rows(np.cumsum(v["sum"], axis=0)),
        "sum: the pool is not cleared: the sums of all frames before are added",
    ),
    "a tap too few": (
        "others",
        "sum",
        lambda v: wide(
            v,
            lambda p, n, c, y, x: sum(
                p[y + i][x + j - 1] for i in (0, 1) for j in (0, 1, 2) if (i, j) != (0, 1) and 0 <= x + j - 1 < 5
            ),
            3,
            5,
        ),
        "sum: tap (ky=0, kx=1) does not count",
    ),
    "not shuffled": (
        "others",
        "shuffle",
        lambda v: v["table"],
        "shuffle: the channels are not selected: 0..3 are given in their order",
    ),
    "flat order": (
        "others",
        "flat",
        lambda v: [[f[c][y][x] for y in range(4) for x in range(5) for c in range(4)] for f in v["clamp"]],
        "flat: the values are flattened in HWC order, not CHW",
    ),
    "flat order behind dense": (
        "others",
        "fc",
        lambda v: dense(
            {"flat": [[f[c][y][x] for y in range(4) for x in range(5) for c in range(4)] for f in v["clamp"]]}, fc
        ),
        "flat: the values are flattened in HWC order, not CHW",
    ),
    "fill": (
        "others",
        "gather",
        lambda v: each(v["gather"], lambda z, n, c, y, x: 0 if y == 0 else z),
        "gather: the fill is 0, not 5",
    ),
    "last of ties": (
        "others",
        "argmax",
        lambda v: argmax(v, lambda z: z, True),
        "argmax: at a tie the last index wins, not the first",
    ),
    "smallest": ("others", "argmax", lambda v: argmax(v, lambda z: -z), "argmax: the index of the smallest is given"),
    "dense weight": (
        "others",
        "fc",
        lambda v: dense(v, lambda o, i: -9 if (o, i) == (3, 41) else fc(o, i)),
        "fc: weight[3,41] is -9, not ...",
    ),
    "dense outputs": (
        "others",
        "fc",
        lambda v: dense(v, lambda o, i: fc({1: 4, 4: 1}.get(o, o), i)),
        "fc: output channels 1 and 4 of the weights are exchanged",
    ),
    "dense clamped before": (
        "others",
        "fc",
        lambda v: dense({"flat": [[z for p in f for r in p for z in r] for f in v["x"]]}, fc),
        "clamp: there is no clamp",
    ),
    "frame before": ("others", "sum", lambda v: [v["sum"][0], *v["sum"][:-1]], "sum: each frame is the one before it"),
    "bit stuck": (
        "others",
        "table",
        lambda v: each(v["table"], lambda z, *_: z | 8),
        "table: bit 3 of the result is stuck at 1",
    ),
    "low bit lost": (
        "pointwise",
        "requant",
        lambda v: each(v["requant"], lambda z, *_: z // 2 * 2),
        "requant: bit 0 of the result is stuck at 0",
    ),
    "channel stuck": (
        "others",
        "affine",
        lambda v: each(v["affine"], lambda z, n, c, y, x: 7 if c == 1 else z),
        "affine: channel 1 is 7 all over",
    ),
    "row late": (
        "others",
        "affine",
        lambda v: [[[p[-1], *p[:-1]] for p in f] for f in v["affine"]],
        "affine: the result is one row late, around the edge",
    ),
    "last column": (
        "others",
        "affine",
        lambda v: each(v["affine"], lambda z, n, c, y, x: 0 if x == 4 else z),
        "affine: the last column is 0",
    ),
}


@pytest.mark.parametrize("name", BLOCK)
def test_a_mistake_in_a_block_is_named(folder: Path, name: str) -> None:
    node, design, cause = BLOCK[name]
    comparison = told(folder, "block", node, design({k: v.tolist() for k, v in right("block").items()}))
    assert names(comparison, cause), (comparison.where, comparison.causes)


@pytest.mark.parametrize("name", OTHERS)
def test_a_mistake_in_another_op_is_named(folder: Path, name: str) -> None:
    net, node, design, cause = OTHERS[name]
    comparison = told(folder, net, node, design({k: v.tolist() for k, v in right(net).items()}))
    assert names(comparison, cause), (comparison.where, comparison.causes)
