"""Images without labels, for everything that only runs them: image files, folders, and `.npz` files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..graph import GraphLike, graph_of
from ..inputs import image_input
from .dataset import Pixels, stored_images
from .image import load_image


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images in a fixed order: `names` (as messages call them) and `read(i)`, (C, H, W), uint8 of pictures."""

    names: tuple[str, ...]
    read: Callable[[int], Pixels]

    def __len__(self) -> int:
        return len(self.names)

    def batches(self, size: int, limit: int | None = None) -> Iterator[Pixels]:
        """(n, C, H, W) of at most `size` images each, of the first `limit`."""
        stop = len(self) if limit is None else min(limit, len(self))
        for start in range(0, stop, size):
            yield np.stack([self.read(i) for i in range(start, min(start + size, stop))])


def load_pictures(paths: Sequence[str], graph: GraphLike) -> Pictures:
    """The images in `paths`, in order.

    Args:
        paths: image files; `.npz` files with `images` or `.npy` files, uint8 (N, H, W, C) of the input's size, or of
            integers (N, *shape) for an input that takes no pictures; folders, whose image files (also those one folder
            deeper) are taken in order of their names. Image files are fitted as the graph says.
        graph: whose input they are for.

    Raises:
        DataError: one line naming the file or folder. Of image files, when they are read.
    """
    graph = graph_of(graph)
    image, value = graph.image, image_input(graph)
    names: list[str] = []
    readers: list[Callable[[], Pixels]] = []
    for text in paths:
        path = Path(text)
        if not path.exists():
            raise DataError(f"{path}: no such file or folder")
        if image is None or (path.suffix in (".npz", ".npy") and not path.is_dir()):
            pixels = stored_images(path, graph)
            names += [f"{path}[{i}]" for i in range(len(pixels))]
            readers += [partial(pixels.__getitem__, i) for i in range(len(pixels))]
        else:
            files = _files(path) if path.is_dir() else [path]
            names += [str(file) for file in files]
            readers += [partial(load_image, file, value, image) for file in files]
    return Pictures(tuple(names), lambda i: readers[i]())


def _files(folder: Path) -> list[Path]:
    visible = sorted(entry for entry in folder.iterdir() if entry.name[0] != ".")
    files = [entry for entry in visible if entry.is_file()]
    for sub in visible:
        if sub.is_dir():
            files += sorted(entry for entry in sub.iterdir() if entry.is_file() and entry.name[0] != ".")
    if not files:
        raise DataError(f"{folder}: there are no files in it; give a folder with images")
    return files
