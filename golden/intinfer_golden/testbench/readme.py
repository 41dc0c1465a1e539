"""README.md of a test bench: how to run it, and the ports that the design must have."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from .interface import Interface
from .ports import Port

_WHAT = {"in": "input", "demand": "input: demand mask", "out": "output"}


def readme(ports: Sequence[Port], interface: Interface) -> str:
    """The text, with a table of the ports of this set."""
    rows = ["| port | direction | tdata | element | beats a frame | value | file |", "|---|---|---|---|---|---|---|"]
    for port in ports:
        tensor = port.tensor
        slot = f" in {tensor['slot_bits']}" if tensor["slot_bits"] > tensor["bits"] else ""
        high = "" if tensor["lsb_first"] or tensor["elements_per_word"] == 1 else ", element 0 highest"
        element = f"{tensor['elements_per_word']} x {tensor['bits']} bits{slot} {tensor['code']}{high}"
        node = ascii(tensor["node"])[1:-1].replace("|", "\\|")
        cells = (port.name, _WHAT[port.direction], f"{tensor['beat_bits']} bits", element, str(tensor["frame_words"]))
        rows.append(f"| {' | '.join((*cells, node, port.file))} |")
    text = (resources.files(__package__) / "templates" / "README.md").read_text("ascii")
    signals = {f"`{', '.join(f'NAME_{signal}' for signal in interface.signals(d))}`" for d in ("in", "out")}
    text = text.replace("CLOCK_AND_RESET", interface.sentence()).replace("SIGNALS", " or ".join(sorted(signals)))
    return text.replace("PORTS\n", "\n".join(rows) + "\n")
