"""Channel skipping in MDGNet's normal block: what the engine computes for an image is exactly what the equations need.

The graphs are built here, node by node; the sets come from the oracle's formula on the select bits of the reference.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.equations import bitshift, convolution, multiplex, tgap
from oracles.mdgnet_demand import channels_needed
from oracles.mdgnet_equations import shuffle

from intinfer import reference
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.engine.session import Session, SkipCounts
from intinfer.graph import Graph, Value
from intinfer.ops import Bitshift, ChannelSelect, Concat, Conv2d, Mux, Tgap, Threshold
from intinfer.ops.base import Op
from intinfer.ops.mac import sum_range
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, IntType

BLOCKS = ("n1", "n2")


class Blocks:
    """Two normal blocks of C channels with random ternary weights, and thresholds that spread the levels.

    The integers of a few images, `samples` by node name, are carried along: thresholds are quantiles of them.

    bright: the share of the depthwise channels that are mostly above half of the top level, so that S = 1; or S
    itself, a bit a channel, which makes these channels constant. split_shuffle: GC2 reads the first channels of a
    shuffle, as two nodes, not as one.
    """

    def __init__(
        self,
        channels: int,
        groups: int,
        k: int,
        *,
        bright: float | list[int] = 0.5,
        seed: int = 0,
        split_shuffle: bool = False,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.groups = groups
        self.k = k
        self.top = 2**k - 1
        self.split_shuffle = split_shuffle
        self.bright = bright
        self.builder = GraphBuilder()
        self.samples = {"x": self.rng.integers(0, 2**k, (4, channels, 5, 6))}
        x = self.builder.input("x", (channels, 5, 6), IntType(0, self.top))
        for name in BLOCKS:
            x = self.normal(name, x)
        self.builder.output("levels", x)
        self.graph = self.builder.finish()

    def add(self, name: str, op: Op, samples: IntArray, *inputs: Value) -> Value:
        self.samples[name] = samples
        return self.builder.add(op, *inputs, name=name)

    def conv(self, name: str, x: Value, outputs: int, kernel: int, groups: int) -> Value:
        weight = self.rng.integers(-1, 2, (outputs, x.shape[0] // groups, kernel, kernel))
        weight[:, 0, kernel // 2, kernel // 2] = 1  # no filter of zeros only
        sums = sum_range(weight.reshape(outputs, -1), x.type)
        pads = (kernel // 2,) * 4
        op = Conv2d(IntTensor(weight, "ternary"), (1, 1), pads, (0,), (1, 1), groups, Accumulator.proving(sums))
        return self.add(name, op, convolution(self.samples[x.name], weight, groups), x)

    def levels(self, conv: Value, share: float) -> Value:
        """k-bit levels; `share` of the channels are mostly in the upper half, the others mostly in the lower."""
        channels = conv.shape[0]
        descending = self.rng.integers(0, 2, channels)
        rising = self.samples[conv.name] * (1 - 2 * descending[:, None, None])
        middles = self.rng.uniform(0.3, 0.5, channels)
        middles = np.where(self.rng.random(channels) < share, middles, 1 - middles)
        shares = np.linspace(middles - 0.2, middles + 0.2, self.top + 2)[1:-1]
        thresholds = np.array([np.quantile(rising[:, c], shares[:, c]) for c in range(channels)])
        steps = np.ceil(thresholds).astype(np.int64) * (1 - 2 * descending[:, None])
        return self.threshold(conv, steps, descending)

    def constant(self, conv: Value, bits: list[int]) -> Value:
        """The top level in the channels whose bit is 1, else 0."""
        thresholds = np.where(np.array(bits) == 1, conv.type.lo, conv.type.hi + 1)
        return self.threshold(conv, np.repeat(thresholds[:, None], self.top, axis=1), np.zeros(len(bits), np.int64))

    def threshold(self, conv: Value, thresholds: IntArray, descending: IntArray) -> Value:
        sign = 1 - 2 * descending[:, None, None, None]
        counts = (sign * self.samples[conv.name][..., None] >= sign * thresholds[:, None, None, :]).sum(axis=-1)
        op = Threshold(IntTensor(thresholds), IntTensor(descending), 0, 1)
        return self.add(f"{conv.name}.act", op, counts, conv)

    def select(self, name: str, x: Value, channels: IntArray) -> Value:
        return self.add(name, ChannelSelect(IntTensor(channels)), self.samples[x.name][:, channels], x)

    def gcm(self, name: str, x: Value) -> Value:
        quarter, half = x.shape[0] // 4, x.shape[0] // 2
        p = self.conv(f"{name}.pw", x, quarter, 1, 1)
        y1 = self.levels(self.conv(f"{name}.gc1", p, half, 3, self.groups), 0.5)
        deal = shuffle(np.arange(half), self.groups, axis=0)
        if self.split_shuffle:
            t = self.select(f"{name}.first", self.select(f"{name}.shuffle", y1, deal), np.arange(quarter))
        else:
            t = self.select(f"{name}.shuffle", y1, deal[:quarter])
        y2 = self.levels(self.conv(f"{name}.gc2", t, half, 3, self.groups), 0.5)
        joined = np.concatenate([self.samples[y.name] for y in (y1, y2)], axis=1)
        return self.add(f"{name}.cat", Concat(), joined, y1, y2)

    def normal(self, name: str, x: Value) -> Value:
        z = self.conv(f"{name}.dw", x, x.shape[0], 3, x.shape[0])
        d = self.constant(z, self.bright) if isinstance(self.bright, list) else self.levels(z, self.bright)
        u = self.gcm(f"{name}.gcm", x)
        one, joined = self.samples[d.name], self.samples[u.name]
        select = self.add(f"{name}.tgap", Tgap(self.top), tgap(one, self.k), d)
        merged = self.add(f"{name}.shift", Bitshift(self.k), bitshift(one, joined, self.k), d, u)
        bits, zero = self.samples[select.name], self.samples[merged.name]
        chosen = self.add(f"{name}.mux", Mux(), multiplex(bits, one, zero), select, d, merged)
        return self.select(f"{name}.shuffle", chosen, shuffle(np.arange(x.shape[0]), 2, axis=0))


def images_for(graph: Graph, count: int, seed: int) -> IntArray:
    (value,) = graph.inputs
    return np.random.default_rng(seed).integers(0, value.type.hi + 1, (count, *value.shape))


def check_images(made: Blocks, images: IntArray, *, fuse: bool, poison: bool) -> list[int]:
    """Each image by itself: the reference's levels, and the oracle's counts. Returns how many select bits are 1."""
    traced = reference.trace(made.graph, {"x": images})
    session = Session(made.graph, fuse=fuse)
    ones = []
    for number in range(len(images)):
        counts = SkipCounts()
        got = session.run({"x": images[[number]]}, counts=counts, poison=poison)
        np.testing.assert_array_equal(got["levels"], traced["n2.shuffle"][[number]])
        for block in BLOCKS:
            select = traced[f"{block}.tgap"][number]
            expected = channels_needed(block, select, made.groups, fuse=fuse)
            assert {name: counts.channels.get(name, 0) for name in expected} == expected
            assert counts.selected[f"{block}.mux"] == select.sum()
            ones.append(int(select.sum()))
        assert counts.images == 1
    return ones


@pytest.mark.parametrize("split_shuffle", [False, True])
@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize(("channels", "groups"), [(8, 1), (32, 1), (16, 2), (48, 4), (64, 8), (32, 8)])
def test_what_is_computed_is_what_the_equations_need(
    channels: int, groups: int, fuse: bool, split_shuffle: bool
) -> None:
    ones = []
    for k, bright in ((1, 0.6), (3, 0.0), (4, 1.0)):
        made = Blocks(channels, groups, k, split_shuffle=split_shuffle, seed=channels + k, bright=bright)
        carried = reference.trace(made.graph, {"x": made.samples["x"]})
        assert carried.keys() == made.samples.keys()
        for name in carried:
            np.testing.assert_array_equal(carried[name], made.samples[name], err_msg=name)
        images = images_for(made.graph, 2, seed=groups)
        ones += check_images(made, images, fuse=fuse, poison=True)
    # rarely and often skipped: else equality says little
    assert min(ones) < 0.6 * channels
    assert max(ones) > 0.75 * channels


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_one_channel_needs_what_the_equations_say(groups: int) -> None:
    """S = 0 in one channel after the other, and in none."""
    channels = 4 * groups if groups == 8 else 16
    for zero in range(channels + 1):
        bits = [int(channel != zero) for channel in range(channels)]
        made = Blocks(channels, groups, 1 + zero % 3, bright=bits, seed=zero, split_shuffle=zero % 2 == 1)
        ones = check_images(made, images_for(made.graph, 1, seed=zero), fuse=True, poison=True)
        assert ones == [sum(bits)] * 2


@settings(max_examples=40)
@given(st.data())
def test_random_blocks(data: st.DataObject) -> None:
    groups = data.draw(st.sampled_from([1, 2, 4, 8]))
    channels = 4 * groups * data.draw(st.integers(1, 3))
    made = Blocks(
        channels,
        groups,
        data.draw(st.integers(1, 4)),
        split_shuffle=data.draw(st.booleans()),
        seed=data.draw(st.integers(0, 10**6)),
        bright=data.draw(st.sampled_from([0.0, 0.3, 0.7, 0.9, 1.0])),
    )
    images = images_for(made.graph, 2, data.draw(st.integers(0, 10**6)))
    check_images(made, images, fuse=data.draw(st.booleans()), poison=data.draw(st.booleans()))


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_counts_add_up_over_images_and_say_everything_without_skipping(groups: int) -> None:
    made = Blocks(32, groups, 2, split_shuffle=False, seed=groups, bright=0.8)
    images = images_for(made.graph, 5, seed=1)
    selects = reference.trace(made.graph, {"x": images})
    for skip in (True, False):
        counts = SkipCounts()
        got = Session(made.graph, skip=skip).run({"x": images}, counts=counts)
        np.testing.assert_array_equal(got["levels"], selects["n2.shuffle"])
        assert counts.images == 5
        for block in BLOCKS:
            select = selects[f"{block}.tgap"]
            each = [channels_needed(block, s if skip else np.zeros_like(s), groups, fuse=True) for s in select]
            expected = {name: sum(one[name] for one in each) for name in each[0]}
            assert {name: counts.channels.get(name, 0) for name in expected} == expected
