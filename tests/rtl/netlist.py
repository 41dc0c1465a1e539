"""The text of a design: literals, instances, and streams that find their way from one instance to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Stream:
    """A stream of words of `fold` elements, as the expressions that stand for its four signals."""

    data: str
    valid: str
    ready: str
    last: str
    shape: tuple[int, int, int]
    """C, H, W; H and W are 1 for a vector."""
    fold: int
    bits: int
    signed: bool

    def ports(self, prefix: str) -> dict[str, str]:
        """Connections to the ports `prefix`_data, ..., of an instance."""
        return {
            f"{prefix}_data": self.data,
            f"{prefix}_valid": self.valid,
            f"{prefix}_ready": self.ready,
            f"{prefix}_last": self.last,
        }

    @property
    def frame_words(self) -> int:
        channels, height, width = self.shape
        return height * width * -(-channels // self.fold)


# ---------------------------------------------------------------------------------------------- text


def longint(value: int) -> str:
    """A literal of 64 bits."""
    return f"-64'sd{-value}" if value < 0 else f"64'sd{value}"


def vector(width: int, elements: Iterable[int]) -> str:
    """Elements of `width` bits side by side, the first in the least significant bits."""
    codes = [element & ((1 << width) - 1) for element in elements]
    return f"{len(codes) * width}'h{sum(code << (i * width) for i, code in enumerate(codes)):x}"


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def instance(module: str, name: str, parameters: dict[str, int | str], connections: dict[str, str]) -> str:
    """An instance that is clocked by clk and reset by rst_n unless it is `resize`; text parameters are literals."""
    clocked = {} if module == "resize" else {"clk": "clk", "rst_n": "rst_n"}
    generics = ",\n".join(f"      .{key}({int(v) if isinstance(v, bool) else v})" for key, v in parameters.items())
    wires = ",\n".join(f"      .{key}({value})" for key, value in (clocked | connections).items())
    return f"  {module} #(\n{generics}\n  ) {name} (\n{wires}\n  );\n"


def header(manifest: Json) -> str:
    """The module's ports up to the closing parenthesis: an AXI4-Stream for each port of the manifest."""
    lines = ["    input logic clk", "    input logic rst_n"]
    for port in manifest["ports"]:
        beat = manifest["tensors"][port["tensor"]]["beat_bits"]
        ours, theirs = ("output", "input") if port["direction"] == "out" else ("input", "output")
        lines += [
            f"    {ours} logic [{beat - 1}:0] {port['port']}_tdata",
            f"    {ours} logic {port['port']}_tvalid",
            f"    {theirs} logic {port['port']}_tready",
            f"    {ours} logic {port['port']}_tlast",
        ]
    # Bits above a word are not read; where all channels are demanded, nobody sends masks.
    lint = "".join(f"/* verilator lint_off {rule} */\n" for rule in ("UNUSEDSIGNAL", "PINCONNECTEMPTY"))
    return lint + "module dut (\n" + ",\n".join(lines) + "\n);\n"


def file_of(tensor: Json) -> str:
    """The path of the tensor's memh file, from the set's folder."""
    for file in tensor["files"]:
        if file["format"] == "memh":
            return str(file["path"])
    raise ValueError(f"{tensor['node']}: there is no memh file; write the vectors with --format memh")


def value_tensors(manifest: Json) -> dict[str, Json]:
    """Value name -> its entry."""
    return {t["node"]: t for t in manifest["tensors"] if t["attribute"] is None and t["role"] != "demand_mask"}


def constant_tensors(manifest: Json) -> dict[tuple[str, str], Json]:
    """(node, attribute) -> its entry."""
    return {(t["node"], t["attribute"]): t for t in manifest["tensors"] if t["attribute"] is not None}


# -------------------------------------------------------------------------------------------- design


class Design:
    """The text as it grows: declarations and instances, and the streams that still wait for their reader."""

    def __init__(self, manifest: Json) -> None:
        self.manifest = manifest
        self.values = value_tensors(manifest)
        self.constants = constant_tensors(manifest)
        self.demand: Stream | None = None
        self._body: list[str] = []
        self._made = 0
        self._free: dict[str, list[Stream]] = {}
        outputs = [port for port in manifest["ports"] if port["direction"] == "out"]
        self._results = [(port["port"], manifest["tensors"][port["tensor"]]["node"]) for port in outputs]
        read = [name for node in manifest["nodes"] for name in node["inputs"]] + [name for _, name in self._results]
        self._readers = {name: read.count(name) for name in self.values}

    def open(self) -> None:
        """The streams of the inputs."""
        for port in self.manifest["ports"]:
            if port["direction"] != "out":
                self._input(port)

    def begin(self, node: Json) -> None:
        """What follows belongs to a node."""
        self._body.append(f"\n  // {ascii(node['name'])[1:-1]}\n")

    def close(self) -> str:
        """The text, once every node has given its result."""
        if self.demand is not None:  # of a node that computes all channels all the same
            self._body.append(f"  assign {self.demand.ready} = 1'b1;\n")
        for port, name in self._results:
            self._output(port, self.values[name]["beat_bits"], self.take(name))
        return header(self.manifest) + "".join(self._body) + "endmodule\n"

    def _input(self, port: Json) -> None:
        tensor = self.manifest["tensors"][port["tensor"]]
        name = port["port"]
        signals = (f"{name}_tdata[{tensor['word_bits'] - 1}:0]", *(f"{name}_t{s}" for s in ("valid", "ready", "last")))
        if port["direction"] == "demand":
            self.demand = Stream(*signals, (tensor["run"], 1, 1), tensor["run"], 1, False)
        else:
            self.give(tensor["node"], Stream(*signals, *layout(tensor)))

    def _output(self, port: str, beat: int, stream: Stream) -> None:
        self._body.append(
            f"\n  assign {port}_tdata = {beat}'({stream.data});\n  assign {port}_tvalid = {stream.valid};\n"
            f"  assign {port}_tlast = {stream.last};\n  assign {stream.ready} = {port}_tready;\n"
        )

    # ------------------------------------------------------------------------------------- streams

    def give(self, value: str, stream: Stream) -> None:
        """The stream of a value is there: fork it to its readers."""
        readers = self._readers[value]
        if readers == 1:
            self._free[value] = [stream]
        elif readers == 0:
            self._body.append(f"  assign {stream.ready} = 1'b1;\n")
        else:
            fork = self._declare("fork", stream, readers)
            parameters = {"BITS": stream.fold * stream.bits, "READERS": readers, "DEPTH": stream.frame_words}
            self.add("stream_fork", parameters, stream.ports("s") | fork.ports("m"))
            width = stream.fold * stream.bits
            self._free[value] = [
                replace(
                    stream,
                    data=f"{fork.data}[{(i + 1) * width - 1}:{i * width}]",
                    valid=f"{fork.valid}[{i}]",
                    ready=f"{fork.ready}[{i}]",
                    last=f"{fork.last}[{i}]",
                )
                for i in range(readers)
            ]

    def take(self, value: str, *, fold: int | None = None, bits: int | None = None) -> Stream:
        """The stream of a value for its next reader, with `fold` elements of `bits` bits in a word."""
        stream = self._free[value].pop(0)
        if fold is not None and fold != stream.fold:
            folded = self._declare("refold", replace(stream, fold=fold))
            parameters = {"BITS": stream.bits, "RUN": stream.shape[0], "IN_FOLD": stream.fold, "OUT_FOLD": fold}
            self.add("refold", parameters, stream.ports("s") | folded.ports("m"))
            stream = folded
        if bits is not None and bits != stream.bits:
            data = self._wire("resize", stream.fold * bits)
            parameters = {"FOLD": stream.fold, "IN_BITS": stream.bits, "SIGNED": stream.signed, "OUT_BITS": bits}
            self.add("resize", parameters, {"s_data": stream.data, "m_data": data})
            stream = replace(stream, data=data, bits=bits)
        return stream

    def result(self, node: Json) -> Stream:
        """New signals for the stream that a node sends."""
        return self._declare(node["op"], Stream("", "", "", "", *layout(self.values[node["name"]])))

    def add(self, module: str, parameters: dict[str, Any], connections: dict[str, str]) -> None:
        self._body.append(instance(module, f"i{self._number()}_{module}", parameters, connections))

    def single(self, node: Json, module: str, parameters: dict[str, Any], source: Stream) -> None:
        """A node with one input s and its output m."""
        result = self.result(node)
        self.add(module, parameters, source.ports("s") | result.ports("m"))
        self.give(node["name"], result)

    def _declare(self, what: str, stream: Stream, copies: int = 1) -> Stream:
        name = f"{what}{self._number()}"
        wide = f"[{copies - 1}:0] " if copies > 1 else ""
        self._body.append(
            f"  logic [{copies * stream.fold * stream.bits - 1}:0] {name}_data;\n"
            f"  logic {wide}{name}_valid, {name}_ready, {name}_last;\n"
        )
        return replace(stream, **{signal: f"{name}_{signal}" for signal in ("data", "valid", "ready", "last")})

    def _wire(self, what: str, width: int) -> str:
        name = f"{what}{self._number()}_data"
        self._body.append(f"  logic [{width - 1}:0] {name};\n")
        return name

    def _number(self) -> int:
        self._made += 1
        return self._made


def layout(tensor: Json) -> tuple[tuple[int, int, int], int, int, bool]:
    """Shape, fold, bits and sign of a value."""
    order = "".join(tensor["order"])
    if order not in ("NHWC", "NC"):
        raise ValueError(f"{tensor['node']}: has order {order}; the reference RTL takes NHWC")
    channels, height, width = (*tensor["shape"][1:], 1, 1)[:3]
    return (channels, height, width), tensor["elements_per_word"], tensor["bits"], tensor["signed"]
