"""The sets of channels that MDGNet's normal block needs, against hand-made cases; nothing of intinfer takes part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oracles.mdgnet_demand import Demand, demand, in_plain_order
from oracles.mdgnet_equations import Net, shuffle


def test_demand_by_hand() -> None:
    # C = 16, g = 2: A = 8, GC1 and GC2 make 4 channels a group from 2; t = y1[0, 4, 1, 5]
    select = np.ones(16, np.int64)
    select[[2, 13]] = 0
    assert demand(select, 2) == Demand(
        merged=(2, 13),
        gc2=(5,),
        gc2_groups=(1,),
        dealt=(2, 3),
        dealt_from=(1, 5),
        gc1=(1, 2, 5),
        pw_groups=(0, 1),
        pw=(0, 1, 2, 3),
    )
    select[13] = 1
    assert demand(select, 2) == Demand((2,), (), (), (), (), (2,), (0,), (0, 1))


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_demand_of_all_and_of_nothing(groups: int) -> None:
    everything = demand([0] * 64, groups)
    assert everything.gc1 == everything.gc2 == tuple(range(32))
    assert everything.pw == tuple(range(16))
    assert everything.pw_groups == everything.gc2_groups == tuple(range(groups))
    assert everything.merged == tuple(range(64))
    assert demand([1] * 64, groups) == Demand(*[()] * 8)


def test_a_quarter_of_the_channels_on_what_gc2_reads_saves_nothing() -> None:
    select = np.zeros(32, np.int64)
    select[:8] = 1
    assert demand(select, 1).macs(32, 1, 1) == demand([0] * 32, 1).macs(32, 1, 1) == 8 * 32 + 2 * 16 * 9 * 8
    # the other half of GC1 is read by the block alone
    assert demand(np.roll(select, 8), 1).macs(32, 1, 1) == 8 * 32 + (8 + 16) * 9 * 8


@st.composite
def selections(draw: st.DrawFn) -> tuple[int, list[int]]:
    groups = draw(st.sampled_from([1, 2, 4, 8]))
    channels = 4 * groups * draw(st.integers(1, 3))
    sixths = draw(st.sampled_from([1, 3, 5]))  # of the bits are 0
    return groups, [int(draw(st.integers(0, 5)) >= sixths) for _ in range(channels)]


@given(selections())
@example((2, [1, 1, 0, 1, 1, 1, 1, 1]))
def test_demand_is_what_reaches_the_output(case: tuple[int, list[int]]) -> None:
    """Backwards through a GCM whose weights are all 1, as a graph of sets: a channel is the set of what it reads."""
    groups, select = case
    half, quarter = len(select) // 2, len(select) // 4
    pw = [{("pw", c)} for c in range(quarter)]
    gc1 = [part | {("gc1", o)} for o, part in enumerate(_group_reads(pw, half, groups))]
    deal = shuffle(np.arange(half), groups, axis=0)[:quarter]
    t = [gc1[source] | {("dealt", place)} for place, source in enumerate(deal)]
    gc2 = [part | {("gc2", o)} for o, part in enumerate(_group_reads(t, half, groups))]
    reached = set().union(*(reads for reads, bit in zip(gc1 + gc2, select, strict=True) if not bit))
    got = demand(select, groups)
    for name in ("pw", "gc1", "gc2", "dealt"):
        assert getattr(got, name) == tuple(sorted(c for layer, c in reached if layer == name)), name
    assert got.dealt_from == tuple(sorted(int(deal[p]) for p in got.dealt))


def _group_reads(inputs: list[set[tuple[str, int]]], outputs: int, groups: int) -> list[set[tuple[str, int]]]:
    size = len(inputs) // groups
    reads = [set().union(*inputs[start : start + size]) for start in range(0, len(inputs), size)]
    return [reads[group] for group in range(groups) for _ in range(outputs // groups)]


@pytest.mark.parametrize(("share", "saved"), [(0.5, 0.187), (0.9, 0.348)])
def test_macs_saved_by_independent_select_bits(share: float, saved: float) -> None:
    """MDGNet(32, 1) at 96x96: the shares of its 58,399,578 multiply-accumulates that an even draw of S saves."""
    rng = np.random.default_rng(0)
    blocks = [(32, 1, 48 * 48), (64, 1, 24 * 24), (128, 2, 12 * 12), (256, 4, 6 * 6)] * 2
    draws = 200
    skipped = 0
    for channels, groups, pixels in blocks * draws:
        select = rng.random(channels) < share
        skipped += demand([0] * channels, groups).macs(channels, groups, pixels)
        skipped -= demand(select, groups).macs(channels, groups, pixels)
    assert skipped / draws / 58_399_578 == pytest.approx(saved, abs=0.005)


def test_select_bits_in_plain_order() -> None:
    # y1 = 0 1 2 3, shuffled 0 2 1 3
    bits = list("abcdefgh")
    for order, half, plain in (
        ("12", "plain", "abcdefgh"),
        ("21", "plain", "efghabcd"),
        ("12", "shuffled", "acbdefgh"),
        ("21", "shuffled", "egfhabcd"),
    ):
        numbers = in_plain_order(range(8), 2, Net(k=1, groups=2, gcm_order=order, gcm_half=half))
        assert "".join(bits[number] for number in numbers) == plain
