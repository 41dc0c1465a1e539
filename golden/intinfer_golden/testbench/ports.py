"""The streams of a design, from the manifest of a set of vectors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intinfer.errors import DataError

from ..manifest import FORMAT, NAME, VERSION

Json = dict[str, Any]


@dataclass(frozen=True)
class Port:
    """An AXI4-Stream of the design.

    Attributes:
        name: s0_axis, d0_axis, m0_axis, ...
        direction: in, demand, out.
        tensor: the manifest's entry of what it carries.
        file: its memh file, from the set's folder.
        mask: memh file of the demand masks of an output, None where all channels are always demanded.
    """

    name: str
    direction: str
    tensor: Json
    file: str
    mask: str | None

    @property
    def words(self) -> int:
        """Beats of all frames."""
        return int(self.tensor["words"])


def ports(directory: Path) -> tuple[Port, ...]:
    """The ports of a set, inputs before outputs.

    Raises DataError when `directory` has no manifest of this version, or a port has no memh file.
    """
    path = directory / NAME
    if not path.is_file():
        raise DataError(f"{directory}: has no {NAME}; give a folder that intinfer golden made")
    document = json.loads(path.read_text(encoding="utf-8"))
    if document.get("format") != FORMAT or document.get("version") != VERSION:
        raise DataError(f"{path}: is no manifest of golden vectors of version {VERSION}; make the vectors again")
    tensors = document["tensors"]
    masks = {entry["node"]: _memh(path, entry) for entry in tensors if entry["role"] == "demand_mask"}
    return tuple(
        Port(
            entry["port"],
            entry["direction"],
            tensors[entry["tensor"]],
            _memh(path, tensors[entry["tensor"]]),
            masks.get(tensors[entry["tensor"]]["node"]) if entry["direction"] == "out" else None,
        )
        for entry in document["ports"]
    )


def _memh(path: Path, tensor: Json) -> str:
    for file in tensor["files"]:
        if file["format"] == "memh":
            return str(file["path"])
    raise DataError(f"{path}: {tensor['node']} has no memh file, which a test bench reads; make it with --format memh")
