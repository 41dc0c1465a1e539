"""Designs that are wrong in one frame only: after a reset, or after one frame that leaves something behind.

Each design here is the right one in every frame but one. It must differ from the right one in that very frame, at
frames of several shapes and seeds; the designs share no code with the bins of `coverage.first`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from intinfer import ops
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, IntType
from intinfer_golden.make.stimulus.direct import Stimulus, directed

SHAPES = [(2, 4, 4), (5, 4, 6), (16, 8, 8)]
SEEDS = [0, 1]
BITS, LEVELS, SIGNED = IntType(0, 1), IntType(0, 7), IntType(-20, 19)

Frame = tuple[IntArray, ...]
"""One array (C, H, W) or (C,) for each input."""


def node(op: ops.Op, *inputs: tuple[tuple[int, ...], IntType]) -> Graph:
    builder = GraphBuilder()
    values = [builder.input(f"x{i}", shape, type_) for i, (shape, type_) in enumerate(inputs)]
    builder.output("y", builder.add(op, *values, name="y"))
    return builder.finish()


def conv(c: int, rng: np.random.Generator) -> ops.Conv2d:
    weight = IntTensor(rng.integers(-1, 2, (4, c, 3, 3)), "ternary")
    return ops.Conv2d(weight, (1, 1), (1, 1, 1, 1), (0,), (1, 1), 1, Accumulator.prove(24))


def depthwise(c: int, rng: np.random.Generator) -> ops.Conv2d:
    weight = IntTensor(rng.choice([-1, 1], (c, 1, 3, 3)), "binary")
    return ops.Conv2d(weight, (2, 2), (1, 1, 1, 1), (0,), (1, 1), c, Accumulator.wrap(8))


def cuts(c: int, rng: np.random.Generator) -> ops.Threshold:
    rows = np.sort(rng.choice(np.arange(-18, 18), (c, 2)), axis=1)
    down = np.arange(c) % 2
    return ops.Threshold(IntTensor(np.where(down[:, None] == 1, rows[:, ::-1], rows)), IntTensor(down), 0, 1)


def requant(c: int, rng: np.random.Generator) -> ops.Requant:
    drawn = (rng.integers(3, 9, c), rng.integers(-9, 9, c), rng.integers(1, 4, c))
    return ops.Requant(*(IntTensor(t) for t in drawn), RoundMode.FLOOR, -60, 60)


def graph_of(kind: str, shape: tuple[int, int, int], rng: np.random.Generator) -> Graph:
    c, h, w = shape
    last = ops.ChannelSelect(IntTensor(rng.permutation(c)))
    made: dict[str, Callable[[], Graph]] = {
        "conv": lambda: node(conv(c, rng), (shape, LEVELS)),
        "conv of bits": lambda: node(conv(c, rng), (shape, BITS)),
        "depthwise": lambda: node(depthwise(c, rng), (shape, SIGNED)),
        "dense": lambda: node(ops.Dense(IntTensor(rng.integers(-9, 9, (5, c))), Accumulator.prove(24)), ((c,), LEVELS)),
        "threshold": lambda: node(cuts(c, rng), (shape, SIGNED)),
        "requant": lambda: node(requant(c, rng), (shape, SIGNED)),
        "affine": lambda: node(ops.Affine(IntTensor(np.arange(c) + 1), IntTensor(np.arange(c) * 3)), (shape, SIGNED)),
        "table": lambda: node(ops.Table(IntTensor(rng.integers(0, 90, (c, 8))), 0, 0, 90), (shape, LEVELS)),
        "clamp": lambda: node(ops.Clamp(-3, 4), (shape, SIGNED)),
        "abs": lambda: node(ops.Abs(), (shape, SIGNED)),
        "or": lambda: node(ops.Bitshift(1), (shape, BITS), (shape, BITS)),
        "mean": lambda: node(ops.Bitshift(3), (shape, LEVELS), (shape, LEVELS)),
        "add": lambda: node(ops.Add((2, -1)), (shape, SIGNED), (shape, LEVELS)),
        "tgap": lambda: node(ops.Tgap(7), (shape, LEVELS)),
        "tgap of bits": lambda: node(ops.Tgap(1), (shape, BITS)),
        "mux": lambda: node(ops.Mux(), ((c,), BITS), (shape, LEVELS), (shape, LEVELS)),
        "mux of bits": lambda: node(ops.Mux(), ((c,), BITS), (shape, BITS), (shape, BITS)),
        "max": lambda: node(ops.MaxPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), (shape, LEVELS)),
        "max signed": lambda: node(ops.MaxPool((3, 3), (2, 2), (1, 1, 1, 1), (1, 1)), (shape, SIGNED)),
        "sum": lambda: node(ops.SumPool((h, w), (1, 1), (0, 0, 0, 0)), (shape, LEVELS)),
        "argmax": lambda: node(ops.ArgMax(), ((c,), SIGNED)),
        "concat": lambda: node(ops.Concat(), (shape, LEVELS), (shape, BITS)),
        "select": lambda: node(last, (shape, LEVELS)),
        "flatten": lambda: node(ops.Flatten(), (shape, BITS)),
        "gather": lambda: node(ops.Gather(IntTensor(rng.permutation(c * h * w).reshape(h, w, c))), (shape, LEVELS)),
    }
    return made[kind]()


@cache
def covered(kind: str, shape: tuple[int, int, int], seed: int) -> tuple[Graph, Stimulus]:
    graph = graph_of(kind, shape, np.random.default_rng(seed))
    return graph, directed(graph, seed=seed)


def frame(stimulus: Stimulus, index: int) -> Frame:
    return tuple(array[index : index + 1] for array in stimulus.frames.values())


# ------------------------------------------------------------------------------------------- wrong in frame 0, by op


def right(op: ops.Op, x: Frame) -> IntArray:
    return op.reference(*x)


def with_input(x: Frame, index: int, changed: IntArray) -> Frame:
    return (*x[:index], changed, *x[index + 1 :])


def late(x: IntArray, first: int) -> IntArray:
    """One pixel late: the first pixel is a number that nobody sent."""
    flat = x.reshape(*x.shape[:2], -1)
    return np.concatenate([np.full_like(flat[:, :, :1], first), flat[:, :, :-1]], axis=2).reshape(x.shape)


def orders(op: ops.Op, x: Frame) -> Iterator[tuple[str, IntArray]]:
    """Channels reversed and rotated by every number until the first TLAST; one pixel late; results moved."""
    for index, array in enumerate(x):
        yield f"channels of input {index} reversed", right(op, with_input(x, index, array[:, ::-1]))
        for by in range(1, array.shape[1]):
            yield f"channels of input {index} rotated by {by}", right(op, with_input(x, index, np.roll(array, by, 1)))
        if array.ndim == 4 and op.kind not in ("tgap", "sum_pool"):
            yield f"input {index} one row late", right(op, with_input(x, index, np.roll(array, 1, 2)))
            yield f"input {index} one column late", right(op, with_input(x, index, np.roll(array, 1, 3)))
            yield f"input {index} one pixel late", right(op, with_input(x, index, late(array, 0)))
    y = right(op, x)
    if y.ndim == 4:
        yield "first result 0", late(y, 0) * 0 + np.where(np.arange(y[0, 0].size).reshape(y.shape[2:]) == 0, 0, y)


def tgap(op: Any, x: Frame) -> Iterator[tuple[str, IntArray]]:
    sums, half = x[0].sum(axis=(2, 3)), op.top * x[0].shape[2] * x[0].shape[3]
    for start in (1, 2, 37, 10**6, -1, -2, -37, -(10**6), 3 - int(sums[0, -1])):
        yield f"sums start at {start}", (2 * (sums + start) > half) * 1
    for channel in range(sums.shape[1]):
        up, down = sums.copy(), sums.copy()
        up[:, channel], down[:, channel] = up[:, channel] + 1, down[:, channel] - 1
        either = [(2 * s > half) * 1 for s in (up, down)]
        yield f"the sum of channel {channel} starts 1 off", either[0] + 2 * either[1] - 2 * (2 * sums > half)
    yield "select stuck at 0", sums * 0
    yield "select stuck at 1", sums * 0 + 1
    yield "sum of channel 0 for all", (2 * np.repeat(sums[:, :1], sums.shape[1], 1) > half) * 1
    yield "sums run on over channels", (2 * np.cumsum(sums, axis=1) > half) * 1


def mux(op: Any, x: Frame) -> Iterator[tuple[str, IntArray]]:
    select, one, zero = x
    yield "branch 0", zero
    yield "branch 1", one
    yield "branches exchanged", op.reference(select, zero, one)
    yield "select of channel 0 for all", op.reference(np.repeat(select[:, :1], select.shape[1], 1), one, zero)
    yield "select one channel late", op.reference(np.roll(select, 1, 1), one, zero)
    yield (
        "select of channel 0 before it is there",
        op.reference(np.concatenate([select[:, :1] * 0, select[:, :-1]], 1), one, zero),
    )
    for channel in range(select.shape[1]):
        wrong = select.copy()
        wrong[:, channel] ^= 1
        yield f"channel {channel} from the other branch", op.reference(wrong, one, zero)


def macs(op: Any, x: Frame) -> Iterator[tuple[str, IntArray]]:
    weight = op.weight.values
    weights = {
        "all +": np.abs(weight),
        "signs inverted": -weight,
        "output channels rotated": np.roll(weight, 1, 0),
        "weights of output channel 0 for all": np.repeat(weight[:1], len(weight), 0),
    }
    if weight.ndim == 4:
        weights |= {"mirrored": weight[..., ::-1, ::-1], "transposed": weight.swapaxes(2, 3)}
        for i, j in np.ndindex(*weight.shape[2:]):
            dropped = weight.copy()
            dropped[:, :, i, j] = 0
            weights[f"tap {i}, {j} dropped"] = dropped
    for name, changed in weights.items():
        if not np.array_equal(changed, weight):
            made = type(op)(**{**vars(op), "weight": IntTensor(changed), "accumulator": Accumulator.prove(40)})
            yield name, wrapped(op, made.reference(*x))
    (array,) = x
    if getattr(op, "groups", 1) == 1:
        for a, b in combinations(range(array.shape[1]), 2):
            full = array.ndim == 2 and array.shape[1] > 8  # more inputs than levels: some are equal
            if not full and not np.array_equal(weight[:, a], weight[:, b]):
                order = np.arange(array.shape[1])
                order[[a, b]] = b, a
                yield f"channels {a} and {b} exchanged", op.reference(array[:, order])
    for start in (1, -1, 37):
        yield f"sums start at {start}", wrapped(op, op.reference(*x) + start)


def wrapped(op: Any, sums: IntArray) -> IntArray:
    return sums if op.accumulator.bits == 24 else (sums + 128) % 256 - 128


def compared(op: Any, x: Frame) -> Iterator[tuple[str, IntArray]]:
    """Thresholds of other channels, and off by one, together and in one channel."""
    rows, down = op.thresholds.values, op.descending.values
    count = len(rows)
    changes = {
        "of channel 0": (np.repeat(rows[:1], count, 0), np.repeat(down[:1], count, 0)),
        "one channel late": (np.roll(rows, 1, 0), np.roll(down, 1, 0)),
        "one channel early": (np.roll(rows, -1, 0), np.roll(down, -1, 0)),
        "reversed": (rows[::-1], down[::-1]),
        "> for >=": (rows + np.where(down == 1, -1, 1)[:, None], down),
        "too soon": (rows - np.where(down == 1, -1, 1)[:, None], down),
        "all 1 more": (rows + 1, down),
        "all 1 less": (rows - 1, down),
        "descending ignored": (np.sort(rows, axis=1), down * 0),
        "not loaded": (rows * 0, down),
    }
    y = right(op, x)
    for name, (cuts_, falling) in changes.items():
        yield name, ladder(x[0], cuts_, falling)
    for channel in range(count):
        more, less = rows.copy(), rows.copy()
        more[channel], less[channel] = more[channel] + 1, less[channel] - 1
        yield (
            f"channel {channel} off by one",
            (ladder(x[0], more, down) - y) ** 2 + (ladder(x[0], less, down) - y) ** 2 + y,
        )


def ladder(z: IntArray, rows: IntArray, down: IntArray) -> IntArray:
    z, rows = z[:, :, None], rows[None, :, :, None, None]
    result: IntArray = np.where(down[None, :, None, None, None] == 1, z <= rows, z >= rows).sum(axis=2)
    return result


def parameters(op: Any, x: Frame) -> Iterator[tuple[str, IntArray]]:
    """The rows of every constant of another channel."""
    tensors = {name: t.values for name, t in vars(op).items() if isinstance(t, IntTensor)}
    count = x[0].shape[1]
    for name, order in (("of channel 0", np.arange(count) * 0), ("one channel late", np.arange(count) - 1)):
        yield name, type(op)(**{**vars(op), **{k: IntTensor(t[order]) for k, t in tensors.items()}}).reference(*x)


def maxima(op: Any, x: Frame) -> Iterator[tuple[str, IntArray]]:
    y = right(op, x)
    lowest = 0 if x[0].min() >= 0 else -20
    for start in sorted({lowest + 1, lowest + 2, lowest + 5, max(lowest + 1, 0)}):
        begun = y.copy()
        begun[:, :, 0, 0] = np.maximum(begun[:, :, 0, 0], start)
        yield f"the first maximum starts at {start}", begun
    yield "minimum", -op.reference(-x[0])
    view = op.window.view(op.window.pad(x[0], -99))
    if x[0].shape[1] == 2:  # too few windows for all their places
        return
    for i, j in np.ndindex(*op.kernel):
        rest = np.ma.masked_array(view, mask=np.zeros(view.shape, bool))
        rest.mask[..., i, j] = True
        yield f"place {i}, {j} not read", np.asarray(rest.max(axis=(4, 5)))


def merges(op: Any, x: Frame) -> Iterator[tuple[str, IntArray]]:
    for index in range(2):
        yield f"input {index} is 0", right(op, with_input(x, index, x[index] * 0))
    if op.kind == "bitshift":
        a, b = x
        yield "rounded up", (a + b + 1) >> 1 if op.bits > 1 else a & b
        yield "carry lost", (((a + b) & (2**op.bits - 1)) >> 1) if op.bits > 1 else a ^ b
        yield "input 0 twice", a
    else:
        yield "factors exchanged", -x[0] + 2 * x[1]


def scan(op: Any, x: Frame) -> Iterator[tuple[str, IntArray]]:
    for start in (-19, -5, 0, 7):
        top = np.concatenate([np.full_like(x[0][:, :1], start), x[0]], axis=1).argmax(axis=1)
        yield f"the maximum starts at {start}", np.maximum(top - 1, 0)[:, None]
    yield "minimum", op.reference(-x[0])
    yield "last class ignored", op.reference(x[0][:, :-1])


OWN: dict[str, Callable[[Any, Frame], Iterator[tuple[str, IntArray]]]] = {
    "tgap": tgap,
    "mux": mux,
    "conv2d": macs,
    "dense": macs,
    "threshold": compared,
    "requant": parameters,
    "affine": parameters,
    "table": parameters,
    "max_pool": maxima,
    "bitshift": merges,
    "add": merges,
    "argmax": scan,
}
KINDS = [
    *("conv", "conv of bits", "depthwise", "dense", "threshold", "requant", "affine", "table", "clamp", "or", "mean"),
    *("add", "tgap", "tgap of bits", "mux", "mux of bits", "max", "max signed", "sum", "argmax", "concat", "select"),
    *("flatten", "gather", "abs"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wrong_in_the_first_frame_alone_shows_there(kind: str) -> None:
    survivors = []
    for shape in SHAPES:
        for seed in SEEDS:
            graph, stimulus = covered(kind, shape, seed)
            op, x = graph.nodes[0].op, frame(stimulus, 0)
            wanted = right(op, x)
            for source in (orders, OWN.get(op.kind)):
                for fault, got in source(op, x) if source else ():
                    if np.array_equal(got, wanted):
                        survivors.append((shape, seed, fault))
    assert survivors == []


# ----------------------------------------------------------------------- wrong after one frame that leaves something


def first_pixel(y: IntArray, change: Callable[[IntArray], IntArray]) -> IntArray:
    """The result with its first pixel changed, (1, C) at a time; all of a vector."""
    y = y.copy()
    flat = y.reshape(*y.shape[:2], -1)
    flat[:, :, 0] = change(flat[:, :, 0])
    return y


def last_pixel(y: IntArray) -> IntArray:
    return y.reshape(*y.shape[:2], -1)[:, :, -1]


def sums_kept(op: Any, before: Frame, now: Frame) -> IntArray:
    kept = last_pixel(right(op, before))
    return first_pixel(right(op, now), lambda y: y + kept)


def lines_kept(op: Any, before: Frame, now: Frame) -> IntArray:
    """The row above the map is the last one of the frame before."""
    _, left, bottom, right_ = op.pads
    rows = np.concatenate([before[0][:, :, -1:], now[0]], axis=2)
    result: IntArray = type(op)(**{**vars(op), "pads": (0, left, bottom, right_)}).reference(rows)
    return result


def maximum_kept(op: Any, before: Frame, now: Frame) -> IntArray:
    kept = last_pixel(right(op, before))
    return first_pixel(right(op, now), lambda y: np.maximum(y, kept))


def means_kept(op: Any, before: Frame, now: Frame) -> IntArray:
    sums = sum(x[0].sum(axis=(2, 3)) for x in (before, now))
    return np.asarray((2 * sums > op.top * now[0].shape[2] * now[0].shape[3]) * 1)


def select_kept(op: Any, before: Frame, now: Frame) -> IntArray:
    return right(op, (before[0], *now[1:]))


def class_kept(op: Any, before: Frame, now: Frame) -> IntArray:
    """Only a greater number than the greatest of the frame before takes its place."""
    best = before[0].max()
    wins = now[0].max() > best
    return right(op, now) if wins else right(op, before)


def result_kept(op: Any, before: Frame, now: Frame) -> IntArray:
    return right(op, before)


def beat_kept(op: Any, before: Frame, now: Frame) -> IntArray:
    kept = last_pixel(right(op, before))
    return first_pixel(right(op, now), lambda y: kept)


LEAKS: list[tuple[str, Callable[[Any, Frame, Frame], IntArray], str]] = [
    *(("conv", leak, "highest equal") for leak in (sums_kept, lines_kept)),
    *(("conv of bits", leak, "highest equal") for leak in (sums_kept, lines_kept)),
    *(("depthwise", leak, "lowest highest equal") for leak in (sums_kept, lines_kept)),
    *((kind, sums_kept, "highest equal") for kind in ("dense", "sum")),
    *((kind, maximum_kept, "highest equal") for kind in ("max", "max signed")),
    *((kind, means_kept, "highest equal") for kind in ("tgap", "tgap of bits")),
    *((kind, select_kept, "lowest highest") for kind in ("mux", "mux of bits")),
    ("argmax", class_kept, "highest"),
    *((kind, result_kept, "lowest highest") for kind in KINDS),
    *((kind, beat_kept, "lowest highest") for kind in KINDS if kind not in ("sum", "dense", "argmax", "flatten")),
]


@pytest.mark.parametrize(("kind", "leak", "after"), LEAKS, ids=[f"{k}: {f.__name__}" for k, f, _ in LEAKS])
def test_what_a_frame_leaves_behind_shows_in_the_next(
    kind: str, leak: Callable[[Any, Frame, Frame], IntArray], after: str
) -> None:
    for shape in SHAPES:
        for seed in SEEDS:
            graph, stimulus = covered(kind, shape, seed)
            for end in after.split():
                shown = [n for n in range(1, len(stimulus.labels)) if follows(graph, stimulus, n, end)]
                op = graph.nodes[0].op
                pairs = [(frame(stimulus, n - 1), frame(stimulus, n)) for n in shown]
                assert any(not np.array_equal(leak(op, *pair), right(op, pair[1])) for pair in pairs), (shape, end)


def follows(graph: Graph, stimulus: Stimulus, n: int, end: str) -> bool:
    """Whether frame n follows one of all lowest or all highest, or one that is equal."""
    before, now = frame(stimulus, n - 1), frame(stimulus, n)
    if end == "equal":
        return all(np.array_equal(a, b) for a, b in zip(before, now, strict=True))
    limits = [x.type.lo if end == "lowest" else x.type.hi for x in graph.inputs]
    return all((array == limit).all() for array, limit in zip(before, limits, strict=True))


@pytest.mark.parametrize(
    ("kind", "leak"),
    [
        ("tgap", means_kept),
        ("tgap of bits", means_kept),
        ("mux", select_kept),
        ("conv", lines_kept),
        ("sum", sums_kept),
    ],
)
def test_a_repeated_set_shows_what_its_last_frame_leaves_behind(
    kind: str, leak: Callable[[Any, Frame, Frame], IntArray]
) -> None:
    for shape in SHAPES:
        for seed in SEEDS:
            graph, stimulus = covered(kind, shape, seed)
            op, first = graph.nodes[0].op, frame(stimulus, 0)
            wrong = leak(op, frame(stimulus, len(stimulus.labels) - 1), first)
            assert not np.array_equal(wrong, right(op, first)), (shape, seed)


def test_the_first_frame_of_every_node_shows_all_that_one_frame_can() -> None:
    """No bin after reset stays open, so each was hit by frame 0 or is proven hidden."""
    for kind in KINDS:
        _, stimulus = covered(kind, SHAPES[1], 0)
        assert not stimulus.coverage.first.open.any(), kind
        assert stimulus.labels[0] == "tells faults of one frame"


@pytest.mark.parametrize("kind", ["tgap", "tgap of bits", "mux", "mux of bits"])
def test_the_second_frame_has_every_average_and_select_the_other_way(kind: str) -> None:
    """A sum of a channel that starts 1 too high, or 1 too low, and a select that is stuck show in one of the two."""
    for shape in [*SHAPES, (1, 4, 4)]:
        for seed in SEEDS:
            graph, stimulus = covered(kind, shape, seed)
            op: Any = graph.nodes[0].op
            first, second = frame(stimulus, 0), frame(stimulus, 1)
            if op.kind == "mux":
                np.testing.assert_array_equal(first[0], 1 - second[0])
                assert all((x[1] != x[2]).any(axis=(2, 3)).all() for x in (first, second))
                continue
            half = op.top * shape[1] * shape[2] // 2
            sums = np.sort([x[0].sum(axis=(2, 3))[0] for x in (first, second)], axis=0)
            np.testing.assert_array_equal(sums, [[half] * shape[0], [half + 1] * shape[0]])


def test_each_input_is_alone_at_its_highest_in_a_frame() -> None:
    """A sum that wraps only near its end shows: all at their highest, both branches would be the same."""
    builder = GraphBuilder()
    one, zero = (builder.input(name, (4, 4, 4), LEVELS) for name in ("one", "zero"))
    builder.output("y", builder.mux(builder.tgap(one, name="gate", top=7), one, zero, name="mux"))
    stimulus = directed(builder.finish())
    n = stimulus.labels.index("one highest, others lowest")
    assert (stimulus.frames["one"][n].min(), stimulus.frames["zero"][n].max()) == (7, 0)
    n = stimulus.labels.index("zero highest, others lowest")
    assert (stimulus.frames["one"][n].max(), stimulus.frames["zero"][n].min()) == (0, 7)


def test_given_frames_do_not_take_the_place_of_the_first() -> None:
    graph = graph_of("tgap", SHAPES[1], np.random.default_rng(0))
    black = np.zeros((2, *SHAPES[1]), dtype=np.int64)
    stimulus = directed(graph, given={"x0": black})
    assert stimulus.labels[:4] == (
        "tells faults of one frame",
        "tells faults of one frame, the other way",
        "given 0",
        "given 1",
    )
    assert stimulus.coverage.open == 0
    first = stimulus.frames["x0"][0].sum(axis=(1, 2))
    assert set(first.tolist()) == {7 * 24 // 2, 7 * 24 // 2 + 1}
