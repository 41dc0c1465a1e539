"""Causes of dumps that hold some frames of a set alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from diagnose_nets import NETS, right, told

from intinfer.types import IntArray
from intinfer_golden.verification import pieces

SPANS = {"first": [(0, 4)], "inner": [(5, 9)], "mixed": [(8, 9), (2, 3), (11, 11)], "twice": [(7, 8), (7, 8)]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frames")


def held(spans: str) -> list[int]:
    return [n for first, last in SPANS[spans] for n in range(first, last + 1)]


def conv(weight: IntArray) -> IntArray:
    """The values of `plain` with other weights, all frames."""
    x = np.pad(NETS["plain"].inputs["x"], ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    return np.einsum("nihwab,oiab->nohw", windows, weight)


def weights() -> IntArray:
    return np.array(NETS["plain"].convolution[0])


@pytest.mark.parametrize("spans", SPANS)
def test_a_mistake_of_each_frame_is_named(spans: str, folder: Path) -> None:
    actual = conv(weights()[:, :, ::-1])[held(spans)]
    assert "conv: the kernel is flipped top to bottom" in told(folder, "plain", "conv", actual, SPANS[spans]).causes


@pytest.mark.parametrize("spans", SPANS)
def test_one_weight_is_solved_for(spans: str, folder: Path) -> None:
    changed = weights()
    changed[2, 4, 1, 0] = -1 if changed[2, 4, 1, 0] else 1
    cause = f"conv: weight[2,4,1,0] is {changed[2, 4, 1, 0]}, not {weights()[2, 4, 1, 0]}"
    assert told(folder, "plain", "conv", conv(changed)[held(spans)], SPANS[spans]).causes == (cause,)


def before_in_the_set(values: IntArray, numbers: list[int]) -> IntArray:
    return np.array([values[n] + (values[n - 1] if n else 0) for n in numbers])


def before_in_the_dump(values: IntArray, numbers: list[int]) -> IntArray:
    return np.array([values[n] + (values[numbers[i - 1]] if i else 0) for i, n in enumerate(numbers)])


@pytest.mark.parametrize("spans", SPANS)
@pytest.mark.parametrize("run", [before_in_the_set, before_in_the_dump])
def test_the_frame_before_is_that_of_the_whole_run_or_of_the_dump(
    run: Callable[[IntArray, list[int]], IntArray], spans: str, folder: Path
) -> None:
    actual = run(right("plain")["conv"], held(spans))
    cause = "conv: the accumulator is not cleared: the sum of the frame before is added"
    assert cause in told(folder, "plain", "conv", actual, SPANS[spans]).causes


def test_the_last_sum_of_a_frame_begins_the_next(folder: Path) -> None:
    actual = right("plain")["conv"].copy()
    actual[1:, :, 0, 0] += right("plain")["conv"][:-1, :, -1, -1]
    cause = (
        "conv: the accumulator is not cleared between frames: the last sum of the frame before is added to the first"
    )
    assert told(folder, "plain", "conv", actual).causes == (cause,)


@pytest.mark.parametrize(
    ("held_first", "more"), [(3, ""), (0, ", and zeros above that of the first frame")], ids=["pad value", "zeros"]
)
def test_a_line_buffer_that_begins_with_something(held_first: int, more: str, folder: Path) -> None:
    """The border of `depthwise` is 3; memories begin with 0."""
    x = np.pad(NETS["depthwise"].inputs["x"], ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=3)
    x[1:, :, 0, 1:-1] = x[:-1, :, -2, 1:-1]
    x[0, :, 0, 1:-1] = held_first
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))[:, :, ::2, ::2]
    weight = np.array(NETS["depthwise"].convolution[0])
    wrapped = (np.einsum("nohwab,oab->nohw", windows, weight[:, 0]) + 16) % 32 - 16
    cause = f"dw: above the first row stand the last rows of the frame before{more} (line buffer not cleared)"
    assert told(folder, "depthwise", "dw", wrapped).causes == (cause,)


def test_frames_are_counted_as_in_the_set(folder: Path) -> None:
    values = right("plain")["conv"]
    numbers = held("mixed")
    twice = values[[8, 9, 9, 3, 11]]
    found = told(folder, "plain", "conv", twice, SPANS["mixed"])
    assert (found.wrong_frames, found.where) == ((2,), "only n=2")
    assert "conv: frame 2 is frame 9 once more" in found.causes
    exchanged = values[[9, 8, *numbers[2:]]]
    assert told(folder, "plain", "conv", exchanged, SPANS["mixed"]).hints == ("images: n=8 and n=9 are exchanged",)
    negative = np.maximum(values[numbers], 0)
    negative[:3] = values[[8, 9, 2]]
    assert (
        "conv: negative sums are 0, in frames 3, 11 alone"
        in told(folder, "plain", "conv", negative, SPANS["mixed"]).causes
    )
    act = right("plain")["act"][numbers]
    assert told(folder, "plain", "conv", act, SPANS["mixed"]).hints == ("node: these are the values of node act",)


def test_of_a_large_dump_some_frames_are_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MOST", 4 * right("plain")["conv"][0].size)
    actual = right("plain")["conv"].copy()
    actual[7:] = conv(weights()[..., ::-1])[7:]
    found = told(folder, "plain", "conv", actual)
    assert found.notes == ("hints and causes are of frames 6-9 alone; for others, compare with --frames",)
    assert (found.where, found.wrong_frames) == ("from n=7 on", (7, 8, 9, 10, 11))
    assert "conv: the kernel is flipped left to right, in frames 7..9 alone" in found.causes
    assert "conv: the kernel is flipped left to right" in told(folder, "plain", "conv", actual[9:], [(9, 11)]).causes
    actual[-1] = right("plain")["conv"][-1] + 1
    assert told(folder, "plain", "conv", actual[[11]], [(11, 11)]).causes[0] == "conv: +1 is added"
    assert not told(folder, "plain", "conv", right("plain")["conv"]).notes
