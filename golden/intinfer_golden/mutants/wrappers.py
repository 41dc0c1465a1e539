"""Saboteurs: a module around the design that goes wrong in ways which no edit of a line makes.

The design inside is right; what goes to it or comes from it is wrong in the first frame only, after so many frames or
beats, after a long stall, or after a second reset. Real designs do that: a flag that the first TLAST sets, a counter
that is too narrow, a FIFO that overflows, a register that only an `initial` sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..describe.manifest import Port

MODULE = "bench_adapter"
"""The module of a bench that holds the design; a saboteur has its name, and has it inside as INNER."""
INNER = "bench_adapter_intact"
STALLS = (260, 65_600)
"""Cycles, beyond the counters of 8 and of 16 bits that people write."""


@dataclass(frozen=True)
class Saboteur:
    """A module around the one that holds the design.

    Attributes:
        file: the port it sits at, or "reset".
        operator: when it goes wrong.
        what: what is wrong then.
        text: its source.
        line: of none.
    """

    file: str
    operator: str
    what: str
    text: str
    line: int = 0

    def apply(self, adapter: str) -> str:
        """The text of a bench's adapter.sv with the saboteur around what it holds."""
        return adapter.replace(f"module {MODULE} (", f"module {INNER} (") + self.text

    @property
    def key(self) -> str:
        """A name that is the same in every campaign."""
        return f"{self.file} | {self.operator} | {self.what}"

    def __str__(self) -> str:
        return f"{self.file}: {self.operator}: {self.what}"


def saboteurs(streams: Sequence[Port]) -> list[Saboteur]:
    """Every one for a design with these streams."""
    most = max(port.frame_words for port in streams if port.direction != "out")
    return [
        Saboteur(port, operator, what, _module(streams, body))
        for port, operator, what, body in (
            ("reset", "second reset", "ignored", {"reset": _RESET}),
            *(fault for port in streams for fault in _faults(port, most)),
        )
    ]


Fault = tuple[str, str, str, dict[str, str]]
"""Port, when, what, and the text that replaces what goes straight through: by port, or for "reset".

In the text of a port OUTER is the stream where words come from, and INNER where they go.
"""

_STRAIGHT = "  assign INNER_tvalid = OUTER_tvalid;\n  assign OUTER_tready = INNER_tready;\n"
_DATA = "  assign INNER_tdata = sick ? {value} : word;\n" + _STRAIGHT
_LOSS = """\
  assign INNER_tdata = word;
  assign INNER_tvalid = OUTER_tvalid && !sick;
  assign OUTER_tready = INNER_tready || sick;
"""
"""The word that moves while it is sick does not arrive; on inputs that is one word, on outputs as well."""
_KEPT = """\
  reg full, end_kept;
  reg [{msb}:0] kept;
  initial full = 0;
  assign sick = 0;
  assign OUTER_tready = rst_n && (!full || INNER_tready);
  always @(posedge clk) if (OUTER_tready) begin
    full <= OUTER_tvalid;
    kept <= word;
    end_kept <= ended;
  end
  assign INNER_tdata = kept;
  assign INNER_tvalid = full;
  assign INNER_tlast = end_kept;
"""
"""A register of the stream is empty when the power comes, and not emptied by a reset."""
_COUNTED = (
    """\
  integer count;
  initial count = 0;
  assign sick = 0;
  always @(posedge clk) if (beat) count <= count == {last} ? 0 : count + 1;
  assign INNER_tdata = word;
"""
    + _STRAIGHT
    + "  assign INNER_tlast = count == {last};\n"
)
"""TLAST of an output comes from a counter of words that no reset clears."""
_RESET = """\
  reg was;
  initial was = 0;
  always @(posedge clk) if (rst_n) was <= 1;
  assign u_rst_n = rst_n || was;"""
"""A second reset is ignored."""


def _faults(port: Port, most: int) -> Iterator[Fault]:
    """`most`: words a frame of the busiest input, the one that benches count to have sent more than 65,536 of."""
    name, into = port.name, port.direction != "out"
    for when, trigger in _triggers(port).items():
        if "beat" in when and (not into or port.frame_words < most):
            continue
        for what, value in _values(port, when).items():
            yield name, when, what, {name: trigger + _DATA.format(value=value)}
        if when.startswith("after"):
            yield name, when, "a beat is lost", {name: trigger + _LOSS}
    yield name, "second reset", "a beat is kept", {name: _KEPT.format(msb=port.tensor.beat_bits - 1)}
    if not into and port.frame_words > 1:
        yield name, "second reset", "beats are counted on", {name: _COUNTED.format(last=port.frame_words - 1)}


def _triggers(port: Port) -> dict[str, str]:
    """When -> the text that makes `sick`. `beat` is high in a cycle in which a word moves."""
    first = (
        "  reg seen;\n  initial seen = 0;\n  always @(posedge clk) {0}if (beat && ended) seen <= 1;\n"
        "  assign sick = !seen;\n"
    )
    count = (
        "  integer count;\n  always @(posedge clk) if (!rst_n) count <= 0; else if ({0}) count <= count + 1;\n"
        "  assign sick = count >= {1};\n"
    )
    triggers = {
        "first frame": first.format(""),
        "first frame after a reset": first.format("if (!rst_n) seen <= 0; else "),
        "from frame 256 on": count.format("beat && ended", 256),
        "from frame 1040 on": count.format("beat && ended", 1040),
        "from beat 65536 on": count.format("beat", 65536),
    }
    stall = (
        "  integer still;\n  reg hurt;\n  always @(posedge clk) if (!rst_n) begin still <= 0; hurt <= 0; end\n"
        "  else if (given && !taken) still <= still + 1;\n"
        "  else begin still <= 0; if (given) hurt <= still >= {0}; end\n  assign sick = hurt;\n"
    )
    gap = (
        "  integer still;\n  always @(posedge clk) if (!rst_n || (given && taken)) still <= 0;\n"
        "  else if (!given) still <= still + 1;\n  assign sick = still >= {0};\n"
    )
    what, text = ("stall", stall) if port.direction == "out" else ("gap", gap)
    return triggers | {f"after a {what} of {cycles} cycles": text.format(cycles) for cycles in STALLS}


def _values(port: Port, when: str) -> dict[str, str]:
    """What -> the value of a wrong word, from `word` and the one before it."""
    lanes, bits, width = port.tensor.lanes, port.tensor.code.bits, port.tensor.beat_bits
    zero, inverted = {"all is zero": f"{width}'d0"}, {"a bit is inverted": f"word ^ {width}'d1"}
    if not when.startswith("first frame"):
        # One wrong word need not show: an average is the same. Many zeros do.
        return inverted if port.direction == "out" else {} if when.startswith("after") else zero
    unused = width - lanes * bits
    parts = [f"{unused}'d0"] * (unused > 0) + [f"word[{lane * bits}+:{bits}]" for lane in range(lanes)]
    reverse = {"lanes in reverse": f"{{{', '.join(parts)}}}"} if lanes > 1 else {}
    return zero | {"the word before": "former"} | (inverted if port.direction == "out" else reverse)


def _module(streams: Sequence[Port], bodies: dict[str, str]) -> str:
    ports, lines = ["input wire clk", "input wire rst_n"], []
    for port in streams:
        into = port.direction != "out"
        width = f"[{port.tensor.beat_bits - 1}:0]"
        forward, backward = ("input", "output") if into else ("output", "input")
        ports += [f"{forward} wire {width} {port.name}_tdata", f"{forward} wire {port.name}_tvalid"]
        ports += [f"{backward} wire {port.name}_tready", f"{forward} wire {port.name}_tlast"]
        ports += [] if into else [f"output wire {port.name}_keep", f"output wire {port.name}_first"]
        lines += [f"  wire {width} u_{port.name}_tdata;", f"  wire u_{port.name}_tvalid, u_{port.name}_tready;"]
        lines += [f"  wire u_{port.name}_tlast;", _through(port, bodies.get(port.name))]
    signals = [f"{port.name}_{signal}" for port in streams for signal in ("tdata", "tvalid", "tready", "tlast")]
    beside = [f"{port.name}_{name}" for port in streams if port.direction == "out" for name in ("keep", "first")]
    wires = [f".{name}(u_{name})" for name in ("rst_n", *signals)] + [f".{name}({name})" for name in ("clk", *beside)]
    head = ",\n    ".join(ports)
    reset = bodies.get("reset", "  assign u_rst_n = rst_n;")
    return (
        f"\nmodule {MODULE} (\n    {head}\n);\n  wire u_rst_n;\n{reset}\n"
        + "\n".join(lines)
        + f"\n  {INNER} intact ({', '.join(wires)});\nendmodule\n"
    )


def _through(port: Port, body: str | None) -> str:
    """A stream that goes straight through, or the body of its fault with the names that it is written in."""
    width = f"[{port.tensor.beat_bits - 1}:0]"
    last = "" if body and "INNER_tlast =" in body else "  assign INNER_tlast = OUTER_tlast;\n"
    if body is None:
        text = f"{last}  assign INNER_tdata = OUTER_tdata;\n{_STRAIGHT}".removesuffix("\n")
    else:
        text = (
            f"  wire {width} word = OUTER_tdata;\n  wire sick;\n  wire given = OUTER_tvalid, taken = OUTER_tready;\n"
            "  wire ended = OUTER_tlast, beat = given && taken;\n"
            f"  reg {width} former;\n  initial former = 0;\n  always @(posedge clk) if (beat) former <= word;\n"
            f"{last}{body}"
        )
    ends = (port.name, f"u_{port.name}") if port.direction != "out" else (f"u_{port.name}", port.name)
    return text.replace("OUTER", ends[0]).replace("INNER", ends[1])
