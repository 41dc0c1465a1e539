"""Every value of a run as `.npy`, for a look with any tool: no manifest of a hardware bench, just the tensors."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError
from intinfer.files.atomic import write_into
from intinfer.inputs import Arrays
from intinfer.model import Model

from ..describe.names import file_stem
from .replace import check_new_directory, put_in_place

FORMAT = "intinfer-trace"
VERSION = 1


def write_trace(model: Model, image: Arrays, directory: str | PathLike[str]) -> None:
    """Write every value of one run into a new `directory`.

    A value's file holds its tensor, (C, H, W) or (C,), in the smallest NumPy integer type of its range; it is named
    after the node (see `names`). `index.json` lists the values in graph order: name, file, shape, lo, hi, op ("input"
    for an input), source. Written to `directory`.partial, then renamed: it appears whole or not at all.

    Args:
        image: one image without batch axis, or what `Model.trace` takes.

    Raises:
        DataError: `directory` exists and is not an empty folder.
    """
    with new_directory(directory) as partial:
        _write(model, image, partial)


def write_traces(model: Model, images: Mapping[str, npt.NDArray[np.integer]], directory: str | PathLike[str]) -> None:
    """`write_trace` of several images, one sub-folder each by its key, as one whole."""
    with new_directory(directory) as partial:
        for name, image in images.items():
            (partial / name).mkdir()
            _write(model, image, partial / name)


@contextmanager
def new_directory(directory: str | PathLike[str]) -> Iterator[Path]:
    """A folder `directory`.partial that becomes `directory` at the end, and is removed when the body fails."""
    final = Path(directory)
    check_new_directory(final)
    partial = final.with_name(final.name + ".partial")
    if partial.exists():
        raise DataError(f"{partial}: is there already, from a run that was killed or still goes on; remove it first")
    partial.mkdir()
    try:
        yield partial
        check_new_directory(final)
        put_in_place(partial, final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _write(model: Model, image: Arrays, directory: Path) -> None:
    graph = model.graph
    entries = []
    for name, array in model.trace(image).items():
        value = graph.values[name]
        if array.shape != value.shape:
            raise DataError(f"a trace is of one image, {name!r} has shape {array.shape}; leave out the batch axis")
        file = f"{file_stem(name)}.npy"
        content = io.BytesIO()  # into a file NumPy writes without saying why it cannot
        np.save(content, array.astype(value.type.dtype), allow_pickle=False)
        write_into(directory / file, content.getvalue())
        node = graph.node_by_name.get(name)
        entries.append(
            {
                "name": name,
                "file": file,
                "shape": list(value.shape),
                "lo": value.type.lo,
                "hi": value.type.hi,
                "op": node.op.kind if node else "input",
                "source": list(node.source) if node else [],
            }
        )
    index = {"format": FORMAT, "version": VERSION, "values": entries}
    write_into(directory / "index.json", json.dumps(index, indent=1).encode("utf-8") + b"\n")
