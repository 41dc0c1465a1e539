"""Sets of vectors of regions, each found for what its nodes can get wrong, in one folder with an index."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import intinfer
from intinfer import reference
from intinfer.errors import DataError
from intinfer.files.atomic import write_into
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
from .frames import Frames, Hashes
from .journal import Journal
from .replace import check_target
from .run import Progress
from .vectors import known_formats, model_hash, write_vectors

GIVEN_BYTES = 2**30
"""Values that given images have at the inputs of all regions; they are held in memory."""


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
        progress: called with the number of sets that are done, first with those of an earlier run.

    Raises:
        DataError: as `write_vectors`; two regions have one name; the images have more than a GiB of values at the
            regions' inputs.
        GraphError, RangeError, IntinferError: as `write_vectors`.
    """
    final = Path(directory)
    if not resume:
        check_target(final, force)
    _check_regions(regions)
    model = model if isinstance(model, Model) else Model(model)
    layout = Layout.of(model.graph, order, fold, words)
    frames = images if images is None or isinstance(images, Frames) else Frames.of(model.graph, images)
    search = {"goal": goal, "seed": seed, "rounds": rounds, "masks": masks}
    identity = {
        "version of intinfer": intinfer.__version__,
        "model": model_hash(model.graph),
        "input": frames and Hashes.of(model.graph, frames).inputs,
        "choice of regions": [[region.name, *region.nodes] for region in regions],
        "set of options": {
            "format": None if formats is None else known_formats(formats),
            "order": order,
            "fold": layout.fold,
            "folds": dict(sorted(layout.folds.items())),
            "words": layout.words.document(),
            "options": dict(sorted((options or {}).items())),
            **search,
        },
    }
    if resume and journal.complete(final, identity):
        return documents.read(final / NAME, FORMAT, VERSION, "index of golden vectors")
    from .stimulus.alike import Alike

    with journal.growing(final, identity, resume, force) as (partial, found):
        if progress:
            progress(found.images)
        given = _values_of(model.graph, frames, regions)
        alike = Alike(region.graph for region in regions)
        entries = []
        for region in regions:
            target = partial / file_stem(region.name)
            if not (target / manifest.NAME).is_file():
                more = {"formats": formats, "order": order, "options": options, **layout.of_region(region.graph)}
                how = search | {"time_limit": time_limit, "found": alike.of(region.graph)}
                _write_region(model, region, target, given, how, more)
            (target / journal.NAME).unlink(missing_ok=True)  # of a run that was killed just there
            entries.append(_entry(region, target))
            Journal(identity, len(entries)).write(partial)
            if progress and len(entries) > found.images:
                progress(len(entries))
        index = {"format": FORMAT, "version": VERSION, "sets": entries}
        write_into(partial / NAME, json.dumps(index, indent=1).encode("ascii") + b"\n")
    return index


def _check_regions(regions: Sequence[Region]) -> None:
    if not regions:
        raise DataError("there are no regions; isolated vectors need at least one")
    for name, count in Counter(region.name for region in regions).items():
        if count > 1:
            raise DataError(f"{count} regions are called {name!r}; give each a name of its own")
        if file_stem(name) in (NAME, journal.NAME):
            raise DataError(f"a region is called {name!r}, as a file of the index; give it another name")


def _write_region(
    model: Model,
    region: Region,
    target: Path,
    given: Mapping[str, npt.NDArray[np.integer]],
    search: Mapping[str, Any],
    more: Mapping[str, Any],
) -> None:
    from .stimulus.direct import directed

    shutil.rmtree(journal.partial_of(target), ignore_errors=True)  # of a run that was killed at this set
    inputs = {value.name: given[value.name] for value in region.graph.inputs} if given else None
    count = len(next(iter(given.values()))) if given else 0
    found = directed(region.graph, given=inputs, given_labels=[f"image {i}" for i in range(count)], **search)
    write_vectors(
        model,
        found.frames,
        target,
        labels=found.labels,
        masks=found.masks,
        region=region,
        seed=search["seed"],
        rounds=found.rounds,
        coverage=found.coverage,
        **more,
    )


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
    """A line of the index, from what the set says of itself."""
    document, _ = manifest.read(target)
    coverage = documents.parse(target / "coverage.json", documents.AGAIN)
    return {
        "name": region.name,
        "path": target.name,
        "nodes": list(region.nodes),
        "frames": document["images"],
        "coverage": coverage["total"],
    }
