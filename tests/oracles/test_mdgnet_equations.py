"""The MDGNet oracle against hand-made cases; nothing of intinfer takes part."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.equations import convolution
from oracles.mdgnet_equations import Blocks, Net, evaluate, pads_of, shuffle

F = Fraction

# ----------------------------------------------------------------------------------------------- channels


def test_shuffle_deals_the_parts_in_turn() -> None:
    x = np.arange(6).reshape(1, 6, 1, 1)
    assert shuffle(x, 2).ravel().tolist() == [0, 3, 1, 4, 2, 5]
    assert shuffle(x, 3).ravel().tolist() == [0, 2, 4, 1, 3, 5]
    assert shuffle(x, 1).ravel().tolist() == shuffle(x, 6).ravel().tolist() == [0, 1, 2, 3, 4, 5]


@given(st.integers(1, 8), st.integers(1, 8))
def test_shuffle_reads_part_i_at_place_j_into_channel_j_times_groups_plus_i(groups: int, places: int) -> None:
    dealt = shuffle(np.arange(groups * places), groups, axis=0)
    assert all(dealt[j * groups + i] == i * places + j for i in range(groups) for j in range(places))


def test_same_padding_on_each_axis() -> None:
    assert pads_of(96, 7, 1, "same") == ((1, 1), (1, 1))
    assert pads_of(49, 40, 2, "same") == ((1, 1), (0, 1))
    assert pads_of(40, 49, 2, "same") == ((0, 1), (1, 1))
    assert pads_of(1, 2, 2, "same") == ((1, 1), (0, 1))
    assert pads_of(1, 40, 2, "torch") == ((1, 1), (1, 1))
    with pytest.raises(ValueError, match=r"^pad 'valid' is neither same nor torch$"):
        pads_of(4, 4, 1, "valid")


@pytest.mark.parametrize("pad", ["same", "torch"])
def test_stride_2_halves_and_rounds_up(pad: str) -> None:
    sizes = [(196, 160)]
    for _ in range(5):
        x = np.zeros((1, 1, *sizes[-1]), np.int64)
        halved = convolution(x, np.ones((1, 1, 3, 3), np.int64), stride=2, pads=pads_of(*sizes[-1], 2, pad))
        sizes.append(halved.shape[2:])
    assert sizes == [(196, 160), (98, 80), (49, 40), (25, 20), (13, 10), (7, 5)]


# ------------------------------------------------------------------------------------------------- blocks


def _norm(name: str, channels: int) -> dict[str, np.ndarray]:
    """z/4: in two bits 0, 1, 2, 3 give the levels 0, 1, 2 (1.5), 2 and anything above 3; in one bit z > 0."""
    arrays = {"weight": [0.5], "bias": [0], "running_mean": [0], "running_var": [3.75]}
    return {f"{name}.{key}": np.array(value * channels, np.float32) for key, value in arrays.items()}


def _conv(name: str, weights: list[list[int]], kernel: tuple[int, int] = (1, 1)) -> dict[str, np.ndarray]:
    """`weights` (O, I / groups) in the middle of the kernel, 0 elsewhere."""
    array = np.zeros((len(weights), len(weights[0]), *kernel), np.float32)
    array[:, :, kernel[0] // 2, kernel[1] // 2] = weights
    return {f"{name}.weight": array, f"{name}.step": np.array(1, np.float32)}


def _layer(name: str, weights: list[list[int]]) -> dict[str, np.ndarray]:
    return _conv(name, weights, (3, 3)) | _norm(f"{name}_bn", len(weights))


def _flat(values: dict[str, np.ndarray]) -> dict[str, list[int]]:
    return {name: value.ravel().tolist() for name, value in values.items()}


NORMAL = {
    **_layer("n.dw", [[1], [1], [1], [1], [1], [0], [1], [1]]),
    **_conv("n.gcm.pw", [[1, -1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, -1, 1, 0, 0]]),
    **_layer("n.gcm.gc1", [[1], [-1], [1], [0]]),
    **_layer("n.gcm.gc2", [[1], [0], [1], [-1]]),
}


def test_a_normal_block_by_hand() -> None:
    """Eight channels, two groups, one pixel: only the middle of a 3x3 kernel meets the map."""
    run = Blocks(NORMAL, Net(k=2, groups=2, eps=0.25))
    run.normal("n", np.array([3, 1, 0, 2, 1, 3, 2, 0]).reshape(1, 8, 1, 1), groups=2)
    assert _flat(run.result.values) == {
        "n.dw": [3, 1, 0, 2, 1, 0, 2, 0],
        "n.dw.act": [2, 1, 0, 2, 1, 0, 2, 0],
        "n.gcm.pw": [2, 4],
        "n.gcm.gc1": [2, -2, 4, 0],
        "n.gcm.gc1.act": [2, 0, 3, 0],
        "n.gcm.shuffle": [2, 3, 0, 0],  # channels 0, 2, 1, 3
        "n.gcm.first": [2, 3],
        "n.gcm.gc2": [2, 0, 3, -3],
        "n.gcm.gc2.act": [2, 0, 2, 0],
        "n.gcm.cat": [2, 0, 3, 0, 2, 0, 2, 0],
        "n.tgap": [1, 0, 0, 1, 0, 0, 1, 0],  # 2 * 2 > 3, 2 * 1 < 3
        "n.shift": [2, 0, 1, 1, 1, 0, 2, 0],
        "n.mux": [2, 0, 1, 2, 1, 0, 2, 0],
        "n.shuffle": [2, 1, 0, 0, 1, 2, 2, 0],
    }


@pytest.mark.parametrize(
    ("order", "half", "expected"),
    [
        ("21", "plain", [2, 0, 2, 0, 2, 0, 3, 0]),
        ("12", "shuffled", [2, 3, 0, 0, 2, 0, 2, 0]),
        ("21", "shuffled", [2, 0, 2, 0, 2, 3, 0, 0]),
    ],
)
def test_the_other_ways_to_join_a_gcm(order: str, half: str, expected: list[int]) -> None:
    run = Blocks(NORMAL, Net(k=2, groups=2, gcm_order=order, gcm_half=half, eps=0.25))
    joined = run.gcm("n.gcm", np.array([3, 1, 0, 2, 1, 3, 2, 0]).reshape(1, 8, 1, 1), groups=2, stride=1)
    assert joined.ravel().tolist() == expected


def test_a_normal_block_of_one_bit_merges_by_or() -> None:
    run = Blocks(NORMAL, Net(k=1, groups=2, eps=0.25))
    run.normal("n", np.array([1, 0, 0, 1, 0, 1, 1, 0]).reshape(1, 8, 1, 1), groups=2)
    values = _flat(run.result.values)
    assert values["n.dw.act"] == values["n.tgap"] == [1, 0, 0, 1, 0, 0, 1, 0]
    assert values["n.gcm.cat"] == [1, 0, 1, 0, 1, 0, 1, 0]
    assert values["n.shift"] == values["n.mux"] == [1, 0, 1, 1, 1, 0, 1, 0]
    assert values["n.shuffle"] == [1, 1, 0, 0, 1, 1, 1, 0]


REDUCED = {
    **_layer("r.dw", [[1], [1], [1], [1]]),
    **_conv("r.gcm.pw", [[1, -1, 0, 0]]),
    **_layer("r.gcm.gc1", [[1], [-1]]),
    **_layer("r.gcm.gc2", [[1], [-1]]),
}


@pytest.mark.parametrize(
    ("pad", "block_groups", "expected"),
    [
        # zeros behind only: the middle of the kernel meets the last pixel
        ("same", 2, {"gcm.gc1": [3, -3], "gcm.first": [2], "dw": [3, 0, 1, 2], "shuffle": [2, 2, 0, 0, 2, 1, 0, 2]}),
        # zeros around: it meets the first
        ("torch", 4, {"gcm.gc1": [-1, 1], "gcm.first": [0], "dw": [1, 2, 3, 0], "shuffle": [0, 0, 1, 2, 1, 0, 2, 0]}),
    ],
)
def test_a_reduced_block_by_hand(pad: str, block_groups: int, expected: dict[str, list[int]]) -> None:
    """Four channels, a 2x2 map with two lit pixels, one pixel out."""
    x = np.zeros((1, 4, 2, 2), np.int64)
    x[0, :, 0, 0] = 1, 2, 3, 0
    x[0, :, 1, 1] = 3, 0, 1, 2
    run = Blocks(REDUCED, Net(k=2, groups=1, block_groups=block_groups, pad=pad, eps=0.25))
    run.reduced("r", x, groups=1)
    values = _flat(run.result.values)
    assert values["r.gcm.pw"] == [-1, 0, 0, 3]  # at full resolution
    assert {name: values[f"r.{name}"] for name in expected} == expected


def test_the_other_order_of_a_reduced_block() -> None:
    run = Blocks(REDUCED, Net(k=2, groups=1, reduced_order="dw-gcm", eps=0.25))
    x = np.zeros((1, 4, 2, 2), np.int64)
    x[0, :, 1, 1] = 3, 0, 1, 2
    assert run.reduced("r", x, groups=1).ravel().tolist() == [2, 2, 0, 0, 1, 2, 2, 0]
    assert run.result.values["r.cat"].ravel().tolist() == [2, 0, 1, 2, 2, 0, 2, 0]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_classifier_by_hand(batch_norm: bool) -> None:
    state = _conv("cls.pw", [[1, 1, 0], [-1, 0, 1]])
    state |= _norm("cls.bn", 2) if batch_norm else {"cls.scale.factor": np.array(0.5, np.float32)}
    state |= {"cls.dw.weight": np.array([1, 0, -1, 1, 1, 1], np.float32).reshape(2, 1, 1, 3)}
    state |= {"cls.dw.step": np.array(1, np.float32)}
    run = Blocks(state, Net(k=2, groups=1, eps=0.25))
    run.classify("cls", np.array([[3, 1, 0], [0, 2, 1], [1, 1, 0]]).reshape(1, 3, 1, 3))
    assert _flat(run.result.values) == {"cls.pw": [3, 3, 1, -2, 0, 0], "cls.dw": [2, -2]}
    assert run.result.logits == [[F(1, 2), F(-1, 2)] if batch_norm else [F(1), F(-1)]]


# ------------------------------------------------------------------------------------------------ the net


def _random_state(f: int, g: int, classes: int, last: tuple[int, int]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)

    def conv(outputs: int, inputs: int, kernel: tuple[int, int]) -> np.ndarray:
        return rng.integers(-1, 2, (outputs, inputs, *kernel)).astype(np.float32)

    def gcm(name: str, channels: int, groups: int) -> dict[str, np.ndarray]:
        quarter, half = channels // 4, channels // 2
        return {
            f"{name}.pw": conv(quarter, channels, (1, 1)),
            f"{name}.gc1": conv(half, quarter // groups, (3, 3)),
            f"{name}.gc2": conv(half, quarter // groups, (3, 3)),
        }

    weights = {"conv1": conv(f, 3, (3, 3))} | gcm("gcm0", f, g)
    for stage, (channels, groups) in enumerate(((f, g), (2 * f, g), (4 * f, 2 * g), (8 * f, 4 * g)), start=1):
        for block in ("n1", "n2", "r"):
            weights |= {f"s{stage}.{block}.dw": conv(channels, 1, (3, 3))}
            weights |= gcm(f"s{stage}.{block}.gcm", channels, groups)
    weights |= {"cls.pw": conv(classes, 16 * f, (1, 1)), "cls.dw": conv(classes, 1, last)}
    state: dict[str, np.ndarray] = {"cls.scale.factor": np.array(1, np.float32)}
    for name, weight in weights.items():
        state |= {f"{name}.weight": weight, f"{name}.step": np.array(1, np.float32)} | _norm(f"{name}_bn", len(weight))
    return state


def test_the_net_puts_its_blocks_in_order() -> None:
    """18x12 pixels; the last map is 1x1. Groups that are not those of the weights would be a ValueError."""
    state = _random_state(8, 2, 3, (1, 1))
    images = np.random.default_rng(2).integers(0, 256, (2, 3, 18, 12))
    result = evaluate(state, Net(k=2, groups=2, eps=0.25), images)
    shapes = {name: value.shape[1:] for name, value in result.values.items()}
    assert list(shapes)[:6] == ["conv1", "conv1.act", "gcm0.pw", "gcm0.gc1", "gcm0.gc1.act", "gcm0.shuffle"]
    assert shapes["conv1.act"] == (8, 18, 12)
    assert shapes["gcm0.pw"] == (2, 18, 12)
    assert shapes["gcm0.cat"] == (8, 9, 6)
    assert [shapes[f"s{stage}.n2.shuffle"] for stage in (1, 2, 3, 4)] == [(8, 9, 6), (16, 5, 3), (32, 3, 2), (64, 2, 1)]
    assert [shapes[f"s{stage}.r.shuffle"] for stage in (1, 2, 3, 4)] == [
        (16, 5, 3),
        (32, 3, 2),
        (64, 2, 1),
        (128, 1, 1),
    ]
    assert [shapes["cls.pw"], shapes["cls.dw"]] == [(3, 1, 1), (3, 1, 1)]
    assert [len(row) for row in result.logits] == [3, 3]
    assert set(result.changed_weights.values()) == {0}
    assert len(result.changed_weights) == 1 + 3 + 12 * 4 + 2
    levels = result.rational_levels
    assert len(levels) == 1 + 2 + 12 * 3
    assert all(np.array_equal(level, result.values[name]) for name, level in levels.items())


def test_each_stage_reads_the_block_before_it() -> None:
    """A block run alone on the map before it gives the map after it."""
    state = _random_state(4, 1, 2, (1, 1))
    net = Net(k=3, groups=1, pad="torch", eps=0.25)
    values = evaluate(state, net, np.random.default_rng(3).integers(0, 256, (1, 3, 16, 17))).values
    before = "gcm0.cat"
    for stage, groups in ((1, 1), (2, 1), (3, 2), (4, 4)):
        for block in ("n1", "n2", "r"):
            name = f"s{stage}.{block}"
            run = Blocks(state, net)
            alone = (run.reduced if block == "r" else run.normal)(name, values[before], groups)
            assert np.array_equal(alone, values[f"{name}.shuffle"])
            before = f"{name}.shuffle"
