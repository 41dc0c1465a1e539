"""Which vectors a dump is of: in one set, or among the sets that an index lists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError

from . import isolated, manifest
from .manifest import Stored, VectorSet
from .names import file_stem
from .tensors import Tensor

MOST_NAMED = 5
"""Sets that an error names."""
CONSTANTS = "constants/"
"""Before the name of a constant that a node has as well."""
_Found = tuple[Stored, int | None]


@dataclass(frozen=True)
class Listed:
    """A set of an index: `path` is its folder's name, `nodes` what it computes."""

    name: str
    path: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """The tensor that a dump is of; `set` is the name of its set in an index, None where there is no index.

    `place` orders tensors as the graph does, the constants of a node before its value. `memory` is which of those that
    hold a constant; None for a value, and where one holds all.
    """

    set: str | None
    place: tuple[int, int, bool]
    vectors: VectorSet
    entry: Stored
    memory: int | None = None

    @property
    def constant(self) -> str | None:
        """The name of a constant among the attributes of its node, with its memory."""
        memory = "" if self.memory is None else f".pe{self.memory}"
        return f"{self.entry.tensor.attribute}{memory}" if self.entry.tensor.attribute else None


def open_set(directory: Path, node: str | None = None) -> VectorSet:
    """The one set in a folder: the folder itself or, of an index, the set that computes `node` (of one set, that).

    Raises DataError for a folder that is neither, and for an index that leaves open which set is meant.
    """
    if (directory / manifest.NAME).is_file() or not (directory / isolated.NAME).is_file():
        return manifest.load(directory)
    listed = tuple(_read_index(directory / isolated.NAME))
    found = [entry for entry in listed if node is None or node in entry.nodes]
    if len(found) == 1:
        return manifest.load(directory / found[0].path)
    which = "" if node is None else f", {len(found) or 'none'} of which compute{'' if found else 's'} node {node!r}"
    shown = found or listed
    names = ", ".join(str(directory / entry.path) for entry in shown[:MOST_NAMED])
    more = f" or {len(shown) - MOST_NAMED} more" if len(shown) > MOST_NAMED else ""
    raise DataError(f"{directory}: holds {len(listed)} sets{which}; give one of them: {names}{more}")


class Sets:
    """The vectors in a folder: a set, or an index with a set in each sub-folder, read when they are asked for.

    Raises DataError for a folder that is neither, or a damaged index.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        index = not (directory / manifest.NAME).is_file() and (directory / isolated.NAME).is_file()
        self._listed = tuple(_read_index(directory / isolated.NAME)) if index else None
        self._load = cache(manifest.load)
        if not index:
            self._load(directory)

    def match(self, path: Path, node: str | None) -> Match:
        """The tensor of a dump, by the node's name or else by the file's.

        Among several sets the one counts that has the node and that a folder of the dump's path is named after, or
        else the one that computes the node.

        Raises DataError when there is none, or several.
        """
        if self._listed is None:
            vectors = self._load(self._directory)
            return _match(None, 0, vectors, *_entry(vectors, path, node))
        chosen = self._chosen(path, node)
        vectors = self._load(self._directory / chosen.path)
        return _match(chosen.name, self._listed.index(chosen), vectors, *_entry(vectors, path, node))

    def outputs(self) -> list[tuple[str | None, str]]:
        """Every node that a dump could be of, with its set, in order. Inputs are given to a design, not dumped."""
        if self._listed is None:
            vectors = self._load(self._directory)
            return [(None, name) for name, entry in vectors.values.items() if entry.tensor.role != "input"]
        return [(listed.name, node) for listed in self._listed for node in listed.nodes]

    def _has(self, listed: Listed, path: Path, node: str | None) -> bool:
        return (node or path.stem) in _by_name(self._load(self._directory / listed.path), path, node)

    def _has_constant(self, listed: Listed, path: Path, node: str | None) -> bool:
        """Whether a set computes a node that has this constant; only sets that may are read."""
        wanted = (node or path.stem).removeprefix(CONSTANTS)
        nodes = [name for name in _names(listed.nodes, node is None) if wanted.startswith(f"{name}.")]
        return bool(nodes) and self._has(listed, path, node)

    def _chosen(self, path: Path, node: str | None) -> Listed:
        assert self._listed is not None, "asked among several sets"
        folders = {listed.path: listed for listed in self._listed}
        for parent in path.parts[-2::-1]:
            if parent in folders and self._has(folders[parent], path, node):
                return folders[parent]
        stems = {node} if node is not None else {path.stem}
        found = [listed for listed in self._listed if stems & set(_names(listed.nodes, node is None))]
        found = found or [listed for listed in self._listed if self._has_constant(listed, path, node)]
        if len(found) == 1:
            return found[0]
        what = f"node {node!r}" if node is not None else f"the file name {path.stem!r}"
        if found:
            raise DataError(
                f"{path}: {len(found)} sets have {what}; put the dump in a folder named {found[0].path} (or "
                f"{found[1].path}), or give {self._directory / found[0].path} in place of {self._directory}"
            )
        names = [name for listed in self._listed for name in _names(listed.nodes, node is None)]
        near = get_close_matches(node or path.stem, names, n=3) or names[:3]
        raise DataError(
            f"{path}: no set of {self._directory} has {what}; close names: {', '.join(near)}; or put the dump in a "
            "folder named as its set"
        )


def _by_name(vectors: VectorSet, path: Path, node: str | None) -> dict[str, _Found]:
    """Tensors and memories by what may be asked for: the node's or constant's name, or else what a file may be named.

    A name that a node and a constant share is the node's, or in a folder named as that of constants the constant's.
    """
    values: dict[str, _Found] = {name: (entry, None) for name, entry in vectors.values.items()}
    constants: dict[str, _Found] = {}
    for name, entry in vectors.constants.items():
        names = {name} | ({PurePosixPath(entry.tensor.path).name} if node is None else set())
        memories = range(entry.tensor.memories) if entry.tensor.per_pe else ()
        constants |= dict.fromkeys(names, (entry, None))
        constants |= {f"{stem}.pe{memory}": (entry, memory) for stem in names for memory in memories}
    if node is not None:
        return constants | values | {f"{CONSTANTS}{name}": found for name, found in constants.items()}
    values |= {file_stem(name): (entry, None) for name, entry in vectors.values.items()}
    return values | constants if path.parent.name == CONSTANTS.rstrip("/") else constants | values


def _match(set_: str | None, place: int, vectors: VectorSet, entry: Stored, memory: int | None) -> Match:
    position = list(vectors.values).index(entry.tensor.node)
    return Match(set_, (place, position, not entry.tensor.attribute), vectors, entry, memory)


def _names(nodes: Sequence[str], files: bool) -> Iterable[str]:
    """Of nodes, and of their files."""
    return [*nodes, *(file_stem(node) for node in nodes)] if files else nodes


def _entry(vectors: VectorSet, path: Path, node: str | None) -> _Found:
    """The tensor of a set that a dump is of, and the memory of it."""
    names, wanted = _by_name(vectors, path, node), node or path.stem
    if wanted in names:
        return names[wanted]
    near = ", ".join(get_close_matches(wanted, names, n=3) or list(names)[:3])
    if node is None:
        raise DataError(
            f"{path}: no node of the vectors has the file name {path.stem!r}; close names: {near}; or name it with "
            "--node"
        )
    raise DataError(f"the vectors have no node {node!r}; close names: {near}; or make vectors of it")


def _read_index(path: Path) -> Iterable[Listed]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise DataError(f"{path}: is not JSON; make the vectors again with intinfer golden") from None
    if not isinstance(document, dict) or document.get("format") != isolated.FORMAT:
        raise DataError(f"{path}: is no index of golden vectors; give a folder that intinfer golden made")
    if document.get("version") != isolated.VERSION:
        raise DataError(f"{path}: has version {document.get('version')!r}, this intinfer reads {isolated.VERSION}")
    try:
        found = [
            Listed(str(item["name"]), str(item["path"]), tuple(str(node) for node in item["nodes"]))
            for item in document["sets"]
        ]
        if not found or any(Path(listed.path).name != listed.path or listed.path in ("", "..") for listed in found):
            raise ValueError("paths must be names of sub-folders")
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(f"{path}: is damaged ({type(error).__name__}: {error}); make the vectors again") from None
    return found


def demanded(vectors: VectorSet, tensor: Tensor) -> npt.NDArray[np.bool_]:
    """Which values of a tensor are compared, as a vector in the order of files. Inputs have no mask."""
    if tensor.node not in vectors.masks:
        if tensor.role != "input":
            raise DataError(f"{vectors.directory}: has no demand mask of node {tensor.node!r}; make the vectors again")
        return np.ones(tensor.elements, dtype=bool)
    channels = vectors.masks[tensor.node].values().reshape(tensor.shape[:2] + (1,) * (len(tensor.shape) - 2))
    return tensor.flat(np.broadcast_to(channels == 1, tensor.shape)).astype(bool)
