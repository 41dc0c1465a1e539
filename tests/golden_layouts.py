"""Layouts for the tests: a decoder of plain loops that knows the manifest's entry alone, and a graph with all kinds of
constants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from golden_sets import in_order, meaning, read_memh

from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph
from intinfer.ops import Affine, Conv2d, Dense, Flatten, Requant, Threshold
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor
from intinfer.types import IntType

Place = tuple[int, ...]


def tensors(directory: Path) -> dict[str, dict[str, Any]]:
    """The manifest's entries of values and constants by name; not of demand masks."""
    items = json.loads((directory / "manifest.json").read_text("ascii"))["tensors"]
    return {
        f"{item['node']}.{item['attribute']}" if item["attribute"] else item["node"]: item
        for item in items
        if item["role"] != "demand_mask"
    }


def memories(directory: Path, item: dict[str, Any]) -> list[list[int]]:
    """The words of each memory, from its memh file."""
    files = {file["memory"]: file["path"] for file in item["files"] if file["format"] == "memh"}
    order = [None] if item["memories"] is None else list(range(item["memories"]))
    assert set(files) == set(order)
    return [read_memh(directory / files[memory], item["word_bits"]) for memory in order]


def decoded(words: list[list[int]], item: dict[str, Any]) -> dict[Place, int]:
    """Value by place along `axes`, one loop for each level of the layout."""
    pe, simd, groups, run = item["pe"], item["simd"], item["groups"], item["run"]
    rows = item["elements"] // run // groups
    lanes, bits = item["elements_per_word"], item["bits"]
    places = [tuple(i[a] for a in item["axes"]) for i in in_order(item["shape"], item["axes"], item["order"])]
    found, seen = {}, set()
    for group in range(groups):
        for fold in range(-(-rows // pe)):
            for row in range(pe):
                for column in range(-(-run // simd) * simd):
                    address = (group * -(-rows // pe) + fold) * -(-run // simd) + column // simd
                    memory, lane = (0, row * simd + column % simd) if item["memories"] is None else (row, column % simd)
                    seen.add((memory, address, lane))
                    position = lane if item["lsb_first"] else lanes - 1 - lane
                    slot = words[memory][address] >> position * item["slot_bits"] & 2 ** item["slot_bits"] - 1
                    if fold * pe + row >= rows or column >= run:
                        assert slot == 0, "a lane without an element is 0"
                        continue
                    code = slot & 2**bits - 1
                    signed = item["extend"] == "sign" and code >> bits - 1
                    assert slot >> bits == (2 ** (item["slot_bits"] - bits) - 1 if signed else 0)
                    found[places[(group * rows + fold * pe + row) * run + column]] = meaning(code, item)
    assert len(seen) == lanes * sum(len(memory) for memory in words), "every lane has been looked at"
    assert len(found) == item["elements"]
    return found


def held(array: np.ndarray) -> dict[Place, int]:
    return {place: int(value) for place, value in np.ndenumerate(array)}


def graph_of(groups: int = 1, kernel: tuple[int, int] = (2, 3), outputs: int = 5, inputs: int = 3) -> Graph:
    """`inputs` channels a group of 4 x 5 pixels -> ternary conv of `outputs` a group -> thresholds both ways -> binary
    depthwise -> affine -> requant -> dense."""
    rng = np.random.default_rng(groups * 100 + outputs)
    builder = GraphBuilder()
    x = builder.input("x", (inputs * groups, 4, 5), IntType(-8, 7))
    weight = IntTensor(rng.integers(-1, 2, (outputs * groups, inputs, *kernel)), "ternary")
    x = builder.add(Conv2d(weight, (1, 1), (0,) * 4, (0,), (1, 1), groups, Accumulator.prove(12)), x, name="conv")
    channels = outputs * groups
    down = rng.integers(0, 2, channels)
    levels = np.sort(rng.integers(x.type.lo, x.type.hi + 1, (channels, 3)), axis=1)
    levels[down == 1] = levels[down == 1, ::-1]
    x = builder.add(Threshold(IntTensor(levels), IntTensor(down), 0, 1), x, name="act")
    depth = IntTensor(2 * rng.integers(0, 2, (channels, 1, 1, 2)) - 1, "binary")
    x = builder.add(Conv2d(depth, (1, 1), (0,) * 4, (0,), (1, 1), channels, Accumulator.prove(5)), x, name="deep")
    affine = Affine(IntTensor(rng.integers(-5, 6, channels)), IntTensor(rng.integers(-90, 91, channels)))
    x = builder.add(affine, x, name="line")
    requant = Requant(IntTensor([3]), IntTensor(rng.integers(-9, 9, channels)), IntTensor([2]), RoundMode.FLOOR, -8, 7)
    x = builder.add(requant, x, name="round")
    x = builder.add(Flatten(), x, name="flat")
    fc = IntTensor(rng.integers(-100, 101, (3, x.shape[0])))
    builder.output("y", builder.add(Dense(fc, Accumulator.prove(24)), x, name="fc"))
    return builder.finish()
