"""README.md of a test bench: how to run it, and the ports that the design must have."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from ..describe.manifest import Port
from .interface import Interface

_WHAT = {"in": "input", "demand": "input: demand mask", "out": "output"}


def readme(ports: Sequence[Port], interface: Interface) -> str:
    """The text, with a table of the ports of this set."""
    rows = ["| port | direction | tdata | element | beats a frame | value | file |", "|---|---|---|---|---|---|---|"]
    for port in ports:
        tensor = port.tensor
        slot = f" in {tensor.slot_bits}" if tensor.slot_bits > tensor.code.bits else ""
        high = "" if tensor.slot.lsb_first or tensor.lanes == 1 else ", element 0 highest"
        element = f"{tensor.lanes} x {tensor.code.bits} bits{slot} {tensor.code.name}{high}"
        node = ascii(tensor.node)[1:-1].replace("|", "\\|")
        cells = (port.name, _WHAT[port.direction], f"{tensor.beat_bits} bits", element, str(port.frame_words))
        rows.append(f"| {' | '.join((*cells, node, port.stored.memh()))} |")
    text = (resources.files(__package__) / "templates" / "README.md").read_text("ascii")
    signals = {f"`{', '.join(f'NAME_{signal}' for signal in interface.signals(d))}`" for d in ("in", "out")}
    text = text.replace("CLOCK_AND_RESET", interface.sentence()).replace("SIGNALS", " or ".join(sorted(signals)))
    return text.replace("PORTS\n", "\n".join(rows) + "\n")
