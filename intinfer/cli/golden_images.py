"""What `intinfer golden` makes vectors of: images from files or a data set, parts of the network; and how far it is."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from intinfer_golden.describe.regions import Region, check_names, each_chain, each_node, isolate
from intinfer_golden.make.frames import Frames

from ..errors import DataError
from ..images.dataset import load_dataset, stored_images
from ..images.image import load_image
from ..inputs import image_input
from ..model import Model
from ..reports.text import counted
from .common import FIT, note


def asked_frames(arguments: argparse.Namespace, model: Model) -> Frames:
    """The images of the command line, not yet decoded where they are files."""
    graph, image, files = model.graph, model.graph.image, [Path(name) for name in arguments.images]
    value = image_input(graph, f"{arguments.model}:", "intinfer_golden.write_vectors")
    several = [path for path in files if path.suffix in (".npz", ".npy") or path.is_dir()]
    if several and len(files) > 1:
        raise DataError(f"{several[0]}: is a data set, give it alone, not with {len(files) - 1} others")
    if several and files[0].is_dir():
        dataset = load_dataset(files[0], graph, arguments.fit, FIT)
        count, read = len(dataset), dataset.read
    elif several or image is None:
        pixels = stored_images(files[0], graph)
        count, read = len(pixels), lambda start, stop: pixels[start:stop]
    else:
        count = len(files)

        def read(start: int, stop: int) -> Any:
            return np.stack([load_image(file, value, image, arguments.fit, FIT) for file in files[start:stop]])

    return Frames(min(count, arguments.limit or count), lambda start, stop: {value.name: read(start, stop)})


def asked_nodes(arguments: argparse.Namespace, model: Model) -> list[str] | None:
    """The names of --nodes, globs spelled out; None for all."""
    return None if arguments.nodes is None else _matching(model, arguments.nodes)


def asked_regions(arguments: argparse.Namespace, model: Model) -> list[Region] | None:
    """The parts asked for; None for the whole network."""
    if arguments.isolated:
        return each_node(model.graph, asked_nodes(arguments, model))
    if arguments.chains:
        return each_chain(model.graph, asked_nodes(arguments, model))
    if arguments.block is None:
        return None
    return [isolate(model.graph, _matching(model, globs), name) for name, globs in arguments.block]


def _matching(model: Model, patterns: Sequence[str]) -> list[str]:
    """Names of nodes, in graph order, that are or match one of the patterns. Raises DataError for one without any."""
    names = list(model.graph.node_by_name)
    found: set[str] = set()
    for pattern in patterns:
        matched = {pattern} & set(names) or {name for name in names if fnmatchcase(name, pattern)}
        if not matched:
            if not set(pattern) & set("*?["):
                check_names(model.graph, [pattern])
            raise DataError(f"no node matches {pattern!r}; intinfer inspect lists them")
        found |= matched
    return [name for name in names if name in found]


class Bar:
    """A progress bar on stderr where somebody looks, and the rate at the end."""

    def __init__(self, total: int, unit: str) -> None:
        from tqdm import tqdm

        self._unit = unit
        self._began: float | None = None
        self._first = self._done = 0
        self._bar = tqdm(total=total, unit=unit.removesuffix("s"), leave=False, disable=None)

    def __call__(self, done: int) -> None:
        """The first call tells what was done before."""
        if self._began is None:
            self._began, self._first = time.monotonic(), done
        self._bar.update(done - self._done)
        self._done = done

    def close(self) -> None:
        """Remove the bar, if there is one."""
        self._bar.close()
        made = self._done - self._first
        if self._began is not None and made:
            seconds = time.monotonic() - self._began
            done = counted(made, self._unit.removesuffix("s"))
            note(f"{done} in {seconds:.1f} s, {made / max(seconds, 1e-9):,.1f} {self._unit}/s")
