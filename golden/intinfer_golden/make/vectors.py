"""Golden vectors: every value of a run on images, with the masks and constants that a test bench needs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from os import PathLike
from pathlib import Path

from intinfer import model_file
from intinfer.errors import DataError
from intinfer.graph import Graph, GraphLike, graph_of
from intinfer.inputs import Arrays
from intinfer.model import Model

from ..describe.formats import FORMATS
from ..describe.layout import WordOptions
from ..describe.plan import Contents, Layout
from ..describe.regions import Region
from .frames import Frames, Hashes, Stimulus
from .replace import check_target
from .run import Job, Progress, write_set

BULK = 64 * 2**20
"""Bytes of `memh` from which a set is written as `.npy` alone unless asked otherwise."""


def write_vectors(
    model: Model | Graph,
    images: Arrays | Frames | Stimulus,
    directory: str | PathLike[str],
    *,
    formats: Sequence[str] | None = None,
    order: str = "nhwc",
    fold: int | Mapping[str, int] = 1,
    words: WordOptions | None = None,
    nodes: Collection[str] | None = None,
    options: Mapping[str, str] | None = None,
    region: Region | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write the golden vectors of some images into a new `directory`, whose files `spec/vectors.md` describes.

    Values come from the reference, with nothing skipped, and each is compared with the fast engine before the directory
    appears, whole or not at all: until then it is `directory`.partial, which a killed run leaves behind. The same
    model, images and options give the same bytes. Memory is that of a batch of images.

    Args:
        images: an integer array (N, *shape) or, for one image, (*shape); {input name: array} for several inputs;
            `Frames`, which are read in batches; or a `Stimulus`, which says how they were found.
        formats: of `formats.FORMATS`; None for "memh" and "npy", or for "npy" alone where "memh" is over 64 MiB.
        order, fold, words: how values lie in words; see `Layout.of`.
        nodes: names of the nodes to write, None for all. Inputs and outputs of the graph are always written. The
            nodes named are the outputs that the bench compares, in place of the graph's.
        options: more options of the command to record in the manifest, no paths.
        region: what the images are inputs of, cut out of the model; None for the whole model.
        resume: go on where a killed run of the same model, images and options stopped, if one did.
        force: replace a set or an index that stands in `directory`, once this one is whole.
        progress: called with the number of images that are done, first with those of an earlier run.

    Raises:
        DataError: an unknown node, format, order, fold or tile, no images, labels or masks that do not fit them, or
            `directory` exists and is not an empty folder; with `force`, it holds something that golden did not make;
            with `resume`, what was begun is of another model, images or options, or was changed.
        GraphError: inputs of wrong names or shapes.
        RangeError: a value outside its input's type, or a `trap` accumulator that left its range.
        IntinferError: the fast engine and the reference differ; the message names the node.
    """
    if not resume:
        check_target(Path(directory), force)
    model = model if isinstance(model, Model) else Model(model)
    layout = Layout.of(region.graph if region else model.graph, order, fold, words)
    stimulus = images if isinstance(images, Stimulus) else Stimulus(images)
    job = _job(model, region, stimulus, layout, nodes, formats, options or {})
    write_set(job, Model(region.graph) if region else model, Path(directory), resume, force, progress)


def _job(
    model: Model,
    region: Region | None,
    stimulus: Stimulus,
    layout: Layout,
    nodes: Collection[str] | None,
    formats: Sequence[str] | None,
    options: Mapping[str, str],
) -> Job:
    """What `write_vectors` is asked for, checked."""
    graph = region.graph if region else model.graph
    frames, labels, demand = stimulus.of(graph)
    hashes = Hashes.of(graph, frames)
    contents = Contents.of(graph, nodes, frames.count, layout)
    known = usual_formats(contents.sizes(["memh"])) if formats is None else known_formats(formats)
    command = {
        "verb": "golden",
        "format": known,
        **layout.document(),
        "nodes": None if nodes is None else [n.name for n in graph.nodes if n.name in nodes],
        "options": dict(sorted(options.items())),
    }
    return Job(
        graph=graph,
        contents=contents,
        frames=frames,
        hashes=hashes,
        model=model_hash(model.graph),
        command=command,
        region={"name": region.name, "nodes": list(region.nodes)} if region else None,
        labels=labels,
        demand=demand,
        seed=stimulus.seed,
        rounds=stimulus.rounds,
        coverage=stimulus.coverage,
    )


def estimate(
    graph: GraphLike,
    images: int,
    *,
    order: str = "nhwc",
    fold: int | Mapping[str, int] = 1,
    words: WordOptions | None = None,
    nodes: Collection[str] | None = None,
    formats: Sequence[str] | None = None,
) -> dict[str, int]:
    """Bytes that the tensors take in each of the formats, None for all there are. Errors as `write_vectors`."""
    graph = graph_of(graph)
    contents = Contents.of(graph, nodes, images, Layout.of(graph, order, fold, words))
    return contents.sizes(list(FORMATS) if formats is None else known_formats(formats))


def usual_formats(sizes: Mapping[str, int]) -> list[str]:
    """The formats of a set that takes so many bytes of memh, when nobody asks for any."""
    return ["memh", "npy"] if sizes["memh"] <= BULK else ["npy"]


def known_formats(formats: Sequence[str]) -> list[str]:
    """The formats asked for, each once. Raises DataError when one is unknown or there is none."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        what = f"format {unknown[0]!r} is unknown" if unknown else "no format is asked for"
        raise DataError(f"{what}; there are {', '.join(FORMATS)}")
    return [name for name in FORMATS if name in formats]


@lru_cache(maxsize=4)
def model_hash(graph: Graph) -> str:
    """SHA-256 of the model file, which has the same bytes whenever it is written; of the last few graphs it is kept."""
    return hashlib.sha256(model_file.to_bytes(graph)).hexdigest()
