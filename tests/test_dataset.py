"""Data sets: the right images with the right labels, or one line that names the file and what is wrong."""

from __future__ import annotations

import io
import math
import os
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import CLASSES, tiny_graph, tiny_images, two_ended_graph, write_png

from intinfer.errors import DataError
from intinfer.files import foreign
from intinfer.graph import Graph
from intinfer.images import dataset as dataset_module
from intinfer.images.dataset import load_dataset, stored_images

GRAPH = tiny_graph()
IMAGES = tiny_images(6).transpose(0, 2, 3, 1).astype(np.uint8)
LABELS = np.array([0, 1, 2, 3, 3, 1])


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **{"images": IMAGES, "labels": LABELS, **arrays})
    return path


def refusal(path: Path, graph: Graph = GRAPH) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(path, graph)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def test_npz_in_batches(tmp_path: Path) -> None:
    data = load_dataset(npz(tmp_path / "a.npz", classes=np.array(CLASSES)), GRAPH)
    assert len(data) == 6
    assert data.classes == CLASSES
    batches = list(data.batches(size=4))
    assert [len(labels) for _, labels in batches] == [4, 2]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), tiny_images(6))
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), LABELS)
    assert [len(labels) for _, labels in data.batches(size=2, limit=3)] == [2, 1]
    assert [len(labels) for _, labels in data.batches(size=10, limit=99)] == [6]


@pytest.mark.parametrize("shape", [(6, 8, 8), (6, 8, 8, 1)])
def test_gray_images_with_and_without_a_channel_axis(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = npz(tmp_path / "a.npz", images=IMAGES[..., 0].reshape(shape), labels=LABELS.astype(np.uint8))
    ((images, labels),) = load_dataset(path, tiny_graph(mode="L")).batches()
    np.testing.assert_array_equal(images, tiny_images(6)[:, :1])
    assert labels.dtype == np.int64


NPZ_ERRORS = [
    ({"images": IMAGES.astype(int)}, "images are int64 (6, 8, 8, 3), uint8 (N, 8, 8, 3) is needed"),
    ({"images": IMAGES[:, :7]}, "images are uint8 (6, 7, 8, 3), uint8 (N, 8, 8, 3) is needed"),
    ({"images": IMAGES[..., 0]}, "images are uint8 (6, 8, 8), uint8 (N, 8, 8, 3) is needed"),
    ({"images": np.uint8(3)}, "images are uint8 (), uint8 (N, 8, 8, 3) is needed"),
    ({"images": IMAGES[:0], "labels": LABELS[:0]}, "there are no images in it"),
    ({"labels": LABELS[:5]}, "labels are int64 (5,), integers (6,) are needed"),
    ({"labels": LABELS[:, None]}, "labels are int64 (6, 1), integers (6,) are needed"),
    ({"labels": LABELS / 2}, "labels are float64 (6,), integers (6,) are needed"),
    ({"labels": LABELS + 1}, "label 4 of image 3 is outside 0..3, the model's 4 classes"),
    ({"labels": LABELS - 1}, "label -1 of image 0 is outside 0..3, the model's 4 classes"),
    ({"classes": np.array(CLASSES[:3])}, "3 class names, the model has 4 classes"),
    ({"classes": np.arange(4)}, "classes are int64 (4,), a vector of strings is needed"),
    (
        {"classes": np.array(["cat", "frog", "dog", "ship"])},
        "class 1 is 'frog', the model's is 'dog'; use data of its classes",
    ),
]


@pytest.mark.parametrize(("arrays", "message"), NPZ_ERRORS)
def test_npz_that_does_not_fit(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    assert refusal(npz(tmp_path / "a.npz", **arrays)) == message


def test_class_names_are_checked_only_where_the_model_has_some(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", classes=np.array(["a", "b", "c", "d"]))
    assert load_dataset(path, tiny_graph(classes=())).classes == ("a", "b", "c", "d")


def test_missing_keys_files_and_types(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=IMAGES, y=LABELS)
    assert refusal(path) == "key 'labels' is missing, it holds images, y; images and labels are needed"
    assert refusal(tmp_path / "none.npz") == "no such file or folder"
    os.mkfifo(tmp_path / "pipe.npz")  # opening it would wait for a writer
    assert refusal(tmp_path / "pipe.npz") == "is not a regular file; give an .npz file"
    (tmp_path / "a.csv").touch()
    assert refusal(tmp_path / "a.csv") == "unknown file type '.csv'; give an .npz or a folder of class folders"


def test_damaged_npz(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz")
    whole = path.read_bytes()
    for data in (b"", b"PK", b"not a zip", whole[: len(whole) // 2], whole[:-30], whole[:700] + b"\1" + whole[701:]):
        path.write_bytes(data)
        message = refusal(path)
        assert message.startswith("cannot be read as .npz (")
        assert message.endswith("); write it again with numpy.savez")
        assert "\n" not in message


def test_an_array_file_and_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        np.save(file, IMAGES)
    assert refusal(path) == "holds one array; an .npz is needed: write it with numpy.savez"
    np.savez(path, images=IMAGES, labels=np.array([object()] * 6))
    assert refusal(path) == (
        "cannot be read as .npz (Object arrays cannot be loaded when allow_pickle=False); "
        "write it again with numpy.savez"
    )


def folder(path: Path, files: dict[str, int]) -> Path:
    """Class folders with images: "dog/b.png" -> index of the image in tiny_images(6)."""
    for name in CLASSES:
        (path / name).mkdir(parents=True)
    for name, index in files.items():
        write_png(path / name, tiny_images(6)[index])
    return path


def test_folder_by_name_sorted_and_interleaved(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", {"dog/b.png": 1, "dog/a.png": 0, "ship/z.png": 2, "cat/k.png": 3, "dog/c.bmp": 4})
    (path / "README.txt").touch()
    (path / "dog" / ".hidden").touch()
    (path / ".git").mkdir()
    data = load_dataset(path, GRAPH)
    images, labels = zip(*data.batches(size=2), strict=True)
    assert [int(label) for part in labels for label in part] == [0, 1, 3, 1, 1]
    np.testing.assert_array_equal(np.concatenate(images), tiny_images(6)[[3, 0, 2, 1, 4]])


def test_a_folder_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    original = dataset_module.load_image
    monkeypatch.setattr(dataset_module, "load_image", lambda p, *rest: opened.append(p.name) or original(p, *rest))
    path = folder(tmp_path / "d", {"dog/a.png": 0, "dog/b.png": 1, "dog/c.png": 2})
    batches = load_dataset(path, GRAPH).batches(size=1)
    assert opened == []
    next(batches)
    assert opened == ["a.png"]


def test_folder_that_does_not_fit(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", {})
    assert refusal(path) == "there are no images in its 4 class folders"
    assert refusal(path, tiny_graph(classes=())) == (
        "the model has no class names to match folders with; convert it with --classes, or use an .npz"
    )
    assert refusal(path, tiny_graph(classes=("cat", "dog", "frog", "frog"))) == (
        "unknown class 'ship'; the model's class names are not unique; folder names must be the model's class names"
    )
    assert refusal(path / "dog") == "has no sub-folders; a data set is a folder with one sub-folder a class"
    (path / "ship").rename(path / "boat")
    for name in ("car", "lorry", "van"):
        (path / name).mkdir()
    assert refusal(path) == (
        "unknown class 'boat', 'car', 'lorry' and 1 more; no folder for class 'ship'; "
        "folder names must be the model's class names"
    )


def test_a_bad_image_in_a_folder_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", {"dog/a.png": 0})
    (path / "ship" / "notes.txt").write_text("x")
    with pytest.raises(DataError) as caught:
        list(load_dataset(path, GRAPH).batches())
    assert str(caught.value) == (
        f"{path / 'ship' / 'notes.txt'}: "
        "is not an image that Pillow can read; give a PNG, JPEG, BMP or other image file"
    )


def test_models_that_are_no_image_classifiers(tmp_path: Path) -> None:
    assert refusal(npz(tmp_path / "a.npz"), two_ended_graph()) == (
        "the model takes a (2, 3, 3), b (2, 3, 3), not an image; call intinfer.load(...).run from Python"
    )
    from intinfer.builder import GraphBuilder
    from intinfer.graph import ImageInput
    from intinfer.types import IntType

    builder = GraphBuilder()
    builder.output("out", builder.input("image", (3, 8, 8), IntType(0, 255)))
    assert refusal(tmp_path / "a.npz", builder.finish(ImageInput("RGB"))) == (
        "the model gives out (3, 8, 8), not one vector of class logits; there is no class to compare"
    )


def test_long_lists_are_cut() -> None:
    assert dataset_module._listed("class", ["a", "b"]) == ["class 'a', 'b'"]
    assert dataset_module._listed("class", []) == []


def claimed(path: Path, key: str, shape: tuple[int, ...], descr: str = "|u1", bytes_there: int = 0) -> Path:
    """A small file with an array that says it is large: deflated zeros, and less of them than announced."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("images", "labels"):
            if name != key:
                plain = io.BytesIO()
                np.save(plain, IMAGES if name == "images" else LABELS)
                archive.writestr(f"{name}.npy", plain.getvalue())
        with archive.open(f"{key}.npy", "w") as member:
            member.write(header.getvalue())
            for start in range(0, bytes_there, 2**20):
                member.write(bytes(min(2**20, bytes_there - start)))
    return path


@pytest.fixture
def memory() -> Iterator[Callable[[], int]]:
    """The most bytes that NumPy and Python held since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("key", "shape", "descr", "message"),
    [
        ("images", (3 * 10**7,), "|u1", "images are uint8 (30000000,), uint8 (N, 8, 8, 3) is needed"),
        ("images", (10**7, 3), "|u1", "images are uint8 (10000000, 3), uint8 (N, 8, 8, 3) is needed"),
        ("labels", (3 * 10**7,), "|u1", "labels are uint8 (30000000,), integers (6,) are needed"),
        ("classes", (3 * 10**5,), "<U25", "300000 class names, the model has 4 classes"),
    ],
)
def test_an_array_of_another_shape_is_not_read(
    key: str, shape: tuple[int, ...], descr: str, message: str, tmp_path: Path, memory: Callable[[], int]
) -> None:
    """Deflated zeros are a thousandth of what they unpack to."""
    size = math.prod(shape) * np.dtype(descr).itemsize
    path = claimed(tmp_path / "a.npz", key, shape, descr, size)
    assert path.stat().st_size < size // 500
    assert refusal(path) == message
    assert memory() < 2**24


def test_what_is_claimed_and_not_there(tmp_path: Path, memory: Callable[[], int]) -> None:
    path = claimed(tmp_path / "a.npz", "images", (10**9, 8, 8, 3))
    assert refusal(path) == (
        "cannot be read as .npz (uint8 (1000000000, 8, 8, 3) takes 192,000,000,000 bytes, 0 are there); write it again "
        "with numpy.savez"
    )
    array = tmp_path / "a.npy"
    with array.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 8, 8, 3)})
    with pytest.raises(DataError, match=r"a.npy: cannot be read as .npy \(uint8 .* takes 192,000,000,000 bytes, 0 are"):
        stored_images(array, GRAPH)
    assert memory() < 2**24


def test_what_a_file_unpacks_to_is_limited(
    tmp_path: Path, memory: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the right shape, too; the way out that the message names is one."""
    monkeypatch.setattr(foreign, "FREE", 2**20)
    images, labels = np.zeros((200_000, 8, 8, 3), np.uint8), np.zeros(200_000, np.uint8)
    np.savez_compressed(tmp_path / "a.npz", images=images, labels=labels)
    before = memory()
    limit = max(2**20, 32 * (tmp_path / "a.npz").stat().st_size)
    assert refusal(tmp_path / "a.npz") == (
        f"'images' unpacks to 38,400,128 bytes, and {limit:,} are the most of a file of this size; write it "
        "uncompressed, with numpy.savez"
    )
    assert memory() < before + 2**20
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    assert len(load_dataset(tmp_path / "a.npz", GRAPH)) == 200_000


@pytest.mark.parametrize("header", [b"{'descr': '|u1', 'shape': (", b"{'a", b"(" * 300, b"'\\", b"\0", b"{}", b"1 +"])
def test_damaged_headers(header: bytes, tmp_path: Path) -> None:
    """Every error of the tokenizer, the parser and the type's constructor is the same line."""
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(DataError, match=r"a.npy: cannot be read as .npy \("):
        stored_images(tmp_path / "a.npy", GRAPH)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", data)
        archive.writestr("labels.npy", data)
    assert refusal(tmp_path / "a.npz").startswith("cannot be read as .npz (")
