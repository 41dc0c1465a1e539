"""The making of one set: values from the reference, checked by the fast engine, into files that grow batch by batch."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import intinfer
from intinfer import model_file, reference
from intinfer.accumulator import Accumulator, Overflow
from intinfer.errors import DataError, RangeError
from intinfer.files.atomic import write_into
from intinfer.graph import Graph, Node
from intinfer.model import Model
from intinfer.ops.base import Selecting
from intinfer.ops.mac import Accumulating
from intinfer.types import IntArray, Mask

from ..describe import manifest
from ..describe.entries import node_entry, output_entries, port_entries, value_entry
from ..describe.plan import Contents
from ..testbench import write_bench
from . import journal
from .blas import one_thread
from .crosscheck import CrossCheck
from .frames import Frames, Hashes, Report, fingerprints
from .journal import FolderError, SetJournal, sync_folder
from .writer import TensorWriter

BATCH_BYTES = 2**26
"""Values of a batch, in the smallest containers; a batch is appended to the files as one."""
MAX_BATCH = 64
CHECKPOINT_SECONDS = 30.0
"""Work that a kill may cost. Flushing some hundred files to the disk takes longer than an image."""

Progress = Callable[[int], object]
"""Called with the number of images that are done, first with those of an earlier run."""


@dataclass(frozen=True)
class Job:
    """A set that is well defined.

    Attributes:
        model: hash of the model file of the whole network.
        command: what was asked for, with the formats.
        region: name and nodes of what the graph is cut out of the network for; None for all of it.
        labels: of the images.
        demand: the given demand by node name.
        seed, rounds: how the images were found.
        coverage: what they reach.
    """

    graph: Graph
    contents: Contents
    frames: Frames
    hashes: Hashes
    model: str
    command: Mapping[str, Any]
    region: Mapping[str, Any] | None
    labels: Sequence[str]
    demand: Mapping[str, Mask]
    seed: int | None
    rounds: int | None
    coverage: Report | None = None

    @property
    def mode(self) -> str:
        """What the manifest calls it: "isolated" of a region, "network" of the whole graph."""
        return "isolated" if self.region else "network"

    @cached_property
    def stored(self) -> bytes:
        """The graph as a model file."""
        return model_file.to_bytes(self.graph)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the bytes of the set."""
        other: dict[str, Any] = {"mode": self.mode, "region": self.region, "frames": self.labels, "seed": self.seed}
        other["masks"] = {name: hashlib.sha256(mask.tobytes()).hexdigest() for name, mask in self.demand.items()}
        return {
            "version of intinfer": intinfer.__version__,
            "model": self.model,
            "input": self.hashes.inputs,
            "set of options": self.command,
            "number of rounds": self.rounds,
            "choice of images": hashlib.sha256(json.dumps(other, sort_keys=True).encode("ascii")).hexdigest(),
        }

    def manifest(self, tensors: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The manifest with these entries of tensors."""
        graph, inputs = self.graph, self.hashes.inputs
        return {
            "format": manifest.FORMAT,
            "version": manifest.VERSION,
            "tool": {"name": "intinfer", "version": intinfer.__version__},
            "model": {"sha256": self.model},
            "command": self.command,
            "mode": self.mode,
            "region": self.region,
            "images": self.frames.count,
            "frames": self.labels,
            "seed": self.seed,
            "rounds": self.rounds,
            "inputs": [value_entry(value) | {"sha256": inputs[value.name]} for value in graph.inputs],
            "outputs": output_entries(graph),
            "nodes": [node_entry(node) for node in graph.nodes],
            "graph": {"path": manifest.GRAPH, "sha256": hashlib.sha256(self.stored).hexdigest()},
            "ports": port_entries(graph, self.contents.frames, bool(self.demand), self.command["nodes"]),
            "tensors": tensors,
        }


def write_set(job: Job, model: Model, final: Path, resume: bool, force: bool, progress: Progress | None) -> None:
    """Make the set in `final`; see `write_vectors`. `model` runs `job.graph`."""
    if resume and journal.complete(final, job.identity):
        return
    with journal.growing(final, job.identity, resume, force) as (partial, found):
        run = _Run(job, model, partial, found)
        run.images(progress or (lambda done: None))
        run.finish()


class _Run:
    """Writes batch by batch, so that memory is that of one batch; what grows with the images is journalled."""

    def __init__(self, job: Job, model: Model, directory: Path, found: SetJournal) -> None:
        self._job = job
        self._directory = directory
        self._found = found
        self._check = CrossCheck(model)
        self._growing = [TensorWriter(directory, tensor, job.command["format"]) for tensor in job.contents.frames]

    @one_thread()
    def images(self, progress: Progress) -> None:
        """Write what the journal lacks."""
        self._begin()
        job, done, saved = self._job, self._found.images, time.monotonic()
        progress(done)
        for chunk in job.frames.chunks(job.graph, done, _batch_size(job.graph)):
            start, done = done, done + len(next(iter(chunk.values())))
            if fingerprints(job.graph, chunk) != job.hashes.images[start:done]:
                raise DataError(f"images {start} to {done - 1} changed while vectors were made of them; begin again")
            self._batch(chunk, start)
            if done < job.frames.count and time.monotonic() - saved >= CHECKPOINT_SECONDS:
                self._checkpoint(done)
                saved = time.monotonic()
            progress(done)

    def _begin(self) -> None:
        """Start the files, or take up those of the journal."""
        if not self._found.images:
            for entry in self._growing:
                entry.begin()
            return
        if len(self._found.tensors) != len(self._growing):
            raise FolderError(f"the journal of {self._directory} is damaged; remove the folder and begin again")
        for entry, state in zip(self._growing, self._found.tensors, strict=True):
            entry.take_up(state, self._found.files)

    def _batch(self, chunk: Mapping[str, IntArray], start: int) -> None:
        """Run images one by one, which is the fastest; the fast engine checks each while the next is computed."""
        graph = self._job.graph
        rows: list[list[Any]] = [[] for _ in self._growing]
        with ThreadPoolExecutor(1) as pool:
            checks = []
            for i in range(len(next(iter(chunk.values())))):
                one = {name: array[i : i + 1] for name, array in chunk.items()}
                values = self._trace(one, start + i)
                checks.append(pool.submit(self._check.check, one, values, start + i))
                masks = demand_masks(graph, {name: array[0] for name, array in values.items()})
                masks |= {name: mask[start + i] for name, mask in self._job.demand.items()}
                for entry, parts in zip(self._growing, rows, strict=True):
                    name = entry.tensor.node
                    masked = entry.tensor.role == "demand_mask"
                    parts.append(masks[name][None] if masked else values[name].astype(graph.values[name].type.dtype))
                    if not masked and name in graph.node_by_name:
                        entry.count(_overflows(graph.node_by_name[name], values))
                if len(checks) > 1:
                    checks.pop(0).result()
            for check in checks:
                check.result()
        for entry, parts in zip(self._growing, rows, strict=True):
            entry.append(np.concatenate(parts))

    def _trace(self, one: Mapping[str, IntArray], image: int) -> dict[str, IntArray]:
        try:
            return reference.trace(self._job.graph, one)
        except RangeError as error:
            raise RangeError(f"image {image} (images counted from 0): {error}") from None

    def _checkpoint(self, images: int) -> None:
        """Let all data reach the disk, then the journal that speaks of it."""
        files = [file for entry in self._growing for file in entry.files]
        for file in files:
            file.sync()
        for folder in {(self._directory / file.path).parent for file in files}:
            sync_folder(folder)
        states = [entry.state() for entry in self._growing]
        ends = {file.path: [file.size, file.sha256] for file in files}
        SetJournal(self._job.identity, images, states, ends).write(self._directory)

    def finish(self) -> None:
        """Constants, and what stands beside the tensors."""
        job, directory = self._job, self._directory
        entries = [entry.end() for entry in self._growing]
        for constant in job.contents.constants:
            writer = TensorWriter(directory, constant.tensor, job.command["format"], constant.generated)
            writer.begin()
            writer.append(constant.values)
            entries.append(writer.end())
        write_into(directory / manifest.GRAPH, job.stored)
        manifest.write(directory, job.manifest(entries))
        for suffix, text in ({} if job.coverage is None else job.coverage.files()).items():
            write_into(directory / f"coverage.{suffix}", text.encode("utf-8"))
        shutil.rmtree(directory / "bench", ignore_errors=True)  # of a run that was killed here
        if "memh" in job.command["format"]:
            write_bench(directory)


def demand_masks(graph: Graph, values: Mapping[str, IntArray]) -> dict[str, Mask]:
    """For each value of one run a bool array (C,): the channels that reach an output of the graph.

    All channels of the outputs are demanded, a multiplexer demands of each branch the channels it selects from it,
    and demand goes backward through the channel map of each op. A design may leave everything else uncomputed.

    Args:
        values: the run's values without batch axis, by name; only those that select are looked at.
    """
    masks = {name: np.zeros(value.shape[0], dtype=bool) for name, value in graph.values.items()}
    for out in graph.outputs:
        masks[out.value][:] = True
    for node in reversed(graph.nodes):
        operands = graph.operands(node)
        select = values[node.inputs[0]] == 1 if isinstance(node.op, Selecting) else None
        for name, mask in zip(node.inputs, node.op.demand(operands, masks[node.name], select), strict=True):
            masks[name] |= mask
    return masks


def _batch_size(graph: Graph) -> int:
    held = sum(value.size * value.type.dtype.itemsize for value in graph.values.values())
    return max(1, min(MAX_BATCH, BATCH_BYTES // held))


def _overflows(node: Node, values: Mapping[str, IntArray]) -> int | None:
    """How many values of an accumulator are not the exact sum; None for a node without accumulator."""
    if not isinstance(node.op, Accumulating):
        return None
    if node.op.accumulator.overflow in (Overflow.PROVE, Overflow.TRAP):
        return 0
    exact = node.op.accumulating(Accumulator.prove(62)).reference(*(values[name] for name in node.inputs))
    return int((exact != values[node.name]).sum())
