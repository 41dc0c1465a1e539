"""A wrong accumulator or padded pixel with thresholds behind it shows at the result of the chain's directed frames."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from intinfer import reference
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph
from intinfer.ops import Affine, Conv2d, Dense, Op, Requant, Table, Threshold
from intinfer.ops.geometry import Pads
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, IntType
from intinfer_golden.make.stimulus.direct import Directed, directed

PROVE = Accumulator.prove(30)
RANDOM = 2_000
"""Frames that decide whether a wrong design can be told from the right one."""


def conv(shape: tuple[int, ...], pads: Pads, pad: tuple[int, ...], *, stride: int = 1, groups: int = 1) -> Conv2d:
    weight = np.random.default_rng(sum(shape)).integers(-1, 2, shape)
    return Conv2d(IntTensor(weight), (stride, stride), pads, pad, (1, 1), groups, PROVE)


def thresholds(*rows: list[int], descending: list[int]) -> Threshold:
    return Threshold(IntTensor(np.array(rows)), IntTensor(np.array(descending)), -1, 2)


def chain(shape: tuple[int, ...], type_: IntType, *ops: Op) -> Graph:
    builder = GraphBuilder()
    value = builder.input("x", shape, type_)
    for number, op in enumerate(ops):
        value = builder.add(op, value, name=f"node{number}")
    builder.output("y", value)
    return builder.finish()


def chains() -> Iterator[tuple[str, Graph]]:
    three = thresholds([-9, 2, 30], [20, 5, -8], [1, 2, 40], descending=[0, 1, 0])
    plain = conv((3, 2, 3, 3), (1, 1, 1, 1), (3,))
    yield "one pad value", chain((2, 4, 5), IntType(0, 15), plain, three)
    grouped = conv((4, 1, 3, 2), (2, 1, 0, 1), (0, 2), stride=2, groups=2)
    round_ = Requant(IntTensor([3, 5, -3, 1]), IntTensor([4, -9, 0, 7]), IntTensor([4] * 4), RoundMode.HALF_UP, 0, 7)
    yield "groups, strides, two pad values, a requant", chain((2, 5, 5), IntType(0, 7), grouped, round_)
    depthwise, pointwise = conv((3, 1, 3, 3), (1, 1, 1, 1), (-1,), groups=3), conv((3, 3, 1, 1), (0, 0, 0, 0), (0,))
    yield "depthwise and pointwise", chain((3, 4, 4), IntType(-4, 3), depthwise, pointwise, three)
    scaled = Affine(IntTensor([2, -1, 3]), IntTensor([1, 0, -5]))
    yield (
        "an affine map between",
        chain((2, 3, 4), IntType(0, 3), conv((3, 2, 3, 3), (1, 0, 1, 2), (1,)), scaled, three),
    )
    small = conv((2, 1, 2, 2), (1, 1, 0, 0), (1,))
    reach = chain((1, 4, 4), IntType(0, 3), small).nodes[0].output.type
    entries = np.random.default_rng(1).integers(0, 3, (2, reach.hi - reach.lo + 1))
    table = Table(IntTensor(entries), reach.lo, 0, 3)
    yield "a table", chain((1, 4, 4), IntType(0, 3), small, table)
    dense = Dense(IntTensor(np.random.default_rng(2).integers(-1, 2, (3, 6))), PROVE)
    yield "dense", chain((6,), IntType(-15, 15), dense, three)


CHAINS = dict(chains())
Wrong = Callable[[IntArray], IntArray]
"""A wrong design: the result for frames (N, *shape)."""


@cache
def stimulus(name: str) -> Directed:
    return directed(CHAINS[name])


def differs(graph: Graph, wrong: Wrong, frames: IntArray) -> bool:
    return not np.array_equal(wrong(frames), reference.run(graph, frames)["y"])


def behind(graph: Graph, sums: IntArray) -> IntArray:
    """The result of the chain when its first node gives these sums; a table has no room for more than its type."""
    type_ = graph.nodes[0].output.type
    for later in graph.nodes[1:]:
        if isinstance(later.op, Table):
            sums = sums.clip(type_.lo, type_.hi)
        sums = later.op.reference(sums)
    return sums


def wrong_sums(graph: Graph) -> Iterator[tuple[str, Wrong]]:
    """Designs with one element of the first sums off by one, up or down."""
    op = graph.nodes[0].op
    for place in np.ndindex(graph.nodes[0].output.shape):
        for off in (1, -1):

            def wrong(x: IntArray, place: tuple[int, ...] = place, off: int = off) -> IntArray:
                sums = op.reference(x)
                sums[(slice(None), *place)] += off
                return behind(graph, sums)

            yield f"{place} {off:+}", wrong


def others(type_: IntType, pads: list[int]) -> list[int]:
    """Numbers beside the pad values, and the ends of the type."""
    near = {pad + off for pad in pads for off in (-1, 1)} | {type_.lo, type_.hi}
    return sorted(n for n in near if type_.lo <= n <= type_.hi and {n} != set(pads))


def wrong_pads(graph: Graph) -> Iterator[tuple[str, Wrong]]:
    """Designs in which a padded pixel, of one channel or of all, holds another number of the type."""
    op, (input_,) = graph.nodes[0].op, graph.inputs
    if not isinstance(op, Conv2d):
        return
    window, bare = op.window, replace(op, pads=(0, 0, 0, 0))
    pads = np.broadcast_to(np.array(op.pad_value), input_.shape[:1])
    border = window.pad(np.ones((1, 1, *input_.shape[1:]), dtype=np.int64), 0)[0, 0] == 0
    for row, column in np.argwhere(border).tolist():
        for channels in [slice(None), *(slice(c, c + 1) for c in range(input_.shape[0]))]:
            for number in others(input_.type, pads[channels].tolist()):

                def wrong(
                    x: IntArray, place: tuple[slice, int, int] = (channels, row, column), n: int = number
                ) -> IntArray:
                    padded = window.pad(x, pads)
                    padded[:, place[0], place[1], place[2]] = n
                    return behind(graph, bare.reference(padded))

                yield f"row {row} column {column} {channels}: {number}", wrong


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("faults", [wrong_sums, wrong_pads])
def test_every_single_wrong_accumulator_and_padded_pixel_shows(
    name: str, faults: Callable[[Graph], Iterator[tuple[str, Wrong]]]
) -> None:
    """Those that do not show are no faults: random frames do not tell them from the right design either."""
    graph = CHAINS[name]
    found = stimulus(name)
    assert found.coverage.open == 0
    frames, (input_,) = found.frames["x"], graph.inputs
    missed = [(what, wrong) for what, wrong in faults(graph) if not differs(graph, wrong, frames)]
    noise = np.random.default_rng(5).integers(input_.type.lo, input_.type.hi, (RANDOM, *input_.shape), endpoint=True)
    assert not [what for what, wrong in missed if differs(graph, wrong, noise)]
    assert len(missed) <= sum(1 for _ in faults(graph)) // 2  # the others are what the test is about


def running(graph: Graph, order: tuple[int, ...], bits: int, fold: int, backward: bool) -> Wrong:
    """A design of a convolution (and a threshold behind it) that saturates after so many products."""
    node, *rest = graph.nodes
    op = node.op
    assert isinstance(op, Conv2d)
    weight = op.weight.values
    (top, left, bottom, right), (sy, sx) = op.pads, op.stride
    limit = 2 ** (bits - 1)

    def design(frames: IntArray) -> IntArray:
        sizes = ((0, 0), (0, 0), (top, bottom), (left, right))
        padded = np.pad(frames, sizes, constant_values=op.pad_value[0])
        total = np.zeros((len(frames), *node.output.shape), dtype=np.int64)
        _, height, width = node.output.shape
        taps = np.array(list(np.ndindex(*weight.shape[1:])))
        taps = taps[np.lexsort([taps[:, axis] for axis in reversed(order)])]
        groups = taps.reshape(-1, fold, 3)
        for group in groups[::-1] if backward else groups:
            for c, i, j in group.tolist():
                pixels = padded[:, c, i : i + sy * height : sy, j : j + sx * width : sx]
                total += weight[None, :, c, i, j, None, None] * pixels[:, None, :height, :width]
            total = total.clip(-limit, limit - 1)
        for other in rest:
            total = other.op.reference(total)
        return total

    return design


ADDING = [
    *(("c ky kx", (0, 1, 2), 1), ("ky kx c", (1, 2, 0), 1), ("kx ky c", (2, 1, 0), 1)),
    *(("a kernel", (0, 1, 2), 9), ("a pixel", (1, 2, 0), 3), ("a pixel of a column", (2, 1, 0), 3)),
]
FAR = {
    "thresholds far inside": chain(
        (3, 8, 8),
        IntType(0, 15),
        conv((4, 3, 3, 3), (1, 1, 1, 1), (5,)),
        thresholds(*[[-3, 4]] * 4, descending=[0] * 4),
    ),
    "no thresholds, no 0 in the inputs": chain((3, 5, 5), IntType(6, 15), conv((4, 3, 3, 3), (0, 0, 0, 0), (6,))),
}


SOME = 200


@cache
def far(name: str) -> Directed:
    return directed(FAR[name], rounds=2)


@pytest.mark.parametrize("name", FAR)
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(("order", "fold"), [pytest.param(*rest, id=name) for name, *rest in ADDING])
def test_a_running_sum_that_saturates_shows(name: str, order: tuple[int, ...], fold: int, backward: bool) -> None:
    """At every width at which it shows in random frames, though all last sums may fit."""
    graph, told = FAR[name], far(name)
    lo, hi = graph.inputs[0].type.lo, graph.inputs[0].type.hi
    random = np.random.default_rng(1).integers(lo, hi, (SOME, *graph.inputs[0].shape), endpoint=True)
    assert told.coverage.open == 0
    shown = [bits for bits in range(2, 12) if differs(graph, running(graph, order, bits, fold, backward), random)]
    assert shown
    exact = running(graph, order, 40, fold, backward)
    assert np.array_equal(exact(random[:9]), reference.run(graph, random[:9])["y"])
    for bits in shown:
        assert differs(graph, running(graph, order, bits, fold, backward), told.frames["x"]), bits


@cache
def of_many_channels() -> tuple[Graph, Directed]:
    graph = chain(
        (3, 8, 8),
        IntType(0, 15),
        conv((12, 3, 3, 3), (1, 1, 1, 1), (5,)),
        thresholds(*[[-3, 4]] * 12, descending=[0] * 12),
    )
    return graph, directed(graph, rounds=2)


@pytest.mark.parametrize(("order", "fold"), [pytest.param(*rest, id=name) for name, *rest in ADDING])
def test_a_running_sum_that_saturates_in_one_channel_alone_shows(order: tuple[int, ...], fold: int) -> None:
    """At every width at which that channel is wrong in random frames of the ends, in which sums go far."""
    graph, told = of_many_channels()
    rng = np.random.default_rng(1)
    random = (rng.random((1000, 3, 8, 8)) < rng.random((1000, 3, 1, 1))) * 15

    def wrong(bits: int, frames: IntArray) -> set[int]:
        """The channels that differ when all saturate: in each the same as when it alone does."""
        right = reference.run(graph, frames)["y"]
        return set((running(graph, order, bits, fold, False)(frames) != right).any(axis=(0, 2, 3)).nonzero()[0])

    shown = {bits: wrong(bits, random) for bits in range(2, 12)}
    assert any(shown.values())
    for bits, channels in shown.items():
        assert channels <= wrong(bits, told.frames["x"]), bits
