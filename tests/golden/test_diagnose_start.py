"""Causes that show at the start of a run: what accumulators and line buffers hold before the first frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnose_convs import act, designed, pooled, requant, sat7, wrap5
from diagnose_nets import NETS, right, told

from intinfer.types import IntArray


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("start")


# ----------------------------------------------------------------------------------------------------- accumulators


def begins(k: int, channel: int | None = None) -> Any:
    """An accumulator that holds k after reset, each channel's or one's."""
    return lambda s, n, o, y, x: k * ((n, y, x) == (0, 0, 0) and channel in (None, o))


ALL, ONE = "the first sums alone, those of", "the first sum of channel {} alone, that of"
WHERE = "the first pixel of frame 0 (the accumulator begins so)"


@pytest.mark.parametrize(
    ("net", "node", "after", "channel"),
    [("plain", "conv", None, c) for c in (None, 0, 2)] + [("depthwise", "dw", wrap5, c) for c in (None, 0)],
)
@pytest.mark.parametrize("k", [5, -3])
def test_an_accumulator_that_begins_with_something(
    folder: Path, net: str, node: str, after: Any, channel: int | None, k: int
) -> None:
    causes = told(folder, net, node, designed(net, after, start=begins(k, channel))).causes
    assert f"{node}: {k:+d} is added to {(ALL if channel is None else ONE).format(channel)} {WHERE}" in causes, causes


@pytest.mark.parametrize(
    ("net", "node", "after", "faults", "k", "channel"),
    [
        ("plain", "act", act, {}, 60, None),
        ("plain", "act", act, {}, 60, 0),
        ("pointwise", "requant", requant, {}, -768, None),
        ("grouped", "pool", pooled, {"step": sat7}, 9, None),
        ("grouped", "pool", pooled, {"step": sat7}, 9, 0),
    ],
)
def test_an_accumulator_that_begins_with_something_behind_other_nodes(
    folder: Path, net: str, node: str, after: Any, faults: dict[str, Any], k: int, channel: int | None
) -> None:
    comparison = told(folder, net, node, designed(net, after, start=begins(k, channel), **faults))
    what = (ALL if channel is None else ONE).format(channel)
    causes = [cause for cause in comparison.causes if cause.startswith("conv: ") and what in cause]
    assert causes, (comparison.differences, comparison.causes)


def test_the_first_frame_of_a_dump_is_the_one_that_was_reset(folder: Path) -> None:
    actual = right("plain")["conv"][[5, 6]].copy()
    actual[0, :, 0, 0] += 9
    (cause,) = told(folder, "plain", "conv", actual, [(5, 6)]).causes
    assert cause == f"conv: +9 is added to {ALL} {WHERE.replace('0', '5')}"
    (cause,) = told(folder, "plain", "conv", actual[:1], [(5, 5)]).causes
    assert cause == f"conv: +9 is added to {ALL} {WHERE.replace('0', '5')}"


def test_of_few_values_the_first_may_be_wrong_by_chance(folder: Path) -> None:
    """A dense layer of 5 channels and 16 frames."""
    fc = right("others")["fc"].copy()
    fc[0, 0] += 9
    assert told(folder, "others", "fc", fc).causes == ()


def test_one_value_elsewhere_is_not_where_an_accumulator_begins(folder: Path) -> None:
    values = right("plain")["conv"]
    for place in ((0, 0, 0, 1), (0, 2, 1, 0), (1, 0, 0, 0), (11, 3, 0, 0)):
        actual = values.copy()
        actual[place] += 5
        assert told(folder, "plain", "conv", actual).causes == ()


def test_first_sums_that_differ_by_several_constants_begin_with_none(folder: Path) -> None:
    actual: IntArray = right("plain")["conv"].copy()
    actual[0, :, 0, 0] += np.array([5, 5, 5, 6])
    assert NETS["plain"].graph.values["conv"].shape[0] == 4
    assert told(folder, "plain", "conv", actual).causes == ()


# ----------------------------------------------------------------------------------------------------- line buffers

LEFT = ", and in frame 0 what was left before it"
STALE = "above the first row stand the last rows of the frame before (line buffer not cleared)"


def stale(rows: Any) -> Any:
    """Above the first row of a frame the last row of the one before; above that of frame 0 what `rows` hold."""

    def pixel(s: Any, n: int, c: int, y: int, x: int) -> int:
        height, width = len(s.frames[n][c]), len(s.frames[n][c][0])
        if y < 0 <= x < width:
            return int(s.frames[n - 1][c][y + height][x] if n else rows[c][x])
        return int(s.frames[n][c][y][x]) if 0 <= y < height and 0 <= x < width else s.pad

    return pixel


def noise(net: str) -> IntArray:
    """What a memory of a row of each channel holds at first."""
    channels, _, width = NETS[net].graph.values["x"].shape
    type_ = NETS[net].graph.values["x"].type
    return np.random.default_rng(3).integers(type_.lo, type_.hi, (channels, width), endpoint=True)


@pytest.mark.parametrize(
    ("net", "node", "after"), [("plain", "conv", None), ("plain", "act", act), ("depthwise", "dw", wrap5)]
)
def test_a_line_buffer_whose_first_contents_are_random(folder: Path, net: str, node: str, after: Any) -> None:
    dump = designed(net, after, pixel=stale(noise(net)))
    conv = "dw" if net == "depthwise" else "conv"
    assert told(folder, net, node, dump).causes == (f"{conv}: {STALE}{LEFT}",)


def test_what_is_wrong_elsewhere_in_the_first_frame_was_not_left_before_it(folder: Path) -> None:
    dump = np.array(designed("plain", None, pixel=stale(noise("plain"))))
    dump[0, 1, 3, 2] += 1
    assert told(folder, "plain", "conv", dump).causes == ()


def test_what_is_wrong_in_a_later_frame_was_not_left_before_the_first(folder: Path) -> None:
    dump = np.array(designed("plain", None, pixel=stale(noise("plain"))))
    dump[7, 1, 0, 2] += 1
    assert told(folder, "plain", "conv", dump).causes == ()


def test_noise_in_the_first_frame_alone_is_no_mistake(folder: Path) -> None:
    rng = np.random.default_rng(8)
    for part in (np.s_[0], np.s_[0, :, 0], np.s_[0, :, 0, 0]):
        dump = right("plain")["conv"].copy()
        dump[part] = rng.integers(-40, 40, dump[part].shape)
        assert told(folder, "plain", "conv", dump).causes == ()
        dump[3, 2, 4, 1] += 1
        assert told(folder, "plain", "conv", dump).causes == ()


def test_sums_that_go_on_from_something(folder: Path) -> None:
    """Before frame 0 accumulators hold noise; each frame begins at the end of the one before it."""
    values = right("plain")["conv"]
    rng, dump = np.random.default_rng(2), values.copy()
    dump[0, :, 0, 0] += rng.integers(1, 50, 4)
    dump[1:, :, 0, 0] += values[:-1, :, -1, -1]
    what = "the last sum of the frame before is added to the first"
    cause = f"conv: the accumulator is not cleared between frames: {what}{LEFT}"
    assert told(folder, "plain", "conv", dump).causes == (cause,)
    dump = values.copy()
    dump[0] += rng.integers(-50, 50, values[0].shape)
    dump[1:] += values[:-1]
    cause = f"conv: the accumulator is not cleared: the sum of the frame before is added{LEFT}"
    assert cause in told(folder, "plain", "conv", dump).causes
    dump = np.concatenate([rng.integers(-50, 50, values[:1].shape), values[:-1]])
    assert f"conv: each frame is the one before it{LEFT}" in told(folder, "plain", "conv", dump).causes


def test_the_frame_after_is_not_what_was_left(folder: Path) -> None:
    values = right("plain")["conv"]
    dump = np.concatenate([np.random.default_rng(2).integers(-50, 50, values[:1].shape), values[2:], values[-1:]])
    assert not any("next" in cause for cause in told(folder, "plain", "conv", dump).causes)
