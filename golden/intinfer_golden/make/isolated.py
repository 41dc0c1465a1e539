"""Sets of vectors of regions, each found for what its nodes can get wrong, in one folder with an index."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import intinfer
from intinfer import reference
from intinfer.errors import DataError
from intinfer.files.atomic import write_into
from intinfer.files.children import workers
from intinfer.graph import Graph
from intinfer.inputs import Arrays
from intinfer.model import Model
from intinfer.types import IntArray

from ..describe import documents, manifest
from ..describe.index import FORMAT, NAME, VERSION
from ..describe.layout import WordOptions
from ..describe.names import file_stem
from ..describe.plan import Layout
from ..describe.regions import Region
from . import journal
from .frames import Frames, Hashes, Stimulus
from .journal import SetJournal
from .replace import check_target
from .run import Progress
from .stimulus.alike import Alike
from .vectors import known_formats, model_hash, write_vectors

GIVEN_BYTES = 2**30
"""Values that given images have at the inputs of all regions; they are held in memory."""

Given = Mapping[str, npt.NDArray[np.integer]]
"""Frames that are given, (N, *shape) by input; empty for none."""


def write_isolated(
    model: Model | Graph,
    regions: Sequence[Region],
    directory: str | PathLike[str],
    *,
    images: Arrays | Frames | None = None,
    goal: float = 100.0,
    seed: int = 0,
    rounds: int | None = None,
    time_limit: float | None = None,
    masks: bool = False,
    formats: Sequence[str] | None = None,
    order: str = "nhwc",
    fold: int | Mapping[str, int] = 1,
    words: WordOptions | None = None,
    options: Mapping[str, str] | None = None,
    resume: bool = False,
    force: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write one set of golden vectors a region into a new `directory`, and return its index.

    `directory`/STEM holds the set of a region, as `write_vectors` makes it, with its coverage; STEM is the region's
    name, escaped as in `names`. `index.json` lists the sets. The values that the `images`, if there are any, have at
    the region's inputs follow the first of the directed stimuli.

    Args:
        images: inputs of the model, as `write_vectors` takes them.
        goal: coverage in percent of the bins that are not proven unreachable.
        rounds, time_limit: when the search for stimuli of a region stops; see `stimulus.directed`.
        masks: demand masks for regions of a single convolution or dense layer as well.
        formats, order, fold, words, options, resume, force: see `write_vectors`; `fold` and `words` take names of the
            whole model.
        jobs: sets that are made at a time, each in a process of its own; a script that asks for more than one needs
            `if __name__ == "__main__":`. The sets do not depend on it.
        progress: called with the number of sets that are done, first with those of an earlier run.

    Raises:
        DataError: as `write_vectors`; two regions of one name; more than a GiB of values at the regions' inputs.
        GraphError, RangeError, IntinferError: as `write_vectors`.
    """
    final = Path(directory)
    if not resume:
        check_target(final, force)
    _check_regions(regions)
    model = model if isinstance(model, Model) else Model(model)
    layout = Layout.of(model.graph, order, fold, words)
    frames = None if images is None else Stimulus(images).of(model.graph)[0]
    search = {"goal": goal, "seed": seed, "rounds": rounds, "masks": masks}
    how = {"formats": formats, "options": options}
    sets = _Sets(model, tuple(regions), journal.partial_of(final), search | {"time_limit": time_limit}, how, layout)
    identity = sets.identity(frames)
    if resume and journal.complete(final, identity):
        return documents.read(final / NAME, FORMAT, VERSION, "index of golden vectors")
    progress = progress or (lambda done: None)
    with journal.growing(final, identity, resume, force):
        values, left = _values_of(model.graph, frames, regions), sets.left()
        whole = len(regions) - len(left)
        progress(whole)
        for done, _ in enumerate(_written(sets, left, values, jobs), whole + 1):
            SetJournal(identity, done).write(sets.folder)
            progress(done)
        return sets.index()


def _check_regions(regions: Sequence[Region]) -> None:
    if not regions:
        raise DataError("there are no regions; isolated vectors need at least one")
    for name, count in Counter(region.name for region in regions).items():
        if count > 1:
            raise DataError(f"{count} regions are called {name!r}; give each a name of its own")
        if file_stem(name) in (NAME, journal.NAME):
            raise DataError(f"a region is called {name!r}, as a file of the index; give it another name")


@dataclass(frozen=True)
class _Sets:
    """What is the same for all sets; other processes get a copy.

    `search` is for `directed`, `how` for `write_vectors`.
    """

    model: Model
    regions: tuple[Region, ...]
    folder: Path
    search: Mapping[str, Any]
    how: Mapping[str, Any]
    layout: Layout

    @cached_property
    def _alike(self) -> Alike:
        return Alike(region.graph for region in self.regions)

    def left(self) -> list[int]:
        """The numbers of the regions without a whole set."""
        return [i for i, region in enumerate(self.regions) if not (self._target(region) / manifest.NAME).is_file()]

    def write(self, number: int, given: Given) -> None:
        """Write a region's set, its frames found beside those `given`."""
        from .stimulus.direct import directed

        region = self.regions[number]
        target = self._target(region)
        shutil.rmtree(journal.partial_of(target), ignore_errors=True)  # of a run that was killed at this set
        count = len(next(iter(given.values()))) if given else 0
        found = directed(
            region.graph,
            given=given or None,
            given_labels=[f"image {i}" for i in range(count)],
            found=self._alike.of(region.graph),
            **self.search,
        )
        write_vectors(self.model, found, target, region=region, **self.how, **self.layout.of_region(region.graph))

    def identity(self, frames: Frames | None) -> dict[str, Any]:
        """What decides the bytes of the sets; the time limit does so through the number of rounds alone."""
        formats, options = self.how["formats"], self.how["options"]
        return {
            "version of intinfer": intinfer.__version__,
            "model": model_hash(self.model.graph),
            "input": frames and Hashes.of(self.model.graph, frames).inputs,
            "choice of regions": [[region.name, *region.nodes] for region in self.regions],
            "set of options": {
                "format": None if formats is None else known_formats(formats),
                **self.layout.document(),
                "options": dict(sorted((options or {}).items())),
                **{name: value for name, value in self.search.items() if name != "time_limit"},
            },
        }

    def index(self) -> dict[str, Any]:
        """Write the index, from what the sets say of themselves, and return it."""
        entries = [_entry(region, self._target(region)) for region in self.regions]
        index = {"format": FORMAT, "version": VERSION, "sets": entries}
        write_into(self.folder / NAME, json.dumps(index, indent=1).encode("ascii") + b"\n")
        return index

    def _target(self, region: Region) -> Path:
        return self.folder / file_stem(region.name)


def _written(sets: _Sets, numbers: Sequence[int], values: Given, jobs: int) -> Iterator[int]:
    """Write the sets of these regions; yield the number of each when it is whole."""

    def given(number: int) -> Given:
        return {x.name: values[x.name] for x in sets.regions[number].graph.inputs} if values else {}

    if jobs == 1 or len(numbers) <= 1:
        for number in numbers:
            sets.write(number, given(number))
            yield number
        return
    ended = False
    with workers(min(jobs, len(numbers)), _begin, sets) as pool:
        running: dict[Future[None], int] = {}
        for number in numbers:
            try:
                running[pool.submit(_write, number, given(number))] = number
            except BrokenProcessPool:
                ended = True
                break
        for done in as_completed(running):
            if isinstance(done.exception(), BrokenProcessPool):  # of all that are left; some may be whole all the same
                ended = True
                continue
            done.result()
            yield running[done]
    if ended:
        raise ChildProcessError(  # an IntinferError would come again: what is whole is kept
            None,
            f"one of {jobs} processes that make sets has ended before its set was whole, perhaps for want of memory: "
            'go on with --resume and fewer --jobs; a script calls this below `if __name__ == "__main__":`',
        )


_sets: _Sets | None = None
"""Of a process that makes sets for another."""


def _begin(sets: _Sets) -> None:
    global _sets
    _sets = sets


def _write(number: int, given: Given) -> None:
    assert _sets is not None, "`_begin` comes first"
    _sets.write(number, given)


def _values_of(graph: Graph, frames: Frames | None, regions: Sequence[Region]) -> dict[str, npt.NDArray[np.integer]]:
    """The values that images have at the inputs of regions, (N, *shape) by name, in the smallest containers."""
    if frames is None:
        return {}
    wanted = {value.name: value for region in regions for value in region.graph.inputs}
    held = frames.count * sum(value.size * value.type.dtype.itemsize for value in wanted.values())
    if held > GIVEN_BYTES:
        raise DataError(
            f"{frames.count} images have {held:,} bytes of values at the inputs of {len(regions)} regions, more than "
            f"{GIVEN_BYTES:,}; give fewer images, or fewer nodes"
        )
    parts: dict[str, list[IntArray]] = {name: [] for name in wanted}
    for one in frames.chunks(graph, size=1):
        trace = reference.trace(graph, one)
        for name, value in wanted.items():
            parts[name].append(trace[name].astype(value.type.dtype))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _entry(region: Region, target: Path) -> dict[str, Any]:
    """A line of the index."""
    (target / journal.NAME).unlink(missing_ok=True)  # of a run that was killed just there
    document, _ = manifest.read(target)
    coverage = documents.parse(target / "coverage.json", documents.AGAIN)
    return {
        "name": region.name,
        "path": target.name,
        "nodes": list(region.nodes),
        "frames": document["images"],
        "coverage": coverage["total"],
    }
