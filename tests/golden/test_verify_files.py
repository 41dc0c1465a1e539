"""Files of memories and of numbers as tools write them: deeper, wider, in several spellings; and hostile ones."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dump_words import random_array, words
from golden_sets import write_unchecked
from hypothesis import given
from hypothesis import strategies as st

from intinfer.builder import GraphBuilder
from intinfer.errors import DataError
from intinfer.ops import Clamp
from intinfer.types import IntType
from intinfer_golden import verify
from intinfer_golden.verification.compare import Comparison
from intinfer_golden.verification.report import describe

ARRAY = random_array(1, (2, 3, 2, 2), -2048, 2047)
VALUES = [int(value) for value in ARRAY.transpose(0, 2, 3, 1).reshape(-1)]
PACKED = random_array(2, (2, 4, 1, 2), -8, 7)


def write_set(array: Any, lo: int, hi: int, folder: Path, **options: Any) -> Path:
    builder = GraphBuilder()
    x = builder.input("x", array.shape[1:], IntType(lo, hi))
    builder.output("out", builder.add(Clamp(lo, hi), x, name="y"))
    return write_unchecked(builder.finish(), array, folder, **options)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(ARRAY, -2048, 2047, tmp_path_factory.mktemp("sets") / "set", formats=["memh", "coe", "mif", "bin"])


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(PACKED, -8, 7, tmp_path_factory.mktemp("sets") / "set", formats=["memh"], fold=4)


def one(vectors: Path, path: Path, content: str | bytes, **options: Any) -> Comparison:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (comparison,) = verify(vectors, [path], node="y", **options).comparisons
    return comparison


def refusal(vectors: Path, path: Path, content: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        one(vectors, path, content)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message.removeprefix(f"{path}: ")


def lines(found: list[str]) -> str:
    return "".join(f"{item}\n" for item in found)


# ------------------------------------------------------------------------------------------- deeper and wider memories


@pytest.mark.parametrize("word", ["xxx", "x", "XXX", "zzz"])
def test_a_deeper_memory_ends_in_x(word: str, vectors: Path, tmp_path: Path) -> None:
    right = [f"{value % 4096:03x}" for value in VALUES]
    comparison = one(vectors, tmp_path / "d.mem", lines([*right, *[word] * 1000]))
    assert (comparison.equal, comparison.words) == (True, len(VALUES))
    assert comparison.notes == ("1,000 words behind the last are all X, as of a deeper memory",)
    binary = [f"{value % 4096:012b}" for value in VALUES]
    assert one(vectors, tmp_path / "d.memb", lines([*binary, "x" * 12])).equal
    for extra in (["000"], [word, "000"], ["00x"], ["xx0", word], ["fff"]):
        other = one(vectors, tmp_path / "d.mem", lines([*right, *extra]))
        assert (other.equal, other.words) == (False, len(VALUES) + len(extra))
    missing = one(vectors, tmp_path / "d.mem", lines([*right[:-1], word, word]))
    assert (missing.differences, missing.words) == (1, len(VALUES))
    assert not one(vectors, tmp_path / "d.csv", lines([*map(str, VALUES), "x"])).equal


def test_a_deeper_memory_of_packed_words(packed: Path, tmp_path: Path) -> None:
    for fold in (4, 1):
        found = [f"{word:04x}" for word in words(PACKED, "NHWC", 4, fold)]
        comparison = one(packed, tmp_path / "d.mem", lines(found + ["xxxx"] * 2))
        assert (comparison.equal, comparison.elements_per_word) == (True, fold)
    found = [f"{word:04x}" for word in words(PACKED, "NHWC", 4, 4)]
    deep = [*found, *["xxxx"] * (PACKED.size - len(found))]  # as many words as elements
    assert one(packed, tmp_path / "d.mem", lines(deep)).equal
    assert not one(packed, tmp_path / "d.mem", lines([*deep[1:], "xxxx"])).equal
    cut = [f"{word:x}" for word in words(PACKED, "NHWC", 4, 1)][: len(found)]
    comparison = one(packed, tmp_path / "d.mem", lines(cut + ["x"] * (PACKED.size - len(cut))))
    assert (comparison.differences, comparison.elements_per_word) == (PACKED.size - len(cut), 1)


def test_raw_words_that_are_as_long_as_others_of_one_element(packed: Path, tmp_path: Path) -> None:
    """Of 4 elements in 64 bits each, or of one in 16 bits: what stands above them tells."""
    both = [words(PACKED, "NHWC", 4, fold) for fold in (4, 1)]
    for fold, found in zip((4, 1), both, strict=True):
        size = 2 * PACKED.size // len(found)
        raw = b"".join(word.to_bytes(size, "little") for word in found)
        comparison = one(packed, tmp_path / "d.bin", raw)
        assert (comparison.equal, comparison.elements_per_word, comparison.words) == (True, fold, len(found))
        assert not one(packed, tmp_path / "d.bin", bytes([raw[0] ^ 1]) + raw[1:]).equal


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_words_in_wider_slots(bits: int, vectors: Path, tmp_path: Path) -> None:
    signed = [f"{value % 2**bits:0{bits // 4}x}" for value in VALUES]
    unsigned = [f"{value % 4096:0{bits // 4}x}" for value in VALUES]
    binary = [f"{value % 2**bits:0{bits}b}" for value in VALUES]
    raw = b"".join((value % 2**bits).to_bytes(bits // 8, "little") for value in VALUES)
    extended = ("words are sign-extended from 12 bits",)
    for suffix, text, notes in [
        ("hex", lines(signed), extended),
        ("hex", lines(unsigned), (f"words are written with {bits} bits and hold 12; those above are 0",)),
        ("memb", lines(binary), extended),
        ("coe", f"memory_initialization_radix=16;\nmemory_initialization_vector=\n{','.join(signed)};\n", extended),
        ("bin", raw, extended),
    ]:
        comparison = one(vectors, tmp_path / f"d.{suffix}", text)
        assert (comparison.equal, comparison.notes) == (True, notes), suffix
        assert describe(comparison)[-1] == f"  note: {notes[0]}"
    wrong = signed[:]
    wrong[0] = f"{(VALUES[0] ^ 1) % 2**bits:0{bits // 4}x}"
    comparison = one(vectors, tmp_path / "d.hex", lines(wrong))
    assert (comparison.differences, comparison.first and comparison.first.actual) == (1, VALUES[0] ^ 1)


def test_wider_words_that_are_not_extended_alike(vectors: Path, tmp_path: Path) -> None:
    negative = [i for i, value in enumerate(VALUES) if value < 0]
    signed = [f"{value % 2**16:04x}" for value in VALUES]
    for place in (negative[0], negative[-1]):
        mixed = list(signed)
        mixed[place] = f"{VALUES[place] % 4096:04x}"
        assert not one(vectors, tmp_path / "d.hex", lines(mixed)).equal
        half = list(signed)
        half[place] = f"{VALUES[place] % 2**14:04x}"
        assert not one(vectors, tmp_path / "d.hex", lines(half)).equal
    inner = [f"{value % 2**12 | (value < 0) << 12:08x}" for value in VALUES]  # 13 bits in 32
    assert not one(vectors, tmp_path / "d.hex", lines(inner)).equal
    junk = [f"{value % 4096 | 1 << 13:04x}" for value in VALUES]
    assert not one(vectors, tmp_path / "d.hex", lines(junk)).equal


def test_signs_of_what_has_none(packed: Path, tmp_path: Path) -> None:
    ones = [f"{word | (0xFFFF0000 if word >> 15 else 0):08x}" for word in words(PACKED, "NHWC", 4, 4)]
    assert not one(packed, tmp_path / "d.hex", lines(ones)).equal  # lanes, not a number
    unsigned = write_set(random_array(3, (1, 4), 0, 255), 0, 255, tmp_path / "set", formats=["memh"])
    values = [int(line, 16) for line in (unsigned / "values" / "y.memh").read_text().split("\n")[-5:-1]]
    assert max(values) > 127
    text = lines([f"{value | (0xFF00 if value > 127 else 0):04x}" for value in values])
    assert not one(unsigned, tmp_path / "d.hex", text).equal
    assert one(unsigned, tmp_path / "d.hex", lines([f"{value:04x}" for value in values])).equal


# ------------------------------------------------------------------------------------------------ spellings of numbers

CSV = {
    "commas": ",".join(map(str, VALUES)),
    "commas and a last one": ",".join(map(str, VALUES)) + ",\n",
    "semicolons": ";".join(map(str, VALUES)) + ";\n",
    "blanks": " ".join(map(str, VALUES)) + " \n",
    "tabs": "\t".join(map(str, VALUES)),
    "a pixel a line": "\n".join(", ".join(map(str, VALUES[i : i + 3])) for i in range(0, len(VALUES), 3)) + "\n",
    "a header": "value\n" + lines([str(value) for value in VALUES]),
    "quoted names": '"c0","c1","c2"\n'
    + "\n".join(",".join(map(str, VALUES[i : i + 3])) for i in range(0, len(VALUES), 3)),
    "a comment": "# written by hand, 1 2 3\n" + lines([str(value) for value in VALUES]),
    "empty lines": "\n\n" + "\n\n".join(map(str, VALUES)) + "\n\n",
    "plus signs": " ".join(f"{value:+d}" for value in VALUES),
}


@pytest.mark.parametrize("name", CSV)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_decimal_numbers(name: str, ends: str, vectors: Path, tmp_path: Path) -> None:
    text = CSV[name].replace("\n", ends)
    assert one(vectors, tmp_path / "d.csv", text).equal
    assert one(vectors, tmp_path / "d.txt", b"\xef\xbb\xbf" + text.encode()).equal
    wrong = text.replace(str(VALUES[-1]), str(VALUES[-1] ^ 1)) if VALUES.count(VALUES[-1]) == 1 else ""
    assert not one(vectors, tmp_path / "d.csv", wrong).equal
    assert not one(vectors, tmp_path / "d.csv", text.strip() + " 0\n").equal


def test_a_first_line_of_numbers_is_no_header(vectors: Path, tmp_path: Path) -> None:
    for line in ("5", "x", "-5", "5 6"):
        assert not one(vectors, tmp_path / "d.csv", f"{line}\n" + lines([str(value) for value in VALUES])).equal
    for line in ("1.5", "0x10", "1e3", "name,5"):
        assert "is not a decimal integer" in refusal(vectors, tmp_path / "d.csv", f"{line}\n1\n")


def indexed(found: list[int], first: int = 0, values: int = 1, between: str = ",") -> str:
    """An index before the values of each line."""
    rows = [found[i : i + values] for i in range(0, len(found), values)]
    return lines([between.join(map(str, (first + i, *row))) for i, row in enumerate(rows)])


RIGHT, ALONE = "the values are right, write them alone", "write the values alone"


@pytest.mark.parametrize("name", ["d.csv", "d.txt"])
@pytest.mark.parametrize("head", ["", "index,value\n", "\n# i v\n"])
def test_a_column_of_indices_is_told(name: str, head: str, vectors: Path, tmp_path: Path) -> None:
    wrong = [VALUES[0] ^ 1, *VALUES[1:]]
    for found, what in ((VALUES, RIGHT), (wrong, ALONE)):
        for first, between in ((0, ","), (1, " "), (0, ";")):
            comparison = one(vectors, tmp_path / name, head + indexed(found, first, 1, between))
            assert comparison.hints == (f"columns: the dump's columns are index,value; {what}",)
        hint = f"columns: the dump's columns are an index and 3 values; {what}"
        assert one(vectors, tmp_path / name, head + indexed(found, 0, 3)).hints == (hint,)


def test_what_is_no_column_of_indices(packed: Path, vectors: Path, tmp_path: Path) -> None:
    column = "columns: the dump's columns are index,value"
    skipped = indexed(VALUES).replace("\n7,", "\n8,")
    for text in (
        skipped,
        indexed(VALUES, 2),
        indexed(VALUES[:-1]),
        indexed(VALUES) + "24,0\n",
        indexed(VALUES) + "24\n",
    ):
        assert not any(hint.startswith(column) for hint in one(vectors, tmp_path / "d.csv", text).hints)
    found = words(PACKED, "NHWC", 4, 4)  # a word a line, of 4 elements
    assert one(packed, tmp_path / "d.csv", indexed(found)).hints == (f"{column}; {RIGHT}",)


def memories(found: list[str]) -> dict[str, str]:
    """The same decimal words in two vendors' forms."""
    each = "".join(f"{i} : {word};\n" for i, word in enumerate(found))
    return {
        "coe": f"memory_initialization_radix = 10;\nmemory_initialization_vector =\n{', '.join(found)};\n",
        "mif": f"WIDTH=12;\nDEPTH={len(found)};\nADDRESS_RADIX=DEC;\nDATA_RADIX=DEC;\nCONTENT BEGIN\n{each}END;\n",
    }


def test_negative_decimals_of_memories(vectors: Path, packed: Path, tmp_path: Path) -> None:
    for suffix, text in memories([str(value) for value in VALUES]).items():
        assert one(vectors, tmp_path / f"d.{suffix}", text).equal
        assert one(vectors, tmp_path / f"d.{suffix}", text.replace("\n", "\r\n")).equal
    for suffix, text in memories([str(value % 4096) for value in VALUES]).items():
        assert one(vectors, tmp_path / f"d.{suffix}", text).equal
    changed = [VALUES[0] ^ 1, *VALUES[1:]]
    for suffix, text in memories([str(value) for value in changed]).items():
        comparison = one(vectors, tmp_path / f"d.{suffix}", text)
        assert (comparison.differences, comparison.first and comparison.first.actual) == (1, changed[0])
    low = [-2049, *VALUES[1:]]
    assert not one(vectors, tmp_path / "d.coe", memories([str(value) for value in low])["coe"]).equal
    signed = [str(word - 2**16 if word >= 2**15 else word) for word in words(PACKED, "NHWC", 4, 4)]
    for suffix, text in memories(signed).items():
        assert one(packed, tmp_path / f"d.{suffix}", text.replace("WIDTH=12", "WIDTH=16")).equal


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("d.coe", ";" * 50_000 + "\nx"),
        ("d.coe", "memory_initialization_radix=16;" + ";" * 50_000 + "\nx"),
        ("d.coe", "memory_initialization_radix=00160;\nmemory_initialization_vector=\n1;\n"),
        ("d.mif", "WIDTH = 999999999; DATA_RADIX = DEC; CONTENT BEGIN 0 : -1; END;"),
        ("d.mif", "WIDTH = 4; CONTENT BEGIN " + "0" * 4_400_000),
        ("d.mif", "% " * 200_001),
        ("d.mem", "/*" * 200_000),
        ("d.csv", "9" * 5000),
    ],
)
def test_texts_that_would_take_long(name: str, text: str, vectors: Path, tmp_path: Path) -> None:
    assert refusal(vectors, tmp_path / name, text)


def test_forms_of_the_head_of_a_coe(vectors: Path, tmp_path: Path) -> None:
    text = memories([str(value) for value in VALUES])["coe"]
    for old, new in [
        (";\nmemory", "; memory"),
        (";\nmemory", "; ten\n; more ;; of it\n\nmemory"),
        ("memory_initialization_radix", "; first\n\n;; second\nMEMORY_INITIALIZATION_RADIX"),
        (";\n", ";"),
    ]:
        assert one(vectors, tmp_path / "d.coe", text.replace(old, new)).equal


def test_comments_of_a_mif(vectors: Path, tmp_path: Path) -> None:
    text = memories([str(value) for value in VALUES])["mif"]
    inside = text.replace(
        "CONTENT BEGIN", "-- a ; comment % of one line\n% 0 : 7; \n over lines % CONTENT\nBEGIN -- x : y;"
    )
    assert one(vectors, tmp_path / "d.mif", inside).equal
    shared = f"[0..1] : {VALUES[0]} {VALUES[1]};\n2 : " + " ".join(map(str, VALUES[2:])) + ";\n"
    start = text.index("0 : ")
    assert one(vectors, tmp_path / "d.mif", text[:start] + shared + "END;\n").equal


# -------------------------------------------------------------------------------------------------- encoding marks


def test_marks_of_an_encoding(vectors: Path, tmp_path: Path) -> None:
    texts = {"hex": lines([f"{value % 4096:03x}" for value in VALUES])} | memories([str(value) for value in VALUES])
    for suffix, text in texts.items():
        assert one(vectors, tmp_path / f"d.{suffix}", b"\xef\xbb\xbf" + text.encode()).equal
        for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
            assert refusal(vectors, tmp_path / f"d.{suffix}", text.encode(encoding)) == (
                "is UTF-16 text; save it as UTF-8 or ASCII"
            )


@given(st.data())
def test_blocks_of_any_size_are_read_alike(
    vectors: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Comments, line ends and words may stand across the ends of what is read together."""
    found = [f"{value % 4096:03x}" for value in VALUES]
    between = st.sampled_from([" ", "\n", "\r\n", " // a 1 /* b\n", "/* 1\n2 // */ ", "\t", "\n@{}\n", " /**/ "])
    text = "".join(f"{data.draw(between).format(f'{i:x}')}{word}" for i, word in enumerate(found)) + "\n"
    path = tmp_path_factory.getbasetemp() / "blocks.mem"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("intinfer_golden.verification.dumps.foreign.BLOCK", data.draw(st.integers(1, 40)))
        assert one(vectors, path, text.replace("@0\n", "", 1) if text.startswith("\n@0") else text).equal
        place = data.draw(st.integers(0, len(found) - 1))
        changed = [*found[:place], f"{int(found[place], 16) ^ 1:03x}", *found[place + 1 :]]
        comparison = one(vectors, path, " ".join(changed))
        assert (comparison.differences, comparison.first and comparison.first.word) == (1, place)


def simple_values(suffix: str, text: str) -> list[int] | None:
    """The words of a text by a few regular expressions, 12 bits each; None where they do not understand it."""
    if suffix == "mem":
        bare = re.sub(r"//[^\n]*", "", text)
        found = [int(item, 16) for item in bare.split()] if re.fullmatch(r"[0-9a-fA-F\s]*", bare) else None
    elif suffix == "csv":
        found = [int(item) for item in re.split(r"[\s,;]+", text.strip(" \n,;"))]
    elif suffix == "coe":
        found = [int(item) for item in re.split(r"[\s,]+", text.rpartition("=")[2].partition(";")[0].strip())]
    else:
        found = []
        for statement in re.sub(r"--[^\n]*", "", text).partition("BEGIN")[2].partition("END")[0].split(";"):
            found += [int(item) for item in statement.partition(":")[2].split()]
    return None if found is None else [(value + 2048) % 4096 - 2048 for value in found]


@given(st.data())
def test_a_mutated_text_is_equal_only_if_it_says_the_same(
    vectors: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    texts = memories([str(value) for value in VALUES])
    texts["mem"] = "// head\n" + lines([f"{value % 4096:03x}" for value in VALUES])
    texts["csv"] = ",".join(map(str, VALUES)) + "\n"
    suffix = data.draw(st.sampled_from(sorted(texts)))
    text = list(texts[suffix])
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.integers(0, len(text) - 1))
        new = data.draw(st.sampled_from("0189afx-+,;: \n/@_.[%="))
        text[place : place + data.draw(st.integers(0, 1))] = data.draw(st.sampled_from([[new], [], [new, new]]))
    path = tmp_path_factory.getbasetemp() / f"mutated.{suffix}"
    try:
        equal = one(vectors, path, "".join(text)).equal
    except DataError:
        return
    if equal:
        assert "%" in text or "[" in text or simple_values(suffix, "".join(text)) in (VALUES, None)


# ---------------------------------------------------------------------------------------------------------------- .npy


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_arrays_in_every_order(vectors: Path, tmp_path: Path) -> None:
    array = ARRAY.transpose(0, 2, 3, 1)
    for kind in ("<i2", ">i2", "<i4", ">i8"):
        for stored in (array.astype(kind), np.asfortranarray(array.astype(kind)), array.reshape(-1).astype(kind)):
            assert one(vectors, tmp_path / "d.npy", npy(stored)).equal
    assert not one(vectors, tmp_path / "d.npy", npy(array[::-1])).equal


HEADERS = [
    "{'descr': '<i8', 'fortran_order': False, 'shape': (" + "(" * 5000 + "), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (24,), 'x': '''",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999999999999,), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (999999999999999, 999999999999999), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (-24,), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (" + "1, " * 20000 + "), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (24,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (24,), }",
    "{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (24,), }",
    "{'descr': '<i8', 'fortran_order': 1, 'shape': (24,), }",
    "\x00\x01(",
    "",
]


@pytest.mark.parametrize("header", HEADERS)
def test_headers_of_arrays_that_lie(header: str, vectors: Path, tmp_path: Path) -> None:
    text = header.encode() + b"\n"
    data = b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text + np.array(VALUES, "<i8").tobytes()
    message = refusal(vectors, tmp_path / "d.npy", data)
    assert message.startswith(("is no readable .npy file (", "holds "))


@given(st.data())
def test_damaged_arrays(vectors: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(npy(ARRAY.transpose(0, 2, 3, 1).astype("<i2")))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    try:
        equal = one(vectors, path, bytes(content)).equal
    except DataError:
        return
    if equal:
        assert np.load(path).reshape(-1).tolist() == VALUES


# --------------------------------------------------------------------------------------------------- bounds of memory

PEAK = """
import resource, sys
from intinfer.errors import DataError
from intinfer_golden import verify
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    (found,) = verify(sys.argv[1], [sys.argv[2]], node="y").comparisons
    outcome = "equal" if found.equal else "different"
except DataError as error:
    outcome = f"refused {len(str(error))}"
print(outcome, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts KiB on Linux")
@pytest.mark.parametrize("suffix", ["memh", "memb", "coe", "mif", "csv", "vcd"])
def test_a_word_without_end_costs_nothing(suffix: str, vectors: Path, tmp_path: Path) -> None:
    head = {
        "coe": "memory_initialization_radix=16;\nmemory_initialization_vector=\n",
        "mif": "WIDTH=4; CONTENT BEGIN 0 :",
    }
    (tmp_path / f"d.{suffix}").write_text(head.get(suffix, "") + "1" * 30_000_000)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = ["sh", "-c", '"$0" "$@"', sys.executable, "-c", PEAK, str(vectors), str(tmp_path / f"d.{suffix}")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    outcome, number, *peak = done.stdout.split()
    assert outcome == "refused"
    assert int(number) < 400
    assert int(peak[0]) < 30, "MiB"


def test_one_wide_word_among_many(vectors: Path, tmp_path: Path) -> None:
    text = "1\n" * 200_000 + "f" * 100_000 + "\n" + "1\n" * 200_000
    assert refusal(vectors, tmp_path / "d.mem", text).startswith("one of its words has about 400,008 bits, most of")


def test_the_memory_of_a_long_dump(tmp_path: Path) -> None:
    array = random_array(5, (1000, 4, 25, 10), -2048, 2047)
    vectors = write_set(array, -2048, 2047, tmp_path / "set", formats=["npy"])
    found = [f"{value % 4096:03x}" for value in array.transpose(0, 2, 3, 1).reshape(-1).tolist()]
    (tmp_path / "y.mem").write_text(lines(found))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = ["sh", "-c", '"$0" "$@"', sys.executable, "-c", PEAK, str(vectors), str(tmp_path / "y.mem")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    outcome, peak = done.stdout.split()
    assert outcome == "equal"
    assert int(peak) < 60, "MiB; the file has 4"
