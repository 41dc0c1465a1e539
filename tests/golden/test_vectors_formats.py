"""Every file format, read back by a small parser of its published grammar, by NumPy and by a simulator."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_sets import block_graph, images, in_order, meaning, true_values, unfolded, write_unchecked
from hypothesis import given
from hypothesis import strategies as st
from tools import needs_icarus

from intinfer import reference
from intinfer_golden.describe import manifest
from intinfer_golden.describe.codes import Code
from intinfer_golden.describe.formats import FORMATS, Piece
from intinfer_golden.describe.formats.words import pack, unpack
from intinfer_golden.describe.tensors import Tensor

GRAPH = block_graph()
TRACE = reference.trace(GRAPH, images())
FOLDS = {"": 3, "image": 1, "act": 8, "Conv/1": 9, "requant": 2}


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words of 1 bit to 81 bits, whole and partial, in every format."""
    return write_unchecked(GRAPH, images(), tmp_path_factory.mktemp("set") / "t", formats=list(FORMATS), fold=FOLDS)


def items(vectors: Path) -> list[dict[str, Any]]:
    return list(json.loads((vectors / "manifest.json").read_text("ascii"))["tensors"])


def in_file_order(item: dict[str, Any]) -> list[int]:
    """What a tensor's elements must be, in the order of the file."""
    truth = true_values(item, GRAPH, TRACE)
    places = in_order(item["shape"], item["axes"], item["order"])
    return [int(truth[tuple(place[axis] for axis in item["axes"])]) for place in places]


# ------------------------------------------------------------------------------------------- parsers by the grammars


def read_memh(text: str, width: int) -> list[int]:
    """IEEE 1800, 21.4: white space and comments between numbers."""
    return [int(word, 16) for word in re.sub(r"//[^\n]*", "", text).split()]


def read_mem(text: str, width: int) -> list[int]:
    """UG1580: @address, then words; no 0x; nothing of comments."""
    memory: dict[int, int] = {}
    address: int | None = None
    for token in text.split():
        assert re.fullmatch("@?[0-9A-Fa-f]+", token)
        if token.startswith("@"):
            address = int(token[1:], 16)
        else:
            assert address is not None
            assert address not in memory
            memory[address] = int(token, 16)
            address += 1
    assert sorted(memory) == list(range(len(memory)))
    return [memory[i] for i in range(len(memory))]


def read_coe(text: str, width: int) -> list[int]:
    """UG896: `keyword = value;`, after the semicolon a comment; the vector is the last keyword."""
    statements, begun = [], ""
    for line in text.splitlines():
        before, ends, _ = line.partition(";")
        begun += before + " "
        if ends:
            statements.append(begun.strip())
            begun = ""
    assert not begun.strip(), "the vector ends with a semicolon"
    pairs = [statement.split("=") for statement in statements if statement]
    assert [pair[0].strip().lower() for pair in pairs] == [
        "memory_initialization_radix",
        "memory_initialization_vector",
    ]
    radix = int(pairs[0][1])
    return [int(word.strip(), radix) for word in pairs[1][1].split(",")]


def read_xmif(text: str, width: int) -> list[int]:
    """UG896: a line of text a location, exactly one binary digit a bit, most significant first."""
    lines = text.split("\n")
    assert lines.pop() == ""
    assert all(re.fullmatch(f"[01]{{{width}}}", line) for line in lines)
    return [int(line, 2) for line in lines]


def read_mif(text: str, width: int) -> list[int]:
    """Quartus help: comments, four keywords, then address : data pairs between CONTENT BEGIN and END."""
    text = re.sub(r"--[^\n]*", "", re.sub(r"%[^%]*%", "", text))
    head, body = re.fullmatch(r"(.*?)CONTENT\s+BEGIN(.*)END\s*;\s*", text, re.DOTALL).groups()  # type: ignore[union-attr]
    keywords = dict(re.fullmatch(r"\s*(\w+)\s*=\s*(\w+)\s*", part).groups() for part in head.split(";")[:-1])  # type: ignore[union-attr]
    assert (keywords["ADDRESS_RADIX"], keywords["DATA_RADIX"], int(keywords["WIDTH"])) == ("HEX", "HEX", width)
    pairs = [part.split(":") for part in body.split(";")[:-1]]
    assert [int(address, 16) for address, _ in pairs] == list(range(int(keywords["DEPTH"])))
    return [int(data, 16) for _, data in pairs]


PARSERS: dict[str, Callable[[str, int], list[int]]] = {
    "memh": read_memh,
    "mem": read_mem,
    "coe": read_coe,
    "xmif": read_xmif,
    "mif": read_mif,
}


def test_every_format_is_tested() -> None:
    assert [*PARSERS, "bin", "npy"] == list(FORMATS)


@pytest.mark.parametrize("name", PARSERS)
def test_text_formats_read_back(vectors: Path, name: str) -> None:
    widths = set()
    for item in items(vectors):
        (file,) = (file for file in item["files"] if file["format"] == name)
        text = (vectors / file["path"]).read_bytes().decode("ascii")
        assert "\r" not in text
        words = PARSERS[name](text, item["word_bits"])
        assert len(words) == item["words"]
        assert [meaning(code, item) for code in unfolded(words, item)] == in_file_order(item)
        widths.add(item["word_bits"])
    assert {3, 8, 16, 81} <= widths


def test_raw_words_are_little_endian_whole_bytes(vectors: Path) -> None:
    for item in items(vectors):
        (file,) = (file for file in item["files"] if file["format"] == "bin")
        data, size = (vectors / file["path"]).read_bytes(), item["beat_bits"] // 8
        words = [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)]
        assert len(words) == item["words"]
        assert [meaning(code, item) for code in unfolded(words, item)] == in_file_order(item)


def test_arrays_are_not_folded(vectors: Path) -> None:
    for item in items(vectors):
        (file,) = (file for file in item["files"] if file["format"] == "npy")
        array = np.load(vectors / file["path"], allow_pickle=False)
        extents = dict(zip(item["axes"], item["shape"], strict=True))
        assert array.shape == tuple(extents[axis] for axis in item["order"])
        assert array.reshape(-1).tolist() == in_file_order(item)


def test_a_set_in_any_one_format_is_read(tmp_path: Path) -> None:
    for name in FORMATS:
        write_unchecked(GRAPH, images(), tmp_path / name, formats=[name], fold=FOLDS)
        for node, stored in manifest.load(tmp_path / name).values.items():
            wanted = stored.tensor.flat(TRACE[node])
            assert (name, stored.values().tolist()) == (name, wanted.tolist())


def test_what_files_say_of_themselves(vectors: Path) -> None:
    lines = (vectors / "values" / "%43onv%2f1.memh").read_text("ascii").splitlines()[:5]
    assert lines == [
        "// node: Conv/1; role: accumulator",
        "// source: conv.weight",
        "// shape: N=3 C=4 H=4 W=5",
        "// order: N H W C (last innermost)",
        "// packing: 9 elements a word of 81 bits, element 0 in the least significant bits, 1 word for 4 along C; "
        "element: 9 bits, twos_complement; words: 60",
    ]
    weight = (vectors / "constants" / "dw.weight.coe").read_text("ascii").splitlines()
    assert weight[0] == "; node: dw; constant: weight; role: weight"
    assert weight[4].endswith("element: 1 bits, bipolar (-1 -> 0, 1 -> 1); words: 36")
    image = (vectors / "values" / "image.mif").read_text("ascii").splitlines()
    assert image[4] == "-- packing: 1 element a word; element: 8 bits, unsigned; words: 180"
    assert image[5:9] == ["DEPTH = 180;", "WIDTH = 8;", "ADDRESS_RADIX = HEX;", "DATA_RADIX = HEX;"]


def test_a_name_with_signs_of_comments_stays_in_its_comment() -> None:
    tensor = Tensor("a;b%\n--é", "", "output", ("%",), ("N", "C"), (1, 2), ("N", "C"), Code("unsigned", 4), 0, 15)
    piece = Piece(tensor, np.array([3, 12]))
    for name, parse in PARSERS.items():
        format_ = FORMATS[name]
        data = format_.header(tensor) + format_.body(tensor, piece, 0) + format_.footer(tensor)
        assert len(data) == format_.size(tensor)
        assert parse(data.decode("ascii"), 4) == [3, 12]


# ------------------------------------------------------------------------------------------------------------- words


@st.composite
def packed(draw: st.DrawFn) -> tuple[Tensor, list[int]]:
    """A tensor (N, C) of any code and fold with its values."""
    name = draw(st.sampled_from(["unsigned", "twos_complement", "ternary", "bipolar"]))
    widths = {"unsigned": (1, 63), "twos_complement": (1, 64), "ternary": (2, 2), "bipolar": (1, 1)}
    code = Code(name, draw(st.integers(*widths[name])))
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 20)))
    fold = draw(st.integers(1, 25))
    tensor = Tensor("x", "", "output", (), ("N", "C"), shape, ("N", "C"), code, code.lo, code.hi, fold)
    choices = {"ternary": [-1, 0, 1], "bipolar": [-1, 1]}
    each = st.sampled_from(choices[name]) if name in choices else st.integers(code.lo, code.hi)
    return tensor, draw(st.lists(each, min_size=tensor.elements, max_size=tensor.elements))


@given(packed())
def test_words_are_what_big_integers_say(case: tuple[Tensor, list[int]]) -> None:
    tensor, values = case
    run, fold, bits = tensor.shape[1], tensor.fold, tensor.code.bits
    codes = {"bipolar": {-1: 0, 1: 1}, "ternary": {-1: 3, 0: 0, 1: 1}}.get(tensor.code.name)
    wanted = []
    for start in range(0, len(values), run):
        for first in range(start, start + run, fold):
            lanes = values[first : min(first + fold, start + run)]
            coded = [codes[v] if codes else v % 2**bits for v in lanes]
            wanted.append(sum(code << (bits * lane) for lane, code in enumerate(coded)))
    array = np.array(values, dtype=np.int64)
    words = pack(tensor, array)
    assert words.shape == (tensor.words, -(-fold * bits // 8))
    assert [int.from_bytes(word.tobytes(), "little") for word in words] == wanted
    assert unpack(tensor, words).tolist() == values
    for format_ in FORMATS.values():
        body = format_.body(tensor, Piece(tensor, array), 0)
        assert (format_.name, format_.decode(tensor, body).tolist()) == (format_.name, values)
        assert format_.size(tensor) == len(format_.header(tensor)) + len(body) + len(format_.footer(tensor))


@given(packed(), st.data())
def test_a_file_does_not_depend_on_its_pieces(case: tuple[Tensor, list[int]], data: st.DataObject) -> None:
    tensor, values = case
    frames = np.array(values, dtype=np.int64).reshape(tensor.shape)
    cut = data.draw(st.integers(0, tensor.shape[0]))
    parts = [part.reshape(-1) for part in (frames[:cut], frames[cut:]) if part.size]
    for format_ in FORMATS.values():
        whole = format_.body(tensor, Piece(tensor, frames.reshape(-1)), 0)
        grown, first = b"", 0
        for part in parts:
            grown += format_.body(tensor, Piece(tensor, part), first)
            first += part.size // tensor.run * tensor.words_per_run
        assert (format_.name, grown) == (format_.name, whole)


# --------------------------------------------------------------------------------------------------------- simulator

ECHO = """
module echo;
  reg [{top}:0] memory [0:{last}];
  integer i;
  initial begin
    $readmemh("{file}", memory);
    for (i = 0; i <= {last}; i = i + 1) $display("%h", memory[i]);
    $finish(0);
  end
endmodule
"""


@needs_icarus
@pytest.mark.parametrize("suffix", ["memh", "mem"])
def test_a_simulator_reads_the_same_words(tmp_path: Path, vectors: Path, suffix: str) -> None:
    by_path = {file["path"]: item for item in items(vectors) for file in item["files"]}
    for number, stem in enumerate(("values/%43onv%2f1", "values/fc", "constants/dw.weight", "demand/act")):
        item = by_path[f"{stem}.{suffix}"]
        memory = shutil.copy(vectors / f"{stem}.{suffix}", tmp_path / f"{number}.{suffix}")
        text = ECHO.format(top=item["word_bits"] - 1, last=item["words"] - 1, file=memory)
        source, program = tmp_path / f"{number}.sv", tmp_path / f"{number}.vvp"
        source.write_text(text)
        subprocess.run(["iverilog", "-g2012", "-o", program, source], check=True)
        done = subprocess.run(["vvp", "-n", program], capture_output=True, text=True, check=True)
        assert "WARNING" not in done.stdout + done.stderr
        words = [int(line, 16) for line in done.stdout.split()]
        assert [meaning(code, item) for code in unfolded(words, item)] == in_file_order(item)
