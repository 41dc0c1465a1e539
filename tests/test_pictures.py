"""Images without labels: files, folders and .npz in the order given."""

import re

import numpy as np
import pytest
from helpers import tiny_graph, two_ended_graph
from PIL import Image

from intinfer.errors import DataError
from intinfer.images.pictures import load_pictures

GRAPH = tiny_graph()


def picture(path, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels.transpose(2, 0, 1)


def test_files_folders_and_arrays_in_the_order_given(tmp_path):
    single = picture(tmp_path / "z.png", 0)
    inner = [picture(tmp_path / "folder" / name, i) for i, name in enumerate(("b.png", "sub/a.png", "sub/c.png"), 1)]
    (tmp_path / "folder" / ".hidden").write_text("not an image")
    stored = np.random.default_rng(9).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "stored.npz", images=stored)
    paths = [str(tmp_path / name) for name in ("z.png", "folder", "stored.npz")]
    pictures = load_pictures(paths, GRAPH)
    assert [re.sub(r".*/", "", name) for name in pictures.names] == [
        *("z.png", "b.png", "a.png", "c.png"),
        *("stored.npz[0]", "stored.npz[1]"),
    ]
    expected = np.stack([single, *inner, *stored.transpose(0, 3, 1, 2)])
    for size in (1, 4, 100):
        np.testing.assert_array_equal(np.concatenate(list(pictures.batches(size))), expected)
    np.testing.assert_array_equal(np.concatenate(list(pictures.batches(2, limit=3))), expected[:3])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "there are no files in it; give a folder with images"),
        (lambda path: np.savez(path, other=[1]), "key 'images' is missing, it holds other; images are needed"),
        (
            lambda path: np.savez(path, images=np.zeros((1, 4, 8, 3), np.uint8)),
            "images are uint8 (1, 4, 8, 3), uint8 (N, 8, 8, 3) is needed",
        ),
    ],
)
def test_refusals(tmp_path, make, message):
    path = tmp_path / "data.npz"
    make(path)
    with pytest.raises(DataError) as caught:
        load_pictures([str(path)], GRAPH)
    assert str(caught.value) == f"{path}: {message}"


def test_a_graph_without_an_image_input():
    with pytest.raises(DataError, match=r"^the model takes a \(2, 3, 3\), b \(2, 3, 3\), not an image; call intinfer"):
        load_pictures(["x.png"], two_ended_graph())
