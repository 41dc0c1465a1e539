"""Words of an AXI4-Stream out of a value change dump: written by hand, and by a simulator."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dump_words import random_array, words
from golden_sets import write_unchecked
from tools import needs_icarus

from intinfer.builder import GraphBuilder
from intinfer.errors import DataError
from intinfer.ops import Clamp
from intinfer.types import IntType
from intinfer_golden import verify
from intinfer_golden.verification.compare import Comparison
from intinfer_golden.verification.dumps.waveform import Stream
from intinfer_golden.verification.report import describe

ARRAY = random_array(1, (2, 6, 2, 3), -16, 15)
WORDS = words(ARRAY, "NHWC", 5, 4)
STREAM = Stream("tb.dut.m0_axis")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = GraphBuilder()
    x = builder.input("x", ARRAY.shape[1:], IntType(-16, 15))
    builder.output("out", builder.add(Clamp(-16, 15), x, name="y"))
    folder = tmp_path_factory.mktemp("sets") / "set"
    return write_unchecked(builder.finish(), ARRAY, folder, fold=4, formats=["memh"])


@dataclass
class Wave:
    """A value change dump: a clock of period 10 that rises at 5, 15, ..., and signals that change before it."""

    signals: dict[str, int] = field(
        default_factory=lambda: {"m0_axis_tdata": 24, "m0_axis_tvalid": 1, "m0_axis_tready": 1}
    )
    clock: str = "clk"
    lines: list[str] = field(default_factory=list)
    time: int = 0

    def cycle(self, **values: str) -> None:
        """The signals take these values, then the clock rises."""
        self.lines.append(f"#{self.time + 2}")
        for name, value in values.items():
            code = self.code(f"m0_axis_{name}")
            self.lines.append(f"b{value} {code}" if name == "tdata" else f"{value}{code}")
        self.lines += [f"#{self.time + 5}", "1!", f"#{self.time + 9}", "0!"]
        self.time += 10

    def code(self, name: str) -> str:
        return chr(ord('"') + list(self.signals).index(name))

    def text(self) -> str:
        declared = "".join(f"$var wire {size} {self.code(name)} {name} $end\n" for name, size in self.signals.items())
        return (
            f"$timescale 1ns $end\n$scope module tb $end\n$var reg 1 ! {self.clock} $end\n$scope module dut $end\n"
            f"{declared}$upscope $end\n$upscope $end\n$enddefinitions $end\n#0\n$dumpvars\n0!\n"
            + "".join(f"bx {self.code(name)}\n" for name in self.signals)
            + "$end\n"
            + "\n".join(self.lines)
            + "\n"
        )


def moved(found: Iterable[int], seed: int = 1) -> Wave:
    """Words with pauses of both sides between them."""
    wave, rng = Wave(), np.random.default_rng(seed)
    wave.cycle(tvalid="x", tready="1")  # before the reset
    for word in found:
        data = f"{word:b}"
        for _ in range(rng.integers(0, 3)):
            wave.cycle(tdata=data, **[{"tvalid": "0", "tready": "1"}, {"tvalid": "1", "tready": "0"}][rng.integers(2)])
        wave.cycle(tdata=data, tvalid="1", tready="1")
    wave.cycle(tvalid="0")
    return wave


def one(vectors: Path, path: Path, text: str, stream: Stream = STREAM) -> Comparison:
    path.write_text(text)
    (comparison,) = verify(vectors, [path], node="y", stream=stream).comparisons
    return comparison


def test_words_move_with_valid_and_ready(vectors: Path, tmp_path: Path) -> None:
    for seed in range(5):
        comparison = one(vectors, tmp_path / "sim.vcd", moved(WORDS, seed).text())
        assert comparison.equal
        assert (comparison.words, comparison.elements_per_word) == (len(WORDS), 4)
    single = words(ARRAY, "NHWC", 5)
    assert one(vectors, tmp_path / "sim.vcd", moved(single).text()).elements_per_word == 1


def test_a_wrong_word_has_its_time(vectors: Path, tmp_path: Path) -> None:
    found = list(WORDS)
    found[2] ^= 1 << 10
    wave = Wave()
    for word in found:
        wave.cycle(tdata=f"{word:b}", tvalid="1", tready="1")
    comparison = one(vectors, tmp_path / "sim.vcd", wave.text())
    first = comparison.first
    assert first is not None
    assert (first.word, first.lane, first.time, first.line) == (2, 2, 25, None)
    assert first.at == {"n": 0, "c": 2, "y": 0, "x": 1}
    assert "(word 2 lane 2, time 25): expected" in describe(comparison)[1]


def test_values_just_before_the_edge_count(vectors: Path, tmp_path: Path) -> None:
    """What a register takes at an edge stands in the dump at the same time as the edge, before or behind it."""
    lines, time = [], 5
    wave = Wave()
    first = [f'b{WORDS[0]:b} "', "1#", "1$"]
    lines += ["#1", *first]
    for word in [*WORDS[1:], None]:
        change = ["0#"] if word is None else [f'b{word:b} "']
        edge = ["1!", *change] if time % 20 == 5 else [*change, "1!"]
        lines += [f"#{time}", *edge, f"#{time + 5}", "0!"]
        time += 10
    lines += [f"#{time}", "1!"]
    wave.lines = lines
    assert one(vectors, tmp_path / "sim.vcd", wave.text()).equal


def test_unknown_data_and_unknown_handshakes(vectors: Path, tmp_path: Path) -> None:
    wave = Wave()
    for i, word in enumerate(WORDS):
        data = f"{word:020b}"
        wave.cycle(tdata=data[:-3] + "x" + data[-2:] if i == 3 else data, tvalid="1", tready="1")
    comparison = one(vectors, tmp_path / "sim.vcd", wave.text())
    first = comparison.first
    assert first is not None
    assert (first.word, first.lane, first.actual, comparison.differences) == (3, 0, None, 1)
    assert first.problem.endswith("has unknown bits")
    wave = Wave()
    wave.cycle(tdata="1", tvalid="1", tready="1")
    wave.cycle(tready="x")
    with pytest.raises(DataError, match=r"sim\.vcd: time 15: ready is 'x' at a clock edge; drive it 0 or 1"):
        one(vectors, tmp_path / "sim.vcd", wave.text())
    wave = Wave()
    wave.cycle(tdata=f"{WORDS[0]:b}", tvalid="1", tready="x")  # whether it moved nobody knows
    for word in WORDS:
        wave.cycle(tdata=f"{word:b}", tvalid="1", tready="1")
    with pytest.raises(DataError, match=r"sim\.vcd: time 5: ready is 'x' at a clock edge; drive it 0 or 1"):
        one(vectors, tmp_path / "sim.vcd", wave.text())
    wave = Wave()
    wave.cycle(tvalid="x", tready="1")  # not yet begun
    for word in WORDS:
        wave.cycle(tdata=f"{word:b}", tvalid="1", tready="1")
    assert one(vectors, tmp_path / "sim.vcd", wave.text()).equal
    wave = Wave()
    wave.cycle(tdata="x", tvalid="1", tready="1")  # all bits, however few are written
    assert one(vectors, tmp_path / "sim.vcd", wave.text()).differences == ARRAY.size


def test_signals_of_other_names(vectors: Path, tmp_path: Path) -> None:
    text = moved(WORDS).text()
    for old, new in [
        ("m0_axis_tdata", "q"),
        ("m0_axis_tvalid", "q_valid"),
        ("m0_axis_tready", "q_ready"),
        ("clk", "c"),
    ]:
        text = text.replace(f" {old} $end", f" {new} $end")
    named = Stream(None, "tb.dut.q", "tb.dut.q_valid", "tb.dut.q_ready", "tb.c")
    assert one(vectors, tmp_path / "sim.vcd", text, named).equal
    partly = Stream("tb.dut.m0_axis_", valid="tb.dut.v")  # with and without the underscore
    assert one(vectors, tmp_path / "sim.vcd", moved(WORDS).text().replace("m0_axis_tvalid", "v"), partly).equal


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (Stream("tb.dut.m1_axis"), "has no signal 'tb.dut.m1_axis_tdata'; close names: tb.dut.m0_axis_tdata"),
        (Stream("nothing"), "has no signal 'nothing_tdata'; close names: tb.clk, tb.dut.m0_axis_tdata"),
        (Stream(valid="tb.dut.m0_axis_tvalid"), "the stream's data is not named; give --signal PREFIX or --data NAME"),
        (Stream("tb.dut.m0_axis", clock="tb.clock"), "has no signal 'tb.clock'; close names: tb.clk"),
        (
            Stream("tb.dut.m0_axis", valid="tb.dut.m0_axis_tdata"),
            "signal 'tb.dut.m0_axis_tdata' has 24 bits, valid has 1; name another with --valid",
        ),
    ],
)
def test_signals_that_are_not_there(stream: Stream, message: str, vectors: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        one(vectors, tmp_path / "sim.vcd", moved(WORDS).text(), stream)
    assert str(caught.value).startswith(f"{tmp_path / 'sim.vcd'}: {message}")


def test_other_refusals(vectors: Path, tmp_path: Path) -> None:
    def refusal(*arguments: Any, **options: Any) -> str:
        with pytest.raises(DataError) as caught:
            verify(vectors, *arguments, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    path = tmp_path / "sim.vcd"
    path.write_text(moved(WORDS).text().replace(" clk ", " tick "))
    assert "no clock (aclk, clk, clock, clk_i, i_clk) stands in the scope of 'tb.dut.m0_axis_tdata' or around it" in (
        refusal([path], node="y", stream=STREAM)
    )
    assert refusal([path], node="y").endswith(".csv, .txt; name the stream with --signal")
    assert refusal([tmp_path / "no.vcd"], node="y", stream=STREAM) == f"{tmp_path / 'no.vcd'}: no such file"
    for junk in (b"\x00\xff\xfe", b"$scope module", b"$var wire\n$end", b"no dump at all"):
        path.write_bytes(junk)
        assert refusal([path], node="y", stream=STREAM).startswith(f"{path}: ")
    path.write_text(moved(WORDS).text().replace("#5\n", "#five\n", 1))
    assert "is no readable value change dump (" in refusal([path], node="y", stream=STREAM)


BENCH = """
module dut (input logic clk, output logic [23:0] m0_axis_tdata, output logic m0_axis_tvalid,
            input logic m0_axis_tready);
  logic [19:0] memory [0:WORDS-1];
  integer next = 0;
  initial begin $readmemh("y.memh", memory); m0_axis_tvalid = 0; end
  always @(posedge clk)
    if (!m0_axis_tvalid || m0_axis_tready) begin
      m0_axis_tvalid <= next < WORDS && $random % 3 != 0;
      m0_axis_tdata <= {4'b0, memory[next]};
    end
  always @(posedge clk) if (m0_axis_tvalid && m0_axis_tready) next = next + 1;
endmodule
module tb;
  logic clk = 0, ready = 0;
  wire [23:0] data; wire valid;
  dut dut (.clk(clk), .m0_axis_tdata(data), .m0_axis_tvalid(valid), .m0_axis_tready(ready));
  always #5 clk = ~clk;
  always @(posedge clk) ready <= $random % 2 == 0;
  initial begin $dumpfile("sim.vcd"); $dumpvars; #4000 $finish; end
endmodule
"""


@needs_icarus
def test_what_icarus_writes(vectors: Path, tmp_path: Path) -> None:
    # a word is taken from memory before `next` counts the one that moves, so a stream that reads too early is seen too
    text = BENCH.replace("WORDS", str(len(WORDS))).replace("memory[next]", "memory[next + (m0_axis_tvalid ? 1 : 0)]")
    text = text.replace(f"next < {len(WORDS)}", f"next + (m0_axis_tvalid ? 1 : 0) < {len(WORDS)}")
    text = text.replace("next = next + 1", "next <= next + 1")
    (tmp_path / "tb.sv").write_text(text)
    shutil.copy(vectors / "values" / "y.memh", tmp_path)
    subprocess.run(["iverilog", "-g2012", "-o", "tb", "tb.sv"], cwd=tmp_path, check=True)
    subprocess.run(["vvp", "tb"], cwd=tmp_path, check=True, capture_output=True)
    (comparison,) = verify(vectors, [tmp_path / "sim.vcd"], node="y", stream=Stream("tb.dut.m0_axis")).comparisons
    assert describe(comparison) == [f"{tmp_path / 'sim.vcd'}: node y: equal, {ARRAY.size} values compared"]
