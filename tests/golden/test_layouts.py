"""Memory layouts: tiles of weights and thresholds, element 0 in either end, elements in slots."""

from __future__ import annotations

import importlib.resources
import json
import subprocess
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from golden_layouts import decoded, graph_of, held, memories, tensors
from golden_sets import NoCheck, read_memh, true_values, write_unchecked
from hypothesis import given, settings
from hypothesis import strategies as st
from tools import module, needs_icarus

import intinfer
from intinfer import reference
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.errors import DataError
from intinfer.graph import Graph
from intinfer.ops import Conv2d, Dense, Threshold
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from intinfer_golden import Tile, WordOptions, write_isolated
from intinfer_golden.describe.formats import FORMATS
from intinfer_golden.describe.manifest import load
from intinfer_golden.describe.regions import each_node
from intinfer_golden.make.vectors import estimate

FRAMES = 2


def images(graph: Graph) -> np.ndarray:
    (x,) = graph.inputs
    return np.random.default_rng(5).integers(x.type.lo, x.type.hi, (FRAMES, *x.shape), endpoint=True)


def dense(rows: list[list[int]], encoding: str = "ternary") -> Graph:
    builder = GraphBuilder()
    x = builder.input("x", (len(rows[0]),), IntType(0, 3))
    builder.output("y", builder.add(Dense(IntTensor(rows, encoding), Accumulator.prove(16)), x, name="fc"))
    return builder.finish()


def hexes(directory: Path, name: str) -> list[str]:
    """The words of a constant's memh file as they stand there."""
    lines = (directory / "constants" / f"{name}.memh").read_text("ascii").splitlines()
    return [line for line in lines if not line.startswith("//")]


# ------------------------------------------------------------------------------------------------------------ by hand

MATRIX = [[1, -1, 0, 1, 1], [0, 1, 1, -1, 0], [-1, -1, 1, 0, 1]]
"""Three output channels of five taps. Ternary: 1 is 01, -1 is 11."""
BY_HAND = {  # of pe=2, simd=2: two neuron folds of three synapse folds; a word is pe 1 above pe 0
    "together": (WordOptions({"": Tile(2, 2)}), {"": ["4d", "d4", "01", "0f", "01", "01"]}),
    "high end": (WordOptions({"": Tile(2, 2)}, element0="high"), {"": ["71", "17", "40", "f0", "40", "40"]}),
    "a memory each": (
        WordOptions({"fc": Tile(2, 2, per_pe=True)}),
        {".pe0": ["d", "4", "1", "f", "1", "1"], ".pe1": ["4", "d", "0", "0", "0", "0"]},
    ),
    "bytes": (
        WordOptions({"": Tile(2, 2)}, pad_elements=8),
        {"": ["0100ff01", "ff010100", "00000001", "0000ffff", "00000001", "00000001"]},
    ),
    "bytes with zeros": (
        WordOptions({"": Tile(2, 2)}, pad_elements=8, zero=True),
        {"": ["01000301", "03010100", "00000001", "00000303", "00000001", "00000001"]},
    ),
    "all taps": (WordOptions({"": Tile(1)}), {"": ["14d", "0d4", "11f"]}),
    "one tap of three channels": (WordOptions({"": Tile(3, 1)}), {"": ["31", "37", "14", "0d", "11"]}),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_a_matrix_in_tiles_by_hand(case: str, tmp_path: Path) -> None:
    words, files = BY_HAND[case]
    write_unchecked(dense(MATRIX), np.arange(5)[None] % 4, tmp_path / "set", words=words, formats=["memh"])
    assert {suffix: hexes(tmp_path / "set", f"fc.weight{suffix}") for suffix in files} == files
    listed = [file["path"] for file in tensors(tmp_path / "set")["fc.weight"]["files"]]
    assert listed == [f"constants/fc.weight{suffix}.memh" for suffix in files]
    assert sorted(path.name for path in (tmp_path / "set" / "constants").iterdir()) == [Path(p).name for p in listed]


@pytest.mark.parametrize(("order", "words"), [("nhwc", ["3120", "7564"]), ("nchw", ["3210", "7654"])])
def test_taps_lie_as_the_layer_s_input_does(order: str, words: list[str], tmp_path: Path) -> None:
    weight = np.arange(8).reshape(2, 2, 1, 2)  # output o, input i, column x: 4 o + 2 i + x
    builder = GraphBuilder()
    x = builder.input("x", (2, 1, 3), IntType(0, 3))
    op = Conv2d(IntTensor(weight, "u4"), (1, 1), (0,) * 4, (0,), (1, 1), 1, Accumulator.prove(16))
    builder.output("y", builder.add(op, x, name="c"))
    options: dict[str, Any] = {"order": order, "words": WordOptions({"": Tile(1, 4)}), "formats": ["memh"]}
    write_unchecked(builder.finish(), np.zeros((2, 1, 3), dtype=int), tmp_path / "set", **options)
    assert hexes(tmp_path / "set", "c.weight") == words
    taps = ["KH", "KW", "I"] if order == "nhwc" else ["I", "KH", "KW"]
    item = tensors(tmp_path / "set")["c.weight"]
    assert (item["order"], item["run_axes"], item["run"]) == (["O", *taps], taps, 4)


def test_thresholds_of_a_channel_share_a_word(tmp_path: Path) -> None:
    builder = GraphBuilder()
    x = builder.input("x", (3, 1, 1), IntType(-8, 7))
    levels = IntTensor([[-8, 0, 7], [3, 2, -1], [1, 1, 1]], "s8")
    builder.output("y", builder.add(Threshold(levels, IntTensor([0, 1, 0]), 0, 1), x, name="act"))
    graph = builder.finish()
    cases = {
        "word": (Tile(), ["0700f8", "ff0203", "010101"], ["0", "1", "0"]),
        "pe": (Tile(2), ["ff02030700f8", "000000010101"], ["2", "0"]),
        "one at a time": (Tile(2, 1), ["03f8", "0200", "ff07", "0001", "0001", "0001"], ["2", "0"]),
    }
    for name, (tile, thresholds, descending) in cases.items():
        options: dict[str, Any] = {"words": WordOptions(thresholds={"": tile}), "formats": ["memh"]}
        write_unchecked(graph, np.zeros((3, 1, 1), dtype=int), tmp_path / name, **options)
        assert (name, hexes(tmp_path / name, "act.thresholds")) == (name, thresholds)
        assert (name, hexes(tmp_path / name, "act.descending")) == (name, descending)


def test_values_from_the_high_end_and_in_bytes(tmp_path: Path) -> None:
    graph = dense([[1, 0, 0, 0, -1]])
    words = WordOptions(element0="high", pad_elements=8)
    write_unchecked(graph, np.array([[3, 1, 0, 2, 1]]), tmp_path / "set", words=words, fold=2, formats=["memh", "bin"])
    item = tensors(tmp_path / "set")["x"]
    assert read_memh(tmp_path / "set" / "values" / "x.memh", 16) == [0x0301, 0x0002, 0x0100]
    assert (tmp_path / "set" / "values" / "x.bin").read_bytes().hex() == "010302000001"
    assert (item["lsb_first"], item["slot_bits"], item["extend"], item["word_bits"]) == (False, 8, "zero", 16)
    header = (tmp_path / "set" / "values" / "x.memh").read_text("ascii")
    assert "// packing: 2 elements a word of 16 bits, element 0 in the most significant bits, 3 words for 5" in header
    assert "element: 2 bits, unsigned in a slot of 8, 0 above it" in header


# ------------------------------------------------------------------------------------------------- all that can be said


def check_set(graph: Graph, directory: Path) -> None:
    """Every tensor of a set reads back: by the loops of `decoded`, and by the package from each format alone."""
    trace = reference.trace(graph, images(graph))
    vectors = load(directory)
    stored = vectors.values | vectors.constants
    for name, item in tensors(directory).items():
        truth = true_values(item, graph, trace)
        assert (name, decoded(memories(directory, item), item)) == (name, held(truth))
        entry = stored[name]
        flat = truth.transpose([item["axes"].index(axis) for axis in item["order"]]).reshape(-1)
        for format_ in sorted({file.format for file in entry.files}):
            one = replace(entry, files=tuple(file for file in entry.files if file.format == format_))
            assert (name, format_, one.values().tolist()) == (name, format_, flat.tolist())
        assert [len((directory / file.path).read_bytes()) for file in entry.files] == [f.bytes for f in entry.files]


SHAPES = list(product((1, 3), (1, 2, 3), (1, 2, 5)))


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_every_small_tile_reads_back(groups: int, tmp_path: Path) -> None:
    for number, (outputs, pe, simd) in enumerate(SHAPES):
        graph = graph_of(groups, (1, 2), outputs, 2)
        tile = Tile(pe, simd, per_pe=number % 2 == 1)
        words = WordOptions({"": tile}, {"": Tile(pe, None, number % 3 == 1)}, ("low", "high")[number % 2])
        folder = tmp_path / str(number)
        write_unchecked(graph, images(graph), folder, words=words, order=("nhwc", "nchw")[number // 2 % 2])
        check_set(graph, folder)
        items = tensors(folder)
        assert items["conv.weight"]["groups"] == (groups if outputs > 1 else 1)
        assert items["deep.weight"]["groups"] == 1
        rows = outputs if outputs > 1 else groups
        blocks = groups if outputs > 1 else 1
        assert items["conv.weight"]["words"] == blocks * -(-rows // pe) * -(-4 // simd)


tiles = st.builds(Tile, st.integers(1, 7), st.none() | st.integers(1, 20), st.booleans())


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_layout_reads_back_in_every_format(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    graph = graph_of(
        data.draw(st.integers(1, 3)),
        data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        data.draw(st.integers(1, 5)),
        data.draw(st.integers(1, 4)),
    )
    names = st.sampled_from(["", "conv", "deep", "fc"]), st.sampled_from(["", "act", "line", "round"])
    words = WordOptions(
        data.draw(st.dictionaries(names[0], tiles, max_size=3)),
        data.draw(st.dictionaries(names[1], tiles, max_size=3)),
        data.draw(st.sampled_from(["low", "high"])),
        data.draw(st.sampled_from([1, 8, 16, 32, 64])),
        data.draw(st.booleans()),
    )
    order = "n" + "".join(data.draw(st.permutations("chw")))
    folder = tmp_path_factory.mktemp("set") / "s"
    fold = data.draw(st.integers(1, 9))
    write_unchecked(graph, images(graph), folder, words=words, order=order, fold=fold, formats=list(FORMATS))
    check_set(graph, folder)
    sizes = estimate(graph, FRAMES, order=order, fold=fold, words=words)
    for format_, size in sizes.items():
        assert (format_, sum(path.stat().st_size for path in folder.rglob(f"*.{format_}"))) == (format_, size)


def test_the_manifest_says_it_all_and_follows_its_schema(tmp_path: Path) -> None:
    jsonschema = module("jsonschema")
    text = importlib.resources.files("intinfer_golden.describe").joinpath("manifest.schema.json").read_text("utf-8")
    graph = graph_of(2)
    words = WordOptions({"": Tile(4, 8), "conv": Tile(2, 9, True)}, {"": Tile(3)}, "high", 16, True)
    write_unchecked(graph, images(graph), tmp_path / "set", words=words, fold=2)
    document = json.loads((tmp_path / "set" / "manifest.json").read_text("ascii"))
    assert not list(jsonschema.Draft202012Validator(json.loads(text)).iter_errors(document))
    assert document["command"]["words"] == {
        "weights": {"": {"pe": 4, "simd": 8, "per_pe": False}, "conv": {"pe": 2, "simd": 9, "per_pe": True}},
        "thresholds": {"": {"pe": 3, "simd": None, "per_pe": False}},
        "element0": "high",
        "pad_elements": 16,
        "zero": True,
    }
    assert WordOptions.of_document(document["command"]["words"]) == words
    item = tensors(tmp_path / "set")["conv.weight"]
    keys = ("pe", "simd", "memories", "groups", "elements_per_word", "words", "slot_bits", "extend", "lsb_first")
    assert [item[key] for key in keys] == [2, 9, 2, 2, 9, 2 * 3 * 2, 16, "zero", False]
    assert [(file["memory"], file["path"]) for file in item["files"]] == [
        (0, "constants/conv.weight.pe0.memh"),
        (1, "constants/conv.weight.pe1.memh"),
        (None, "constants/conv.weight.npy"),
    ]
    masks = [entry for entry in document["tensors"] if entry["role"] == "demand_mask"]
    assert all(mask["lsb_first"] and mask["slot_bits"] == 1 for mask in masks)  # bit c is channel c in any set


def test_a_manifest_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    write_unchecked(graph_of(2), images(graph_of(2)), tmp_path, words=WordOptions({"": Tile(2, 4, True)}))
    path = tmp_path / "manifest.json"
    text = path.read_text("ascii")
    load(tmp_path)
    changes = {"pe": 3, "simd": 5, "groups": 3, "memories": 1, "run_axes": ["I"], "elements_per_word": 8, "words": 1}
    more = {"slot_bits": 1, "run": 1, "words_per_run": 1, "word_bits": 9, "beat_bits": 16, "files": []}
    for key, value in {**changes, **more}.items():
        document = json.loads(text)
        (item,) = (i for i in document["tensors"] if (i["node"], i["attribute"]) == ("conv", "weight"))
        assert item[key] != value
        item[key] = value
        path.write_text(json.dumps(document), encoding="ascii")
        with pytest.raises(DataError, match=r"manifest.json: is damaged"):
            load(tmp_path)


def test_the_sets_of_regions_have_the_layouts_of_the_network(tmp_path: Path) -> None:
    graph = graph_of()
    words = WordOptions({"": Tile(2, 3), "conv": Tile(5, 2, True)}, {"act": Tile()}, "high", 8)
    regions = each_node(graph, ["conv", "act", "fc"])

    with patch("intinfer_golden.make.run.CrossCheck", NoCheck):
        write_isolated(intinfer.Model(graph), regions, tmp_path / "sets", words=words, rounds=0, formats=["memh"])
    found = {region.name: tensors(tmp_path / "sets" / region.name) for region in regions}
    conv, act, fc = found["conv"]["conv.weight"], found["act"]["act.thresholds"], found["fc"]["fc.weight"]
    assert [(item["pe"], item["simd"], item["memories"]) for item in (conv, act, fc)] == [
        (5, 2, 5),
        (1, 3, None),
        (2, 3, None),
    ]
    for region in regions:
        for name, item in found[region.name].items():
            assert (item["lsb_first"], item["slot_bits"] % 8) == (False, 0)
            if item["attribute"]:
                truth = getattr(graph.node(region.name).op, item["attribute"]).values
                assert (name, decoded(memories(tmp_path / "sets" / region.name, item), item)) == (name, held(truth))


WRONG = {
    "tile below 1": (lambda: Tile(0, 1), r"pe=0 is no tile; give 1 or more"),
    "simd below 1": (lambda: Tile(1, 0), r"simd=0 is no tile"),
    "too many memories": (lambda: Tile(4097, 1, True), r"pe=4097 with a memory each are more than 4,096 files"),
    "end": (lambda: WordOptions(element0="left"), r"element0 'left' is no end of a word; give low or high"),
    "slot": (lambda: WordOptions(pad_elements=7), r"padded to 7 bits; give one of 8, 16, 32, 64"),
    "unknown": (lambda: WordOptions({"cnov": Tile()}), r"no node 'cnov'; close names: conv"),
    "no weights": (
        lambda: WordOptions({"act": Tile()}),
        r"weights is given for node 'act', which is threshold",
    ),
    "no thresholds": (lambda: WordOptions(thresholds={"conv": Tile()}), r"given for node 'conv', which is conv2d"),
    "too wide": (
        lambda: WordOptions({"fc": Tile(300)}, pad_elements=64),
        r"'fc.weight': 9000 elements of 64 bits are a word of 576,000 bits, more than 65,536; give smaller tiles",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_laid_out_is_refused(case: str, tmp_path: Path) -> None:
    make, message = WRONG[case]
    graph = graph_of()
    with pytest.raises(DataError, match=message):
        write_unchecked(graph, images(graph), tmp_path / "set", words=make())
    assert not (tmp_path / "set").exists()


# --------------------------------------------------------------------------------------------------------- simulator

ARRAY = """
module array;
  reg [{lanes}*8-1:0] memory[0:{pe}*{words}-1];  // those of all processing elements
  reg signed [15:0] inputs[0:{taps}-1];
  reg [{lanes}*8-1:0] word;
  integer nf, sf, p, s;
  integer sums[0:{pe}-1];
{reads}
  initial begin
    #1;
    for (nf = 0; nf < {down}; nf = nf + 1) begin
      for (p = 0; p < {pe}; p = p + 1) sums[p] = 0;
      for (sf = 0; sf < {across}; sf = sf + 1)
        for (p = 0; p < {pe}; p = p + 1) begin
          word = memory[p * {words} + nf * {across} + sf];
          for (s = 0; s < {lanes}; s = s + 1)
            if (sf * {lanes} + s < {taps})
              sums[p] = sums[p] + $signed(word[{slot}*8+:8]) * inputs[sf * {lanes} + s];
        end
      for (p = 0; p < {pe}; p = p + 1) if (nf * {pe} + p < {rows}) $display("%0d", sums[p]);
    end
    $finish(0);
  end
endmodule
"""


@needs_icarus
@pytest.mark.parametrize(("element0", "slot"), [("low", "s"), ("high", "({lanes} - 1 - s)")])
def test_an_array_in_verilog_gives_the_accumulators(element0: str, slot: str, tmp_path: Path) -> None:
    """Five output channels of seven taps on two processing elements of three lanes, each with its own memory."""
    weight = np.random.default_rng(4).integers(-9, 10, (5, 7))
    x = np.array([3, 0, 1, 2, 3, 1, 2])
    pe, lanes, down, across = 2, 3, 3, 3
    words = WordOptions({"": Tile(pe, lanes, per_pe=True)}, element0=element0, pad_elements=8)
    vectors = write_unchecked(dense(weight.tolist(), "s8"), x[None], tmp_path / "set", words=words, formats=["memh"])
    files = [file["path"] for file in tensors(vectors)["fc.weight"]["files"]]
    size = down * across
    parts = [(vectors / file, f"memory, {p * size}, {(p + 1) * size - 1}") for p, file in enumerate(files)]
    parts += [(vectors / "values" / "x.memh", "inputs")]
    reads = "".join(f'  initial $readmemh("{file}", {where});\n' for file, where in parts)
    sizes = {"pe": pe, "lanes": lanes, "down": down, "across": across, "taps": 7, "rows": 5, "words": size}
    source, program = tmp_path / "array.sv", tmp_path / "array.vvp"
    source.write_text(ARRAY.format(reads=reads, slot=slot.format(lanes=lanes), **sizes))
    subprocess.run(["iverilog", "-g2012", "-o", program, source], check=True)
    done = subprocess.run(["vvp", "-n", program], capture_output=True, text=True, check=True)
    assert "WARNING" not in done.stdout + done.stderr
    assert [int(line) for line in done.stdout.split()] == (weight @ x).tolist()
