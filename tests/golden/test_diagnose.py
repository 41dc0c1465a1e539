"""Causes in convolutions: each usual mistake is named by `verify`, from dumps of designs that share nothing with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnose_convs import act, changed, designed, pooled, read, requant, sat7, weight, wrap5
from diagnose_nets import NETS, Net, made, names, told
from faulty_designs import each, inside, signed

from intinfer.accumulator import Accumulator
from intinfer.ops import Affine, Conv2d, Threshold
from intinfer.tensor import IntTensor


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diagnose")


CONVOLUTIONS: dict[str, tuple[str, str, Callable[..., Any] | None, dict[str, Any], str]] = {
    "flipped": (
        "plain",
        "conv",
        None,
        {"w": lambda s, o, i, a, b: s.weight[o][i][2 - a][2 - b]},
        "conv: the kernel is flipped in both axes",
    ),
    "flipped behind thresholds": (
        "plain",
        "act",
        act,
        {"w": lambda s, o, i, a, b: s.weight[o][i][2 - a][b]},
        "conv: the kernel is flipped top to bottom",
    ),
    "transposed": (
        "plain",
        "act",
        act,
        {"w": lambda s, o, i, a, b: s.weight[o][i][b][a]},
        "conv: the kernel is transposed: KH and KW are exchanged",
    ),
    "flipped one way, strided": (
        "depthwise",
        "dw",
        wrap5,
        {"w": lambda s, o, i, a, b: s.weight[o][i][a][2 - b]},
        "dw: the kernel is flipped left to right",
    ),
    "flipped, not square": (
        "grouped",
        "conv",
        None,
        {"step": sat7, "w": lambda s, o, i, a, b: s.weight[o][i][2 - a][1 - b]},
        "conv: the kernel is flipped in both axes",
    ),
    "inputs in reverse": (
        "plain",
        "act",
        act,
        {"channel": lambda s, o, i: 5 - i},
        "conv: input channels of the weights are in reverse: 0 is 5",
    ),
    "inputs rotated": (
        "pointwise",
        "conv",
        None,
        {"channel": lambda s, o, i: (i + 5) % 12},
        "conv: the input's channels are rotated by 5: 0 is 5",
    ),
    "inputs exchanged": (
        "pointwise",
        "requant",
        requant,
        {"channel": lambda s, o, i: {3: 7, 7: 3}.get(i, i)},
        "conv: input channels 3 and 7 of the weights are exchanged",
    ),
    "wrong group": (
        "grouped",
        "conv",
        None,
        {"step": sat7, "channel": lambda s, o, i: (1 - o // 3) * 4 + i},
        "conv: groups read the input channels of others, in reverse: group 0 reads those ...",
    ),
    "groups interleaved": (
        "grouped",
        "pool",
        pooled,
        {"step": sat7, "channel": lambda s, o, i: 2 * i + o // 3},
        "conv: input channel i is of group i mod 2, not of i // 4",
    ),
    "outputs exchanged": (
        "plain",
        "act",
        act,
        {"w": lambda s, o, i, a, b: s.weight[{0: 3, 3: 0}.get(o, o)][i][a][b]},
        "conv: output channels 0 and 3 of the weights are exchanged",
    ),
    "outputs permuted": (
        "pointwise",
        "requant",
        requant,
        {"w": lambda s, o, i, a, b: s.weight[(3, 0, 1, 2, 6, 4, 7, 5)[o]][i][a][b]},
        "conv: output channels are permuted: 0 is 3, 1 is 0, 2 is 1, 3 is 2, 4 is 6, 5 ...",
    ),
    "|w|": ("plain", "conv", None, {"w": read(abs)}, "conv: weights are taken without their sign: |w|"),
    "-1 read as 0": ("plain", "act", act, {"w": read(lambda w: max(w, 0))}, "conv: weights: -1 is read as 0"),
    "-1 read as 0, binary": (
        "depthwise",
        "dw",
        wrap5,
        {"w": read(lambda w: max(w, 0))},
        "dw: weights: -1 is read as 0",
    ),
    "0 read as -1": ("plain", "act", act, {"w": read(lambda w: w or -1)}, "conv: weights: 0 is read as -1"),
    "weights negated": ("depthwise", "dw", wrap5, {"w": read(lambda w: -w)}, "dw: weights are negated"),
    "sign and magnitude": (
        "pointwise",
        "conv",
        None,
        {"w": read(lambda w: -(w % 128) if w < 0 else w)},
        "conv: weights are read as sign and magnitude",
    ),
    "weights unsigned": (
        "grouped",
        "conv",
        None,
        {"step": sat7, "w": read(lambda w: w % 16)},
        "conv: weights are read as unsigned 4 bits",
    ),
    "pad 0": ("depthwise", "dw", wrap5, {"pad": 0}, "dw: the pad value is 0, not 3"),
    "pad -2": ("depthwise", "dw", wrap5, {"pad": -2}, "dw: the pad value is -2, not 3"),
    "edge": (
        "plain",
        "act",
        act,
        {"pixel": lambda s, n, c, y, x: s.frames[n][c][min(max(y, 0), 5)][min(max(x, 0), 6)]},
        "conv: beyond the edge stands the edge's own pixel (replicated), not 0",
    ),
    "reflect": (
        "depthwise",
        "dw",
        wrap5,
        {
            "pixel": lambda s, n, c, y, x: s.frames[n][c][y if 0 <= y < 7 else 1 if y < 0 else 5][
                x if 0 <= x < 8 else 1 if x < 0 else 6
            ]
        },
        "dw: beyond the edge stands the map mirrored without its edge (reflected), not 3",
    ),
    "no pad at the ends of rows": (
        "plain",
        "conv",
        None,
        {
            "pixel": lambda s, n, c, y, x: (
                s.frames[n][c][(y * 7 + x) // 7][(y * 7 + x) % 7] if 0 <= y * 7 + x < 42 else 0
            )
        },
        "conv: beyond the edge stands the end of the row before and the start of the row ...",
    ),
    "old line buffer": (
        "plain",
        "act",
        act,
        {
            "pixel": lambda s, n, c, y, x: (
                s.frames[n][c][y][x]
                if inside(s.frames[n], y, x)
                else s.frames[n - 1][c][y + 6][x]
                if n and y < 0 and 0 <= x < 7
                else 0
            )
        },
        "conv: above the first row stand the last rows of the frame before (line buffer ...",
    ),
    "wraps": ("plain", "act", act, {"end": lambda s, t, o: signed(t, 6)}, "conv: the accumulator wraps at 6 bits"),
    "wraps narrower": (
        "depthwise",
        "dw",
        None,
        {"end": lambda s, t, o: signed(t, 4)},
        "dw: the accumulator wraps at 4 bits",
    ),
    "saturates": (
        "depthwise",
        "dw",
        None,
        {"step": lambda s, t, p: max(-16, min(15, t + p))},
        "dw: the accumulator saturates at 5 bits after each product, in the order CKK",
    ),
    "saturates at the end": (
        "plain",
        "conv",
        None,
        {"end": lambda s, t, o: max(-32, min(31, t))},
        "conv: the sum is clipped to 6 bits at its end, -32..31",
    ),
    "wraps, should saturate": (
        "grouped",
        "conv",
        None,
        {"end": lambda s, t, o: signed(t, 7)},
        "conv: the accumulator wraps at 7 bits",
    ),
    "signed as unsigned": (
        "depthwise",
        "dw",
        wrap5,
        {"pixel": lambda s, n, c, y, x: s.frames[n][c][y][x] % 8 if inside(s.frames[n], y, x) else 3},
        "dw: the input is read as unsigned 3 bits",
    ),
    "unsigned as signed": (
        "pointwise",
        "requant",
        requant,
        {"pixel": lambda s, n, c, y, x: signed(s.frames[n][c][y][x], 4)},
        "conv: the input is read as two's complement of 4 bits",
    ),
    "stride phase": (
        "depthwise",
        "dw",
        wrap5,
        {"at": lambda s, y, x, a, b: (2 * y + a, 2 * x + b - 1)},
        "dw: the windows stand 1 row down (phase 1 of stride 2) (as without the pad at ...",
    ),
    "a column late": (
        "plain",
        "act",
        act,
        {"at": lambda s, y, x, a, b: (y + a - 1, x + b - 2)},
        "conv: the windows stand 1 column left",
    ),
    "no stride": ("depthwise", "dw", wrap5, {"stride": (1, 1)}, "dw: the stride is (1, 1), not (2, 2)"),
    "no dilation": (
        "grouped",
        "pool",
        pooled,
        {"step": sat7, "dilation": (1, 1)},
        "conv: the dilation is (1, 1), not (2, 1)",
    ),
    "frame before added": (
        "plain",
        "conv",
        None,
        {"start": lambda s, n, o, y, x: s.out[n - 1][o][y][x] if n else 0},
        "conv: the accumulator is not cleared: the sums of all frames before are added",
    ),
    "constant": ("plain", "conv", None, {"start": lambda s, *_: 5}, "conv: +5 is added"),
    "constant behind thresholds": ("plain", "act", act, {"start": lambda s, *_: -4}, "conv: -4 is added"),
    "constant in one channel": (
        "pointwise",
        "conv",
        None,
        {"start": lambda s, n, o, y, x: 1000 * (o == 3)},
        "conv: +1000 is added, in channel 3 alone",
    ),
    "starts at 37": (
        "plain",
        "act",
        act,
        {"start": lambda s, n, o, y, x: 37 * (n == 0)},
        "conv: a constant between +37 and +38 is added, in frame 0 alone",
    ),
    "inputs in reverse in frame 0": (
        "plain",
        "act",
        act,
        {"channel": lambda s, o, i: 5 - i if len(s.out) == 1 else i},
        "conv: input channels of the weights are in reverse: 0 is 5, in frame 0 alone",
    ),
    "missing tap": (
        "plain",
        "act",
        act,
        {"w": lambda s, o, i, a, b: 0 if (a, b) == (2, 0) else s.weight[o][i][a][b]},
        "conv: tap (ky=2, kx=0) is not summed",
    ),
    "input not summed": (
        "pointwise",
        "requant",
        requant,
        {"w": lambda s, o, i, a, b: 0 if i == 11 else s.weight[o][i][a][b]},
        "conv: input channel 11 is not summed",
    ),
    "one weight": ("plain", "conv", None, {"w": changed((2, 1, 0, 2), 0)}, "conv: weight[2,1,0,2] is 0, not 1"),
    "one weight behind thresholds": (
        "plain",
        "act",
        act,
        {"w": changed((0, 3, 1, 2), -weight("plain", 0, 3, 1, 2) or 1)},
        f"conv: weight[0,3,1,2] is {-weight('plain', 0, 3, 1, 2) or 1}, not ...",
    ),
    "one weight of a depthwise": (
        "depthwise",
        "dw",
        wrap5,
        {"w": changed((4, 0, 1, 1), -weight("depthwise", 4, 0, 1, 1))},
        f"dw: weight[4,0,1,1] is {-weight('depthwise', 4, 0, 1, 1)}, not ...",
    ),
    "one 8-bit weight": (
        "pointwise",
        "conv",
        None,
        {"w": changed((6, 9, 0, 0), 77)},
        f"conv: weight[6,9,0,0] is 77, not {weight('pointwise', 6, 9, 0, 0)}",
    ),
    "one weight that saturates": (
        "grouped",
        "conv",
        None,
        {"step": sat7, "w": changed((5, 2, 2, 1), -8)},
        f"conv: weight[5,2,2,1] is -8, not {weight('grouped', 5, 2, 2, 1)}",
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_mistake_in_a_convolution_is_named(folder: Path, name: str) -> None:
    net, node, after, faults, cause = CONVOLUTIONS[name]
    comparison = told(folder, net, node, designed(net, after, **faults))
    assert names(comparison, cause), (comparison.where, comparison.causes)


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


@pytest.mark.parametrize(("net", "node", "after"), [("pointwise", "conv", None), ("pointwise", "requant", requant)])
def test_any_order_of_the_input_channels_is_found(
    folder: Path, net: str, node: str, after: Callable[..., Any] | None
) -> None:
    order = (9, 2, 7, 4, 5, 11, 0, 3, 6, 10, 8, 1)
    comparison = told(folder, net, node, designed(net, after, w=lambda s, o, i, a, b: s.weight[o][order[i]][a][b]))
    cause = "conv: input channels of the weights are permuted: 0 is 9, 1 is 2, 2 is 7, 3 is 4, 4 is 5, 5 is 11 ..."
    assert names(comparison, cause), comparison.causes


def test_any_order_of_the_inputs_of_a_depthwise_convolution_is_found(folder: Path) -> None:
    order = (2, 4, 3, 0, 1)
    comparison = told(folder, "depthwise", "dw", designed("depthwise", wrap5, channel=lambda s, o, i: order[o]))
    cause = "dw: the input's channels are permuted: 0 is 2, 1 is 4, 2 is 3, 3 is 0, 4 is 1"
    assert names(comparison, cause), comparison.causes


def test_constants_that_are_the_same_modulo_the_words_are_no_interval(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """+3, +35, +67 ... and -29, -61 ... make the same words of 5 bits, those between do not."""
    net = NETS["depthwise"]
    affine = Affine(IntTensor([2] * 5), IntTensor([1] * 5))
    graph, arrays = made({"x": ((5, 7, 8), -4, 3)}, ("dw", net.graph.node("dw").op, ("x",)), ("af", affine, ("dw",)))
    monkeypatch.setitem(NETS, "scaled", Net(graph, arrays, net.convolution, net.options))
    faulty = designed("scaled", lambda _, frames: each(wrap5(net, frames), lambda v, *_: 2 * v + 1), start=lambda *_: 3)
    causes = told(folder, "scaled", "af", faulty).causes
    assert {"dw: +3 is added", "dw: -29 is added"} <= set(causes)
    assert not any("between" in cause for cause in causes)


def grouped_in_three() -> Net:
    """3x3 in three groups, 6 channels to 9, behind it a threshold."""
    rng = np.random.default_rng(12)
    weight = rng.integers(-1, 2, (9, 2, 3, 3))
    op = Conv2d(IntTensor(weight, "ternary"), (1, 1), (1, 1, 1, 1), (2,), (1, 1), 3, Accumulator.prove(10))
    act = Threshold(IntTensor(np.sort(rng.integers(-20, 20, (9, 3)), axis=1)), IntTensor([0] * 9), 0, 1)
    graph, arrays = made({"x": ((6, 5, 6), 0, 7)}, ("conv", op, ("x",)), ("act", act, ("conv",)), frames=4)
    return Net(graph, arrays, (weight.tolist(), (5, 6)), {"pads": (1, 1), "pad": 2, "groups": 3})


ROWS = (4, 8, 2, 0, 6, 5, 1, 3, 7)


@pytest.mark.parametrize("node", ["conv", "act"])
@pytest.mark.parametrize(
    ("faults", "cause"),
    [
        (
            {"w": lambda s, o, i, a, b: s.weight[ROWS[o]][i][a][b]},
            "conv: output channels of the weights are permuted: 0 is 4, 1 is 8, 3 is 0, 4 is 6, 6 is 1, 7 is 3, 8 is 7",
        ),
        (
            {"w": lambda s, o, i, a, b: s.weight[{7: 1}.get(o, o)][i][a][b]},
            "conv: output channel 7 has the weights of channel 1",
        ),
        (
            {"w": lambda s, o, i, a, b: s.weight[o if o < 3 else 3 + (o - 3 + 3) % 6][i][a][b]},
            "conv: groups of the weights are permuted: 1 and 2 exchanged",
        ),
        (
            {"channel": lambda s, o, i: (0, 2, 1)[o // 3] * 2 + i},
            "conv: groups read the input channels of others: 1 and 2 exchanged",
        ),
        (
            {"channel": lambda s, o, i: (0, 0, 2)[o // 3] * 2 + i},
            "conv: group 1 reads the input channels of group 0, not its own",
        ),
    ],
)
def test_groups_in_any_order_are_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, node: str, faults: dict[str, Any], cause: str
) -> None:
    monkeypatch.setitem(NETS, "grouped_in_three", grouped_in_three())
    frames = designed("grouped_in_three", act if node == "act" else None, **faults)
    comparison = told(folder, "grouped_in_three", node, frames)
    assert comparison.causes[:1] == (cause,)  # that of all channels first
