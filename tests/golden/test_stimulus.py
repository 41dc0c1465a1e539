"""`directed`: what it promises for nodes and chains, what it admits for networks, and that it repeats itself."""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import tiny_graph, tiny_images, trapping_graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import intinfer
from intinfer import ops, reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.errors import DataError, IntinferError, RangeError
from intinfer.graph import Graph
from intinfer.strategies import MAKERS, Operands, networks
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, IntType
from intinfer_golden.describe.regions import each_chain, each_node
from intinfer_golden.make.coverage.collect import Coverage
from intinfer_golden.make.stimulus.direct import Stimulus, directed
from intinfer_golden.make.stimulus.pack import Goal, pack

DEMO = "intinfer/demo/mognet.npz"


@st.composite
def single(draw: st.DrawFn, kind: str) -> Graph:
    """A graph of one node, as random as the strategies make them."""
    source = Operands(draw, fresh=True)
    MAKERS[kind](source)
    source.builder.output("y", source.values[-1])
    return source.builder.finish()


def counted_again(graph: Graph, stimulus: Stimulus) -> Coverage:
    """The coverage of the frames alone, from a fresh count."""
    coverage = Coverage(graph)
    coverage.run(stimulus.frames)
    return coverage


@pytest.mark.parametrize("kind", MAKERS)
def test_every_bin_of_a_single_op_is_hit_or_proven_unreachable(kind: str) -> None:
    @settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
    @given(single(kind))
    def check(graph: Graph) -> None:
        stimulus = directed(graph)
        assert stimulus.coverage.open == 0, stimulus.coverage.files()["txt"]
        assert stimulus.coverage.percent == 100
        assert stimulus.rounds == 0
        assert counted_again(graph, stimulus).document() == stimulus.coverage.document()
        codes = (300 if x.type.hi - x.type.lo < 256 else 2 * x.type.bits for x in graph.inputs)
        pairs = 2 * math.prod(graph.nodes[0].op.kernel) ** 2 if kind == "max_pool" else 0
        assert len(stimulus.labels) <= 60 + sum(codes) + pairs * 14  # for each bit
        for x in graph.inputs:
            x.type.check(stimulus.frames[x.name], x.name)
            assert stimulus.frames[x.name].shape == (len(stimulus.labels), *x.shape)

    check()


@cache
def demo() -> Graph:
    return intinfer.load(Path(__file__).parents[2] / DEMO).graph


def regions(names: list[str], chains: bool) -> list[Any]:
    every = (each_chain if chains else each_node)(demo())
    return [region for region in every if region.name in names]


NODES = [
    *("conv1", "conv1.act", "s1.cflog.gconv", "s2.mrb.c1.pw2", "s1.mrb.tgap", "s1.mrb.shift", "s1.mrb.mux", "s1.pool"),
    *("final1x1.gap", "final1x1.gap.flat", "logits"),
]


def test_few_frames_cover_each_node_of_the_demo_model() -> None:
    """As many as 1,059 bins of a grouped convolution in a dozen frames: windows are packed."""
    for region in regions(NODES, chains=False):
        stimulus = directed(region.graph)
        assert stimulus.coverage.open == 0, region.name
        assert len(stimulus.labels) <= 40, region.name


def test_a_chain_of_the_demo_model_is_covered_at_its_thresholds() -> None:
    """PW, GC1, PW2 and thresholds: sums over three layers are solved for T - 1 and T of every channel."""
    (region,) = regions(["s1.cflog.pw2.act"], chains=True)
    assert [node.op.kind for node in region.graph.nodes] == ["conv2d", "conv2d", "conv2d", "threshold"]
    stimulus = directed(region.graph)
    assert stimulus.coverage.open == 0
    assert len(stimulus.labels) <= 48


def same(one: Stimulus, other: Stimulus) -> bool:
    return (
        one.labels == other.labels
        and one.rounds == other.rounds
        and all(np.array_equal(one.frames[name], other.frames[name]) for name in one.frames)
        and one.coverage.document() == other.coverage.document()
    )


@settings(max_examples=3)
@given(networks(), st.integers(0, 3))
def test_the_same_arguments_give_the_same_frames(graph: Graph, seed: int) -> None:
    one = directed(graph, seed=seed, rounds=3)
    assert same(one, directed(graph, seed=seed, rounds=3))
    assert not same(one, directed(graph, seed=seed + 1, rounds=3))
    assert counted_again(graph, one).document() == one.coverage.document()


def test_the_time_decides_only_after_which_round_to_stop() -> None:
    graph = tiny_graph()
    stopped = directed(graph, time_limit=0.3)
    assert stopped.coverage.open > 0
    assert same(stopped, directed(graph, rounds=stopped.rounds))
    assert directed(graph, time_limit=0).rounds == 0


def test_a_whole_network_is_searched_round_by_round() -> None:
    none, some = (directed(tiny_graph(), rounds=n) for n in (0, 30))
    assert (none.rounds, some.rounds) == (0, 30)
    assert some.coverage.hit > none.coverage.hit
    assert {label.split()[0] for label in some.labels} > {"search"}
    assert some.coverage.unreachable == none.coverage.unreachable


def test_it_stops_at_the_goal() -> None:
    full, half = directed(tiny_graph(), rounds=5), directed(tiny_graph(), goal=50, rounds=5)
    assert half.coverage.percent >= 50
    assert half.rounds == 0
    assert len(half.labels) < len(full.labels)


def test_given_frames_come_behind_two_frames_that_tell_with_their_labels() -> None:
    images = tiny_images(2)
    stimulus = directed(tiny_graph(), given={"image": images}, given_labels=["cat.png", "dog.png"], rounds=0)
    first = ("tells faults of one frame", "tells faults of one frame, the other way")
    assert stimulus.labels[:6] == (*first, "cat.png", "dog.png", "all lowest", "all highest")
    np.testing.assert_array_equal(stimulus.frames["image"][2:4], images)
    assert directed(tiny_graph(), given={"image": images}, rounds=0).labels[3] == "given 1"


def test_frames_go_from_one_extreme_to_the_other_and_a_telling_one_follows_each() -> None:
    stimulus = directed(tiny_graph(), rounds=0)
    first, second, low, high, low_again, after_low, equal, high_again, after_high = stimulus.frames["image"][:9]
    assert (low.max(), high.min(), low_again.max(), high_again.min()) == (0, 255, 0, 255)
    np.testing.assert_array_equal(after_low, equal)
    for telling in (first, second, after_low, after_high):
        assert len(np.unique(telling)) > 50
    assert stimulus.labels[5:9] == (
        "tells faults of one frame, after all lowest",
        "tells faults of one frame, after all lowest, again",
        "all highest again",
        "tells faults of one frame, after all highest",
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"goal": 101}, DataError, "goal 101 is no percentage: give 0..100"),
        ({"rounds": -1}, DataError, "-1 rounds are asked for: give 0 or more"),
        (
            {"given": {"image": tiny_images(2)}, "given_labels": ["a"]},
            DataError,
            "1 labels for 2 given frames: give one each, or none",
        ),
        ({"given": {"x": tiny_images(2)}}, DataError, "inputs ['x'] are given, ['image'] are needed"),
        (
            {"given": {"image": tiny_images(1) + 255}},
            RangeError,
            "input 'image': value ",
        ),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], error: type[IntinferError], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        directed(tiny_graph(), **arguments)


def test_frames_that_trap_are_left_out() -> None:
    """White images overflow the 9 bits; the reference takes every frame that is left."""
    graph = trapping_graph()
    stimulus = directed(graph, rounds=2)
    reference.run(graph, stimulus.frames)
    assert "all highest" not in stimulus.labels
    assert "all lowest" in stimulus.labels
    (group,) = (g for g in stimulus.coverage.groups if g.kind == "frames")
    assert group.reasons[0].text == "the accumulator of a node traps on one of these frames"
    with pytest.raises(RangeError, match="accumulator of 9 bits"):
        directed(graph, given={"image": np.full((1, 3, 8, 8), 255)})


# ---------------------------------------------------------------------------------------------------------- masks


def dense(channels: int) -> Graph:
    builder = GraphBuilder()
    x = builder.input("x", (3,), IntType(-1, 1))
    weight = IntTensor(np.arange(3 * channels).reshape(channels, 3) % 3 - 1)
    builder.output("y", builder.add(ops.Dense(weight, Accumulator.prove(8)), x, name="fc"))
    return builder.finish()


@pytest.mark.parametrize("channels", [1, 5, 40])
def test_given_demand_is_none_all_one_alternating_and_random(channels: int) -> None:
    plain, stimulus = directed(dense(channels)), directed(dense(channels), masks=True)
    assert plain.masks is None
    assert stimulus.masks is not None
    mask = stimulus.masks["fc"]
    count = len(plain.labels)
    assert mask.shape == (len(stimulus.labels), channels)
    assert stimulus.labels[:count] == plain.labels
    assert mask[:count].all()
    assert stimulus.coverage.document() == plain.coverage.document()
    rows = {tuple(row) for row in mask[count:].tolist()}
    index = np.arange(channels)
    for wanted in (index < 0, index >= 0, index % 2 == 0, index % 2 == 1, index == 0, index == channels - 1):
        assert tuple(wanted.tolist()) in rows
    assert len(mask) - count <= 30
    assert all(label.startswith("demand ") for label in stimulus.labels[count:])


def test_masks_are_for_one_convolution_or_dense_layer() -> None:
    assert directed(tiny_graph(), masks=True, rounds=0).masks is None


# -------------------------------------------------------------------------------------------------------- packing


def test_goals_share_a_frame_until_they_want_the_same_elements() -> None:
    shifts = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2]])
    goals = [Goal("x", np.array([[0, 0, 0], [0, 0, 1]]), np.array([n, n + 1]), shifts) for n in (1, 3, 5)]
    frames = pack(goals, lambda: {"x": np.zeros((1, 1, 4), dtype=np.int64)})
    assert [frame["x"].reshape(-1).tolist() for frame in frames] == [[1, 2, 3, 4], [5, 6, 0, 0]]


def test_a_goal_that_would_leave_the_map_stays_where_it_can() -> None:
    goals = [Goal("x", np.array([[1]]), np.array([7]), np.array([[1], [0]]))]
    (frame,) = pack(goals, lambda: {"x": np.zeros(2, dtype=np.int64)})
    assert frame["x"].tolist() == [0, 7]


# ------------------------------------------------------------------------------------- accumulators that overflow


@pytest.mark.parametrize(
    "rule",
    [Accumulator.wrap(5), Accumulator.saturate(5, TapOrder.KKC, 3), Accumulator.saturate(4, TapOrder.CKK, 1)],
    ids=str,
)
def test_overflow_is_driven_both_ways_in_every_channel(rule: Accumulator) -> None:
    builder = GraphBuilder()
    x = builder.input("x", (4, 5, 5), IntType(0, 15))
    weight = IntTensor(np.random.default_rng(2).integers(-1, 2, (6, 2, 3, 3)), "ternary")
    op = ops.Conv2d(weight, (1, 1), (1, 1, 1, 1), (0,), (1, 1), 2, rule)
    builder.output("y", builder.add(op, x, name="y"))
    graph = builder.finish()
    stimulus = directed(graph)
    assert stimulus.coverage.open == 0
    (group,) = (g for g in stimulus.coverage.groups if g.kind in ("wrap", "saturation"))
    inside = [group.kind == "saturation" and event in (2, 5) for event in group.coordinates[:, 1].tolist()]
    assert (group.hit | inside).all()  # not every channel can pass an end inside a fold
    sums = exact_sums(graph, stimulus.frames["x"])
    assert (sums.max(axis=(0, 2, 3)) > rule.type.hi).all()
    assert (sums.min(axis=(0, 2, 3)) < rule.type.lo).all()


def exact_sums(graph: Graph, x: IntArray) -> IntArray:
    """The convolution of the test above in plain NumPy: groups of 2 channels, pad 1."""
    op = graph.nodes[0].op
    assert isinstance(op, ops.Conv2d)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = np.zeros((len(x), 6, 5, 5), dtype=np.int64)
    for o in range(6):
        for c in range(2):
            for i in range(3):
                for j in range(3):
                    weight = op.weight.values[o, c, i, j]
                    out[:, o] += weight * padded[:, o // 3 * 2 + c, i : i + 5, j : j + 5]
    return out
