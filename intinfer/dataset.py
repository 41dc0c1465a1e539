"""Labelled images for `eval` and `train`: an `.npz`, or a folder with one sub-folder a class; read in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import DataError, RangeError
from .graph import Graph, GraphLike, ImageInput, Value, graph_of
from .types import IntArray

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
        """Of a classifier: one tensor in, one vector of at least 2 logits out. DataError for other graphs."""
        if len(graph.inputs) != 1:
            shapes = ", ".join(f"{value.name} {value.shape}" for value in graph.inputs)
            raise DataError(f"the model takes {shapes}, not images; call intinfer.load(...).run from Python")
        shapes = ", ".join(f"{out.name} {graph.values[out.value].shape}" for out in graph.outputs)
        shape = graph.values[graph.outputs[0].value].shape
        if len(graph.outputs) != 1 or len(shape) != 1 or shape[0] < 2:
            raise DataError(f"the model gives {shapes}, not one vector of class logits; there is no class to compare")
        return cls(graph.inputs[0], graph.image, shape[0], graph.classes)


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


def load_dataset(path: str | PathLike[str], graph: GraphLike) -> Dataset:
    """The data set in `path`, checked against the graph's input, outputs and class names.

    An `.npz` holds `images`, uint8 (N, H, W, C) or (N, H, W), of exactly the input's size, or integers (N, *shape) for
    an input that takes no pictures; `labels`, integers (N,) from 0; and optionally `classes`, names in label order,
    which must be the graph's. A folder holds one sub-folder a class, named as the graph's classes; every file in it
    that is not hidden is an image and is fitted as the graph says. The order is: first file of each class by name, then
    the second of each, and so on; so the first images are of all classes.

    Raises:
        DataError: one line naming the file or folder. Of the images in a folder, when they are read.
    """
    graph = graph_of(graph)
    try:
        spec = DataSpec.of(graph)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return load_images(path, spec)


def load_images(path: str | PathLike[str], spec: DataSpec) -> Dataset:
    """As `load_dataset`, for any `spec`."""
    path = Path(path)
    if path.is_dir():
        return _folder(path, spec)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.suffix != ".npz":
        raise DataError(f"{path}: unknown file type {path.suffix!r}; give an .npz or a folder of class folders")
    return _npz(path, spec)


def class_folders(path: str | PathLike[str]) -> tuple[str, ...]:
    """The names of the sub-folders that are not hidden, sorted."""
    return tuple(sorted(entry.name for entry in Path(path).iterdir() if entry.is_dir() and entry.name[0] != "."))


def _folder(path: Path, spec: DataSpec) -> Dataset:
    from .image import load_image

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
        return np.stack([load_image(file, spec.input, image) for _, _, file in files[start:stop]])

    return Dataset(np.array([label for _, label, _ in files], dtype=np.int64), spec.classes, read)


def _listed(what: str, names: Sequence[str]) -> list[str]:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return [f"{what} {', '.join(repr(name) for name in names[:MAX_LISTED])}{more}"] if names else []


def _npz(path: Path, spec: DataSpec) -> Dataset:
    arrays = read_npz(path)
    images = checked_images(path, arrays["images"], spec.input, spec.image is not None)
    labels = arrays["labels"]
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise DataError(f"{path}: labels are {labels.dtype} {labels.shape}, integers ({len(images)},) are needed")
    outside = (labels < 0) | (labels >= spec.count)
    if outside.any():
        where = int(np.argmax(outside))
        raise DataError(
            f"{path}: label {int(labels[where])} of image {where} is outside 0..{spec.count - 1}, the model's "
            f"{spec.count} classes"
        )
    classes = _checked_classes(path, arrays["classes"], spec) if "classes" in arrays else spec.classes
    return Dataset(labels.astype(np.int64), classes, lambda start, stop: images[start:stop])


def read_npz(path: Path, needed: Sequence[str] = ("images", "labels")) -> dict[str, npt.NDArray[Any]]:
    """`images`, `labels` and `classes` of an `.npz`, where they are there; nothing in the file is executed."""
    if not path.is_file():  # a pipe would be waited for
        raise DataError(f"{path}: {'is not a regular file' if path.exists() else 'no such file'}; give an .npz file")
    try:
        with open(path, "rb") as file:  # ours to close: NumPy leaves a damaged file open
            return _members(path, np.load(file, allow_pickle=False), needed)
    except (DataError, PermissionError):
        raise
    except Exception as error:  # a foreign parser on a foreign file: any exception means the same
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{path}: cannot be read as .npz ({reason[:160]}); write it again with numpy.savez") from None


def _members(path: Path, loaded: Any, needed: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        raise DataError(f"{path}: holds one array; an .npz with {' and '.join(needed)} is needed")
    missing = [key for key in needed if key not in loaded.files]
    if missing:
        names = ", ".join(loaded.files[:10]) or "nothing"
        wanted = " and ".join(needed)
        raise DataError(f"{path}: key {missing[0]!r} is missing, it holds {names}; {wanted} are needed")
    members: dict[str, Any] = {key: loaded[key] for key in ("images", "labels", "classes") if key in loaded.files}
    raw = [key for key, array in members.items() if not isinstance(array, np.ndarray)]
    if raw:
        raise DataError(f"{path}: key {raw[0]!r} is no array; write it again with numpy.savez")
    return members


def stored_images(path: Path, graph: Graph) -> Pixels:
    """The `images` of an `.npz`, or the array of a `.npy`, as (N, *shape of the graph's input). Raises DataError."""
    if path.suffix not in (".npz", ".npy"):
        shape = graph.inputs[0].shape
        raise DataError(f"{path}: the model takes integers of shape {shape}, not pictures; give an .npz or .npy file")
    if path.suffix == ".npy":
        if not path.is_file():  # a pipe would be waited for
            raise DataError(f"{path}: {'is not a regular file' if path.exists() else 'no such file'}; give a .npy file")
        with open(path, "rb") as file:
            try:
                array = np.lib.format.read_array(file, allow_pickle=False)
            except Exception as error:  # a foreign parser on a foreign file: any exception means the same
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise DataError(f"{path}: cannot be read as .npy ({reason[:160]}); write it with numpy.save") from None
    else:
        array = read_npz(path, ("images",))["images"]
    return checked_images(path, array, graph.inputs[0], graph.image is not None)


def checked_images(path: Path, images: npt.NDArray[Any], value: Value, pictures: bool = True) -> Pixels:
    """Images that fit the input `value`, as (N, *its shape).

    Args:
        images: pictures: uint8 (N, H, W, C), or (N, H, W) of one channel; else integers (N, *shape) in its range.

    Raises:
        DataError: another shape or type, or no images at all.
    """
    if not pictures:
        if images.dtype.kind not in "iu" or images.shape[1:] != value.shape:
            extents = ", ".join(map(str, value.shape))
            raise DataError(f"{path}: images are {images.dtype} {images.shape}, integers (N, {extents}) are needed")
        if not len(images):
            raise DataError(f"{path}: there are no images in it")
        try:
            value.type.check(images, "images")
        except RangeError as error:
            raise DataError(f"{path}: {error}") from None
        return images
    channels, height, width = value.shape
    shape = (len(images) if images.ndim else 0, height, width, channels)
    gray = channels == 1 and images.shape == shape[:3]
    if images.dtype != np.uint8 or (images.shape != shape and not gray):
        raise DataError(
            f"{path}: images are {images.dtype} {images.shape}, uint8 (N, {height}, {width}, {channels}) is needed"
        )
    if not len(images):
        raise DataError(f"{path}: there are no images in it")
    return images.reshape(shape).transpose(0, 3, 1, 2)


def _checked_classes(path: Path, classes: npt.NDArray[Any], spec: DataSpec) -> tuple[str, ...]:
    if classes.ndim != 1 or classes.dtype.kind != "U":
        raise DataError(f"{path}: classes are {classes.dtype} {classes.shape}, a vector of strings is needed")
    names = tuple(str(name) for name in classes)
    if len(names) != spec.count:
        raise DataError(f"{path}: {len(names)} class names, the model has {spec.count} classes")
    for label, (ours, theirs) in enumerate(zip(spec.classes, names, strict=False)):
        if ours != theirs:
            raise DataError(f"{path}: class {label} is {theirs!r}, the model's is {ours!r}; use data of its classes")
    return names
