"""Waveforms as simulators write them: buses bit by bit, scopes in front, resets in the middle, sets that repeat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dump_waves import ARRAY, PLAIN, RESET, WITH_INPUT, WORDS, Wave, plain_put, played, split_put, write_stream_set
from dump_words import words
from golden_sets import write_unchecked
from hypothesis import given
from hypothesis import strategies as st

from intinfer.builder import GraphBuilder
from intinfer.errors import DataError
from intinfer.ops import Clamp
from intinfer.types import IntType
from intinfer_golden import verify
from intinfer_golden.verification.compare import Comparison
from intinfer_golden.verification.dumps.waveform import Stream
from intinfer_golden.verification.report import describe


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stream_set(tmp_path_factory.mktemp("sets") / "set")


def check(vectors: Path, path: Path, text: str, stream: Stream | None = None, **options: Any) -> Comparison:
    path.write_text(text)
    (comparison,) = verify(vectors, [path], stream=stream or Stream("tb.m0_axis"), **options).comparisons
    assert comparison.node == "y"
    return comparison


def refusal(vectors: Path, path: Path, text: str, stream: Stream | None = None, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        check(vectors, path, text, stream, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000
    return message.removeprefix(f"{path}: ")


# -------------------------------------------------------------------------------------------------------------- buses

CODES = dict(zip(range(8), "abcdefgh", strict=True))
STYLES = {
    "a scalar a bit": [f"wire 1 {code} m0_axis_tdata [{bit}]" for bit, code in reversed(CODES.items())],
    "without a blank": [f"wire 1 {code} m0_axis_tdata[{bit}]" for bit, code in reversed(CODES.items())],
    "bit 0 first": [f"wire 1 {code} m0_axis_tdata [{bit}]" for bit, code in CODES.items()],
    "in no order": [f"wire 1 {CODES[bit]} m0_axis_tdata [{bit}]" for bit in (3, 0, 7, 1, 2, 6, 5, 4)],
    "one-bit ranges": [f"wire 1 {code} m0_axis_tdata [{bit}:{bit}]" for bit, code in CODES.items()],
    "escaped names": [f"wire 1 {code} \\m0_axis_tdata[{bit}]" for bit, code in CODES.items()],
    "said twice": [f"wire 1 {code} m0_axis_tdata [{bit}]" for bit, code in CODES.items()] * 2,
}


@pytest.mark.parametrize("style", STYLES)
def test_a_bus_declared_bit_by_bit_is_one_word(style: str, vectors: Path, tmp_path: Path) -> None:
    declared = [*PLAIN[:1], *STYLES[style], *PLAIN[2:]]
    right = check(vectors, tmp_path / "s.vcd", played(Wave(declared, split_put(CODES))).text())
    assert (right.equal, right.words) == (True, len(WORDS))
    for bit in range(8):
        for word in (0, len(WORDS) - 1):
            found = list(WORDS)
            found[word] ^= 1 << bit
            wrong = check(vectors, tmp_path / "s.vcd", played(Wave(declared, split_put(CODES)), found).text())
            assert (wrong.differences, wrong.first and wrong.first.word) == (1, word), (bit, word)


def test_data_of_fewer_bits_than_a_word_are_refused(tmp_path: Path) -> None:
    """Bits that are not there are not taken for 0: the values might all be small."""
    builder = GraphBuilder()
    x = builder.input("x", (2,), IntType(0, 4095))
    builder.output("out", builder.add(Clamp(0, 4095), x, name="y"))
    vectors = write_unchecked(builder.finish(), np.array([[3, 200], [0, 255]]), tmp_path / "set", formats=["memh"])
    for bits, right in ((12, True), (16, True), (11, False), (8, False)):
        wave = Wave([PLAIN[0], f"wire {bits} d m0_axis_tdata [{bits - 1}:0]", *PLAIN[2:]], plain_put)
        text = played(wave, [3, 200, 0, 255]).text()
        if right:
            assert check(vectors, tmp_path / "s.vcd", text).equal
        else:
            assert refusal(vectors, tmp_path / "s.vcd", text) == (
                f"signal 'tb.m0_axis_tdata' has {bits} bits, a word of y has 12; name one that carries whole words "
                "with --data"
            )


def ranges_put(name: str, value: int) -> str:
    return f"b{value >> 4:b} a\nb{value & 15:b} b" if name == "data" else plain_put(name, value)


@pytest.mark.parametrize(("high", "low"), [("[7:4]", "[3:0]"), ("[0:3]", "[4:7]")])
def test_a_bus_in_two_ranges(high: str, low: str, vectors: Path, tmp_path: Path) -> None:
    for names in ([f"wire 4 a m0_axis_tdata {high}", f"wire 4 b m0_axis_tdata {low}"],
                  [f"wire 4 b m0_axis_tdata{low}", f"wire 4 a m0_axis_tdata{high}"]):  # fmt: skip
        declared = [PLAIN[0], *names, *PLAIN[2:]]
        assert check(vectors, tmp_path / "s.vcd", played(Wave(declared, ranges_put)).text()).equal
        found = [*WORDS[:-1], WORDS[-1] ^ 16]
        assert not check(vectors, tmp_path / "s.vcd", played(Wave(declared, ranges_put), found).text()).equal


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (["wire 1 a m0_axis_tdata", "wire 1 b m0_axis_tdata"], "is declared 2 times with different contents; dump one"),
        (["wire 8 d m0_axis_tdata", "wire 1 a m0_axis_tdata [0]"], "is declared 2 times with different contents"),
        (
            ["wire 8 d m0_axis_tdata [7:0]", "wire 1 a m0_axis_tdata [0]"],
            "bit 0 of signal 'tb.m0_axis_tdata' is declared",
        ),
        (
            ["wire 4 a m0_axis_tdata [7:4]", "wire 3 b m0_axis_tdata [2:0]"],
            "bit 3 of signal 'tb.m0_axis_tdata' is decl",
        ),
        (
            ["wire 4 a m0_axis_tdata [7:4]", "wire 5 b m0_axis_tdata [4:0]"],
            "bit 4 of signal 'tb.m0_axis_tdata' is decl",
        ),
        (["wire 4 a m0_axis_tdata [7:4]", "wire 4 b m0_axis_tdata [0:3]"], "has ranges that go up and down; dump it"),
        (
            ["wire 4 a m0_axis_tdata [7:4]"],
            "only [7:4] is declared, bit 0 is missing; dump it whole, or name the piece",
        ),
        (["wire 1 a m0_axis_tdata [7]", "wire 1 b m0_axis_tdata [6]"], "only [7], [6] is declared, bit 0 is missing"),
        (["real 64 d m0_axis_tdata"], "signal 'tb.m0_axis_tdata' is no number of bits; name another"),
    ],
)
def test_pieces_that_do_not_make_a_bus(declared: list[str], message: str, vectors: Path, tmp_path: Path) -> None:
    text = Wave([PLAIN[0], *declared, *PLAIN[2:]], plain_put).text()
    assert message in refusal(vectors, tmp_path / "s.vcd", text)


def test_a_piece_that_is_named(vectors: Path, tmp_path: Path) -> None:
    declared = [
        PLAIN[0],
        "wire 8 d m0_axis_tdata [15:8]",
        "wire 2 q valids [1:0]",
        "wire 1 v ok [1]",
        "wire 1 x ok [0]",
    ]
    stream = Stream(None, "tb.m0_axis_tdata[15:8]", "tb.ok[1]", valid_only=True)
    assert check(
        vectors, tmp_path / "s.vcd", played(Wave(declared, plain_put)).text().replace("1r\n", ""), stream
    ).equal
    stream = Stream(None, "tb.m0_axis_tdata[15:8]", "tb.ok", valid_only=True)
    assert refusal(vectors, tmp_path / "s.vcd", Wave(declared, plain_put).text(), stream).startswith(
        "signal 'tb.ok' has 2 bits, valid has 1; name another with --valid"
    )


def test_a_name_that_is_twice_the_same_signal(vectors: Path, tmp_path: Path) -> None:
    text = played(Wave([*PLAIN, *PLAIN], plain_put)).text()
    assert check(vectors, tmp_path / "s.vcd", text).equal


def test_one_bit_vectors_and_packed_arrays(vectors: Path, tmp_path: Path) -> None:
    declared = [
        PLAIN[0],
        "wire 8 d m0_axis_tdata [1:0][3:0]",
        "wire 1 v m0_axis_tvalid [0]",
        "wire 1 r m0_axis_tready[0:0]",
    ]
    text = played(Wave(declared, plain_put)).text()
    assert check(vectors, tmp_path / "s.vcd", text).equal
    text = text.replace("1v\n", "b1 v\n")
    assert check(vectors, tmp_path / "s.vcd", text).equal


# -------------------------------------------------------------------------------------------------------------- scopes


def test_scopes_in_front_may_be_left_out(vectors: Path, tmp_path: Path) -> None:
    text = played(Wave(PLAIN, plain_put, ("TOP", "tb", "dut"))).text()
    for prefix in ("TOP.tb.dut.m0_axis", "tb.dut.m0_axis", "dut.m0_axis_", "m0_axis"):
        assert check(vectors, tmp_path / "s.vcd", text, Stream(prefix)).equal
    assert "has no signal 'b.dut.m0_axis_tdata'; close names: " in refusal(
        vectors, tmp_path / "s.vcd", text, Stream("b.dut.m0_axis")
    )
    named = Stream(None, "dut.m0_axis_tdata", "m0_axis_tvalid", "tb.dut.m0_axis_tready", "tb.dut.clk")
    assert check(vectors, tmp_path / "s.vcd", text, named).equal


def test_a_stream_among_the_nets_of_a_netlist(vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of names that are not asked for only the first are kept."""
    monkeypatch.setattr("intinfer_golden.verification.dumps.vcd.MAX_OTHERS", 3)
    nets = [f"wire 1 n{i} net_{i}" for i in range(50)]
    text = played(Wave([*nets, *PLAIN], plain_put, ("TOP", "tb"))).text().replace("#11\n", "#11\n1n7\n")
    for stream in (
        Stream("tb.m0_axis"),
        Stream(None, "m0_axis_tdata", "m0_axis_tvalid", "tb.m0_axis_tready", "tb.clk"),
    ):
        assert check(vectors, tmp_path / "s.vcd", text, stream).equal
    renamed = text.replace("m0_axis_t", "q.t").replace(" q.t", " q")  # other names for all of them
    named = Stream(None, "tb.qdata", "tb.qvalid", "tb.qready", "clk")
    assert check(vectors, tmp_path / "s.vcd", renamed, named, node="y").equal
    assert "close names: TOP.tb.m0_axis_tdata, " in refusal(
        vectors, tmp_path / "s.vcd", text, Stream("tb.m1_axis"), node="y"
    )
    split = [*nets, PLAIN[0], *STYLES["a scalar a bit"], *PLAIN[2:]]
    assert check(vectors, tmp_path / "s.vcd", played(Wave(split, split_put(CODES))).text()).equal


def test_two_streams_of_one_name(vectors: Path, tmp_path: Path) -> None:
    text = played(Wave(PLAIN, plain_put)).text()
    copy = "$scope module other $end\n" + "".join(f"$var {line} $end\n" for line in PLAIN) + "$upscope $end\n"
    aliased = text.replace("$upscope $end\n$end", f"$upscope $end\n{copy}$end")
    assert check(vectors, tmp_path / "s.vcd", aliased, Stream("m0_axis")).equal  # the same codes: one signal
    different = aliased.replace(f"{copy}$end", copy.replace(" d ", " e ") + "$end")
    assert refusal(vectors, tmp_path / "s.vcd", different, Stream("m0_axis")) == (
        "2 streams end with 'm0_axis': other.m0_axis, tb.m0_axis; give more of the name"
    )
    parted = text.replace("$var wire 1 r m0_axis_tready $end\n", "").replace(
        "$upscope $end\n$end",
        "$upscope $end\n$scope module a $end\n$var wire 1 r m0_axis_tready $end\n$upscope $end\n$end",
    )
    assert "has no signal" in refusal(vectors, tmp_path / "s.vcd", parted, Stream("m0_axis"))


def test_members_of_structures_and_interfaces(vectors: Path, tmp_path: Path) -> None:
    declared = [line.replace("m0_axis_", "") for line in PLAIN]
    text = played(Wave(declared, plain_put, ("tb", "m0_axis"))).text()
    assert check(vectors, tmp_path / "s.vcd", text, Stream("tb.m0_axis")).equal


def test_the_port_says_which_node(vectors: Path, tmp_path: Path) -> None:
    text = played(Wave(PLAIN, plain_put)).text()
    other = text.replace("m0_axis", "q")
    assert refusal(vectors, tmp_path / "s.vcd", other, Stream("tb.q")) == (
        f"{vectors}: has no port 'q', it has s0_axis, m0_axis; name the stream's node with --node"
    )
    assert check(vectors, tmp_path / "s.vcd", other, Stream("tb.q"), node="y").equal
    (comparison,) = verify(vectors, [tmp_path / "s.vcd"], stream=Stream("tb.q"), node="x").comparisons
    assert comparison.node == "x"


def test_streams_without_ready(vectors: Path, tmp_path: Path) -> None:
    wave = Wave(PLAIN[:3], plain_put)
    for word in WORDS:
        wave.cycle(data=word, valid=1)
    wave.cycle(valid=0)
    assert check(vectors, tmp_path / "s.vcd", wave.text(), Stream("tb.m0_axis", valid_only=True)).equal
    assert refusal(vectors, tmp_path / "s.vcd", wave.text()).endswith(
        "or name it with --ready, or give --valid-only where there is none"
    )


# ------------------------------------------------------------------------------------------------ resets and repetition


def restarted(
    declared: Sequence[str] = RESET, passes: int = 1, first: int = 4, change: int = -1, found: Sequence[int] = WORDS
) -> Wave:
    """Reset, some words, a reset in the middle of a frame, the set so often; word `change` after the reset is wrong."""
    wave = Wave(declared, plain_put)
    wave.cycle(rst_n=0, data=0, valid=0, ready=1, **({"in_valid": 0, "in_ready": 1} if declared is WITH_INPUT else {}))
    wave.cycle(rst_n=1)

    def move(word: int) -> None:
        more = {"in_valid": 1} if declared is WITH_INPUT else {}
        wave.cycle(data=word, valid=1, **more)
        wave.cycle(valid=0, **dict.fromkeys(more, 0))

    for word in found[:first]:
        move(word ^ 3)
    wave.cycle(rst_n=0, valid=1, data=9)  # no word moves while it is active
    wave.cycle(rst_n=1, valid=0)
    for number, word in enumerate([*found] * passes):
        move(word ^ 1 if number == change else word)
    return wave


@pytest.mark.parametrize("declared", [RESET, WITH_INPUT])
@pytest.mark.parametrize("passes", [1, 3])
def test_words_before_the_last_reset_are_left_out(
    declared: list[str], passes: int, vectors: Path, tmp_path: Path
) -> None:
    comparison = check(vectors, tmp_path / "s.vcd", restarted(declared, passes).text())
    notes = ["4 words before the reset (tb.rst_n) at time 101 are left out"]
    why = ", as the words of s0_axis say" if declared is WITH_INPUT else ""
    notes += [f"the set has to come 3 times, one after the other{why}; each is compared"] * (passes == 3)
    assert (comparison.equal, comparison.words, comparison.passes) == (True, passes * len(WORDS), passes)
    assert comparison.notes == tuple(notes)
    assert describe(comparison)[1:] == [f"  note: {note}" for note in notes]
    assert comparison.compared == passes * ARRAY.size
    last = passes * len(WORDS) - 1
    wrong = check(vectors, tmp_path / "s.vcd", restarted(declared, passes, change=last).text())
    first = wrong.first
    assert first is not None
    assert (first.word, first.pass_, wrong.differences) == (last, 3 if passes == 3 else None, 1)
    assert first.at == {"n": 1, "c": 2, "y": 0, "x": 2}
    assert ("pass 3 of the set, n=1" in describe(wrong)[1]) == (passes == 3)


def test_a_repeated_stream_of_one_value_a_word(vectors: Path, tmp_path: Path) -> None:
    """Its words are as many as those of the set four times, packed."""
    single = words(ARRAY, "NHWC", 4)
    comparison = check(vectors, tmp_path / "s.vcd", restarted(passes=2, found=single).text())
    assert (comparison.equal, comparison.elements_per_word, comparison.passes) == (True, 1, 2)
    assert not check(vectors, tmp_path / "s.vcd", restarted(passes=2, found=single, change=40).text()).equal
    packed = check(vectors, tmp_path / "s.vcd", restarted(passes=4).text())
    assert (packed.equal, packed.elements_per_word, packed.passes) == (True, 2, 4)


def test_resets_by_name_and_polarity(vectors: Path, tmp_path: Path) -> None:
    text = restarted().text()
    assert not check(vectors, tmp_path / "s.vcd", text, Stream("tb.m0_axis", reset="")).equal
    odd = text.replace(" rst_n ", " init ")
    assert not check(vectors, tmp_path / "s.vcd", odd).equal  # no reset that is known by its name: everything counts
    assert check(vectors, tmp_path / "s.vcd", odd, Stream("tb.m0_axis", reset="tb.init", reset_active="low")).equal
    high = odd.replace("0n\n", "Tn\n").replace("1n\n", "0n\n").replace("Tn\n", "1n\n")
    assert check(vectors, tmp_path / "s.vcd", high, Stream("tb.m0_axis", reset="init")).equal
    for name in ("rst", "reset", "areset"):
        assert check(vectors, tmp_path / "s.vcd", high.replace(" init ", f" {name} ")).equal
    for name in ("aresetn", "rstn", "rst_ni", "reset_n"):
        assert check(vectors, tmp_path / "s.vcd", odd.replace(" init ", f" {name} ")).equal
    for name, waves in {"q_rst_n_i": odd, "rst_b": odd, "hold_l": odd, "rst_in": high, "por": high}.items():
        assert check(
            vectors, tmp_path / "s.vcd", waves.replace(" init ", f" {name} "), Stream("tb.m0_axis", reset=name)
        ).equal


def test_a_set_that_comes_too_often_or_too_seldom(vectors: Path, tmp_path: Path) -> None:
    twice = restarted(first=0, passes=2).text()  # nothing says that the bench repeats it
    comparison = check(vectors, tmp_path / "s.vcd", twice)
    assert not comparison.equal
    assert comparison.notes == (
        "the words are 2 times as many as the set has; if the bench repeats it so often, give --passes 2",
    )
    assert check(vectors, tmp_path / "s.vcd", twice, passes=2).equal
    assert not check(vectors, tmp_path / "s.vcd", twice, passes=3).equal
    assert not check(vectors, tmp_path / "s.vcd", restarted(passes=1).text(), passes=2).equal
    # the inputs came twice, the outputs three times, or once
    for outputs in (1, 3):
        wave = restarted(WITH_INPUT, passes=2)
        if outputs == 1:
            cut = restarted(WITH_INPUT, passes=1)
            for _ in WORDS:
                cut.cycle(in_valid=1)
            wave = cut
        else:
            for word in WORDS:
                wave.cycle(data=word, valid=1)
        comparison = check(vectors, tmp_path / "s.vcd", wave.text())
        assert not comparison.equal
        assert (comparison.words, comparison.expected_words) == (outputs * len(WORDS), 2 * len(WORDS))


def test_a_wrong_word_after_a_reset_is_not_excused_by_one_before(vectors: Path, tmp_path: Path) -> None:
    for change in range(len(WORDS)):
        wave = restarted(first=len(WORDS), change=change)
        first = check(vectors, tmp_path / "s.vcd", wave.text()).first
        assert first is not None
        assert first.word == change


# ------------------------------------------------------------------------------------------------------------- frames


def test_the_first_frames_alone(vectors: Path, tmp_path: Path) -> None:
    half = len(WORDS) // 2
    for frame, part in ((0, WORDS[:half]), (1, WORDS[half:])):
        frames = [(frame, frame)]
        text = played(Wave(PLAIN, plain_put), part).text()
        comparison = check(vectors, tmp_path / "s.vcd", text, frames=frames)
        assert (comparison.equal, comparison.compared) == (True, ARRAY.size // 2)
        assert comparison.notes == (f"the dump holds frames {frame} of 2",)
        assert not check(vectors, tmp_path / "s.vcd", text).equal
        wrong = check(
            vectors, tmp_path / "s.vcd", played(Wave(PLAIN, plain_put), [part[0] ^ 1, *part[1:]]).text(), frames=frames
        )
        assert wrong.first is not None
        assert wrong.first.at == {"n": frame, "c": 0, "y": 0, "x": 0}
    whole = played(Wave(PLAIN, plain_put)).text()
    assert not check(vectors, tmp_path / "s.vcd", whole, frames=[(0, 0)]).equal
    turned = check(vectors, tmp_path / "s.vcd", played(Wave(PLAIN, plain_put), WORDS[half:] + WORDS[:half]).text())
    assert (turned.equal, turned.wrong_frames) == (False, (0, 1))
    turned_words = [*WORDS[half:], WORDS[0] ^ 1, *WORDS[1:half]]
    text = played(Wave(PLAIN, plain_put), turned_words).text()
    turned = check(vectors, tmp_path / "s.vcd", text, frames=[(1, 1), (0, 0)])
    assert (turned.wrong_frames, turned.first.at) == ((0,), {"n": 0, "c": 0, "y": 0, "x": 0})
    for spans, message in [
        ([(1, 2)], r"has frames 0\.\.1; there is no frame 2"),
        ([(1, 0)], "frames 1-0 are none"),
        ([(-1, 0)], "frames -1-0 are none"),
        ([], "0 frames are asked for"),
    ]:
        with pytest.raises(DataError, match=message):
            check(vectors, tmp_path / "s.vcd", whole, frames=spans)


# ------------------------------------------------------------------------------------------------------- damaged files


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("0!\n#1", "0?\n#1"), "no signal has the code '?'"),
        (("#11\n", "#0\n"), "time 0 comes after 9"),
        (("#11\n", "#1x\n"), "'#1x' is no time"),
        (("#11\n", "11\n"), "no signal has the code '1'"),
        (("\nb", "\nb2"), "is no value of 8 bits"),
        (("\nb", "\nb000000000"), "is no value of 8 bits"),
        (("$upscope $end", "$upscope $end\n$upscope $end"), "$upscope without $scope"),
        (("$enddefinitions $end", ""), "'#0' stands among the declarations"),
        (("$var wire 8 d", "$var wire eight d"), "is not $var type size code name"),
        (("$var wire 1 v", "$var wire 1 d"), "code 'd' has signals of 8 and of 1 bits"),
    ],
)
def test_damage_is_an_error_line(change: tuple[str, str], message: str, vectors: Path, tmp_path: Path) -> None:
    text = played(Wave(PLAIN, plain_put)).text()
    assert change[0] in text
    found = refusal(vectors, tmp_path / "s.vcd", text.replace(*change, 1))
    assert found.startswith("is no readable value change dump (")
    assert message in found


def test_what_a_pause_of_the_dump_leaves_out(vectors: Path, tmp_path: Path) -> None:
    text = played(Wave(PLAIN, plain_put)).text()
    off = text.replace("#41\n", "#41\n$dumpoff\nx!\nbx d\nxv\nxr\n$end\n", 1)
    assert refusal(vectors, tmp_path / "s.vcd", off) == "time 41: $dumpoff leaves words out; dump the whole run"
    before = text.replace("#0\n", "#0\n$dumpoff\n$end\n$dumpon\n$end\n", 1)
    assert check(vectors, tmp_path / "s.vcd", before).equal


def test_names_without_bound_are_refused_in_a_short_line(vectors: Path, tmp_path: Path) -> None:
    deep = "".join(f"$scope module level{i:04} $end\n$var wire 1 a{i} b $end\n" for i in range(3000))
    long = f"$scope module {'n' * 100_000} $end\n$var wire 1 a b $end\n"
    one_word = "$scope module " + "n" * 2_000_000
    for text in (deep, long, one_word):
        message = refusal(vectors, tmp_path / "s.vcd", text)
        assert len(message) < 250


@given(st.data())
def test_a_mutated_dump_is_equal_only_if_it_says_the_same(
    vectors: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Against a reader that knows nothing but the lines that `played` writes."""
    text = bytearray(played(Wave(PLAIN, plain_put)).text().encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        new = data.draw(st.sampled_from(b"01xzb#$ \n!dvr78[]:"))
        kind = data.draw(st.sampled_from(["set", "insert", "delete"]))
        if kind == "insert":
            text.insert(place, new)
        elif kind == "set":
            text[place] = new
        else:
            del text[place]
    path = tmp_path_factory.getbasetemp() / "mutated.vcd"
    path.write_bytes(text)
    try:
        with pytest.MonkeyPatch.context() as patch:  # tokens may stand across what is read together
            patch.setattr("intinfer_golden.verification.dumps.foreign.BLOCK", data.draw(st.integers(1, 400)))
            (comparison,) = verify(vectors, [path], node="y", stream=Stream("tb.m0_axis")).comparisons
    except DataError:
        return
    if comparison.equal:
        assert simple_words(text.decode()) == WORDS


def simple_words(text: str) -> list[int]:
    """The words of a dump with one change a token pair, read by a few lines of Python."""
    found, now, before = [], {"!": "x", "d": "x", "v": "x", "r": "x"}, {}
    body = text.partition("$enddefinitions")[2].split()[1:]
    tokens = iter([*body, "#999999999"])
    time = "#0"
    for token in tokens:
        if token[0] == "#":
            if int(token[1:]) == int(time[1:]):
                continue
            time = token
            if before.get("!") == "0" and now["!"] == "1":
                old = now | before
                if (old["v"], old["r"]) == ("1", "1"):
                    found.append(int(old["d"], 2) if set(old["d"]) <= {"0", "1"} else -1)
            before = {}
        elif token[0] != "$":
            code, value = (next(tokens), token[1:]) if token[0] in "bB" else (token[1:], token[0])
            before.setdefault(code, now.get(code, "x"))
            now[code] = value
    return found
