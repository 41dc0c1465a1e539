"""Model files with a sound frame and a wrong field or tensor: each is refused, and the message names the key."""

# ruff: noqa: E501  (tables of whole messages, one a line)
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import GOOD, Edit, drop, members_of, put, refused, with_header, with_text

from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.files import npz
from intinfer.model_file import save
from intinfer.ops import Dense
from intinfer.tensor import IntTensor
from intinfer.types import IntType


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.npz"


CONV, ACT, PW, REQUANT, POOL, SHUFFLE, FLAT, FC = (("nodes", i) for i in range(8))
A = "attributes"
WEIGHT, CELLS = (*CONV, A, "weight"), (*PW, A, "weight")
KINDS = (
    "conv2d, dense, threshold, requant, bitshift, add, affine, table, tgap, mux, concat, channel_select, max_pool, "
    "sum_pool, clamp, flatten, gather, argmax, abs"
)
BIG = 2**62 + 1

FIELDS: list[tuple[Edit, str]] = [
    (put("version", value=3), "written by a newer intinfer: version 3; this one reads 1 to 2"),
    (put("version", value=2), "version: 2 is declared, and what the file holds is of 1"),
    (put("version", value=0), "version: 0 is outside 1..4611686018427387904"),
    (put("version", value=True), "version: an integer is needed, got true"),
    (put("version", value="1"), "version: an integer is needed, got '1'"),
    (drop("version"), "version: an integer is needed, got null"),
    (put("format", value="onnx"), "header: not a model file: its format is not 'intinfer-model'"),
    (drop("format"), "header: not a model file: its format is not 'intinfer-model'"),
    (drop("image"), "header: field 'image' is missing"),
    (put("extra", value=1), "header: unknown field 'extra'"),
    (put("x" * 100, value=1), f"header: unknown field '{'x' * 57}...'"),
    (put("inputs", value={}), "inputs: a list is needed, got an object"),
    (put("inputs", value=[]), "nodes[0].inputs[0]: 'image' is no input and no node before this place"),
    (put("inputs", value=[1] * 1001), "inputs: 1001 items, at most 1000 are allowed"),
    (put("nodes", value=[1] * 10_001), "nodes: 10001 items, at most 10000 are allowed"),
    (put("nodes", 0, value=[]), "nodes[0]: an object is needed, got a list"),
    (put("inputs", 0, "shape", value=[3, 8]), "value 'image': shape (3, 8) must be (C, H, W) or (C,), each at least 1"),
    (put("inputs", 0, "shape", value=[3, 8, 0]), "value 'image': shape (3, 8, 0) must be (C, H, W) or (C,), each at least 1"),
    (put("inputs", 0, "shape", value=[3, 8, True]), "inputs[0].shape[2]: an integer is needed, got true"),
    (put("inputs", 0, "shape", value=[1] * 4), "inputs[0].shape: 4 items, at most 3 are allowed"),
    (put("inputs", 0, "shape", value=[3, 2**30, 8]), "value 'image': 25769803776 elements, more than 2147483648"),
    (put("inputs", 0, "lo", value=256), "inputs[0]: lo 256 exceeds hi 255"),
    (put("inputs", 0, "hi", value=BIG), f"inputs[0].hi: {BIG} is outside {-(2**62)}..{2**62}"),
    (put("inputs", 0, "lo", value=None), "inputs[0].lo: an integer is needed, got null"),
    (put("inputs", 0, "name", value=7), "inputs[0].name: a string is needed, got 7"),
    (put("inputs", 0, "name", value=""), "value name '' must be 1..200 printable characters"),
    (put("inputs", 0, "name", value="a" * 201), "inputs[0].name: 201 characters, at most 200 are allowed"),
    (put("inputs", 0, "name", value="a\x1b[2J"), "inputs[0].name: 'a\\x1b[2J' holds a character that cannot be printed"),
    (put("inputs", 0, "name", value="a\nb"), "inputs[0].name: 'a\\nb' holds a character that cannot be printed"),
    (put(*ACT, "name", value="conv1"), "value name 'conv1' is taken; names are unique"),
    (put(*CONV, "op", value="conv3d"), f"nodes[0].op: 'conv3d' is unknown; allowed are {KINDS}"),
    (put(*CONV, "op", value=["conv2d"]), f"nodes[0].op: a list is unknown; allowed are {KINDS}"),
    (put(*CONV, "op", value="o" * 10**5), f"nodes[0].op: '{'o' * 57}...' is unknown; allowed are {KINDS}"),
    (put(*CONV, "inputs", value=["pool"]), "nodes[0].inputs[0]: 'pool' is no input and no node before this place"),
    (put(*CONV, "inputs", value=[]), "node 'conv1' (conv2d): takes 1 input(s), got 0"),
    (put(*CONV, "source", value=["a\tb"]), "nodes[0].source[0]: 'a\\tb' holds a character that cannot be printed"),
    (put(*CONV, "source", value="conv1"), "nodes[0].source: a list is needed, got 'conv1'"),
    (put(*CONV, "hi", value=10**6), "node 'conv1' (conv2d): declared [4, 8, 8] of -2295..1000000, its op gives [4, 8, 8] of -2295..2295"),
    (put(*CONV, "shape", value=[4, 8, 9]), "node 'conv1' (conv2d): declared [4, 8, 9] of -2295..2295, its op gives [4, 8, 8] of -2295..2295"),
    (drop(*CONV, A, "groups"), "nodes[0].attributes: field 'groups' is missing"),
    (put(*CONV, A, "bias", value=0), "nodes[0].attributes: unknown field 'bias'"),
    (put(*CONV, A, value=None), "nodes[0].attributes: an object is needed, got null"),
    (put(*CONV, A, "groups", value=True), "nodes[0].attributes.groups: an integer is needed, got true"),
    (put(*CONV, A, "groups", value=0), "node 'conv1' (conv2d): 3 input channels, weight (4, 3, 3, 3) and 0 groups do not fit: I = weight.shape[1] * groups, and groups must divide O"),
    (put(*CONV, A, "stride", value=[1]), "nodes[0].attributes.stride: 2 integers are needed, got 1"),
    (put(*CONV, A, "stride", value=[1, "1"]), "nodes[0].attributes.stride[1]: an integer is needed, got '1'"),
    (put(*CONV, A, "stride", value=[0, 1]), "node 'conv1' (conv2d): stride (0, 1) must be two numbers of at least 1"),
    (put(*CONV, A, "stride", value=[2**40, 1]), "nodes[0].attributes.stride[0]: 1099511627776 is outside 0..4096"),
    (put(*CONV, A, "dilation", value=[9, 1]), "node 'conv1' (conv2d): a kernel reaching 19x3 does not fit the padded map 10x10"),
    (put(*CONV, A, "pads", value=[1, 1, 1, 4097]), "nodes[0].attributes.pads[3]: 4097 is outside 0..4096"),
    (put(*CONV, A, "pads", value=[-1, 1, 1, 1]), "nodes[0].attributes.pads[0]: -1 is outside 0..4096"),
    (put(*CONV, A, "pad_value", value=[0] * 65_537), "nodes[0].attributes.pad_value: 65537 items, at most 65536 are allowed"),
    (put(*CONV, A, "pad_value", value=[]), "node 'conv1' (conv2d): 0 pad values for 3 channels; give 1 or one a channel"),
    (put(*CONV, A, "pad_value", value=[-1]), "node 'conv1' (conv2d): pad value -1 is outside the input's type 0..255"),
    (put(*CONV, A, "accumulator", "bits", value=63), "nodes[0].attributes.accumulator: accumulator of 63 bits: 2..62 are possible"),
    (put(*CONV, A, "accumulator", "bits", value=8), "node 'conv1' (conv2d): sums reach -2295..2295 and need 13 signed bits, the accumulator has 8: widen it, or state wrap, saturate or trap"),
    (put(*CONV, A, "accumulator", "overflow", value="trunc"), "nodes[0].attributes.accumulator.overflow: 'trunc' is unknown; allowed are prove, wrap, saturate, trap"),
    (put(*CONV, A, "accumulator", "order", value="CKK"), "nodes[0].attributes.accumulator: a prove accumulator does not depend on order or fold: leave them out"),
    (put(*FC, A, "accumulator", "order", value="KCK"), "nodes[7].attributes.accumulator.order: 'KCK' is unknown; allowed are CKK, KKC"),
    (put(*FC, A, "accumulator", "fold", value=True), "nodes[7].attributes.accumulator.fold: an integer is needed, got true"),
    (put(*FC, A, "accumulator", "fold", value=0), "nodes[7].attributes.accumulator: a saturate accumulator needs an order (CKK or KKC) and a fold of at least 1"),
    (drop(*FC, A, "accumulator", "fold"), "nodes[7].attributes.accumulator: field 'fold' is missing"),
    (put(*REQUANT, A, "rounding", value="nearest"), "nodes[3].attributes.rounding: 'nearest' is unknown; allowed are floor, half_up, half_even, half_away"),
    (put(*REQUANT, A, "lo", value=4), "node 'pw.act' (requant): IntType 4..3 is empty: lo must not exceed hi"),
    (put(*REQUANT, A, "lo", value=-(2**63)), f"nodes[3].attributes.lo: {-(2**63)} is outside {-(2**62)}..{2**62}"),
    (put(*ACT, A, "step", value=0), "node 'conv1.act' (threshold): step 0 must be at least 1; a falling code is a descending channel"),
    # tensors
    (put(*WEIGHT, value=5), "nodes[0].attributes.weight: an object is needed, got 5"),
    (drop(*WEIGHT, "shape"), "nodes[0].attributes.weight: field 'shape' is missing"),
    (put(*WEIGHT, "tensor", value="t99"), "nodes[0].attributes.weight.tensor: 't99' is none of the 8 tensors of the file"),
    (put(*WEIGHT, "tensor", value=0), "nodes[0].attributes.weight.tensor: a string is needed, got 0"),
    (put(*WEIGHT, "tensor", value="header"), "nodes[0].attributes.weight.tensor: 'header' is none of the 8 tensors of the file"),
    (put(*WEIGHT, "encoding", value="f32"), "nodes[0].attributes.weight: unknown encoding 'f32': allowed are binary, ternary, u1..u63 and s1..s64"),
    (put(*WEIGHT, "encoding", value="u64"), "nodes[0].attributes.weight: unknown encoding 'u64': allowed are binary, ternary, u1..u63 and s1..s64"),
    (put(*WEIGHT, "encoding", value="s8"), "nodes[0].attributes.weight: 108 s8 elements take 108 bytes, member 't0.npy' holds 27"),
    (put(*WEIGHT, "shape", value=[4, 3, 3, 4]), "nodes[0].attributes.weight: 144 ternary elements take 36 bytes, member 't0.npy' holds 27"),
    (put(*WEIGHT, "shape", value=[]), "nodes[0].attributes.weight.shape: 1 to 4 extents are needed, got none"),
    (put(*WEIGHT, "shape", value=[4, 3, 3, 3, 1]), "nodes[0].attributes.weight.shape: 5 items, at most 4 are allowed"),
    (put(*WEIGHT, "shape", value=[4, 3, 9, 0]), "nodes[0].attributes.weight.shape[3]: 0 is outside 1..268435456"),
    (put(*WEIGHT, "shape", value=[4, -3, -3, 3]), "nodes[0].attributes.weight.shape[1]: -3 is outside 1..268435456"),
    (put(*WEIGHT, "shape", value=[4, 27]), "node 'conv1' (conv2d): weight has shape (4, 27), (O, I/groups, KH, KW) is needed"),
    (put(*WEIGHT, "shape", value=[1, 2**14, 2**14, 2**14]), "nodes[0].attributes.weight: with it the file has 4398046511104 elements of tensors that nodes refer to, at most 536870912 are allowed"),
    (put(*WEIGHT, "shape", value=[1, 2, 2**14, 2**14]), "nodes[0].attributes.weight: with it the file has 536870912 stored elements, at most 268435456 are allowed"),
    (put(*WEIGHT, "shape", value=[2**20 + 1]), "nodes[0].attributes.weight: with it the file has 1048577 rows of tensors that nodes refer to, at most 1048576 are allowed"),
    (put(*ACT, A, "descending", value={"tensor": "t0", "shape": [108], "encoding": "ternary"}), "nodes[1].attributes.descending: tensor 't0' is ternary [108] here, ternary [4, 3, 3, 3] where it was used before"),
    (put(*ACT, A, "descending", value={"tensor": "t0", "shape": [4, 3, 3, 3], "encoding": "s2"}), "nodes[1].attributes.descending: tensor 't0' is s2 [4, 3, 3, 3] here, ternary [4, 3, 3, 3] where it was used before"),
    # automata
    (put(*CELLS, "rule", value=256), "nodes[2].attributes.weight.rule: 256 is outside 0..255"),
    (put(*CELLS, "rule", value=None), "nodes[2].attributes.weight.rule: an integer is needed, got null"),
    (put(*CELLS, "cells", value=11), "node 'pw' (conv2d): declared [10, 8, 8] of -9..9, its op gives [11, 8, 8] of -9..9"),
    (put(*CELLS, "cells", value=17), "nodes[2].attributes.weight.seed: 6 lower-case hex digits are needed, got '1603'"),
    (put(*CELLS, "cells", value=9), "nodes[2].attributes.weight.seed: a bit after cell 8 is set"),
    (put(*CELLS, "cells", value=2**17), "nodes[2].attributes.weight.cells: 131072 is outside 2..65536"),
    (put(*CELLS, "rows", value=2**17), "nodes[2].attributes.weight.rows: 131072 is outside 1..65536"),
    (lambda d: d["nodes"][2][A]["weight"].update(rows=2**16, cells=2**16), "nodes[2].attributes.weight: with it the file has 4294967296 generated weights, at most 16777216 are allowed"),
    (put(*CELLS, "seed", value="16 3"), "nodes[2].attributes.weight.seed: 4 lower-case hex digits are needed, got '16 3'"),
    (put(*CELLS, "seed", value="160A"), "nodes[2].attributes.weight.seed: 4 lower-case hex digits are needed, got '160A'"),
    (put(*CELLS, "seed", value="0000"), "nodes[2].attributes.weight: cellular automaton seed of 10 cells is all 0: it generates constant weights; draw another seed"),
    (put(*CELLS, "tensor", value="t0"), "nodes[2].attributes.weight: unknown field 'tensor'"),
    (drop(*CELLS, "rule"), "nodes[2].attributes.weight: field 'encoding' is missing"),
    (put(*FC, A, "weight", value={"rule": 30, "cells": 2, "rows": 160, "seed": "01"}), "nodes[7].attributes.weight: field 'encoding' is missing"),
    # ends
    (put("outputs", value=[]), "a graph needs inputs and outputs, got 1 and 0"),
    (put("outputs", value=[1] * 1001), "outputs: 1001 items, at most 1000 are allowed"),
    (put("outputs", 0, "name", value=""), "outputs[0].name: an output needs a name"),
    (put("outputs", 0, "value", value="none"), "outputs[0].value: 'none' is no input and no node before this place"),
    (put("outputs", 0, "scale", value=["1/1"] * 3), "output 'logits': 3 scales for 2 channels; give 1 or one a channel"),
    (put("outputs", 0, "scale", value=[1]), "outputs[0].scale[0]: a string is needed, got 1"),
    (put("outputs", 0, "scale", value=["1/0"]), "outputs[0].scale[0]: '1/0' is no fraction p/q of at most 640 digits each"),
    (put("outputs", 0, "scale", value=["0.5"]), "outputs[0].scale[0]: '0.5' is no fraction p/q of at most 640 digits each"),
    (put("outputs", 0, "scale", value=["1/-2"]), "outputs[0].scale[0]: '1/-2' is no fraction p/q of at most 640 digits each"),
    (put("outputs", 0, "scale", value=["1/2\n"]), "outputs[0].scale[0]: '1/2\\n' holds a character that cannot be printed"),
    (put("outputs", 0, "scale", value=["١/2"]), "outputs[0].scale[0]: '١/2' is no fraction p/q of at most 640 digits each"),
    (put("outputs", 0, "scale", value=["2/4"]), "outputs[0].scale[0]: '2/4' is not in lowest terms"),
    (put("outputs", 0, "scale", value=["-0/1"]), "outputs[0].scale[0]: '-0/1' is not in lowest terms"),
    (put("outputs", 0, "scale", value=["01/2"]), "outputs[0].scale[0]: '01/2' is not in lowest terms"),
    (put("outputs", 0, "scale", value=["1" * 641 + "/1"]), f"outputs[0].scale[0]: '{'1' * 57}...' is no fraction p/q of at most 640 digits each"),
    (put("outputs", 0, "scale", value=["1" * 10**6 + "/1"]), "outputs[0].scale[0]: 1000002 characters, at most 1282 are allowed"),
    (put("image", value="RGB"), "image: an object is needed, got 'RGB'"),
    (put("image", "mode", value="CMYK"), "image mode 'CMYK': allowed are RGB and L, and none where no input is a picture"),
    (put("image", "mode", value="L"), "an L image does not fit input shape (3, 8, 8)"),
    (put("image", "fit", value="warp"), "image fit 'warp': allowed are exact, crop and resize"),
    (put("classes", value=["a"]), "1 class names for 2 outputs"),
    (put("classes", value=["a", 2]), "classes[1]: a string is needed, got 2"),
    (put("classes", value=["a", "b\r"]), "classes[1]: 'b\\r' holds a character that cannot be printed"),
    (put("classes", value=["a", "b" * 1001]), "classes[1]: 1001 characters, at most 1000 are allowed"),
    (put("provenance", value=[]), "provenance: an object of at most 1000 fields is needed"),
    (put("provenance", value=dict.fromkeys(map(str, range(1001)), "")), "provenance: an object of at most 1000 fields is needed"),
    (put("provenance", "source", value=None), "provenance.source: a string is needed, got null"),
    (put("provenance", "source", value="\x07"), "provenance.source: '\\x07' holds a character that cannot be printed"),
    (put("provenance", "\x07", value=""), "provenance: '\\x07' holds a character that cannot be printed"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "message"), FIELDS, ids=[str(i) for i in range(len(FIELDS))])
def test_fields_that_are_wrong(edit: Edit, message: str, path: Path) -> None:
    refused(with_header(GOOD, edit), path, message)


def test_a_header_that_is_no_object(path: Path) -> None:
    for text in (b"[]", b"null", b'"intinfer-model"', b"1"):
        refused(with_text(GOOD, text), path, "header: not a model file: its format is not 'intinfer-model'")


def test_a_newer_version_is_named_whatever_else_it_has(path: Path) -> None:
    def edit(document: dict[str, Any]) -> None:
        document.update(version=7, layout="new")
        del document["nodes"]

    refused(with_header(GOOD, edit), path, "written by a newer intinfer: version 7; this one reads 1 to 2")


def test_bits_that_are_no_code(path: Path) -> None:
    members = dict(members_of(GOOD))

    def with_member(name: str, content: bytes) -> bytes:
        return npz.write(list({**members, name: content}.items()))

    weight = members["t0"]
    refused(
        with_member("t0", weight[:3] + b"\x80" + weight[4:]),
        path,
        "nodes[0].attributes.weight: member 't0.npy': element 15 has the invalid ternary code 10",
    )
    thresholds_down = members["t2"]
    assert len(thresholds_down) == 1
    refused(
        with_member("t2", b"\x18"),
        path,
        "nodes[1].attributes.descending: member 't2.npy': an unused bit after the last element is set",
    )
    refused(
        with_member("t2", b"\x01\x00"),
        path,
        "nodes[1].attributes.descending: 4 u1 elements take 1 bytes, member 't2.npy' holds 2",
    )


def test_bits_that_are_no_code_far_inside(path: Path) -> None:
    """Tensors are unpacked in parts; the message says in which one the element stands."""
    builder = GraphBuilder()
    op = Dense(IntTensor(np.ones((1, 70_000), dtype=np.int64), "ternary"), Accumulator.prove(32))
    builder.output("y", builder.add(op, builder.input("x", (70_000,), IntType(0, 1)), name="y"))
    save(builder.finish(), path)
    (header, weight) = members_of(path.read_bytes())
    content = weight[1][:16_385] + b"\x56" + weight[1][16_386:]
    refused(
        npz.write([header, ("t0", content)]),
        path,
        "nodes[0].attributes.weight: member 't0.npy' from element 65536 on: element 4 has the invalid ternary code 10",
    )
