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
    """

    file: str
    operator: str
    what: str
    text: str

    def apply(self, adapter: str) -> str:
        """The text of a bench's adapter.sv with the saboteur around what it holds."""
        return adapter.replace(f"module {MODULE} (", f"module {INNER} (") + self.text

    @property
    def key(self) -> str:
        return f"{self.file} | {self.operator} | {self.what}"

    @property
    def line(self) -> int:
        return 0

    @property
    def code(self) -> str:
        return ""

    def __str__(self) -> str:
        return f"{self.file}: {self.operator}: {self.what}"


def saboteurs(streams: Sequence[Port]) -> list[Saboteur]:
    """Every one for a design with these streams."""
    most = max(port.frame_words for port in streams if port.direction != "out")
    return [
        Saboteur(port, operator, what, _module(streams, body))
        for port, operator, what, body in (*_resets(), *(fault for port in streams for fault in _faults(port, most)))
    ]


Fault = tuple[str, str, str, dict[str, str]]
"""Port, when, what, and the text that replaces what goes straight through: by port, or for "reset"."""


def _resets() -> Iterator[Fault]:
    body = (
        "  reg was;\n  initial was = 0;\n  always @(posedge clk) if (rst_n) was <= 1;\n  assign u_rst_n = rst_n || was;"
    )
    yield "reset", "second reset", "ignored", {"reset": body}


def _faults(port: Port, most: int) -> Iterator[Fault]:
    """`most`: words a frame of the busiest input, the one that benches count to have sent more than 65,536 of."""
    name, into = port.name, port.direction != "out"
    for when, trigger in _triggers(port).items():
        if "beat" in when and (not into or port.frame_words < most):
            continue
        for what, value in _values(port, when).items():
            yield name, when, what, {name: trigger + _data(port, value)}
        if when.startswith("after"):
            yield name, when, "a beat is lost", {name: trigger + _loss(port)}
    yield name, "second reset", "a beat is kept", {name: _kept(port)}
    if not into and port.frame_words > 1:
        yield name, "second reset", "beats are counted on", {name: _counted(port)}


def _triggers(port: Port) -> dict[str, str]:
    """When -> the text that makes `sick`. `beat` is high in a cycle in which a word moves."""
    first = "  reg seen;\n  initial seen = 0;\n  always @(posedge clk) {0}if (beat && ended) seen <= 1;\n"
    first += "  assign sick = !seen;\n"
    count = "  integer count;\n  always @(posedge clk) if (!rst_n) count <= 0; else if ({0}) count <= count + 1;\n"
    count += "  assign sick = count >= {1};\n"
    triggers = {
        "first frame": first.format(""),
        "first frame after a reset": first.format("if (!rst_n) seen <= 0; else "),
        "from frame 256 on": count.format("beat && ended", 256),
        "from frame 1040 on": count.format("beat && ended", 1040),
        "from beat 65536 on": count.format("beat", 65536),
    }
    for cycles in STALLS:
        if port.direction == "out":
            triggers[f"after a stall of {cycles} cycles"] = (
                "  integer still;\n  reg hurt;\n  always @(posedge clk) if (!rst_n) begin still <= 0; hurt <= 0; end\n"
                "  else if (given && !taken) still <= still + 1;\n"
                f"  else begin still <= 0; if (given) hurt <= still >= {cycles}; end\n  assign sick = hurt;\n"
            )
        else:
            triggers[f"after a gap of {cycles} cycles"] = (
                "  integer still;\n  always @(posedge clk) if (!rst_n || (given && taken)) still <= 0;\n"
                f"  else if (!given) still <= still + 1;\n  assign sick = still >= {cycles};\n"
            )
    return triggers


def _values(port: Port, when: str) -> dict[str, str]:
    """What -> the value of a wrong word, from `word` and the one before it."""
    lanes, bits = port.tensor.lanes, port.tensor.code.bits
    width = port.tensor.beat_bits
    if not when.startswith("first frame"):
        if port.direction == "out":
            return {"a bit is inverted": f"word ^ {width}'d1"}
        # One wrong word need not show: an average is the same. Many zeros do.
        return {} if when.startswith("after") else {"all is zero": f"{width}'d0"}
    values = {"all is zero": f"{width}'d0", "the word before": "former"}
    if port.direction == "out":
        values["a bit is inverted"] = f"word ^ {width}'d1"
    elif lanes > 1:
        unused = width - lanes * bits
        parts = [f"{unused}'d0"] if unused else []
        parts += [f"word[{lane * bits}+:{bits}]" for lane in range(lanes)]
        values["lanes in reverse"] = f"{{{', '.join(parts)}}}"
    return values


def _data(port: Port, value: str) -> str:
    outer, inner = _ends(port)
    return (
        f"  assign {inner}_tdata = sick ? {value} : word;\n  assign {inner}_tvalid = {outer}_tvalid;\n"
        f"  assign {outer}_tready = {inner}_tready;\n"
    )


def _loss(port: Port) -> str:
    """The word that moves while it is sick does not arrive; on inputs that is one word, on outputs as well."""
    outer, inner = _ends(port)
    return (
        f"  assign {inner}_tdata = word;\n  assign {inner}_tvalid = {outer}_tvalid && !sick;\n"
        f"  assign {outer}_tready = {inner}_tready || sick;\n"
    )


def _kept(port: Port) -> str:
    """A register of the stream is empty when the power comes, and not emptied by a reset."""
    outer, inner = _ends(port)
    width = port.tensor.beat_bits
    return (
        f"  reg full, end_kept;\n  reg [{width - 1}:0] kept;\n  initial full = 0;\n  assign sick = 0;\n"
        f"  assign {outer}_tready = rst_n && (!full || {inner}_tready);\n"
        f"  always @(posedge clk) if ({outer}_tready) begin\n    full <= {outer}_tvalid;\n"
        f"    kept <= word;\n    end_kept <= ended;\n  end\n"
        f"  assign {inner}_tdata = kept;\n  assign {inner}_tvalid = full;\n  assign {inner}_tlast = end_kept;\n"
    )


def _counted(port: Port) -> str:
    """TLAST of an output comes from a counter of words that no reset clears."""
    outer, inner = _ends(port)
    words = port.frame_words
    return (
        "  integer count;\n  initial count = 0;\n  assign sick = 0;\n"
        f"  always @(posedge clk) if (beat) count <= count == {words - 1} ? 0 : count + 1;\n"
        f"  assign {inner}_tdata = word;\n  assign {inner}_tvalid = {outer}_tvalid;\n"
        f"  assign {outer}_tready = {inner}_tready;\n  assign {inner}_tlast = count == {words - 1};\n"
    )


def _ends(port: Port) -> tuple[str, str]:
    """The stream where words come from, and where they go."""
    return (f"u_{port.name}", port.name) if port.direction == "out" else (port.name, f"u_{port.name}")


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
    outer, inner = _ends(port)
    last = "" if body and f"{inner}_tlast =" in body else f"  assign {inner}_tlast = {outer}_tlast;\n"
    if body is None:
        return (
            last
            + "".join(f"  assign {inner}_{s} = {outer}_{s};\n" for s in ("tdata", "tvalid"))
            + (f"  assign {outer}_tready = {inner}_tready;")
        )
    width = f"[{port.tensor.beat_bits - 1}:0]"
    return (
        f"  wire {width} word = {outer}_tdata;\n  wire sick;\n  wire given = {outer}_tvalid, taken = {outer}_tready;\n"
        f"  wire ended = {outer}_tlast, beat = given && taken;\n"
        f"  reg {width} former;\n  initial former = 0;\n  always @(posedge clk) if (beat) former <= word;\n{last}{body}"
    )
