"""Dumps in words of several values and in every file format: equal ones pass, any wrong bit is found where it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dump_words import Array, random_array, words
from golden_sets import selecting_graph, write_unchecked
from hypothesis import given
from hypothesis import strategies as st

from intinfer.builder import GraphBuilder
from intinfer.errors import DataError
from intinfer.ops import Clamp
from intinfer.types import IntType
from intinfer_golden import verify
from intinfer_golden.verification.compare import Comparison
from intinfer_golden.verification.dumps.text import memory_words, plain_words
from intinfer_golden.verification.report import describe


@dataclass(frozen=True)
class Config:
    """A set whose node "y" holds an array of our choice."""

    array: Array
    bits: int
    signed: bool
    order: str
    fold: int

    def write(self, directory: Path) -> Path:
        lo, hi = (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1) if self.signed else (0, 2**self.bits - 1)
        builder = GraphBuilder()
        x = builder.input("x", self.array.shape[1:], IntType(lo, hi))
        builder.output("out", builder.add(Clamp(lo, hi), x, name="y", source=("conv.weight",)))
        options = {"order": self.order, "fold": {"y": self.fold}, "formats": ["npy"]}
        return write_unchecked(builder.finish(), self.array, directory, **options)

    @property
    def file_order(self) -> str:
        return "".join(axis for axis in self.order.upper() if axis in "NCHW"[: self.array.ndim])

    @property
    def word_bits(self) -> int:
        return self.bits * self.fold

    @property
    def words(self) -> list[int]:
        return words(self.array, self.file_order, self.bits, self.fold)

    @property
    def single(self) -> list[int]:
        return words(self.array, self.file_order, self.bits)

    def places(self) -> list[tuple[dict[str, int], int, int]]:
        """(coordinates, word, lane) of every element, in file order."""
        extents = dict(zip("NCHW", self.array.shape, strict=False))
        run = extents[self.file_order[-1]]
        each = -(-run // self.fold)
        found = []
        for number, at in enumerate(product(*(range(extents[axis]) for axis in self.file_order))):
            place = dict(zip(self.file_order, at, strict=True))
            letters = {letter: place[axis] for axis, letter in zip("NCHW", "ncyx", strict=True) if axis in place}
            found.append((letters, number // run * each + at[-1] // self.fold, at[-1] % self.fold))
        return found


MAP = (2, 6, 3, 4)
CONFIGS = {
    "lanes": Config(random_array(1, MAP, -8, 7), 4, True, "nhwc", 3),
    "partial": Config(random_array(2, MAP, 0, 31), 5, False, "nhwc", 4),
    "wide": Config(random_array(3, (2, 11, 2, 2), -(2**16), 2**16 - 1), 17, True, "nhwc", 11),
    "rows": Config(random_array(4, MAP, 0, 1), 1, False, "nchw", 3),
    "columns": Config(random_array(5, MAP, -(2**9), 2**9 - 1), 10, True, "nwch", 2),
    "vector": Config(random_array(6, (3, 7), -(2**39), 2**39 - 1), 40, True, "nhwc", 2),
    "one": Config(random_array(7, (2, 3, 2, 2), -(2**61), 2**61 - 1), 62, True, "nhwc", 1),
}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sets")
    return {name: config.write(folder / name) for name, config in CONFIGS.items()}


def one(vectors: Path, dump: Path, **options: Any) -> Comparison:
    (comparison,) = verify(vectors, [dump], node="y", causes=False, **options).comparisons
    return comparison


# ------------------------------------------------------------------------------------------------- files by hand


def hexadecimal(found: list[int], width: int) -> list[str]:
    return [f"{word:0{-(-width // 4)}x}" for word in found]


def memh(found: list[int], width: int) -> str:
    return "// words\n" + "".join(f"{word}\n" for word in hexadecimal(found, width))


def mem(found: list[int], width: int) -> str:
    return "@00000000\n" + " ".join(f"{word:x}" for word in found) + "\n"


def beats(found: list[int], width: int) -> str:
    return "\n".join(hexadecimal(found, -(-width // 8) * 8))


def binary(found: list[int], width: int) -> str:
    return "".join(f"{word:0{width}b}\n" for word in found)


def coe(radix: int) -> Callable[[list[int], int], str]:
    def text(found: list[int], width: int) -> str:
        digits = {2: f"0{width}b", 10: "d", 16: "X"}[radix]
        listed = ",\n".join(f"{word:{digits}}" for word in found)
        return f"; by hand\nmemory_initialization_radix = {radix};\nmemory_initialization_vector =\n{listed};\n; end\n"

    return text


def mif(found: list[int], width: int) -> str:
    lines = "".join(f"  {i:x} : {word:X}; -- one\n" for i, word in enumerate(found))
    return (
        f"% two\nlines % DEPTH = {len(found)};\nWIDTH={width};\nADDRESS_RADIX = HEX;\nDATA_RADIX=HEX;\n"
        f"CONTENT\nBEGIN\n{lines}END;\n"
    )


def mif_of_ranges(found: list[int], width: int) -> str:
    """Equal neighbours as a range, else up to three words a line."""
    lines, i = [], 0
    while i < len(found):
        same = i + 1
        while same < len(found) and found[same] == found[i]:
            same += 1
        if same > i + 1:
            lines.append(f"[{i}..{same - 1}] : {found[i]:b};")
            i = same
        else:
            lines.append(f"{i} : {' '.join(f'{word:b}' for word in found[i : i + 3])};")
            i += 3
    head = f"WIDTH={width};DEPTH={len(found)};ADDRESS_RADIX=UNS;DATA_RADIX=BIN;CONTENT BEGIN\n"
    return head + "\n".join(lines) + "\nEND;"


def mif_dec(word: str) -> str:
    return mif([1], 4).replace("DATA_RADIX=HEX", "DATA_RADIX=DEC").replace(": 1;", f": {word};")


TEXTS: dict[str, tuple[str, Callable[[list[int], int], str]]] = {
    "memh": ("memh", memh),
    "mem": ("mem", mem),
    "beats": ("hex", beats),
    "xmif": ("xmif", binary),
    "Xilinx mif": ("mif", binary),
    "memb": ("memb", binary),
    "coe 2": ("coe", coe(2)),
    "coe 10": ("coe", coe(10)),
    "coe 16": ("coe", coe(16)),
    "mif": ("mif", mif),
    "mif of ranges": ("mif", mif_of_ranges),
}


def write(path: Path, found: list[int], width: int, kind: str) -> Path:
    if kind == "bin":
        path = path.with_suffix(".bin")
        path.write_bytes(b"".join(word.to_bytes(-(-width // 8), "little") for word in found))
        return path
    suffix, text = TEXTS[kind]
    path = path.with_suffix(f".{suffix}")
    path.write_text(text(found, width))
    return path


@pytest.mark.parametrize("name", CONFIGS)
def test_every_format_and_both_packings(name: str, sets: dict[str, Path], tmp_path: Path) -> None:
    config = CONFIGS[name]
    for kind in (*TEXTS, "bin"):
        comparison = one(sets[name], write(tmp_path / "dump", config.words, config.word_bits, kind))
        assert comparison.equal, kind
        assert (comparison.words, comparison.elements_per_word) == (len(config.words), config.fold), kind
        if kind == "bin" and name in ("partial", "columns"):
            continue  # as many bytes either way: they are read as the vectors' words
        comparison = one(sets[name], write(tmp_path / "dump", config.single, config.bits, kind))
        assert comparison.equal, kind
        assert (comparison.words, comparison.elements_per_word) == (config.array.size, 1), kind


@pytest.mark.parametrize("name", CONFIGS)
def test_numbers_in_decimal(name: str, sets: dict[str, Path], tmp_path: Path) -> None:
    config = CONFIGS[name]
    half = 2 ** (config.bits - 1)
    values = [word - 2 * half if config.signed and word >= half else word for word in config.single]
    (tmp_path / "dump.csv").write_text("".join(f"{value}\n" for value in values))
    np.save(tmp_path / "dump.npy", np.array(values))
    (tmp_path / "words.txt").write_text("".join(f"{word}\n" for word in config.words))
    assert one(sets[name], tmp_path / "dump.csv").equal
    assert one(sets[name], tmp_path / "dump.npy").equal
    assert one(sets[name], tmp_path / "words.txt").equal == (config.fold > 1)
    if config.fold > 1 and config.word_bits < 64:
        np.save(tmp_path / "words.npy", np.array(config.words, dtype=np.uint64))
        assert one(sets[name], tmp_path / "words.npy").elements_per_word == config.fold


@given(st.data())
def test_any_wrong_bit_is_found(sets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(CONFIGS)))
    config = CONFIGS[name]
    kind = data.draw(st.sampled_from([*TEXTS, "bin"]))
    places = config.places()
    index = data.draw(st.integers(0, len(places) - 1))
    bit = data.draw(st.integers(0, config.bits - 1))
    at, word, lane = places[index]
    found = config.words
    found[word] ^= 1 << (lane * config.bits + bit)
    comparison = one(sets[name], write(tmp_path_factory.getbasetemp() / "dump", found, config.word_bits, kind))
    first = comparison.first
    assert first is not None
    assert (first.at, first.word, first.lane) == (at, word, lane if config.fold > 1 else None)
    right = config.single[index]
    assert (first.expected_hex, first.actual_hex) == tuple(
        f"0x{value:0{-(-config.bits // 4)}x}" for value in (right, right ^ (1 << bit))
    )
    assert (comparison.differences, first.problem, comparison.hints) == (1, "", ())
    if config.fold > 1:
        digits = -(-config.word_bits // 4)
        assert first.expected_word == f"0x{config.words[word]:0{digits}x}"
        assert first.actual_word == f"0x{found[word]:0{digits}x}"


def test_the_report_of_a_word(sets: dict[str, Path], tmp_path: Path) -> None:
    config = CONFIGS["lanes"]
    found = config.words
    found[5] ^= 1 << 6  # n=0 y=0 x=2, channels 3..5, lane 1
    dump = write(tmp_path / "dump", found, 12, "memh")
    right = int(config.array[0, 4, 0, 2])
    wrong = (right % 16 ^ 4) - 16 * ((right % 16 ^ 4) >= 8)
    assert describe(one(sets["lanes"], dump)) == [
        f"{dump}: node y (from conv.weight): DIFFERENT, 1 of 144 values compared",
        f"  first: n=0 c=4 y=0 x=2 (word 5 lane 1, line 7): expected {right} (0x{right % 16:x}), "
        f"actual {wrong} (0x{wrong % 16:x})",
        f"  word: expected 0x{config.words[5]:03x}, actual 0x{found[5]:03x}",
        "  frames: 0",
        f"  actual - expected: {wrong - right:+d} x 1",
        "  where: only n=0, the first frame; only c=4; only y=0, the first row; only x=2",
    ]
    single = write(tmp_path / "dump", config.single, 4, "memh")
    assert describe(one(sets["lanes"], single)) == [
        f"{single}: node y (from conv.weight): equal, 144 values compared",
        "  read with 1 value a word; the vectors have 3",
    ]


def test_lanes_beyond_a_run_are_zero(sets: dict[str, Path], tmp_path: Path) -> None:
    config = CONFIGS["partial"]  # 6 channels, 4 a word: two lanes of every second word are unused
    found = config.words
    found[3] |= 1 << 12
    comparison = one(sets["partial"], write(tmp_path / "dump", found, 20, "mem"))
    first = comparison.first
    assert first is not None
    assert (first.at, first.word, first.lane, comparison.differences) == ({"n": 0, "c": 5, "y": 0, "x": 1}, 3, 1, 1)
    assert first.problem == f"'{found[3]:x}' holds something in its unused lanes, which are 0"
    assert first.expected == first.actual
    assert (comparison.errors, comparison.hints) == ({}, ())


def test_unknown_bits_are_of_their_lane(sets: dict[str, Path], tmp_path: Path) -> None:
    lines = hexadecimal(CONFIGS["lanes"].words, 12)
    lines[4] = lines[4][0] + "x" + lines[4][2]
    (tmp_path / "dump.hex").write_text("\n".join(lines))
    comparison = one(sets["lanes"], tmp_path / "dump.hex")
    first = comparison.first
    assert first is not None
    assert (first.word, first.lane, first.actual, comparison.differences) == (4, 1, None, 1)
    assert (first.actual_word, first.problem) == (None, f"'{lines[4]}' has unknown bits")
    lines[4] = "x"
    (tmp_path / "dump.hex").write_text("\n".join(lines))
    assert one(sets["lanes"], tmp_path / "dump.hex").differences == 3
    bits = binary(CONFIGS["partial"].words, 20).splitlines()
    bits[1] = "z" + bits[1][1:]  # in an unused lane
    (tmp_path / "dump.memb").write_text("\n".join(bits))
    first = one(sets["partial"], tmp_path / "dump.memb").first
    assert first is not None
    assert (first.word, first.lane) == (1, 1)
    assert first.problem.endswith("holds something in its unused lanes, which are 0")


def test_bits_above_a_word_are_zero(sets: dict[str, Path], tmp_path: Path) -> None:
    config = CONFIGS["partial"]
    found = config.words
    found[6] |= 1 << 20
    for kind, place in (("beats", True), ("bin", False)):
        comparison = one(sets["partial"], write(tmp_path / "dump", found, 24, kind))
        first = comparison.first
        assert first is not None
        assert (first.word, first.line, comparison.differences) == (6, 7 if place else None, 4)
        assert first.problem == f"'{found[6]:x}' is wider than 20 bits"


def test_lengths_in_words(sets: dict[str, Path], tmp_path: Path) -> None:
    config = CONFIGS["partial"]
    short = one(sets["partial"], write(tmp_path / "dump", config.words[:-1], 20, "mif"))
    first = short.first
    assert first is not None
    assert (short.words, short.expected_words, short.differences) == (47, 48, 2)
    assert (first.word, first.lane, first.problem) == (47, 0, "the dump ends after 47 words")
    assert first.at == {"n": 1, "c": 4, "y": 2, "x": 3}
    long = one(sets["partial"], write(tmp_path / "dump", [*config.words, 7], 20, "coe 16"))
    first = long.first
    assert first is not None
    assert (first.word, first.at, first.line, first.actual_word) == (48, None, 52, "0x00007")
    assert first.problem == "the dump goes on after the 48 words expected"
    nearly = one(sets["partial"], write(tmp_path / "dump", config.single[:-5], 5, "mem"))
    assert (nearly.elements_per_word, nearly.words, nearly.expected_words, nearly.differences) == (1, 139, 144, 5)


def test_words_of_channels_that_nobody_demands(tmp_path: Path) -> None:
    graph = selecting_graph()
    inputs = {"s": np.array([[0, 1, 0, 0]]), "x": random_array(1, (1, 4, 3, 3), -99, 99)}
    vectors = write_unchecked(graph, inputs, tmp_path / "set", fold=3, formats=["npy"])
    right = np.load(vectors / "values" / "left.npy")
    assert right.shape == (1, 3, 3, 4)
    found = words(right.transpose(0, 3, 1, 2), "NHWC", 62, 3)
    asked = np.load(vectors / "demand" / "left.npy").reshape(-1)
    assert asked.tolist() == [0, 0, 1, 0]  # left's channel 2 is shuffled to 1
    junk = [word ^ 3 ^ (1 << 70 if i % 2 == 0 else 1 << 100) for i, word in enumerate(found)]
    dump = write(tmp_path / "left", junk, 186, "memh")
    (comparison,) = verify(vectors, [dump]).comparisons
    assert (comparison.equal, comparison.compared, comparison.ignored) == (True, 9, 27)
    (full,) = verify(vectors, [dump], full=True).comparisons
    assert (full.equal, full.differences) == (False, 27)


# ------------------------------------------------------------------------------------------------------- no dumps


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("d.coe", "01\n", "does not begin with memory_initialization_radix=16; (or 2, or 10) and"),
        ("d.coe", coe(16)([1], 4).replace("= 16", "= 8"), "does not begin with memory_initialization_radix=16;"),
        ("d.coe", coe(16)([1, 2], 4).replace("2;", "g;"), "line 5: 'g' is not a word of radix 16"),
        ("d.coe", coe(16)([1, 2], 4).replace("2;", "-2;"), "line 5: '-2' is not a word of radix 16"),
        ("d.coe", coe(10)([1, 2], 4).replace("2;", "+2;"), "line 5: '+2' is not a word of radix 10"),
        ("d.coe", coe(10)([1, 2], 4).replace("1,", "1,,"), "line 4: a word is missing beside a comma; write all"),
        ("d.coe", coe(2)([1], 1) + "01\n", "'01' stands after the semicolon that ends the words; remove it"),
        ("d.mif", mif([1, 2], 4).replace("END;", ""), "the file is cut, END; is missing; dump it again"),
        ("d.mif", mif([1, 2], 4).replace("1 : 2", "3 : 2"), "line 9: address 3 comes after 1 words; dump all words"),
        ("d.mif", mif([1, 2], 4).replace("1 : 2", "q : 2"), "line 9: 'q' is not an address of radix 16"),
        ("d.mif", mif([1, 2], 4).replace("1 : 2", "2"), "line 9: '2' is not 'address : word;'"),
        ("d.mif", mif([1, 2], 4).replace("1 : 2", "1 : 0x2"), "line 9: '0x2' is not a word of radix 16"),
        ("d.mif", mif_dec("-1").replace("WIDTH=4;", ""), "line 8: '-1' is negative, and WIDTH is missing; write WIDTH"),
        ("d.mif", mif_dec("-9"), "line 8: '-9' does not fit into WIDTH = 4 bits; dump it again"),
        ("d.mif", mif_dec("16"), "line 8: '16' does not fit into WIDTH = 4 bits; dump it again"),
        ("d.mif", mif([1], 4).replace(": 1", ": -1"), "line 8: '-1' is not a word of radix 16; signed words have"),
        ("d.mif", mif([1], 4) + "2 : 3;", "line 10: '2 : 3' stands after END; remove it"),
        *(
            (
                "d.mif",
                f"WIDTH = {width}; CONTENT BEGIN 0 : 1; END;",
                f"WIDTH = {width!r} is not 1 to 131,072 bits; dump it",
            )
            for width in ("0", "-4", "FOUR", "131073", "99999999999999999999")
        ),
        ("d.mif", "WIDTH = 4;\n0 : 1;\n", "has no CONTENT BEGIN before its words; dump it again"),
        ("d.mif", mif([1], 4).replace("DATA_RADIX=HEX", "DATA_RADIX=TEN"), "radix 'TEN' is unknown; there are BIN"),
        ("d.mif", mif([1], 4).replace("0 : 1", "[0..fffffff] : 1"), "are 268,435,456 words; write more than 4,194,304"),
        ("d.mif", "12\n", "line 1: '12' is not a binary word; dump with $writememb"),
        ("d.xmif", "0101\n2\n", "line 2: '2' is not a binary word; dump with $writememb"),
        ("d.memh", "0x1\n0x2\n", "all words have a 0x prefix; memory files have bare digits"),
    ],
)
def test_texts_that_are_no_dump(name: str, text: str, message: str, sets: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        one(sets["lanes"], tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_words(sets: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "d.bin").write_bytes(bytes(97))
    with pytest.raises(DataError, match=r"d\.bin: has 97 bytes, which are not words of 2 bytes; write whole words"):
        one(sets["lanes"], tmp_path / "d.bin")


def test_bytes_that_fit_both_packings(sets: dict[str, Path], tmp_path: Path) -> None:
    config = CONFIGS["partial"]
    comparison = one(sets["partial"], write(tmp_path / "dump", config.single, 5, "bin"))
    assert not comparison.equal
    assert comparison.hints[0] == "fold: the dump has 1 element a word; the vectors have 4"


def test_a_nibble_x_behind_a_zero_is_no_prefix(sets: dict[str, Path], tmp_path: Path) -> None:
    lines = hexadecimal(CONFIGS["lanes"].words, 12)
    lines[0] = "0x1"
    (tmp_path / "d.hex").write_text("\n".join(lines))
    first = one(sets["lanes"], tmp_path / "d.hex").first
    assert first is not None
    assert first.problem in ("", "'0x1' has unknown bits")


def test_a_dump_of_no_words(sets: dict[str, Path], tmp_path: Path) -> None:
    for name, config in CONFIGS.items():
        for kind in ("mem", "bin"):
            comparison = one(sets[name], write(tmp_path / "dump", [], config.word_bits, kind))
            assert (comparison.words, comparison.differences) == (0, config.array.size)


@given(st.data())
def test_texts_are_read_alike_at_once_and_word_by_word(data: Any) -> None:
    """A comment keeps a block from being read at once; nothing else may depend on that."""
    radix = data.draw(st.sampled_from([16, 2]))
    alphabet = "0123456789abcdefABCDEFxXzZ?" if radix == 16 else "01xXzZ?"
    item = st.text(alphabet, min_size=1, max_size=20)
    items = data.draw(st.lists(item, min_size=1, max_size=8))
    blanks = st.sampled_from([" ", "\n", "\r\n", "\t\n ", "\r"])
    text = "".join(word + data.draw(blanks) for word in items)
    plain = plain_words(text.replace("\r\n", "\n").replace("\r", "\n").encode(), radix, 1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "d.mem"
        file.write_bytes((text + "\n// end").encode())
        slow = list(memory_words(file, radix)) if not (plain and plain[1] == len(items)) else []
    if plain is None or not slow:
        return
    once, (words_,) = plain[0], slow
    assert len(once) == len(words_) == len(items)
    size = max(once.bits.shape[1], words_.bits.shape[1])
    assert once.widened(size).tolist() == words_.widened(size).tolist()
    unknown = [words.unknown_widened(size) for words in (once, words_)]
    lists = [[[0] * size] * len(items) if rows is None else rows.tolist() for rows in unknown]
    assert lists[0] == lists[1]
    assert once.places is not None
    assert words_.places is not None
    assert (list(once.places), once.slot, once.texts) == (list(words_.places), words_.slot, words_.texts)
