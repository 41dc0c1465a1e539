"""The top module of the SystemVerilog test bench: what the manifest says, as literal parameters of `bench.sv`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import PurePosixPath

from ..describe.manifest import Port
from .text import instance, plain, quoted

_BENCH = ("clk", "rst_n", "cycle", "give_up", "counting", "repeats", "start")
CHECK = ("clk", "rst_n", "probe", "counting", "repeats", "start")
"""What `bench_check` is told by `bench_run`."""
PLACES = 64
"""Where slow streams stall in a frame, at most; `bench_pace` has so many bits for them."""


def top_module(ports: Sequence[Port], *, unit: bool, asynchronous: bool, monitored: bool) -> str:
    """The text of `module tb`: a source for each input, a sink for each output, and the design between them.

    Args:
        unit: whether the design is small enough for many repetitions of the set.
        asynchronous: whether early resets come without a clock.
        monitored: whether there is a module `bench_monitors`.
    """
    inputs = [port for port in ports if port.direction != "out"]
    outputs = [port for port in ports if port.direction == "out"]
    demand = next((f"{port.name}_begun" for port in ports if port.direction == "demand"), None)
    several = sum(port.direction == "in" for port in ports) > 1
    lines = [
        "module tb;",
        "  logic clk, rst_n, probe, give_up, counting, hold, meets, outputs_end;",
        "  int cycle, repeats, start, limit, pass, ahead, meeting, met;",
        *_wires(ports),
        *(["  logic monitors_done;", "  int monitors_ignored;"] if monitored else []),
        *("", "  always_comb begin", "    pass = 0;"),
        *(f"    if ({port.name}_pass > pass) pass = {port.name}_pass;" for port in inputs),
        *("  end", ""),
    ]
    more = ["monitors"] if monitored else []
    stalls = _any("|", names(ports), "stalls")
    lines += instance(
        "bench_run",
        "run",
        {
            "FRAMES": ports[0].tensor.shape[0],
            "IN_BEATS": sum(port.tensor.words for port in inputs),
            "OUT_BEATS": sum(port.tensor.words for port in outputs),
            "BUSIEST": max(port.tensor.words for port in inputs),
            "IN_WORDS": inputs[0].frame_words,
            "OUT_WORDS": outputs[0].frame_words,
            "UNIT": int(unit),
            "ASYNCHRONOUS": int(asynchronous),
        },
        {
            **_shared(*_BENCH, "limit", "probe", "hold", "pass", "meets", "ahead", "meeting", "met", "outputs_end"),
            "input_at_end": _any("|", [port.name for port in inputs if port.direction == "in"], "at_end"),
            "output_at_end": _any("|", names(outputs), "at_end"),
            "sent": f"{inputs[0].name}_sent",
            "got": f"{outputs[0].name}_got",
            "waits": f"{outputs[0].name}_tvalid",
            "moves": _any("|", names(ports), "moves"),
            "arrives": _any("|", names(outputs), "moves"),
            "stalls": stalls,
            "done": _any("&", [*names(ports), *more], "done"),
            "ignored": " + ".join(f"{name}_ignored" for name in [*names(outputs), *more]),
        },
    )
    for number, port in enumerate(ports):
        others = f"{stalls} || {_any('|', names(ports[:number]), 'wants')}" if number else stalls
        out = port.direction == "out"
        lines += _sink(number, port, others) if out else _source(number, port, demand, others, several)
    if monitored:
        own = {"done": "monitors_done", "ignored": "monitors_ignored"}
        lines += instance("bench_monitors", "monitors", {}, _shared(*CHECK, "give_up") | own)
    signals = [f"{port.name}_{signal}" for port in ports for signal in ("tdata", "tvalid", "tready", "tlast")]
    signals += [f"{name}_{signal}" for name in names(outputs) for signal in ("keep", "first")]
    lines += instance("bench_adapter", "adapter", {}, _shared("clk", "rst_n", *signals))
    return "\n".join([*lines, *_WAVES]) + "\n"


_WAVES = """\
  string waves;
  initial begin
    if ($value$plusargs("vcd=%s", waves) != 0) begin
      $dumpfile(waves);
      $dumpvars(0, tb);
    end
  end
endmodule
// verilator lint_restore""".splitlines()


def names(ports: Iterable[Port]) -> list[str]:
    """The names of streams."""
    return [port.name for port in ports]


def check_parameters(port: Port, tlast: bool = True) -> dict[str, int | str]:
    """What `bench_check` must know of a tensor."""
    tensor = port.tensor
    extents = dict(zip(tensor.axes, tensor.shape, strict=True))
    inner = [extents[axis] for axis in tensor.order[1:]]  # of a frame, outermost first
    node = tensor.node + (f" ({', '.join(tensor.source)})" if tensor.source else "")
    return {
        "PORT": quoted(port.name),
        "NODE": quoted(node),
        "ARGUMENT": quoted(shlex.quote(plain(tensor.node))),
        "FILE": quoted(port.stored.memh()),
        "MASK": quoted(port.mask.memh() if port.mask else ""),
        "MASKED": int(port.mask is not None),
        **({} if tlast else {"LAST": 0}),
        "FRAMES": extents["N"],
        "FRAME_WORDS": port.frame_words,
        "LANES": tensor.lanes,
        "BITS": tensor.code.bits,
        "SLOT_BITS": tensor.slot_bits,
        "MSB_FIRST": int(not tensor.slot.lsb_first),
        "SIGNED": int(tensor.code.signed),
        "CHANNELS": extents["C"],
        "ORDER": quoted("".join(tensor.order[1:]) if len(inner) == 3 else "HWC"),
        "IMAGE": int(len(inner) == 3),
        "MIDDLE": prod(inner[-2:-1]),
        "INNER": inner[-1],
        "BEAT_BITS": tensor.beat_bits,
    }


def _wires(ports: Iterable[Port]) -> list[str]:
    lines = []
    for port in ports:
        out = port.direction == "out"
        bits = ("tvalid", "tready", "tlast", *(("keep", "first") if out else ()))
        bits += ("moves", "stalls", "wants", "done", "at_end")
        counts = ("got", "ignored") if out else ("begun", "sent", "pass")
        lines += [
            f"  logic [{port.tensor.beat_bits - 1}:0] {port.name}_tdata;",
            f"  logic {', '.join(f'{port.name}_{name}' for name in bits)};",
            f"  int {', '.join(f'{port.name}_{name}' for name in counts)};",
        ]
    return lines


def _source(number: int, port: Port, demand: str | None, others: str, several: bool) -> list[str]:
    """A frame's first beat stands no earlier than its demand mask. Of several inputs each ends one in its own time."""
    parameters: dict[str, int | str] = {
        "STREAM": number,
        "PORT": quoted(port.name),
        "FILE": quoted(port.stored.memh()),
        "FRAMES": port.tensor.shape[0],
        "FRAME_WORDS": port.frame_words,
        "ROW_WORDS": _row_words(port),
        "WORD_BITS": port.tensor.word_bits,
        "BEAT_BITS": port.tensor.beat_bits,
    }
    connections = {
        **_shared(*_BENCH, "limit"),
        **_own(port, "begun", "sent", "pass", "moves", "stalls", "wants", "done", "tdata", "tvalid", "tready", "tlast"),
        **_own(port, "at_end"),
        "meets": "meets" if port.direction == "in" else "1'b0",
        "ends_move": "meeting >= 3" + f" + met * {4 * number + 5} / 4 % 4" * several,
        "allowed": demand if demand and port.direction == "in" else "32'h7fffffff",
        "others": others,
    }
    return instance("bench_source", port.name, parameters, connections)


def _sink(number: int, port: Port, others: str) -> list[str]:
    """What takes an output's beats, and what checks them."""
    takes: dict[str, int | str] = {
        "STREAM": number,
        "PORT": quoted(port.name),
        "WORDS": port.tensor.words,
        "FRAME_WORDS": port.frame_words,
        "ROW_WORDS": _row_words(port),
    }
    connections = {
        **_shared("clk", "rst_n", "give_up", "counting", "hold", "meets", "ahead", "repeats"),
        **_own(port, "got", "done", "moves", "stalls", "wants", "tvalid", "tready", "at_end"),
        "others": others,
        "ends_move": "outputs_end",
    }
    checks = {**check_parameters(port), "DUMP": quoted(PurePosixPath(port.stored.memh()).name)}
    checked = _own(port, "got", "ignored", "done", "tdata", "tvalid", "tready", "tlast", "keep", "first")
    return [
        *instance("bench_sink", port.name, takes, connections),
        *instance("bench_check", f"{port.name}_check", checks, _shared(*CHECK) | checked),
    ]


def _row_words(port: Port) -> int:
    """Words from the place of one stall in a frame to the next: one, or where they are many those along all but the
    outermost axis, or what makes 64 places of a frame."""
    words, tensor = port.frame_words, port.tensor
    if words <= PLACES:
        return 1
    outermost = dict(zip(tensor.axes, tensor.shape, strict=True))[tensor.order[1]]
    return max(words // outermost, -(-words // PLACES))


def _shared(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _own(port: Port, *names: str) -> dict[str, str]:
    return {name: f"{port.name}_{name}" for name in names}


def _any(operator: str, streams: Iterable[str], signal: str) -> str:
    return f"{operator}{{{', '.join(f'{name}_{signal}' for name in streams)}}}"
