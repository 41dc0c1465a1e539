"""The MOGNET oracle against hand-made cases; nothing of intinfer takes part."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from oracles.mognet_equations import Net, Stage, binary_weights, evaluate, max_pool, rule30_states, rule30_weights

F = Fraction
RULE30 = Path(__file__).parent.parent / "data" / "rule30_cellpylib.json"


def test_a_parameter_of_another_dtype_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^weight must be float32, got float64$"):
        binary_weights(np.zeros(1))
    with pytest.raises(TypeError, match=r"^the rule-30 seed must be uint8, got int64$"):
        rule30_weights(np.array([0, 1]), 1)


def test_binary_weights_take_both_zeros_as_plus_one() -> None:
    assert binary_weights(np.array([-1, -(2.0**-149), -0.0, 0.0, 0.5], np.float32)).tolist() == [-1, -1, 1, 1, 1]


def test_rule30_states_are_those_of_cellpylib() -> None:
    cases = json.loads(RULE30.read_text())["cases"]
    assert len(cases) >= 4
    for case in cases:
        assert rule30_states(case["seed"], len(case["states"])) == case["states"]


def test_rule30_weights_put_states_on_latent_channels_and_cells_on_outputs() -> None:
    weight = rule30_weights(np.array([0, 0, 1, 0, 0], np.uint8), 2)
    assert weight.shape == (5, 2, 1, 1)
    assert weight[:, 0, 0, 0].tolist() == [-1, -1, 1, -1, -1]
    assert weight[:, 1, 0, 0].tolist() == [-1, 1, 1, 1, -1]


def test_max_pool_takes_each_corner_of_its_window() -> None:
    x = np.array([[9, 0, 0, 9], [0, 1, 2, 0], [0, 1, 2, 0], [9, 0, 0, 9]])
    windows = np.stack([x, x[::-1], x[:, ::-1], np.arange(16).reshape(4, 4)])[None]
    pooled = max_pool(windows)[0]
    assert pooled[:3].tolist() == [[[9, 9], [9, 9]]] * 3
    assert pooled[3].tolist() == [[5, 7], [13, 15]]


# ---------------------------------------------------------------------------------------------- the net


def _norm(channels: int, gamma: list[float], beta: list[float], mean: list[float]) -> dict[str, np.ndarray]:
    # var + eps = 3.75 + 0.25: the deviation is 2
    arrays = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": [3.75] * channels}
    return {key: np.array(value, np.float32) for key, value in arrays.items()}


def _cflog(name: str, pw1: list[float], centre: float, norm: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    gconv = np.ones((1, 1, 3, 3), np.float32)
    gconv[0, 0, 1, 1] = centre
    return {
        f"{name}.pw1.weight": np.array(pw1, np.float32).reshape(1, 2, 1, 1),
        f"{name}.gconv.weight": gconv,
        f"{name}.gconv.step": np.array(1, np.float32),
        f"{name}.pw2.seed": np.array([1, 0], np.uint8),
    } | {f"{name}.bn.{key}": value for key, value in norm.items()}


def test_a_whole_net_by_hand() -> None:
    """Two channels, one pixel, k = 2 (N = 3): only the centre of a 3x3 kernel meets the map."""
    conv1 = np.full((2, 3, 3, 3), 0.9, np.float32)
    conv1[:, :, 1, 1] = [[1, 1, 0.5], [1, -1, 1]]  # step 1: q = (1, 1, 0) and (1, -1, 1)
    state = {
        "conv1.weight": conv1,
        "conv1.step": np.array(1, np.float32),
        "final1x1.weight": np.array([[1, 1], [-0.1, 0]], np.float32).reshape(2, 2, 1, 1),
        **{f"conv1_bn.{key}": value for key, value in _norm(2, [0.25, -0.25], [0, 1], [0, 0]).items()},
        **{f"final_bn.{key}": value for key, value in _norm(2, [2, -1], [0.25, 0], [1, 0]).items()},
        **_cflog("s1.cflog", [1, -1], 1, _norm(2, [1, 1], [0, 0], [0, -2])),
        **_cflog("s1.mrb.c1", [1, 1], -1, _norm(2, [1, 2], [1, 0], [0, 0])),
        **_cflog("s1.mrb.c2", [1, 1], 1, _norm(2, [0, 0.25], [0.25, 1], [0, 0])),
    }
    net = Net(k=2, groups=1, stages=(Stage(mrb=True, pool=False),), last_bits=1, eps=0.25)
    result = evaluate(state, net, np.array([2, 4, 7]).reshape(1, 3, 1, 1))
    expected = {
        "conv1": [6, 5],  # 2 + 4; 2 - 4 + 7
        "conv1.act": [2, 1],  # 3 * 6/8 = 2.25; 3 * (1 - 5/8) = 1.125
        "s1.cflog.pw1": [1],
        "s1.cflog.gconv": [1],
        "s1.cflog.pw2": [1, -1],  # seed bits 1, 0
        "s1.cflog.pw2.act": [2, 2],  # 3 * 1/2 = 1.5 -> 2; 3 * (-1 + 2)/2 -> 2
        "s1.mrb.c1.pw1": [4],
        "s1.mrb.c1.gconv": [-4],
        "s1.mrb.c1.pw2": [-4, 4],
        "s1.mrb.c1.pw2.act": [0, 3],  # -4/2 + 1 = -1; 4 clips to 1
        "s1.mrb.c2.pw1": [3],
        "s1.mrb.c2.gconv": [3],
        "s1.mrb.c2.pw2": [3, -3],
        "s1.mrb.c2.pw2.act": [1, 2],  # 3 * 1/4 = 0.75; 3 * (1 - 3/8) = 1.875
        "s1.mrb.tgap": [1, 1],  # 2 * 2 > 3
        "s1.mrb.shift": [1, 2],  # (2 + 1) >> 1; (2 + 2) >> 1
        "s1.mrb.mux": [1, 2],
        "final1x1": [3, 1],  # 1 + 2; -1 + 2, the weight 0 being +1
    }
    assert {name: value.ravel().tolist() for name, value in result.values.items()} == expected
    assert result.logits == [[F(9, 4), F(-1, 2)]]  # 1 * (3 - 1) + 1/4; -1/2 * 1
    assert result.rational_levels.keys() == {name for name in expected if name.endswith(".act")}
    assert all(np.array_equal(levels, result.values[name]) for name, levels in result.rational_levels.items())
    assert result.changed_weights == {"conv1": 0, "s1.cflog.gconv": 0, "s1.mrb.c1.gconv": 0, "s1.mrb.c2.gconv": 0}


def test_pools_and_a_ternary_last_layer_are_taken_and_logits_average_the_pixels() -> None:
    state = {
        "conv1.weight": np.zeros((2, 3, 3, 3), np.float32),
        "conv1.step": np.array(1, np.float32),
        "final1x1.weight": np.array([[1, 0.5], [-1, 1]], np.float32).reshape(2, 2, 1, 1),
        "final1x1.step": np.array(1, np.float32),
        **{f"conv1_bn.{key}": value for key, value in _norm(2, [1, 1], [0, 0], [0, 0]).items()},
        **{f"final_bn.{key}": value for key, value in _norm(2, [2, 2], [0, 1], [0, 0]).items()},
        **_cflog("s1.cflog", [1, 1], 1, _norm(2, [2, 2], [0, 0.5], [0, 0])),
    }
    state["conv1.weight"][:, 0, 1, 1] = 1  # both channels copy the red pixel
    net = Net(k=1, groups=1, stages=(Stage(mrb=False, pool=True),), last_bits=2, eps=0.25)
    images = np.zeros((2, 3, 2, 8), np.int64)
    images[0, 0, 0, 0] = 5
    result = evaluate(state, net, images)
    # the lit pixel sums to 2 in its 3x3 neighbourhood: channel 0 is lit in columns 0 and 1, channel 1 where z = 0
    assert result.values["s1.cflog.pw2.act"][0].tolist() == [
        [[1, 1, 0, 0, 0, 0, 0, 0]] * 2,
        [[0, 0, 1, 1, 1, 1, 1, 1]] * 2,
    ]
    assert result.values["s1.pool"].tolist() == [[[[1, 0, 0, 0]], [[0, 1, 1, 1]]], [[[0] * 4], [[1] * 4]]]
    assert result.values["final1x1"].tolist() == [[[[1, 0, 0, 0]], [[-1, 1, 1, 1]]], [[[0] * 4], [[1] * 4]]]
    assert result.logits == [[F(1, 4), F(3, 2)], [F(0), F(2)]]
    assert result.changed_weights == {"conv1": 0, "s1.cflog.gconv": 0, "final1x1": 0}
