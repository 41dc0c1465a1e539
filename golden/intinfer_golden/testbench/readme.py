"""`README.md` of a bench: how to run it, and the ports that the design must have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from intinfer.ops import OPS

from ..describe.manifest import Port
from .interface import Interface

MOST_READERS = 4
"""Nodes that are named as readers of one value."""
_WHAT = {"in": "input", "demand": "input: demand mask", "out": "output"}
_HEAD = ("port", "direction", "value", "in the graph", "tdata", "element", "beats a frame", "file")

Places = tuple[Mapping[str, Sequence[str]], Mapping[str, str]]


def graph_places(nodes: Sequence[Mapping[str, Any]]) -> Places:
    """Where values stand in the graph, for people: value -> what reads it, as "S of mux" or "conv1 (conv2d)", and
    node -> its op.

    Args:
        nodes: as the manifest has them.

    Raises LookupError, TypeError or AttributeError for what the manifest does not hold.
    """
    readers: dict[str, list[str]] = defaultdict(list)
    for node in nodes:
        inputs, kind = node["inputs"], node["op"]
        parts = OPS[kind].parts or [f"input {i}" for i in range(len(inputs))]
        for part, value in zip(parts, inputs, strict=False):
            readers[value].append(f"{f'{part} of ' if len(inputs) > 1 else ''}{node['name']} ({kind})")
    return readers, {node["name"]: node["op"] for node in nodes}


def readme(template: str, ports: Sequence[Port], interface: Interface, places: Places) -> str:
    """The text, with a table of the ports of this set; `places` is what `graph_places` gives."""
    rows = [_row(_HEAD), _row(["---"] * len(_HEAD))]
    for port in ports:
        tensor = port.tensor
        slot = f" in {tensor.slot_bits}" if tensor.slot_bits > tensor.code.bits else ""
        high = "" if tensor.slot.lsb_first or tensor.lanes == 1 else ", element 0 highest"
        element = f"{tensor.lanes} x {tensor.code.bits} bits{slot} {tensor.code.name}{high}"
        cells = (port.name, _WHAT[port.direction], _cell(tensor.node), _cell(_place(port, places)))
        rows.append(_row([*cells, f"{tensor.beat_bits} bits", element, str(port.frame_words), port.stored.memh()]))
    signals = {f"`{', '.join(f'NAME_{signal}' for signal in interface.signals(d))}`" for d in ("in", "out")}
    text = template.replace("CLOCK_AND_RESET", interface.sentence())
    return text.replace("SIGNALS", " or ".join(sorted(signals))).replace("PORTS\n", "\n".join(rows) + "\n")


def _place(port: Port, places: Places) -> str:
    """What reads an input, and what makes an output."""
    readers, ops = places
    if port.direction == "demand":
        return f"channels of {port.node} that are asked for"
    if port.direction == "out":
        return f"result of {port.node} ({ops[port.node]})" if port.node in ops else "an input, unchanged"
    found = readers.get(port.node, ())
    more = len(found) - MOST_READERS
    return ", ".join([*found[:MOST_READERS], *([f"and {more} more"] if more > 0 else [])]) or "read by no node"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """A name of any characters in a cell."""
    return ascii(text)[1:-1].replace("|", "\\|")
