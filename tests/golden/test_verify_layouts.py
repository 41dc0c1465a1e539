"""`verify` on memories of constants, and on values in slots and from the high end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from golden_layouts import decoded, graph_of, memories, tensors
from golden_sets import write_unchecked
from helpers import two_ended_graph

from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.errors import DataError
from intinfer.ops import Dense
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from intinfer_golden import Tile, WordOptions, verify
from intinfer_golden.describe.formats import FORMATS
from intinfer_golden.verification.compare import Comparison
from intinfer_golden.verification.dumps.waveform import Stream
from intinfer_golden.verification.report import describe

GRAPH = graph_of(2, (2, 2), 3, 2)
IMAGES = np.random.default_rng(7).integers(-8, 8, (2, 4, 4, 5))
OPTIONS = {
    "plain": WordOptions(),
    "tiles": WordOptions({"": Tile(2, 3)}, {"": Tile(4)}),
    "memories": WordOptions({"": Tile(2, 3, True)}, {"": Tile(4, 2, True)}, "high"),
    "bytes": WordOptions({"": Tile(2, 3)}, {"": Tile()}, "high", 8),
    "zeros": WordOptions({"": Tile(4, 1)}, {"": Tile(2, 1)}, "low", 16, True),
    "wide": WordOptions({"": Tile(3)}, {"": Tile(6)}, "high", 64),
}


@pytest.fixture(scope="module", params=OPTIONS)
def vectors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set") / request.param
    return write_unchecked(GRAPH, IMAGES, folder, words=OPTIONS[request.param], fold=2, formats=list(FORMATS))


def one(vectors: Path, dump: Path, node: str | None = None) -> Comparison:
    (comparison,) = verify(vectors, [dump], node=node).comparisons
    return comparison


def dumped(path: Path, words: list[int], bits: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{word:0{-(-bits // 4)}x}\n" for word in words), "ascii")
    return path


def test_every_file_of_a_set_is_what_it_says(vectors: Path) -> None:
    files = sorted(path for folder in ("values", "constants") for path in (vectors / folder).iterdir())
    known = [path for path in files if path.suffix != ".xmif"] + [p for p in files if p.suffix == ".xmif"]
    outcome = verify(vectors, known)
    assert [(comparison.dump, comparison.hints) for comparison in outcome.comparisons if not comparison.equal] == []
    assert len(outcome.comparisons) == len(files)
    assert not outcome.without_dump


def test_every_bit_of_every_memory_counts(vectors: Path, tmp_path: Path) -> None:
    item = tensors(vectors)["conv.weight"]
    words = memories(vectors, item)
    truth = decoded(words, item)
    for memory, good in enumerate(words):
        name = "conv.weight" if item["memories"] is None else f"conv.weight.pe{memory}"
        dump = tmp_path / f"{name}.hex"
        assert one(vectors, dumped(dump, good, item["word_bits"])).equal
        inside = sorted({0, item["bits"] - 1, item["bits"], item["slot_bits"] - 1} - {item["slot_bits"]})
        for address, lane_ in product({0, len(good) // 2, len(good) - 1}, range(item["elements_per_word"])):
            for bit in (lane_ * item["slot_bits"] + place for place in inside):
                bad = good.copy()
                bad[address] ^= 1 << bit
                found = one(vectors, dumped(dump, bad, item["word_bits"]))
                first = found.first
                assert first is not None
                assert (first.word, found.differences, found.name) == (address, 1, name)
                lane = bit // item["slot_bits"]
                lane = lane if item["lsb_first"] else item["elements_per_word"] - 1 - lane
                assert first.lane == (lane if item["elements_per_word"] > 1 else None)
                if first.at is None:
                    assert (first.expected, good[address] >> bit & 1) == (None, 0)
                    assert first.problem
                else:
                    assert list(first.at) == ["o", "i", "kh", "kw"]
                    assert first.expected == truth[tuple(first.at.values())]


def test_bipolar_weights_in_decimal_are_integers(tmp_path: Path) -> None:
    write_unchecked(GRAPH, IMAGES, tmp_path / "set", formats=["npy"])
    weight = np.load(tmp_path / "set" / "constants" / "deep.weight.npy").reshape(-1)
    assert set(weight.tolist()) == {-1, 1}
    (tmp_path / "deep.weight.csv").write_text("\n".join(map(str, weight)), "ascii")
    assert one(tmp_path / "set", tmp_path / "deep.weight.csv").equal
    for wrong in ((weight + 1) // 2, np.where(weight < 0, weight, 0), weight * 3, -weight, (weight - 1) // 2):
        (tmp_path / "deep.weight.csv").write_text("\n".join(map(str, wrong)), "ascii")
        assert not one(tmp_path / "set", tmp_path / "deep.weight.csv").equal


Change = Callable[[list[list[int]]], list[list[int]]]


@dataclass
class Digits:
    """Words as lists of lanes, the least significant first."""

    lanes: int
    bits: int

    def split(self, word: int) -> list[int]:
        return [word >> lane * self.bits & 2**self.bits - 1 for lane in range(self.lanes)]

    def joined(self, lanes: list[int]) -> int:
        return sum(value << lane * self.bits for lane, value in enumerate(lanes))


MATRIX = np.arange(4 * 6).reshape(4, 6) * 37 % 101 - 50
"""Four output channels of six taps, all different: two neuron folds by two synapse folds of pe=2, simd=3."""


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = GraphBuilder()
    x = builder.input("x", (6,), IntType(0, 3))
    builder.output("y", builder.add(Dense(IntTensor(MATRIX, "s8"), Accumulator.prove(20)), x, name="fc"))
    folder = tmp_path_factory.mktemp("set") / "matrix"
    words = WordOptions({"": Tile(2, 3)})
    return write_unchecked(builder.finish(), np.array([[0, 1, 2, 3, 2, 1]]), folder, words=words, formats=["memh"])


PERMUTED: dict[str, Change] = {
    "synapse folds outermost": lambda words: [words[0], words[2], words[1], words[3]],
    "element 0 high": lambda words: [word[::-1] for word in words],
    "pe swapped": lambda words: [word[3:] + word[:3] for word in words],
    "simd reversed": lambda words: [word[2::-1] + word[:2:-1] for word in words],
    "pe inside simd": lambda words: [[word[lane % 2 * 3 + lane // 2] for lane in range(6)] for word in words],
    "neuron folds swapped": lambda words: words[2:] + words[:2],
    "blocks of channels": lambda words: [words[0][:3] + words[1][:3], *words[1:3], words[3][3:] + words[0][3:]],
    "a word late": lambda words: [words[-1], *words[:-1]],
    "a word lost": lambda words: words[:-1],
    "a word more": lambda words: [*words, words[-1]],
}


@pytest.mark.parametrize("case", PERMUTED)
def test_a_permuted_memory_is_not_the_memory(case: str, matrix: Path, tmp_path: Path) -> None:
    (words,) = memories(matrix, tensors(matrix)["fc.weight"])
    digits = Digits(6, 8)
    lanes = [digits.split(word) for word in words]
    assert lanes[1] == [int(v) % 256 for v in (*MATRIX[0, 3:], *MATRIX[1, 3:])]
    assert one(matrix, dumped(tmp_path / "good.hex", [digits.joined(w) for w in lanes], 48), "fc.weight").equal
    bad = [digits.joined(word) for word in PERMUTED[case](lanes)]
    assert not one(matrix, dumped(tmp_path / "bad.hex", bad, 48), "fc.weight").equal


def test_numbers_are_elements_in_the_order_of_the_axes(matrix: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "fc.weight.npy", MATRIX)
    (tmp_path / "rows.csv").write_text("\n".join(map(str, MATRIX.reshape(-1))) + "\n", "ascii")
    for path in (tmp_path / "fc.weight.npy", tmp_path / "rows.csv"):
        found = one(matrix, path, "fc.weight")
        assert (found.equal, found.elements_per_word, found.words) == (True, 1, 24)
    np.save(tmp_path / "fc.weight.npy", MATRIX.T)
    assert not one(matrix, tmp_path / "fc.weight.npy").equal


def test_the_report_of_a_wrong_weight(matrix: Path, tmp_path: Path) -> None:
    (words,) = memories(matrix, tensors(matrix)["fc.weight"])
    words[3] = words[3] & ~(0xFF << 32) | 0x05 << 32  # the fifth lane: pe 1, simd 1 of the last tile
    assert MATRIX[3, 4] == -44
    path = dumped(tmp_path / "fc.weight.hex", words, 48)
    assert describe(one(matrix, path)) == [
        f"{path}: constant fc.weight: DIFFERENT, 1 of 24 values compared",
        "  first: o=3 i=4 (word 3 lane 4, line 4): expected -44 (0xd4), actual 5 (0x05)",
        f"  word: expected 0x{words[3] + (0xCF << 32):012x}, actual 0x{words[3]:012x}",
        "  actual - expected: +49 x 1",
    ]


# --------------------------------------------------------------------------------------------------------------- names


def test_memories_are_named_one_by_one(tmp_path: Path) -> None:
    options = WordOptions({"": Tile(3, 2, True)})
    write_unchecked(GRAPH, IMAGES, tmp_path / "set", words=options, formats=["memh"])
    item = tensors(tmp_path / "set")["conv.weight"]
    words = memories(tmp_path / "set", item)
    dumps = [dumped(tmp_path / f"conv.weight.pe{i}.mem", words[i], item["word_bits"]) for i in range(3)]
    assert verify(tmp_path / "set", dumps).equal
    assert one(tmp_path / "set", dumps[1], "conv.weight.pe1").equal
    assert one(tmp_path / "set", dumps[1], "constants/conv.weight.pe1").equal
    assert not one(tmp_path / "set", dumps[1], "conv.weight.pe2").equal
    together = dumped(tmp_path / "all.mem", [word for memory in words for word in memory], item["word_bits"])
    with pytest.raises(DataError, match=r"all.mem: conv.weight lies in 3 memories; say which by conv.weight.pe0"):
        one(tmp_path / "set", together, "conv.weight")
    with pytest.raises(DataError, match=r"no node 'conv.weight.pe3'; close names: conv.weight.pe"):
        one(tmp_path / "set", dumps[1], "conv.weight.pe3")


def test_a_node_may_have_the_name_of_a_constant(tmp_path: Path) -> None:
    builder = GraphBuilder()
    x = builder.input("x", (2,), IntType(-2, 1))
    x = builder.add(Dense(IntTensor([[1, -1], [0, 1]]), Accumulator.prove(8)), x, name="fc")
    x = builder.add(Dense(IntTensor([[1, 1]]), Accumulator.prove(9)), x, name="fc.weight")
    builder.output("y", x)
    vectors = write_unchecked(builder.finish(), np.array([[1, 1]]), tmp_path / "set", formats=["memh"])
    assert verify(vectors, [vectors / "values" / "fc.weight.memh", vectors / "constants" / "fc.weight.memh"]).equal
    dump = shutil.copy(vectors / "constants" / "fc.weight.memh", tmp_path / "dump.memh")
    assert not one(vectors, Path(dump), "fc.weight").equal
    assert one(vectors, Path(dump), "constants/fc.weight").equal


def test_constants_come_before_the_value_they_spoil(matrix: Path, tmp_path: Path) -> None:
    wrong = [dumped(tmp_path / name, [0], 8) for name in ("fc.hex", "fc.weight.hex", "x.hex")]
    outcome = verify(matrix, wrong)
    assert [comparison.name for comparison in outcome.comparisons] == ["x", "fc.weight", "fc"]
    assert verify(matrix, wrong[1:2]).without_dump == ("fc",)


def test_a_constant_is_in_no_stream(matrix: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sim.vcd: fc.weight is a constant, which no stream carries; dump its memory"):
        verify(matrix, [tmp_path / "sim.vcd"], node="fc.weight", stream=Stream("tb.m0_axis"))


def test_unknown_bits_of_a_memory(matrix: Path, tmp_path: Path) -> None:
    (words,) = memories(matrix, tensors(matrix)["fc.weight"])
    lines = [f"{word:012x}" for word in words]
    lines[2] = lines[2][:10] + "xx"
    (tmp_path / "fc.weight.hex").write_text("\n".join(lines) + "\n", "ascii")
    first = one(matrix, tmp_path / "fc.weight.hex").first
    assert first is not None
    assert (first.at, first.word, first.lane, first.actual) == ({"o": 2, "i": 0}, 2, 0, None)
    assert "has unknown bits" in first.problem


# -------------------------------------------------------------------------------------------------------------- values


def test_slots_of_values_are_filled_as_they_should(tmp_path: Path) -> None:
    graph, arrays = two_ended_graph(), {"a": np.arange(18).reshape(1, 2, 3, 3) % 4, "b": np.zeros((1, 2, 3, 3), int)}
    for zero in (False, True):
        options = WordOptions(element0="high", pad_elements=8, zero=zero)
        vectors = write_unchecked(graph, arrays, tmp_path / str(zero), words=options, fold=3, formats=["memh"])
        item = tensors(vectors)["a"]
        (words,) = memories(vectors, item)
        assert one(vectors, dumped(tmp_path / "a.hex", words, 24)).equal
        for bit in range(24):
            bad = [words[0] ^ 1 << bit, *words[1:]]
            first = one(vectors, dumped(tmp_path / "a.hex", bad, 24)).first
            assert first is not None
            assert (first.word, first.lane) == (0, 2 - bit // 8 if bit >= 8 else 1)


def test_lanes_from_the_other_end_are_named(tmp_path: Path) -> None:
    for element0, end in (("high", "least"), ("low", "most")):
        options = WordOptions(element0=element0, pad_elements=8)
        folder = write_unchecked(GRAPH, IMAGES, tmp_path / element0, words=options, fold=2, formats=["memh"])
        (words,) = memories(folder, tensors(folder)["x"])
        other = [word >> 8 | (word & 0xFF) << 8 for word in words]
        found = one(folder, dumped(tmp_path / "x.hex", other, 16))
        assert not found.equal
        assert f"lanes: element 0 is in the {end} significant bits of a word" in found.hints


def test_a_wrong_sign_above_a_value_is_said_so(tmp_path: Path) -> None:
    folder = write_unchecked(GRAPH, IMAGES, tmp_path / "s", words=WordOptions(pad_elements=8), formats=["memh"])
    (words,) = memories(folder, tensors(folder)["x"])
    negative = next(i for i, word in enumerate(words) if word > 127)
    words[negative] &= 0x0F
    first = one(folder, dumped(tmp_path / "x.hex", words, 8)).first
    assert first is not None
    assert (first.word, first.actual) == (negative, None)
    assert first.problem == f"'{words[negative]:x}' does not have the sign above the 4 bits of the element"
