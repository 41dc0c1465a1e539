"""Which vectors a dump is of: in one set, or among the sets that an index lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from math import prod
from pathlib import Path

import numpy as np

from intinfer.errors import DataError, close_names
from intinfer.reports.text import counted
from intinfer.types import IntArray, Mask

from ..describe import documents, index, manifest
from ..describe.manifest import Stored, VectorSet
from ..describe.names import file_stem
from ..describe.spans import split
from ..describe.tensors import Tensor
from .constants import FOLDER, Memory, named
from .dumps.foreign import short

MOST_NAMED = 5
"""Sets that an error names."""


@dataclass(frozen=True)
class Listed:
    """A set of an index: `path` is its folder's name, `nodes` what it computes; a set alone has no name and no path."""

    name: str | None
    path: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """The tensor that a dump is of; `set` is the name of its set in an index, None where there is no index.

    `place` orders tensors as the graph does, the constants of a node before its value.
    """

    set: str | None
    place: tuple[int, int, bool]
    vectors: VectorSet
    entry: Stored


def open_set(directory: Path, node: str | None = None) -> VectorSet:
    """The one set in a folder: the folder itself or, of an index, the set that computes `node` (of one set, that).

    Raises DataError for a folder that is neither, and for an index that leaves open which set is meant.
    """
    listed = _listed(directory)
    if listed is None:
        return manifest.load(directory)
    found = [entry for entry in listed if node is None or node in entry.nodes]
    if len(found) == 1:
        return manifest.load(directory / found[0].path)
    which = "" if node is None else f", {len(found) or 'none'} of which compute{'' if found else 's'} node {node!r}"
    shown = found or listed
    names = ", ".join(str(directory / entry.path) for entry in shown[:MOST_NAMED])
    more = f" or {len(shown) - MOST_NAMED} more" if len(shown) > MOST_NAMED else ""
    raise DataError(f"{directory}: holds {counted(len(listed), 'set')}{which}; give one of them: {names}{more}")


class Sets:
    """The vectors in a folder: a set, or an index with a set in each sub-folder, read when they are asked for.

    Raises DataError for a folder that is neither, or a damaged index.
    """

    def __init__(self, directory: Path) -> None:
        self._directory, listed = directory, _listed(directory)
        self._load = cache(lambda path: manifest.load(directory / path))
        self._listed = listed or (Listed(None, "", _results(self._load(""))),)

    def match(self, path: Path, node: str | None, port: str | None = None) -> Match:
        """The tensor of a dump, by the node's name, the name of a port, or else by the file's.

        Among several sets the one counts that has the node and that a folder of the dump's path is named after, or
        else the one that computes the node.

        Raises DataError when there is none, or several.
        """
        chosen, folders = self._listed[0], {listed.path: listed for listed in self._listed}
        if chosen.name is not None:
            parents = [folders[parent] for parent in path.parts[-2::-1] if parent in folders]
            chosen = self._chosen(parents, path, node) if port is None else self._with_port(parents, path, port)
        vectors = self._load(chosen.path)
        entry = _entry(vectors, path, node if port is None else _node_of(vectors, port))
        position = list(vectors.values).index(entry.tensor.node)
        place = (self._listed.index(chosen), position, not entry.tensor.attribute)
        return Match(chosen.name, place, vectors, entry)

    def outputs(self) -> list[tuple[str | None, str]]:
        """Every node that a dump could be of, with its set, in order. Inputs are given to a design, not dumped."""
        return [(listed.name, node) for listed in self._listed for node in listed.nodes]

    def _has(self, listed: Listed, path: Path, node: str | None) -> bool:
        vectors = self._load(listed.path)
        return (node or path.stem) in _by_name(vectors, node) | named(vectors.constants, node is None)

    def _with_port(self, parents: Sequence[Listed], path: Path, port: str) -> Listed:
        """Every set has ports of the same names, so a folder of the path says which set is meant."""
        if not parents and len(self._listed) > 1:
            raise DataError(
                f"{path}: {len(self._listed)} sets of {self._directory} may have a port {short(port)}; give one of "
                f"them, such as {self._directory / self._listed[0].path}, or the node with --node"
            )
        return parents[0] if parents else self._listed[0]

    def _chosen(self, parents: Sequence[Listed], path: Path, node: str | None) -> Listed:
        wanted = node or path.stem
        found = list(islice((listed for listed in parents if self._has(listed, path, node)), 1))
        names = {
            listed: (*listed.nodes, *map(file_stem, listed.nodes if node is None else ())) for listed in self._listed
        }
        found = found or [listed for listed in self._listed if wanted in names[listed]]
        if not found:  # a constant; only sets that compute its node are read
            stem = wanted.removeprefix(f"{FOLDER}/")
            may = [listed for listed in self._listed if any(stem.startswith(f"{name}.") for name in names[listed])]
            found = [listed for listed in may if self._has(listed, path, node)]
        if len(found) == 1:
            return found[0]
        what = f"node {node!r}" if node is not None else f"the file name {path.stem!r}"
        if found:
            raise DataError(
                f"{path}: {len(found)} sets have {what}; put the dump in a folder named {found[0].path} (or "
                f"{found[1].path}), or give {self._directory / found[0].path} in place of {self._directory}"
            )
        near = ", ".join(close_names(wanted, chain.from_iterable(names.values())))
        raise DataError(
            f"{path}: no set of {self._directory} has {what}; close names: {near}; or put the dump in a "
            "folder named as its set"
        )


def _by_name(vectors: VectorSet, node: str | None) -> dict[str, Stored]:
    """Tensors by what may be asked for: the node's name, or else what a file may be named."""
    stems = {file_stem(name): entry for name, entry in vectors.values.items()}
    return vectors.values | stems if node is None else vectors.values


def _node_of(vectors: VectorSet, port: str) -> str:
    """The node whose values a port carries."""
    if port in vectors.ports:
        return vectors.ports[port].node
    names = ", ".join(vectors.ports)
    raise DataError(
        f"{vectors.directory}: has no port {short(port)}, it has {names}; name the stream's node with --node"
    )


def _results(vectors: VectorSet) -> tuple[str, ...]:
    """What the nodes of a set give."""
    return tuple(name for name, entry in vectors.values.items() if entry.tensor.role != "input")


def _entry(vectors: VectorSet, path: Path, node: str | None) -> Stored:
    """The tensor of a set that a dump is of.

    A name that a node and a constant share is the node's, or in a folder named as that of constants the constant's.
    """
    names, wanted = _by_name(vectors, node), node or path.stem
    constants = named(vectors.constants, node is None)
    inside = node is None and path.parent.name == FOLDER
    if wanted in constants and (inside or wanted not in names):
        return Memory.of(*constants[wanted], path)
    if wanted in names:
        return names[wanted]
    names = names | {name: entry for name, (entry, _) in constants.items()}
    near = ", ".join(close_names(wanted, names))
    if node is None:
        raise DataError(
            f"{path}: no node of the vectors has the file name {path.stem!r}; close names: {near}; or name it with "
            "--node"
        )
    raise DataError(f"the vectors have no node {node!r}; close names: {near}; or make vectors of it")


def _listed(directory: Path) -> tuple[Listed, ...] | None:
    """The sets of an index; None where the folder is a set itself, or neither."""
    path = directory / index.NAME
    if (directory / manifest.NAME).is_file() or not path.is_file():
        return None
    document = documents.read(path, index.FORMAT, index.VERSION, "index of golden vectors")
    try:
        items = document["sets"]
        found = tuple(Listed(str(item["name"]), str(item["path"]), tuple(map(str, item["nodes"]))) for item in items)
        if not found or any(Path(listed.path).name != listed.path or listed.path in ("", "..") for listed in found):
            raise ValueError("paths must be names of sub-folders")
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(f"{path}: is damaged ({type(error).__name__}: {error}); make the vectors again") from None
    return found


def check(vectors: VectorSet, entry: Stored) -> None:
    """Raises DataError where a file of a tensor or of its demand mask is not the one that was written."""
    entry.check()
    if (mask := vectors.masks.get(entry.tensor.node)) is not None:
        mask.check()


def golden(vectors: VectorSet, entry: Stored, numbers: Sequence[int]) -> tuple[IntArray, Mask]:
    """What is expected of some frames of a tensor that `check` was called for, and which of it is demanded: vectors in
    the order of files."""
    spans = [(first, last + 1) for first, last in split(numbers)]
    expected = np.concatenate([entry.frames(*span) for span in spans])
    return expected, np.concatenate([_demanded(vectors, entry.tensor, *span) for span in spans])


def _demanded(vectors: VectorSet, tensor: Tensor, start: int, stop: int) -> Mask:
    """Which values of some frames are compared: of inputs and constants all."""
    if tensor.attribute:
        return np.ones(tensor.elements, dtype=bool)
    shape = (stop - start, *tensor.shape[1:])
    if tensor.node not in vectors.masks:
        if tensor.role != "input":
            raise DataError(f"{vectors.directory}: has no demand mask of node {tensor.node!r}; make the vectors again")
        return np.ones(prod(shape), dtype=bool)
    channels = vectors.masks[tensor.node].frames(start, stop).reshape(shape[:2] + (1,) * (len(shape) - 2))
    return tensor.flat(np.broadcast_to(channels == 1, shape)).astype(bool)
