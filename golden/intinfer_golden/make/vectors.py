"""Golden vectors: every value of a run on images, with the masks and constants that a test bench needs.

The images are given (`write_vectors`), or some of another set (`write_frames`): the smallest that shows what `verify`
found wrong.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from intinfer import model_file
from intinfer.errors import DataError, IntinferError
from intinfer.graph import Graph, GraphLike, graph_of
from intinfer.inputs import Arrays
from intinfer.model import Model
from intinfer.types import Mask

from ..describe import manifest
from ..describe.entries import tensor_of
from ..describe.formats import FORMATS
from ..describe.layout import WordOptions
from ..describe.manifest import VectorSet
from ..describe.plan import Constant, Contents, Layout
from ..describe.regions import Region
from ..describe.spans import Spans, numbers, ranges
from .frames import Frames, Hashes, Stimulus
from .replace import check_target
from .run import Job, Progress, write_set

BULK = 64 * 2**20
"""Bytes of `memh` from which a set is written as `.npy` alone unless asked otherwise."""

_NUMBERED = re.compile(r"image [0-9]+|.* \(frame [0-9]+\)", re.DOTALL)
"""Labels that say which frame they are of."""


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


def write_frames(
    vectors: VectorSet,
    spans: Spans,
    directory: str | PathLike[str],
    *,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a set with some frames of another into a new `directory`, and return its manifest.

    It is of the same graph, with the same files, formats, order and words, and its frames demand the same channels;
    values are computed anew, as `write_vectors` does. A label says which frame it was.

    Args:
        spans: of frames, counted from 0, in the order of the new set; a frame may come several times.
        resume, force, progress: see `write_vectors`.

    Raises:
        DataError: as `write_vectors`; the set has no such frame, or its manifest or a file of it is damaged.
    """
    final = Path(directory)
    if not resume:
        check_target(final, force)
    chosen = numbers(spans, len(vectors.frames), vectors.directory)
    path = vectors.directory / manifest.NAME
    try:
        document, _ = manifest.read(vectors.directory)
        job = _job_of_frames(vectors, document, chosen)
    except IntinferError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: is damaged ({type(error).__name__}: {error}); make the vectors again") from None
    write_set(job, Model(job.graph), final, resume, force, progress)
    return manifest.read(final)[0]


def _job_of_frames(vectors: VectorSet, document: dict[str, Any], chosen: list[int]) -> Job:
    graph, command = vectors.graph(), document["command"]
    options = {**command["options"], "frames": ranges(chosen)}
    frames = Frames.of(graph, {value.name: vectors.values[value.name].array()[chosen] for value in graph.inputs})
    return Job(
        graph=graph,
        contents=_contents(graph, document, len(chosen)),
        frames=frames,
        hashes=Hashes.of(graph, frames),
        model=document["model"]["sha256"],
        command={**command, "format": known_formats(command["format"]), "options": options},
        region=document["region"],
        labels=[_label(vectors.frames[number], number) for number in chosen],
        demand=_given_demand(vectors, graph, document, chosen),
        seed=document["seed"],
        rounds=document["rounds"],
    )


def _contents(graph: Graph, document: dict[str, Any], count: int) -> Contents:
    """The tensors of the set as its manifest describes them, with another number of frames."""
    tensors = [tensor_of(entry)[0] for entry in document["tensors"]]
    frames = [replace(tensor, shape=(count, *tensor.shape[1:])) for tensor in tensors if not tensor.attribute]
    stored = ((tensor, getattr(graph.node(tensor.node).op, tensor.attribute)) for tensor in tensors if tensor.attribute)
    return Contents(frames, [Constant.of(tensor, constant) for tensor, constant in stored])


def _label(label: str, number: int) -> str:
    return label if _NUMBERED.fullmatch(label) else f"{label} (frame {number})"


def _given_demand(vectors: VectorSet, graph: Graph, document: dict[str, Any], chosen: list[int]) -> dict[str, Mask]:
    """The demand masks that were stimuli, as a port of the design says; others follow from the values."""
    if all(port["direction"] != "demand" for port in document["ports"]):
        return {}
    return {node.name: vectors.masks[node.name].array()[chosen].astype(np.bool_) for node in graph.nodes}


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
