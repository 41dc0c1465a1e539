"""The streams of a design, from the manifest of a set of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intinfer.errors import DataError

from ..describe import manifest

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


@dataclass(frozen=True)
class Streams:
    """The tensors of a set that a stream may carry.

    Attributes:
        document: the manifest.
    """

    path: Path
    document: Json

    @classmethod
    def of(cls, directory: Path) -> Streams:
        """Raises DataError as `manifest.load`."""
        document, _ = manifest.read(directory)
        return cls(directory / manifest.NAME, document)

    @property
    def ports(self) -> tuple[Port, ...]:
        """The ports of a design, inputs before outputs. Raises DataError when one has no memh file."""
        return tuple(
            self._port(entry["port"], entry["direction"], self.document["tensors"][entry["tensor"]])
            for entry in self.document["ports"]
        )

    def inner(self, node: str, name: str) -> Port:
        """A stream `name` inside the design that carries a node's value.

        Raises DataError for a node without value in the set, or without memh file.
        """
        for tensor in self.document["tensors"]:
            if tensor["node"] == node and tensor["attribute"] is None and tensor["role"] != "demand_mask":
                return self._port(name, "out", tensor)
        raise DataError(f"{self.path}: has no values of a node {node!r}; name one that the set holds")

    def _port(self, name: str, direction: str, tensor: Json) -> Port:
        mask = self._mask(tensor["node"]) if direction == "out" else None
        return Port(name, direction, tensor, self._memh(tensor), mask)

    def _mask(self, node: str) -> str | None:
        found = (t for t in self.document["tensors"] if t["node"] == node and t["role"] == "demand_mask")
        return next((self._memh(tensor) for tensor in found), None)

    def _memh(self, tensor: Json) -> str:
        for file in tensor["files"]:
            if file["format"] == "memh":
                return str(file["path"])
        raise DataError(
            f"{self.path}: {tensor['node']} has no memh file, which a test bench reads; make it with --format memh"
        )


def ports(directory: Path) -> tuple[Port, ...]:
    """The ports of a set, inputs before outputs.

    Raises DataError when `directory` has no manifest of this version, or a port has no memh file.
    """
    return Streams.of(directory).ports
