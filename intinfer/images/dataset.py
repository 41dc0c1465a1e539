"""Labelled images for `eval` and `train`: an `.npz`, or a folder with one sub-folder a class; read in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError, RangeError
from ..files.foreign import ArrayForm, Npz, open_npz, read_npy
from ..graph import Graph, GraphLike, ImageInput, Value, graph_of
from ..inputs import image_input
from ..types import IntArray
from .image import load_image

Pixels = npt.NDArray[Any]
MAX_LISTED = 3


@dataclass(frozen=True)
class DataSpec:
    """What images and labels must fit: the input they become, the number of classes, and their names or ()."""

    input: Value
    image: ImageInput | None
    count: int
    classes: tuple[str, ...]

    @classmethod
    def of(cls, graph: Graph) -> DataSpec:
        """Describe what a classifier needs: one tensor in, one vector of at least 2 logits out.

        Raises DataError for other graphs.
        """
        value, shape = image_input(graph), graph.values[graph.outputs[0].value].shape
        if len(graph.outputs) != 1 or len(shape) != 1 or shape[0] < 2:
            shapes = ", ".join(f"{out.name} {graph.values[out.value].shape}" for out in graph.outputs)
            raise DataError(f"the model gives {shapes}, not one vector of class logits; there is no class to compare")
        return cls(value, graph.image, shape[0], graph.classes)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in a fixed order with labels int64 (N,). `read(start, stop)` gives (n, C, H, W); pictures are uint8."""

    labels: IntArray
    classes: tuple[str, ...]
    read: Callable[[int, int], Pixels]

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int = 256, limit: int | None = None) -> Iterator[tuple[Pixels, IntArray]]:
        """(images, labels) of at most `size` images each, of the first `limit` images."""
        stop = len(self) if limit is None else min(limit, len(self))
        for start in range(0, stop, size):
            end = min(start + size, stop)
            yield self.read(start, end), self.labels[start:end]


def load_dataset(
    path: str | PathLike[str], graph: GraphLike, fit: str | None = None, option: str | None = None
) -> Dataset:
    """The data set in `path`, checked against the graph's input, outputs and class names.

    An `.npz` holds `images`, uint8 (N, H, W, C) or (N, H, W), of exactly the input's size, or integers (N, *shape) for
    an input that takes no pictures; `labels`, integers (N,) from 0; and optionally `classes`, names in label order,
    which must be the graph's. A folder holds one sub-folder a class, named as the graph's classes; every file in it
    that is not hidden is an image and is fitted as the graph says. The order is: first file of each class by name, then
    the second of each, and so on; so the first images are of all classes.

    Args:
        fit, option: of the images of a folder, as `load_image` takes them.

    Raises:
        DataError: one line naming the file or folder. Of the images in a folder, when they are read.
    """
    graph = graph_of(graph)
    try:
        spec = DataSpec.of(graph)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return load_images(path, spec, fit, option)


def load_images(
    path: str | PathLike[str], spec: DataSpec, fit: str | None = None, option: str | None = None
) -> Dataset:
    """Read a data set as `load_dataset` does, for any `spec`."""
    path = Path(path)
    if path.is_dir():
        return _folder(path, spec, fit, option)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.suffix != ".npz":
        raise DataError(f"{path}: unknown file type {path.suffix!r}; give an .npz or a folder of class folders")
    return _npz(path, spec)


def class_folders(path: str | PathLike[str]) -> tuple[str, ...]:
    """The names of the sub-folders that are not hidden, sorted."""
    return tuple(sorted(entry.name for entry in Path(path).iterdir() if entry.is_dir() and entry.name[0] != "."))


def _folder(path: Path, spec: DataSpec, fit: str | None, option: str | None) -> Dataset:
    image = spec.image
    if image is None:
        raise DataError(f"{path}: the model takes {spec.input.shape}, not pictures; give an .npz with `images`")
    found = class_folders(path)
    if not found:
        raise DataError(f"{path}: has no sub-folders; a data set is a folder with one sub-folder a class")
    if not spec.classes:
        raise DataError(
            f"{path}: the model has no class names to match folders with; convert it with --classes, or use an .npz"
        )
    problems = _listed("unknown class", [name for name in found if name not in spec.classes])
    problems += _listed("no folder for class", [name for name in spec.classes if name not in found])
    if len(set(spec.classes)) != len(spec.classes):
        problems.append("the model's class names are not unique")
    if problems:
        raise DataError(f"{path}: {'; '.join(problems)}; folder names must be the model's class names")
    files = []
    for label, name in enumerate(spec.classes):
        names = sorted(entry.name for entry in (path / name).iterdir() if entry.name[0] != ".")
        files += [(rank, label, path / name / file) for rank, file in enumerate(names)]
    if not files:
        raise DataError(f"{path}: there are no images in its {len(found)} class folders")
    files.sort()

    def read(start: int, stop: int) -> Pixels:
        return np.stack([load_image(file, spec.input, image, fit, option) for _, _, file in files[start:stop]])

    return Dataset(np.array([label for _, label, _ in files], dtype=np.int64), spec.classes, read)


def _listed(what: str, names: Sequence[str]) -> list[str]:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return [f"{what} {', '.join(repr(name) for name in names[:MAX_LISTED])}{more}"] if names else []


def _npz(path: Path, spec: DataSpec) -> Dataset:
    with open_npz(path) as arrays:
        need_keys(path, arrays, ("images", "labels"))
        images = _images(path, arrays, spec.input, spec.image is not None)
        form = arrays.form("labels")
        if form.shape != (len(images),) or form.dtype.kind not in "iu":
            raise DataError(f"{path}: labels are {form.dtype} {form.shape}, integers ({len(images)},) are needed")
        labels = arrays.read("labels")
        classes = _checked_classes(path, arrays, spec) if "classes" in arrays else spec.classes
    outside = (labels < 0) | (labels >= spec.count)
    if outside.any():
        where = int(np.argmax(outside))
        raise DataError(
            f"{path}: label {int(labels[where])} of image {where} is outside 0..{spec.count - 1}, the model's "
            f"{spec.count} classes"
        )
    return Dataset(labels.astype(np.int64), classes, lambda start, stop: images[start:stop])


def need_keys(path: Path, arrays: Npz, needed: Sequence[str]) -> None:
    """Raise DataError unless an `.npz` has these arrays."""
    missing = [key for key in needed if key not in arrays]
    if missing:
        names = ", ".join(arrays.names[:10]) or "nothing"
        wanted = " and ".join(needed)
        raise DataError(f"{path}: key {missing[0]!r} is missing, it holds {names}; {wanted} are needed")


def _images(path: Path, arrays: Npz, value: Value, pictures: bool) -> Pixels:
    _check_form(path, arrays.form("images"), value, pictures)
    return _arranged(path, arrays.read("images"), value, pictures)


def stored_images(path: Path, graph: Graph) -> Pixels:
    """The `images` of an `.npz`, or the array of a `.npy`, as (N, *shape of the graph's input): of pictures from uint8
    (N, H, W, C), or (N, H, W) of one channel; else integers (N, *shape) in its range. Raises DataError."""
    value, pictures = graph.inputs[0], graph.image is not None
    if path.suffix == ".npy":
        array = read_npy(path, lambda form: _check_form(path, form, value, pictures))
        return _arranged(path, array, value, pictures)
    if path.suffix != ".npz":
        raise DataError(
            f"{path}: the model takes integers of shape {value.shape}, not pictures; give an .npz or .npy file"
        )
    with open_npz(path) as arrays:
        need_keys(path, arrays, ("images",))
        return _images(path, arrays, value, pictures)


def _check_form(path: Path, form: ArrayForm, value: Value, pictures: bool) -> None:
    """Raise DataError for images of another shape or type than the input needs, or none at all."""
    if pictures:
        channels, height, width = value.shape
        gray = channels == 1 and form.shape[1:] == (height, width)
        fits = form.dtype == np.uint8 and len(form.shape) > 1 and (form.shape[1:] == (height, width, channels) or gray)
        needed = f"uint8 (N, {height}, {width}, {channels}) is needed"
    else:
        fits = form.dtype.kind in "iu" and len(form.shape) > 0 and form.shape[1:] == value.shape
        needed = f"integers (N, {', '.join(map(str, value.shape))}) are needed"
    if not fits:
        raise DataError(f"{path}: images are {form.dtype} {form.shape}, {needed}")
    if not form.shape[0]:
        raise DataError(f"{path}: there are no images in it")


def _arranged(path: Path, images: npt.NDArray[Any], value: Value, pictures: bool) -> Pixels:
    """Arrange images as (N, *shape of the input), in its range."""
    if pictures:
        channels, height, width = value.shape
        return images.reshape(len(images), height, width, channels).transpose(0, 3, 1, 2)
    try:
        value.type.check(images, "images")
    except RangeError as error:
        raise DataError(f"{path}: {error}") from None
    return images


def _checked_classes(path: Path, arrays: Npz, spec: DataSpec) -> tuple[str, ...]:
    form = arrays.form("classes")
    if len(form.shape) != 1 or form.dtype.kind != "U":
        raise DataError(f"{path}: classes are {form.dtype} {form.shape}, a vector of strings is needed")
    if form.shape[0] != spec.count:
        raise DataError(f"{path}: {form.shape[0]} class names, the model has {spec.count} classes")
    names = tuple(str(name) for name in arrays.read("classes"))
    for label, (ours, theirs) in enumerate(zip(spec.classes, names, strict=False)):
        if ours != theirs:
            raise DataError(f"{path}: class {label} is {theirs!r}, the model's is {ours!r}; use data of its classes")
    return names
