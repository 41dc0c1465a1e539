"""Some frames of a set as a set of their own: the smallest that shows what `verify` found wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from intinfer.errors import DataError, IntinferError
from intinfer.graph import Graph
from intinfer.model import Model
from intinfer.types import Mask

from ..describe import manifest
from ..describe.entries import tensor_of
from ..describe.manifest import VectorSet
from ..describe.plan import Constant, Contents
from ..describe.spans import Spans, numbers, ranges
from .frames import Frames, Hashes
from .replace import check_target
from .run import Job, Progress, write_set
from .vectors import known_formats

_NUMBERED = re.compile(r"image [0-9]+|.* \(frame [0-9]+\)", re.DOTALL)
"""Labels that say which frame they are of."""


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
        job = _job(vectors, document, chosen)
    except IntinferError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: is damaged ({type(error).__name__}: {error}); make the vectors again") from None
    write_set(job, Model(job.graph), final, resume, force, progress)
    return manifest.read(final)[0]


def _job(vectors: VectorSet, document: dict[str, Any], chosen: list[int]) -> Job:
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
