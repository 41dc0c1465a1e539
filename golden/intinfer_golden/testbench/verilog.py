"""The top module of the SystemVerilog test bench: what the manifest says, as literal parameters of `bench.sv`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from pathlib import PurePosixPath

from .ports import Port

Parameters = Mapping[str, int | str]


def top_module(ports: Iterable[Port]) -> str:
    """The text of `module tb`: a source for each input, a sink for each output, and the design between them."""
    streams = list(ports)
    outputs = [port for port in streams if port.direction == "out"]
    demand = next((f"{port.name}_begun" for port in streams if port.direction == "demand"), None)
    lines = ["module tb;", "  logic clk, rst_n, give_up;", "  int cycle;", *_wires(streams), ""]
    frames = streams[0].tensor["shape"][0]
    lines += _instance(
        "bench_run",
        "run",
        {"FRAMES": frames, "BEATS": sum(port.words for port in outputs)},
        {
            **{name: name for name in ("clk", "rst_n", "cycle", "give_up")},
            "moves": _any("|", streams, "moves"),
            "arrives": _any("|", outputs, "moves"),
            "done": _any("&", streams, "done"),
            "ignored": " + ".join(f"{port.name}_ignored" for port in outputs),
        },
    )
    for number, port in enumerate(streams):
        lines += _sink(number, port) if port in outputs else _source(number, port, demand)
    signals = [f"{port.name}_{signal}" for port in streams for signal in ("tdata", "tvalid", "tready", "tlast")]
    lines += _instance("`DUT", "under_test", {}, {name: name for name in ("clk", "rst_n", *signals)})
    lines += [
        "  string waves;",
        "  initial begin",
        '    if ($value$plusargs("vcd=%s", waves) != 0) begin',
        "      $dumpfile(waves);",
        "      $dumpvars(0, tb);",
        "    end",
        "  end",
        "endmodule",
        "// verilator lint_restore",
    ]
    return "\n".join(lines) + "\n"


def _wires(streams: Iterable[Port]) -> list[str]:
    lines = []
    for port in streams:
        names = ("tvalid", "tready", "tlast", "moves", "done")
        count = "ignored" if port.direction == "out" else "begun"
        lines += [
            f"  logic [{port.tensor['beat_bits'] - 1}:0] {port.name}_tdata;",
            f"  logic {', '.join(f'{port.name}_{name}' for name in names)};",
            f"  int {port.name}_{count};",
        ]
    return lines


def _source(number: int, port: Port, demand: str | None) -> list[str]:
    """A frame's first beat stands no earlier than its demand mask."""
    tensor = port.tensor
    parameters = {
        "STREAM": number,
        "PORT": _quoted(port.name),
        "FILE": _quoted(port.file),
        "FRAMES": tensor["shape"][0],
        "FRAME_WORDS": tensor["frame_words"],
        "WORD_BITS": tensor["word_bits"],
        "BEAT_BITS": tensor["beat_bits"],
    }
    allowed = demand if demand and port.direction == "in" else str(tensor["shape"][0])
    return _instance("bench_source", port.name, parameters, _stream(port, ("begun",)) | {"allowed": allowed})


def _sink(number: int, port: Port) -> list[str]:
    tensor = port.tensor
    extents = dict(zip(tensor["axes"], tensor["shape"], strict=True))
    inner = [extents[axis] for axis in tensor["order"][1:]]  # of a frame, outermost first
    image = len(inner) == 3
    node = tensor["node"] + (f" ({', '.join(tensor['source'])})" if tensor["source"] else "")
    parameters = {
        "STREAM": number,
        "PORT": _quoted(port.name),
        "NODE": _quoted(node),
        "FILE": _quoted(port.file),
        "MASK": _quoted(port.mask or ""),
        "MASKED": int(port.mask is not None),
        "DUMP": _quoted(PurePosixPath(port.file).name),
        "FRAMES": extents["N"],
        "FRAME_WORDS": tensor["frame_words"],
        "LANES": tensor["elements_per_word"],
        "BITS": tensor["bits"],
        "SLOT_BITS": tensor["slot_bits"],
        "MSB_FIRST": int(not tensor["lsb_first"]),
        "SIGNED": int(tensor["signed"]),
        "CHANNELS": extents["C"],
        "ORDER": _quoted("".join(tensor["order"][1:]) if image else "HWC"),
        "IMAGE": int(image),
        "MIDDLE": prod(inner[-2:-1]),
        "INNER": inner[-1],
        "BEAT_BITS": tensor["beat_bits"],
    }
    return _instance("bench_sink", port.name, parameters, _stream(port, ("ignored",)))


def _stream(port: Port, more: Iterable[str]) -> dict[str, str]:
    own = ("moves", "done", "tdata", "tvalid", "tready", "tlast", *more)
    shared = {name: name for name in ("clk", "rst_n", "cycle", "give_up")}
    return shared | {name: f"{port.name}_{name}" for name in own}


def _any(operator: str, streams: Iterable[Port], signal: str) -> str:
    return f"{operator}{{{', '.join(f'{port.name}_{signal}' for port in streams)}}}"


def _instance(module: str, name: str, parameters: Parameters, connections: Mapping[str, str]) -> list[str]:
    given = ",\n".join(f"      .{key}({value})" for key, value in parameters.items())
    wires = ",\n".join(f"      .{key}({value})" for key, value in connections.items())
    head = [f"  {module} #(", given, f"  ) {name} ("] if given else [f"  {module} {name} ("]
    return [*head, wires, "  );", ""]


def _quoted(text: str) -> str:
    """A string literal of SystemVerilog; what is not ASCII stands as an escape of Python, for people to read."""
    plain = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
