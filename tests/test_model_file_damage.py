"""Model files that ask for much work, and random damage: bounded cost, and never a wrong bit or another error."""

from __future__ import annotations

import json
import random
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import (
    GOOD,
    HEADER,
    Members,
    canonical,
    drop,
    encoded,
    members_of,
    put,
    refused,
    refused_cheaply,
    with_header,
)
from model_graphs import assert_same, mognet_like, small

from intinfer.builder import GraphBuilder
from intinfer.errors import ModelFileError
from intinfer.files import npz
from intinfer.graph import Graph
from intinfer.model_file import load, save
from intinfer.types import IntType


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.npz"


# ---------------------------------------------------------------------------------------------- bounded work


def tiny(shape: list[int], nodes: list[dict[str, Any]], hi: int = 1, extra: Members | None = None) -> bytes:
    """A file of one input x and the given nodes, each {"op", "attributes"}, in a chain."""
    items, before = [], "x"
    for i, node in enumerate(nodes):
        value = {"name": f"n{i}", "shape": [1], "lo": 0, "hi": 1}
        items.append({**value, "inputs": [before], "source": [], **node})
        before = f"n{i}"
    document = {
        "format": "intinfer-model",
        "version": 1,
        "inputs": [{"name": "x", "shape": shape, "lo": 0, "hi": hi}],
        "nodes": items,
        "outputs": [{"name": "y", "value": before, "scale": ["1/1"], "offset": ["0/1"]}],
        "image": None,
        "classes": [],
        "provenance": {},
    }
    return npz.write([("header", canonical(document)), *(extra or [])])


def pool(kernel: list[int], pads: list[int], shape: list[int]) -> dict[str, Any]:
    attributes = {"kernel": kernel, "stride": [1, 1], "pads": pads, "dilation": [1, 1]}
    return {"op": "max_pool", "attributes": attributes, "shape": shape}


def test_pools_whose_windows_take_long_to_look_at(path: Path) -> None:
    wide = pool([4096, 1], [4095, 0, 4095, 0], [1, 1, 1])
    refused_cheaply(
        tiny([1, 1, 1], [wide]),
        path,
        "nodes[0]: with it the file has 16842769 steps of max_pool windows, at most 4194304 are allowed",
    )
    long = pool([1, 1], [0, 0, 0, 0], [1, 2**20, 1])
    refused_cheaply(
        tiny([1, 2**20, 1], [long]),
        path,
        "nodes[0]: with it the file has 17825809 steps of max_pool windows, at most 4194304 are allowed",
    )
    some = pool([200, 1], [199, 0, 0, 0], [1, 200, 1])
    refused(
        tiny([1, 200, 1], [some] * 100),
        path,
        "nodes[97]: with it the file has 4235266 steps of max_pool windows, at most 4194304 are allowed",
    )


def test_padding_that_would_fill_the_memory(path: Path) -> None:
    far = pool([1, 1], [4096, 4096, 4096, 4096], [1, 1, 1])
    refused_cheaply(
        tiny([2**31, 1, 1], [far]),
        path,
        "nodes[0]: 144150374595428352 elements of padded input, at most 2147483648 are allowed",
    )


def reference_to(key: str, shape: list[int], encoding: str) -> dict[str, Any]:
    return {"tensor": key, "shape": shape, "encoding": encoding}


def test_one_tensor_that_many_nodes_name(path: Path) -> None:
    channels = 2**16
    identity = {"multiplier": reference_to("t0", [channels], "u1"), "offset": reference_to("t1", [channels], "u1")}
    node = {"op": "affine", "attributes": identity, "shape": [channels], "lo": 0, "hi": 1}
    ones, zeros = b"\xff" * (channels // 8), bytes(channels // 8)
    path.write_bytes(tiny([channels], [node] * 8, extra=[("t0", ones), ("t1", zeros)]))
    assert len(load(path).nodes) == 8
    path.write_bytes(tiny([channels], [node] * 9, extra=[("t0", ones), ("t1", zeros)]))
    with pytest.raises(ModelFileError) as caught:
        load(path)
    assert str(caught.value) == (
        f"{path}: nodes[8].attributes.multiplier: with it the file has 1114112 rows of tensors that nodes refer to, "
        "at most 1048576 are allowed"
    )


def test_many_automata(path: Path) -> None:
    weight = {"rule": 30, "cells": 2**11, "rows": 2**11, "seed": "01" + "00" * 255}
    attributes = {
        "weight": weight,
        "stride": [1, 1],
        "pads": [0, 0, 0, 0],
        "pad_value": [0],
        "dilation": [1, 1],
        "groups": 1,
        "accumulator": {"bits": 32, "overflow": "prove", "order": None, "fold": None},
    }
    node = {"op": "conv2d", "attributes": attributes, "shape": [2048, 1, 1], "lo": 0, "hi": 0}
    refused(
        tiny([2048, 1, 1], [node] * 5, hi=0),
        path,
        "nodes[4].attributes.weight: with it the file has 20971520 generated weights, at most 16777216 are allowed",
    )


def test_weights_at_the_edge_of_int64(path: Path) -> None:
    """|-2^63| is no int64; a range computed with it would be silently wrong."""
    content = np.array([-(2**63), 1], dtype="<i8").tobytes()
    accumulator = {"bits": 8, "overflow": "wrap", "order": None, "fold": None}
    attributes = {"weight": reference_to("t0", [1, 2], "s64"), "accumulator": accumulator}
    refused(
        tiny([2], [{"op": "dense", "attributes": attributes}], hi=2, extra=[("t0", content)]),
        path,
        "node 'n0' (dense): a sum of 2 products may reach 36893488147419103232, beyond 2^62",
    )


def test_a_large_shape_without_content_costs_nothing(path: Path) -> None:
    edit = put("nodes", 0, "attributes", "weight", "shape", value=[1, 1, 2**14, 2**14])
    message = "nodes[0].attributes.weight: 268435456 ternary elements take 67108864 bytes, member 't0.npy' holds 27"
    refused_cheaply(with_header(GOOD, edit), path, message)


def test_messages_stay_short(path: Path) -> None:
    node = {"op": "add", "attributes": {"multipliers": [7] * 60_000}}
    path.write_bytes(tiny([1], [node]))
    with pytest.raises(ModelFileError) as caught:
        load(path)
    assert len(str(caught.value)) == 1000
    assert str(caught.value).startswith(
        f"{path}: node 'n0' (add): 1 inputs need as many non-zero multipliers, at least 2: (7, 7, 7,"
    )


# ---------------------------------------------------------------------------------------------- random damage


def loaded(data: bytes, path: Path) -> Graph | str:
    """The graph, or the one line that refuses it. Any other error is the failure that these tests look for."""
    path.write_bytes(data)
    try:
        return load(path)
    except ModelFileError as error:
        return str(error)


def same_or_refused(data: bytes, path: Path, graph: Graph) -> bool:
    """Whether the file was refused; otherwise it must hold the very same graph."""
    found = loaded(data, path)
    if isinstance(found, str):
        assert found.startswith(f"{path}: ")
        assert "\n" not in found
        return True
    assert_same(found, graph)
    return False


def saves_as_itself(data: bytes, path: Path) -> bool:
    """Whether the file loads; then saving the graph must give its bytes again."""
    found = loaded(data, path)
    if isinstance(found, str):
        assert "\n" not in found
        assert len(found) <= 1000
        return False
    save(found, path)
    assert path.read_bytes() == data
    return True


def test_every_truncation_at_a_64th_is_refused(tmp_path: Path, path: Path) -> None:
    for graph in (small(), mognet_like()):
        data = encoded(graph)
        for i in range(64):
            assert same_or_refused(data[: len(data) * i // 64], path, graph)


def test_flipped_bits_are_refused(path: Path) -> None:
    """Every bit of the end record and of one directory entry, and 3,000 of all others."""
    graph, last = small(), 8 * (len(GOOD) - 22 - 52)
    for bit in [*random.Random(0).sample(range(last), 3000), *range(last, 8 * len(GOOD))]:
        data = bytearray(GOOD)
        data[bit // 8] ^= 1 << bit % 8
        assert same_or_refused(bytes(data), path, graph), f"bit {bit}"


def test_random_edits_of_the_bytes_are_refused(path: Path) -> None:
    rng, graph = random.Random(1), small()
    for _ in range(2000):
        start, length = rng.randrange(len(GOOD)), rng.choice([0, 1, 2, 4, 100])
        new = rng.choice([rng.randbytes(length), rng.randbytes(rng.randrange(9)), GOOD[start : start + 50] * 2])
        data = GOOD[:start] + new + GOOD[start + length :]
        assert same_or_refused(data, path, graph) or data == GOOD


VALUES = [None, True, False, 0, 1, -1, 2, 3, 255, 4096, 65_536, 2**31, 2**62, -(2**62), 2**63, "", "x", "t0", "t3"]
VALUES += ["conv1", "wrap", "trap", "CKK", "ternary", "s64", "u1", "1/2", "RGB", [], [1], [0, 0], [1, 1, 1, 1], {}]


def places(item: Any, parents: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every item below a document."""
    pairs = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    return [place for key, child in pairs for place in ((*parents, key), *places(child, (*parents, key)))]


def test_random_edits_of_the_header_never_end_in_another_error(path: Path) -> None:
    """The frame is right each time, so the edits reach every field; what loads must be a graph that saves."""
    rng, accepted = random.Random(2), 0
    all_places = places(json.loads(HEADER))
    leaf = lambda document, place: [document := document[key] for key in place][-1]  # noqa: E731

    for _ in range(2000):

        def edit(document: Any) -> None:
            for _ in range(rng.choice([1, 1, 1, 2, 3])):
                place, other = rng.choice(all_places), rng.choice(all_places)
                try:
                    value = rng.choice([rng.choice(VALUES), leaf(json.loads(HEADER), other)])
                    rng.choice([put(*place, value=value), put(*place, value=value), drop(*place)])(document)
                except (KeyError, IndexError, TypeError):
                    continue  # an earlier edit took the place away

        accepted += saves_as_itself(with_header(GOOD, edit), path)
    assert accepted > 20


def test_random_tensor_bytes_give_that_tensor_or_a_refusal(path: Path) -> None:
    rng, accepted = random.Random(3), 0
    members = members_of(GOOD)
    for _ in range(600):
        changed = list(members)
        index = rng.randrange(1, len(members))
        name, content = changed[index]
        position = rng.randrange(len(content))
        changed[index] = (name, content[:position] + rng.randbytes(1) + content[position + 1 :])
        accepted += saves_as_itself(npz.write(changed), path)
    assert accepted > 50


def test_python_limits_on_digits_do_not_matter(path: Path) -> None:
    builder = GraphBuilder()
    longest = Fraction(10**640 - 1, 10**639 + 7)
    builder.output("y", builder.input("x", (1,), IntType(0, 1)), [longest])
    before = sys.get_int_max_str_digits()
    try:
        sys.set_int_max_str_digits(640)
        save(builder.finish(), path)
        assert load(path).outputs[0].scale == (longest,)
    finally:
        sys.set_int_max_str_digits(before)
