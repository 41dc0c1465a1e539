"""Waveforms by hand: a set of vectors whose node "y" is a stream, and value change dumps of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dump_words import random_array, words
from golden_sets import write_unchecked

from intinfer.builder import GraphBuilder
from intinfer.ops import Clamp
from intinfer.types import IntType

ARRAY = random_array(1, (2, 4, 1, 3), -8, 7)
WORDS = words(ARRAY, "NHWC", 4, 2)


def write_stream_set(folder: Path) -> Path:
    """Values -8..7, two a word of 8 bits, which go in and come out as they are."""
    builder = GraphBuilder()
    x = builder.input("x", ARRAY.shape[1:], IntType(-8, 7))
    builder.output("out", builder.add(Clamp(-8, 7), x, name="y"))
    return write_unchecked(builder.finish(), ARRAY, folder, fold=2, formats=["memh"])


class Wave:
    """A value change dump by hand. `declared` are $var lines; `put` says how a value of a signal is written."""

    def __init__(
        self, declared: Sequence[str], put: Callable[[str, int], str], scopes: Sequence[str] = ("tb",)
    ) -> None:
        self.head = "".join(f"$scope module {scope} $end\n" for scope in scopes)
        self.head += "".join(f"$var {line} $end\n" for line in declared)
        self.head += "$upscope $end\n" * len(scopes) + "$enddefinitions $end\n#0\n"
        self.put, self.lines, self.time = put, [], 0

    def cycle(self, **values: int) -> None:
        """The signals take these values, then the clock rises."""
        self.lines += [f"#{self.time + 1}", *(self.put(name, value) for name, value in values.items())]
        self.lines += [f"#{self.time + 5}", self.put("clk", 1), f"#{self.time + 9}", self.put("clk", 0)]
        self.time += 10

    def text(self) -> str:
        return self.head + self.put("clk", 0) + "\n" + "\n".join(self.lines) + "\n"


def plain_put(name: str, value: int) -> str:
    codes = {"clk": "!", "data": "d", "valid": "v", "ready": "r", "rst_n": "n", "in_valid": "i", "in_ready": "j"}
    return f"b{value:b} {codes[name]}" if name == "data" else f"{value}{codes[name]}"


PLAIN = ["reg 1 ! clk", "wire 8 d m0_axis_tdata [7:0]", "wire 1 v m0_axis_tvalid", "wire 1 r m0_axis_tready"]
RESET = [*PLAIN, "wire 1 n rst_n"]
WITH_INPUT = [*RESET, "wire 1 i s0_axis_tvalid", "wire 1 j s0_axis_tready"]


def split_put(bits: dict[int, str]) -> Callable[[str, int], str]:
    """Each bit of data is a scalar of its own."""

    def put(name: str, value: int) -> str:
        if name != "data":
            return plain_put(name, value)
        return "\n".join(f"{value >> bit & 1}{code}" for bit, code in bits.items())

    return put


def played(wave: Wave, found: Sequence[int] = WORDS) -> Wave:
    for word in found:
        wave.cycle(data=word, valid=1, ready=1)
        wave.cycle(valid=0)
    return wave
