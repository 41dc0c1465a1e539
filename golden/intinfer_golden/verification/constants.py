"""Constants of a set as something that a dump may be of: the words of a memory, or the elements one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from intinfer.errors import DataError
from intinfer.types import IntArray

from ..describe.codes import Code
from ..describe.layout import Slot
from ..describe.manifest import Stored

FOLDER = "constants"
NUMBERS = (".npy", ".csv", ".txt")
"""Suffixes of files of numbers, which are elements; in others words are those of a memory."""


@dataclass(frozen=True)
class Memory(Stored):
    """A memory that holds a constant, or part of it, as a tensor of one frame: its channels are the lanes of the words,
    one word after the other.

    Attributes:
        whole: the constant.
        memory: which of its memories; None where one holds all.
        places: the index of each lane's element in the order of the constant's files, -1 of an unused lane.
    """

    whole: Stored
    memory: int | None
    places: IntArray

    @classmethod
    def of(cls, whole: Stored, memory: int | None, path: Path) -> Memory:
        """What the dump `path` is compared with.

        Raises DataError where several memories hold the constant and none is named.
        """
        tensor, numbers = whole.tensor, path.suffix.lower() in NUMBERS
        code, fold, slot = tensor.code, tensor.lanes, tensor.slot
        if numbers and memory is None:
            places, fold, slot = np.arange(tensor.elements), 1, Slot()
            code = Code("twos_complement", 2) if code.name == "bipolar" else code  # -1 and 1 as integers
        elif tensor.per_pe and memory is None:
            raise DataError(
                f"{path}: {tensor.name} lies in {tensor.memories} memories; say which by {tensor.name}.pe0 or another"
            )
        else:
            places = tensor.places()[memory or 0].reshape(-1)
        axes = ("N", "C")
        lanes = replace(tensor, axes=axes, shape=(1, len(places)), order=axes, code=code, fold=fold, slot=slot)
        lanes = replace(lanes, pe=1, per_pe=False, run_axes=1, groups=1)
        return cls(whole.directory, lanes, whole.files, whole, memory, places)

    @property
    def constant(self) -> str:
        """The name of the constant among the attributes of its node, with its memory."""
        return self.tensor.attribute + ("" if self.memory is None else f".pe{self.memory}")

    def check(self) -> None:
        """Errors as `Stored.check`."""
        self.whole.check()

    def frames(self, start: int, stop: int) -> IntArray:
        """All of the only frame; see `values`."""
        return self.values()

    def values(self) -> IntArray:
        """One entry a lane; of an unused lane what its bits, which are 0, stand for. Errors as `Stored.values`."""
        values = self.whole.values()
        unused = self.tensor.code.decode(np.zeros(1, dtype=np.uint64))
        return np.where(self.places < 0, unused, values[self.places])

    def at(self, lane: int) -> dict[str, int] | None:
        """Where the element of a lane of the memory is, by axis; None for an unused lane."""
        place = int(self.places[lane])
        return None if place < 0 else self.whole.tensor.at(place)


def named(constants: Mapping[str, Stored], files: bool) -> dict[str, tuple[Stored, int | None]]:
    """Constants and their memories by what may be asked for: NODE.ATTRIBUTE and NODE.ATTRIBUTE.peN, or else what a
    file may be named."""
    found: dict[str, tuple[Stored, int | None]] = {}
    for name, entry in constants.items():
        names = [name, PurePosixPath(entry.tensor.path).name] if files else [name, f"{FOLDER}/{name}"]
        memories = range(entry.tensor.memories) if entry.tensor.per_pe else ()
        for stem in names:
            found[stem] = entry, None
            found |= {f"{stem}.pe{memory}": (entry, memory) for memory in memories}
    return found
