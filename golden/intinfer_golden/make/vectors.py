"""Golden vectors: every value of a run on images, with the masks and constants that a test bench needs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from os import PathLike
from pathlib import Path

import numpy as np

from intinfer import model_file
from intinfer.errors import DataError
from intinfer.graph import Graph, GraphLike, graph_of
from intinfer.inputs import Arrays
from intinfer.model import Model
from intinfer.types import Mask

from ..describe.formats import FORMATS
from ..describe.layout import WordOptions
from ..describe.plan import Contents, Layout
from ..describe.regions import Region
from .frames import Frames, Hashes
from .replace import check_target
from .run import Job, Progress, Report, write_set

BULK = 64 * 2**20
"""Bytes of `memh` from which a set is written as `.npy` alone unless asked otherwise."""


def write_vectors(
    model: Model | Graph,
    images: Arrays | Frames,
    directory: str | PathLike[str],
    *,
    formats: Sequence[str] | None = None,
    order: str = "nhwc",
    fold: int | Mapping[str, int] = 1,
    words: WordOptions | None = None,
    nodes: Collection[str] | None = None,
    options: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
    masks: Mapping[str, Mask] | None = None,
    region: Region | None = None,
    seed: int | None = None,
    rounds: int | None = None,
    coverage: Report | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write the golden vectors of some images into a new `directory`.

    Files: `values/NODE` holds an input or the output of a node for all images, one after the other (of a convolution
    or dense layer that is the accumulator after its overflow rule), `demand/NODE` which channels each image demands,
    `constants/NODE.ATTRIBUTE` weights, thresholds and the like, `coverage.*` the report if there is one, `bench/` test
    benches where "memh" is among the formats, `model.npz` the graph (of a region, that alone), and `manifest.json`
    describes all of them. Node names are escaped as in
    `names`. Values come from the reference, with nothing skipped, and each is compared with the fast engine before
    the directory appears. The same model, images and options give the same bytes. The directory appears whole or not
    at all: until then it is `directory`.partial, which a killed run leaves behind. Memory is that of a batch of images.

    Args:
        images: an integer array (N, *shape) or, for one image, (*shape); {input name: array} for several inputs; or
            `Frames`, which are read in batches.
        formats: of `formats.FORMATS`; None for "memh" and "npy", or for "npy" alone where "memh" is over 64 MiB.
        order: of the axes, outermost first: "n" and then "c", "h" and "w" in any order. "nhwc" has a pixel's channels
            innermost.
        fold: elements a word, along the innermost axis: of all values, or by value name, with "" for all others.
            Weights are folded like their layer's input.
        words: weights and thresholds in tiles, element 0 in either end, elements in slots; None for neither.
        nodes: names of the nodes to write, None for all. Inputs and outputs of the graph are always written. The
            nodes named are the outputs that the bench compares, in place of the graph's.
        options: more options of the command to record in the manifest, no paths.
        labels: of the images, for the manifest.
        masks: {name of the only node: bool (N, C)}, the channels that each image demands of it; values of other
            channels are as full in the files as any.
        region: what the images are inputs of, cut out of the model; None for the whole model.
        seed, rounds: how the images were found, for the manifest.
        coverage: what they reach.
        resume: go on where a killed run of the same model, images and options stopped, if one did.
        force: replace a set or an index that stands in `directory`, once this one is whole.
        progress: called with the number of images that are done, first with those of an earlier run.

    Raises:
        DataError: an unknown node, format, order, fold or tile, no images, or `directory` exists and is not an empty
            folder; with `force`, it holds something that golden did not make; with `resume`, what was begun is of
            another model, images or options, or was changed.
        GraphError: inputs of wrong names or shapes.
        RangeError: a value outside its input's type, or a `trap` accumulator that left its range.
        IntinferError: the fast engine and the reference differ; the message names the node.
    """
    final = Path(directory)
    if not resume:
        check_target(final, force)
    model = model if isinstance(model, Model) else Model(model)
    graph = region.graph if region else model.graph
    frames = images if isinstance(images, Frames) else Frames.of(graph, images)
    hashes = Hashes.of(graph, frames)
    layout = Layout.of(graph, order, fold, words)
    contents = Contents.of(graph, nodes, frames.count, layout)
    formats = usual_formats(contents.sizes(["memh"])) if formats is None else known_formats(formats)
    command = {
        "verb": "golden",
        "format": formats,
        **layout.document(),
        "nodes": None if nodes is None else [n.name for n in graph.nodes if n.name in nodes],
        "options": dict(sorted((options or {}).items())),
    }
    job = Job(
        graph=graph,
        contents=contents,
        frames=frames,
        hashes=hashes,
        model=model_hash(model.graph),
        command=command,
        region={"name": region.name, "nodes": list(region.nodes)} if region else None,
        labels=_labels(labels, frames.count),
        demand=_given_masks(graph, frames.count, masks or {}),
        seed=seed,
        rounds=rounds,
        coverage=coverage,
    )
    write_set(job, Model(graph) if region else model, final, resume, force, progress)


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


def _labels(labels: Sequence[str] | None, count: int) -> list[str]:
    if labels is not None and len(labels) != count:
        raise DataError(f"{len(labels)} labels are given for {count} images; give one an image")
    return [f"image {i}" for i in range(count)] if labels is None else list(labels)


def _given_masks(graph: Graph, count: int, masks: Mapping[str, Mask]) -> dict[str, Mask]:
    """The masks, checked."""
    for name, mask in masks.items():
        if len(graph.nodes) != 1 or name not in graph.node_by_name:
            names = ", ".join(graph.node_by_name)
            raise DataError(
                f"a mask of node {name!r} is given; masks are for a graph of that node alone, this is {names}"
            )
        wanted = (count, graph.node_by_name[name].output.shape[0])
        if mask.dtype != np.bool_ or mask.shape != wanted:
            raise DataError(f"mask of node {name!r} is {mask.dtype} {mask.shape}, bool {wanted} is needed")
    return dict(masks)
