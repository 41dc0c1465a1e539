"""Pieces of SystemVerilog."""

from __future__ import annotations

from collections.abc import Mapping

Parameters = Mapping[str, int | str]


def instance(module: str, name: str, parameters: Parameters, connections: Mapping[str, str]) -> list[str]:
    """An instance with named parameters and ports."""
    given = ",\n".join(f"      .{key}({value})" for key, value in parameters.items())
    wires = ",\n".join(f"      .{key}({value})" for key, value in connections.items())
    head = [f"  {module} #(", given, f"  ) {name} ("] if given else [f"  {module} {name} ("]
    return [*head, wires, "  );", ""]


def quoted(text: str) -> str:
    """A string literal; what is not ASCII stands as an escape of Python, for people to read."""
    return '"' + plain(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def plain(text: str) -> str:
    """ASCII without control characters: what is neither stands as an escape of Python."""
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)
