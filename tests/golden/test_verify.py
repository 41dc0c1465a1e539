"""`verify`: every wrong word is found where it is, nothing that does not matter is, and hints are proven."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from golden_sets import block_graph, images, selecting_graph, write_unchecked
from hypothesis import given
from hypothesis import strategies as st

from intinfer import reference
from intinfer.errors import DataError
from intinfer_golden import verify
from intinfer_golden.describe.manifest import load
from intinfer_golden.make.run import demand_masks
from intinfer_golden.verification.compare import Comparison, Verification
from intinfer_golden.verification.report import describe, junit_xml

GRAPH = block_graph()
IMAGES = images()
TRACE = reference.trace(GRAPH, IMAGES)
BITS = {"image": 8, "Conv/1": 9, "act": 2, "dw": 8, "requant": 4, "fc": 7}
FILES = {"Conv/1": "%43onv%2f1"}
NO_NUMBER = "is not a decimal integer; write integers with blanks, commas or line ends between them"


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_unchecked(GRAPH, IMAGES, tmp_path_factory.mktemp("sets") / "set")


def flat(name: str) -> list[int]:
    """A node's values in the order of the vectors, NHWC."""
    array = TRACE[name]
    return [int(v) for v in (array.transpose(0, 2, 3, 1) if array.ndim == 4 else array).reshape(-1)]


def words(name: str) -> list[str]:
    """The same as hexadecimal words."""
    return [f"{value % 2 ** BITS[name]:0{(BITS[name] + 3) // 4}x}" for value in flat(name)]


def write(path: Path, tokens: list[Any]) -> Path:
    path.write_text("".join(f"{token}\n" for token in tokens))
    return path


def one(vectors: Path, dump: Path, **options: Any) -> Comparison:
    (comparison,) = verify(vectors, [dump], **{"causes": False, **options}).comparisons
    return comparison


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def place(name: str, index: int) -> dict[str, int]:
    """Coordinates of a word, from the shape of the trace."""
    shape = TRACE[name].shape
    if len(shape) == 2:
        return {"n": index // shape[1], "c": index % shape[1]}
    _, channels, height, width = shape
    pixel, c = divmod(index, channels)
    row, x = divmod(pixel, width)
    n, y = divmod(row, height)
    return {"n": n, "c": c, "y": y, "x": x}


def test_the_vectors_themselves_are_equal(vectors: Path) -> None:
    files = sorted((vectors / "values").iterdir())
    outcome = verify(vectors, files, full=True)
    assert outcome.equal
    assert outcome.without_dump == ()
    names = [comparison.node for comparison in outcome.comparisons]
    assert names[::2] == names[1::2] == list(GRAPH.values)
    assert all(c.compared == c.words == c.expected_words == TRACE[c.node].size for c in outcome.comparisons)
    assert {c.node: c.source for c in outcome.comparisons}["act"] == ("bn.weight", "act")


@pytest.mark.parametrize("name", BITS)
def test_every_format_of_a_dump(name: str, vectors: Path, tmp_path: Path) -> None:
    stem = FILES.get(name, name)
    hexadecimal = [word.upper() for word in words(name)]
    header = ["// 0x00000000", "/* two", "lines */", "@0", " ".join(hexadecimal[:3]), "@00000003"]
    write(tmp_path / f"{stem}.mem", [*header, *(f"0_{word} // word" for word in hexadecimal[3:])])
    write(tmp_path / f"{stem}.hex", words(name))
    write(tmp_path / f"{stem}.memh", [" ".join(words(name))])
    write(tmp_path / f"{stem}.csv", flat(name))
    write(tmp_path / f"{stem}.txt", [f" {value:+d} " for value in flat(name)])
    for kind in (np.int64, np.int16):
        np.save(tmp_path / f"{stem}.npy", np.array(flat(name), dtype=kind))
        assert verify(vectors, [tmp_path / f"{stem}.npy"], full=True).equal
    dumps = sorted(tmp_path.iterdir())
    outcome = verify(vectors, dumps, full=True)
    assert outcome.equal
    assert [c.words for c in outcome.comparisons] == [len(flat(name))] * 6
    (tmp_path / "out.txt").write_text("\r\n".join(map(str, flat(name))))
    assert one(vectors, tmp_path / "out.txt", node=name, full=True).equal


@given(st.data())
def test_any_wrong_word_is_found(vectors: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(BITS)))
    tokens, values = words(name), flat(name)
    index = data.draw(st.integers(0, len(tokens) - 1))
    word = data.draw(st.integers(0, 2 ** BITS[name] - 1).filter(lambda w: w != values[index] % 2 ** BITS[name]))
    tokens[index] = f"{word:x}"
    dump = write(tmp_path_factory.getbasetemp() / "word.mem", tokens)
    comparison = one(vectors, dump, node=name, full=True)
    assert not comparison.equal
    assert (comparison.differences, comparison.compared) == (1, len(tokens))
    signed = name not in ("image", "act")
    actual = word - 2 ** BITS[name] if signed and word >= 2 ** (BITS[name] - 1) else word
    first = comparison.first
    assert first is not None
    assert (first.word, first.line, first.at) == (index, index + 1, place(name, index))
    assert (first.expected, first.actual, first.problem) == (values[index], actual, "")
    assert (int(str(first.expected_hex), 16), int(str(first.actual_hex), 16)) == (values[index] % 2 ** BITS[name], word)
    assert comparison.errors == {actual - values[index]: 1}
    assert comparison.hints == ()


def test_the_first_of_many_and_the_histogram(vectors: Path, tmp_path: Path) -> None:
    values = flat("act")
    changed = [value ^ 1 if index >= 40 else value for index, value in enumerate(values)]
    comparison = one(vectors, write(tmp_path / "act.txt", changed), full=True)
    up = sum(value % 2 == 0 for value in values[40:])
    down = len(values) - 40 - up
    assert comparison.errors == {1: up, -1: down}
    assert list(comparison.errors.values()) == sorted((up, down), reverse=True)
    lines = describe(comparison)
    counts = ", ".join(f"{error:+d} x {count}" for error, count in comparison.errors.items())
    at = " ".join(f"{axis}={i}" for axis, i in place("act", 40).items())
    old, new = values[40], values[40] ^ 1
    assert lines == [
        f"{tmp_path / 'act.txt'}: node act (from bn.weight, act): DIFFERENT, {up + down} of 240 values compared",
        f"  first: {at} (word 40, line 41): expected {old} (0x{old}), actual {new} (0x{new})",
        "  frames: 0-2 (3 in all)",
        f"  actual - expected: {counts}",
        f"  where: {comparison.where}",
    ]


def test_dumps_come_in_graph_order(vectors: Path, tmp_path: Path) -> None:
    bad = write(tmp_path / "dw.txt", [value + 1 for value in flat("dw")])
    worse = write(tmp_path / "fc.txt", [0] * len(flat("fc")))
    outcome = verify(vectors, [worse, vectors / "values" / "act.npy", bad], full=True)
    assert [comparison.node for comparison in outcome.comparisons] == ["act", "dw", "fc"]
    assert outcome.first is outcome.comparisons[1]
    assert "dw" not in outcome.without_dump
    assert set(outcome.without_dump) == {n.name for n in GRAPH.nodes} - {"act", "dw", "fc"}


# -------------------------------------------------------------------------------------------------------------- demand


def test_channels_that_nobody_demands(tmp_path: Path) -> None:
    graph, rng = selecting_graph(), np.random.default_rng(2)
    inputs = {"s": np.array([[0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]]), "x": rng.integers(-99, 100, (3, 4, 3, 3))}
    trace = reference.trace(graph, inputs)
    vectors = write_unchecked(graph, inputs, tmp_path / "set")
    asked = [demand_masks(graph, {name: array[n] for name, array in trace.items()})["left"] for n in range(3)]
    assert [int(mask.sum()) for mask in asked] == [2, 4, 0]
    demanded = np.broadcast_to(np.array(asked)[:, None, None, :], (3, 3, 3, 4)).reshape(-1)
    right = trace["left"].transpose(0, 2, 3, 1).reshape(-1)
    dump = write(tmp_path / "left.txt", np.where(demanded, right, "x").tolist())
    comparison = one(vectors, dump)
    assert comparison.equal
    assert (comparison.compared, comparison.ignored) == (54, 54)
    assert describe(comparison) == [f"{dump}: node left: equal, 54 values compared, 54 not demanded and ignored"]
    full = one(vectors, dump, full=True)
    assert (full.equal, full.compared, full.ignored, full.differences) == (False, 108, 0, 54)
    for frame, pixel, channel in itertools.product(range(3), (0, 5), range(4)):
        index = np.ravel_multi_index((frame, pixel, channel), (3, 9, 4))
        tokens = right.tolist()
        tokens[index] += 1
        comparison = one(vectors, write(dump, tokens))
        assert comparison.equal == (not demanded[index])
        assert not one(vectors, dump, full=True).equal
    assert one(vectors, write(tmp_path / "unused.txt", [5] * 54)).compared == 0
    assert not one(vectors, write(tmp_path / "unused.txt", [5] * 53)).equal  # a length is always looked at


# ------------------------------------------------------------------------------------------------- what is no value


def test_unknown_bits(vectors: Path, tmp_path: Path) -> None:
    for token in ("xx", "Z1", "x", "1X"):
        tokens = [*words("dw")[:17], token, *words("dw")[18:]]
        comparison = one(vectors, write(tmp_path / "dw.mem", ["// dump", *tokens]), full=True)
        assert comparison.differences == 1
        first = comparison.first
        assert first is not None
        assert (first.word, first.line, first.at, first.actual) == (17, 19, place("dw", 17), None)
        assert first.problem == f"{token!r} has unknown bits"
        assert (comparison.errors, comparison.hints) == ({}, ())
    comparison = one(vectors, write(tmp_path / "dw.txt", ["x", *flat("dw")[1:]]), full=True)
    assert describe(comparison)[1] == (
        f"  first: n=0 c=0 y=0 x=0 (word 0, line 1): expected {flat('dw')[0]} (0x{words('dw')[0]}), "
        "actual 'x' has unknown bits"
    )


def test_words_that_are_too_wide(vectors: Path, tmp_path: Path) -> None:
    tokens = words("dw")
    value = int(tokens[3], 16)
    tokens[3] = f"5{value ^ 1:02x}"
    first = one(vectors, write(tmp_path / "dw.hex", tokens), full=True).first
    assert first is not None
    assert (first.line, first.actual, first.problem) == (4, None, f"'{tokens[3]}' is wider than 8 bits")
    tokens[3] = f"1{value:02x}"  # the right low bits do not make it right
    comparison = one(vectors, write(tmp_path / "dw.hex", tokens), full=True)
    assert (comparison.differences, comparison.errors) == (1, {})
    first = one(vectors, write(tmp_path / "act.csv", [4, *flat("act")[1:]]), full=True).first
    assert first is not None
    assert first.problem == "'4' is outside 0..3"
    np.save(tmp_path / "act.npy", np.array([2**64 - 1, *flat("act")[1:]], dtype=np.uint64))
    first = one(vectors, tmp_path / "act.npy", full=True).first
    assert first is not None
    assert (first.line, first.problem) == (None, "'18446744073709551615' is outside 0..3")


def test_lengths(vectors: Path, tmp_path: Path) -> None:
    comparison = one(vectors, write(tmp_path / "dw.mem", words("dw")[:-2]), full=True)
    first = comparison.first
    assert first is not None
    assert (comparison.words, comparison.expected_words, comparison.differences) == (238, 240, 2)
    assert (first.word, first.line, first.at) == (238, None, place("dw", 238))
    assert (first.actual, first.problem) == (None, "the dump ends after 238 words")
    assert "  length: 238 words, 240 expected" in describe(comparison)
    comparison = one(vectors, write(tmp_path / "dw.mem", [*words("dw"), "7f"]), full=True)
    first = comparison.first
    assert first is not None
    assert (comparison.words, comparison.differences, first.line) == (241, 0, 241)
    assert (first.at, first.expected, first.actual) == (None, None, 127)
    assert describe(comparison)[1] == (
        "  first: (word 240, line 241): expected nothing, actual 127 (0x7f); the dump goes on after the 240 words "
        "expected"
    )
    first = one(vectors, write(tmp_path / "dw.mem", []), full=True).first
    assert first is not None
    assert first.problem == "the dump ends after 0 words"


# --------------------------------------------------------------------------------------------------------------- hints


def hints(vectors: Path, dump: Path, node: str) -> tuple[str, ...]:
    comparison = one(vectors, dump, node=node, full=True)
    assert not comparison.equal
    return comparison.hints


def test_hint_of_the_order(vectors: Path, tmp_path: Path) -> None:
    dump = write(tmp_path / "d.txt", TRACE["dw"].reshape(-1).tolist())
    assert hints(vectors, dump, "dw") == ("order: the dump is in NCHW order, the vectors are in NHWC",)
    np.save(tmp_path / "d.npy", TRACE["dw"])
    assert hints(vectors, tmp_path / "d.npy", "dw") == ("order: the dump is in NCHW order, the vectors are in NHWC",)
    other = write_unchecked(GRAPH, IMAGES, tmp_path / "other", order="nchw")
    dump = write(tmp_path / "d.txt", flat("dw"))
    assert hints(other, dump, "dw") == ("order: the dump is in NHWC order, the vectors are in NCHW",)


def test_hint_of_the_sign(vectors: Path, tmp_path: Path) -> None:
    wide = "sign: the low 8 bits of every word are right; the tensor is 8 bits two's complement"
    dump = write(tmp_path / "d.txt", [value % 256 for value in flat("dw")])  # printed as unsigned
    assert hints(vectors, dump, "dw") == (wide,)
    dump = write(tmp_path / "d.txt", [value - 4 * (value > 1) for value in flat("act")])  # levels printed as signed
    assert hints(vectors, dump, "act") == (
        "sign: the low 2 bits of every word are right; the tensor is 2 bits unsigned",
    )
    bits = max(-min(flat("dw")) - 1, max(flat("dw"))).bit_length() + 1
    assert bits < 8
    dump = write(tmp_path / "d.mem", [f"{value % 2**bits:x}" for value in flat("dw")])  # not extended
    assert hints(vectors, dump, "dw") == (
        f"sign: every value is right as {bits}-bit two's complement; extend the sign to 8 bits",
    )


def test_hint_of_a_beat(vectors: Path, tmp_path: Path) -> None:
    for beat, name in ((1, "1 word"), (4, "1 pixel of 4 words")):
        late = f"off by one: the dump is {name} late; from its word {beat} on it is right"
        early = f"off by one: the dump is {name} early; it begins with what word {beat} should be"
        for tokens, hint in [
            (["xx"] * beat + words("dw"), late),
            ((["xx"] * beat + words("dw"))[:240], late),
            (words("dw")[beat:], early),
            (words("dw")[beat:] + ["00"] * beat, early),
        ]:
            assert hints(vectors, write(tmp_path / "d.mem", tokens), "dw") == (hint,)


def test_no_hint_where_it_does_not_explain_all(vectors: Path, tmp_path: Path) -> None:
    swapped = TRACE["dw"].reshape(-1).tolist()
    swapped[100] += 1
    assert hints(vectors, write(tmp_path / "d.txt", swapped), "dw") == ()
    late = [0, *flat("dw")[:-1]]
    late[50] += 1
    assert hints(vectors, write(tmp_path / "d.txt", late), "dw") == ()
    unsigned = [value % 256 for value in flat("dw")]
    unsigned[50] ^= 1
    assert hints(vectors, write(tmp_path / "d.txt", unsigned), "dw") == ()
    assert hints(vectors, write(tmp_path / "d.txt", [0] * 240), "dw") == ()
    unknown = ["xx" if word == "00" else word for word in words("dw")]
    assert unknown != words("dw")
    assert hints(vectors, write(tmp_path / "d.mem", unknown), "dw") == ()
    wide = ["00", *words("dw")]
    wide[50] = f"1{wide[50]}"
    assert hints(vectors, write(tmp_path / "d.mem", wide), "dw") == ()
    assert hints(vectors, write(tmp_path / "d.txt", flat("dw")[:100]), "dw") == ()


def test_no_hint_of_a_beat_among_equal_values(tmp_path: Path) -> None:
    zeros = {"s": np.zeros((1, 4), int), "x": np.zeros((1, 4, 3, 3), int)}
    vectors = write_unchecked(selecting_graph(), zeros, tmp_path / "set")
    assert hints(vectors, write(tmp_path / "d.txt", [0] * 35 + [1]), "left") == ()


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("d.mem", "01\n0g\n", "line 2: '0g' is not a hexadecimal word; dump with $writememh"),
        ("d.mem", "01\n-1\n", "line 2: '-1' is not a hexadecimal word; dump with $writememh"),
        ("d.mem", "01 /* open\n", "a comment /* has no end; the file is cut, dump it again"),
        ("d.mem", "_1\n", "line 1: '_1' is not a hexadecimal word; dump with $writememh"),
        ("d.mem", "/* a\n b */ 0X01\n\n0xff\n", "all words have a 0x prefix; memory files have bare digits"),
        ("d.mem", "01\n@2\n", "line 2: address @2 comes after 1 words; dump all words from address 0, in order"),
        ("d.mem", "01\n@0\n", "line 2: address @0 comes after 1 words; dump all words from address 0, in order"),
        ("d.mem", "@\n", "line 1: '@' is not an address; write @ and up to 16 hexadecimal digits"),
        ("d.hex", ":10000000\n", None),
        ("d.csv", "value\nx1\n", f"line 2: 'x1' {NO_NUMBER}"),
        ("d.csv", "1\nvalue\n2\n", f"line 2: 'value' {NO_NUMBER}"),
        ("d.csv", "1,,2\n", "line 1: a number is missing beside a comma or semicolon; write all of them"),
        ("d.csv", "1\n2; ;3\n", "line 2: a number is missing beside a comma or semicolon; write all of them"),
        ("d.csv", "1,\n,2\n", "line 2: a number is missing beside a comma or semicolon; write all of them"),
        ("d.txt", "1.0\n", f"line 1: '1.0' {NO_NUMBER}"),
        ("d.txt", "+-1\n", f"line 1: '+-1' {NO_NUMBER}"),
        ("d.txt", "1_0\n", f"line 1: '1_0' {NO_NUMBER}"),
        ("d.txt", "\x1b[2J\n", f"line 1: '\\\\x1b[2J' {NO_NUMBER}"),
        ("d.txt", "9" * 4001, f"line 1: '999999999999999999999...' {NO_NUMBER}"),
    ],
)
def test_text_that_is_no_dump(name: str, text: str, message: str | None, vectors: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    found = refusal(lambda: verify(vectors, [tmp_path / name], node="dw"))
    wanted = message or "is an Intel HEX file; dump with $writememh"
    assert found == f"{tmp_path / name}: {wanted}"


def test_files_that_are_no_dump(vectors: Path, tmp_path: Path) -> None:
    def message(name: str) -> str:
        return refusal(lambda: verify(vectors, [tmp_path / name], node="dw")).removeprefix(f"{tmp_path / name}: ")

    (tmp_path / "d.dat").touch()
    (tmp_path / "folder.mem").mkdir()
    np.save(tmp_path / "float.npy", np.zeros(240))
    np.save(tmp_path / "object.npy", np.array([None]), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((vectors / "values" / "dw.npy").read_bytes()[:-1])
    (tmp_path / "empty.npy").touch()
    assert message("d.dat") == (
        "unknown file type '.dat'; known are .mem, .memh, .hex, .memb, .xmif, .coe, .mif, .npy, .bin, .csv, .txt"
    )
    assert message("no.mem") == "no such file"
    assert message("folder.mem") == "is a folder; give the files in it"
    assert message("float.npy") == "holds float64; integers are needed"
    assert message("object.npy") == "holds object; integers are needed"
    for name in ("cut.npy", "empty.npy"):
        assert message(name).startswith("is no readable .npy file (")


def test_dumps_of_no_node(vectors: Path, tmp_path: Path) -> None:
    dump = write(tmp_path / "dw2.mem", words("dw"))
    assert refusal(lambda: verify(vectors, [dump])) == (
        f"{dump}: no node of the vectors has the file name 'dw2'; close names: dw; or name it with --node"
    )
    assert refusal(lambda: verify(vectors, [dump], node="dww")) == (
        "the vectors have no node 'dww'; close names: dw; or make vectors of it"
    )
    assert refusal(lambda: verify(vectors, [dump, dump], node="dw")) == (
        "a node is named for 2 dumps; give one dump with it"
    )
    assert refusal(lambda: verify(vectors, [])) == "there are no dumps to compare"


def test_what_is_no_set_of_vectors(vectors: Path, tmp_path: Path) -> None:
    dump, empty, file = write(tmp_path / "dw.mem", words("dw")), tmp_path / "empty", tmp_path / "file"
    empty.mkdir()
    file.touch()
    (tmp_path / "killed.partial").mkdir()
    for place in ("many/b", "many/a"):
        shutil.copytree(vectors, tmp_path / place)
    wanted = "give a folder that intinfer golden made"
    for path, message in {
        tmp_path / "none": f"no such folder; {wanted}",
        tmp_path / "killed": f"no such folder; {tmp_path}/killed.partial is of a run that was cut short, which golden "
        "--resume finishes",
        empty: f"has no manifest.json; {wanted}",
        file: f"is a file; {wanted}",
        vectors / "manifest.json": f"is a file; give the set that it is a part of, {vectors}",
        vectors / "values" / "dw.npy": f"is a file; give the set that it is a part of, {vectors}",
        vectors / "values": f"has no manifest.json; give the set that it is a part of, {vectors}",
        tmp_path / "many": f"has no manifest.json, but its folders do; give one: {tmp_path}/many/a, {tmp_path}/many/b",
    }.items():
        assert refusal(lambda path=path: verify(path, [dump])) == f"{path}: {message}"
    assert verify(tmp_path / "many" / "a", [dump]).equal


def test_vectors_that_are_damaged(vectors: Path, tmp_path: Path) -> None:
    dump = write(tmp_path / "dw.mem", words("dw"))
    bad = tmp_path / "bad"
    path = bad / "manifest.json"
    shutil.copytree(vectors, bad)
    values, mask = bad / "values" / "dw.npy", bad / "demand" / "dw.npy"
    for file in (values, mask):
        data = file.read_bytes()
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert refusal(lambda: verify(bad, [dump])) == (
            f"{file}: was changed after it was written; make the vectors again with intinfer golden"
        )
        file.write_bytes(data)
    values.unlink()
    assert refusal(lambda: verify(bad, [dump])) == (
        f"{values}: is missing; {bad} is not whole, make it again with intinfer golden"
    )
    whole = json.loads(path.read_text())
    for text, message in [
        ("{", "is not JSON; make the vectors again with intinfer golden"),
        ("[]", "is no manifest of golden vectors; give a folder that intinfer golden made"),
        (json.dumps(whole | {"version": 1}), "has version 1, this intinfer reads 3"),
    ]:
        path.write_text(text)
        assert refusal(lambda: verify(bad, [dump])) == f"{path}: {message}"
    for key, junk in [("code", "odd"), ("shape", 3), ("order", ["C", "N"]), ("files", []), ("axes", None), ("lo", "x")]:
        tensors = [item | {key: junk} for item in whole["tensors"]]
        path.write_text(json.dumps(whole | {"tensors": tensors}))
        assert refusal(lambda: verify(bad, [dump])).startswith((f"{path}: ", "there is no code 'odd'"))


def test_memory_files_alone_serve_as_vectors(tmp_path: Path) -> None:
    vectors = write_unchecked(GRAPH, IMAGES, tmp_path / "set", formats=["memh"])
    for name, entry in load(vectors).values.items():
        assert entry.values().tolist() == flat(name)


# --------------------------------------------------------------------------------------------------------------- JUnit


def test_junit(vectors: Path, tmp_path: Path) -> None:
    good = write(tmp_path / "a&b\x1b.mem", words("dw"))
    bad = write(tmp_path / "bad.mem", ["xx", *words("dw")[1:]])
    outcomes = [one(vectors, good, node="dw", full=True), one(vectors, bad, node="dw", full=True)]
    outcome = Verification((*outcomes, outcomes[1]), ())
    data = junit_xml(outcome)
    assert data == junit_xml(outcome)
    suites = ElementTree.fromstring(data)
    (suite,) = suites
    counts = {"tests": "3", "failures": "2", "errors": "0", "skipped": "0"}
    assert suite.attrib == suites.attrib == {"name": "intinfer verify", **counts}
    passed, failed, _ = suite.findall("testcase")
    assert passed.attrib == {"classname": "dw", "name": str(good).replace("\x1b", "\\x1b")}
    assert list(passed) == []
    (failure,) = failed
    assert re.fullmatch(
        r"n=0 c=0 y=0 x=0 \(word 0, line 1\): expected .*'xx' has unknown bits", failure.attrib["message"]
    )
    assert failure.text == "\n".join(describe(outcomes[1]))
