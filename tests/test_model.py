"""`Model` gives what the reference gives, for every way of passing the input, in chunks or at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import tiny_graph, tiny_images, trapping_graph, two_ended_graph
from hypothesis import given
from hypothesis import strategies as st

import intinfer
from intinfer import model as model_module
from intinfer import reference
from intinfer.errors import DataError, IntinferError, RangeError
from intinfer.inputs import Batch

GRAPH = tiny_graph()
MODEL = intinfer.Model(GRAPH)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_any_integer_dtype_gives_the_reference(dtype: type[np.integer]) -> None:
    images = tiny_images(3)
    result = MODEL.run(images.astype(dtype))
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, reference.run(GRAPH, images)["logits"])


def test_one_image_has_no_batch_axis_in_or_out() -> None:
    images = tiny_images(2)
    batch = MODEL.run(images)
    assert batch.shape == (2, 4)
    np.testing.assert_array_equal(MODEL.run(images[1]), batch[1])
    np.testing.assert_array_equal(MODEL.run({"image": images[0]}), batch[0])


def test_no_image_gives_no_logits() -> None:
    assert MODEL.run(tiny_images(0)).shape == (0, 4)
    assert MODEL.trace(tiny_images(0))["conv"].shape == (0, 6, 8, 8)


@given(count=st.integers(1, 7), images_a_chunk=st.integers(1, 8))
def test_chunks_do_not_change_the_answer(count: int, images_a_chunk: int) -> None:
    model = intinfer.Model(GRAPH)
    model._chunk = images_a_chunk
    images = tiny_images(count)
    np.testing.assert_array_equal(model.run(images), reference.run(GRAPH, images)["logits"])
    expected = reference.trace(GRAPH, images)
    trace = model.trace(images)
    assert list(trace) == list(GRAPH.values)
    for name, array in trace.items():
        np.testing.assert_array_equal(array, expected[name])


def test_chunks_bound_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """No chunk holds more images than the estimate allows, and the estimate covers the unfolded windows."""
    per_image = 8 * (sum(v.size for v in GRAPH.values.values()) + 2 * 27 * 64)
    monkeypatch.setattr(model_module, "CHUNK_BYTES", 3 * per_image + 1)
    seen: list[int] = []

    def watched(graph: intinfer.model.Graph, arrays: Batch) -> dict[str, np.ndarray]:
        seen.append(arrays.count)
        return original(graph, arrays)

    original = reference.run
    monkeypatch.setattr(reference, "run", watched)
    result = intinfer.Model(GRAPH).run(tiny_images(8))
    assert seen == [3, 3, 2]
    np.testing.assert_array_equal(result, original(GRAPH, tiny_images(8))["logits"])


def test_trace_of_one_image_holds_every_value() -> None:
    image = tiny_images(1)[0]
    trace = MODEL.trace(image)
    assert {name: array.shape for name, array in trace.items()} == {n: v.shape for n, v in GRAPH.values.items()}
    np.testing.assert_array_equal(trace["image"], image)
    np.testing.assert_array_equal(trace["fc"], MODEL.run(image))


def test_several_inputs_and_outputs_go_by_name() -> None:
    model = intinfer.Model(two_ended_graph())
    a, b = np.arange(36).reshape(2, 2, 3, 3) % 4, np.ones((2, 2, 3, 3), np.uint8)
    results = model.run({"a": a, "b": b})
    assert isinstance(results, dict)
    assert {name: array.shape for name, array in results.items()} == {"map": (2, 2, 2, 2), "vector": (2, 18)}
    single = model.run({"b": b[1], "a": a[1]})
    np.testing.assert_array_equal(single["map"], results["map"][1])
    np.testing.assert_array_equal(single["vector"], b[1].reshape(-1))


MESSAGES = [
    (np.zeros((3, 8, 8)), "input 'image' has dtype float64, integers are needed; cast it if its values are integers"),
    (
        np.ones((3, 8, 8), "?"),
        "input 'image' has dtype bool, integers are needed; cast it if its values are integers",
    ),
    (np.zeros((3, 8, 9), int), "input 'image' has shape (3, 8, 9), (3, 8, 8) or (N, 3, 8, 8) is needed"),
    (np.zeros((8, 8, 3), int), "input 'image' has shape (8, 8, 3), (3, 8, 8) or (N, 3, 8, 8) is needed"),
    (np.int64(3), "input 'image' has shape (), (3, 8, 8) or (N, 3, 8, 8) is needed"),
    ({"picture": np.zeros((3, 8, 8), int)}, "inputs ['picture'] are given, ['image'] are needed"),
    (
        np.full((3, 8, 8), 256),
        "input 'image': value 256 at index (0, 0, 0) is outside 0..255; 192 of 192 values are",
    ),
    (
        np.full((1, 3, 8, 8), 2**64 - 1, np.uint64),
        f"input 'image': value {2**64 - 1} at index (0, 0, 0, 0) is outside 0..255; 192 of 192 values are",
    ),
    (np.full((3, 8, 8), -1), "input 'image': value -1 at index (0, 0, 0) is outside 0..255; 192 of 192 values are"),
]


@pytest.mark.parametrize(("images", "message"), MESSAGES)
def test_wrong_inputs(images: object, message: str) -> None:
    with pytest.raises(IntinferError) as caught:
        MODEL.run(images)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_wrong_inputs_of_several() -> None:
    model = intinfer.Model(two_ended_graph())
    a = np.zeros((2, 2, 3, 3), int)
    for inputs, message in [
        (a, "inputs ['a'] are given, ['a', 'b'] are needed; pass a mapping {input name: array}"),
        ({"a": a, "b": a[0]}, "inputs differ in the number of images: 2, one unbatched; give all the same batch"),
        ({"a": a, "b": a[:1]}, "inputs differ in the number of images: 1, 2; give all the same batch"),
    ]:
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            model.run(inputs)


def test_an_error_in_a_later_chunk_says_where_images_are_counted_from() -> None:
    model = intinfer.Model(trapping_graph())
    model._chunk = 2
    images = np.zeros((5, 3, 8, 8), int)
    assert model.run(images).shape == (5, 4)
    images[3] = 255
    with pytest.raises(RangeError) as caught:
        model.run(images)
    assert str(caught.value) == (
        "node 'conv' (conv2d): accumulator of 9 bits holds -256..255 and reaches 510 after 2 of 27 products "
        "at image 1, channel 2, pixel (y=1, x=1) (images counted from 2)"
    )


def test_save_and_load(tmp_path: Path) -> None:
    path = tmp_path / "tiny.npz"
    intinfer.save(GRAPH, path)
    loaded = intinfer.load(str(path))
    assert loaded.graph.classes == GRAPH.classes
    np.testing.assert_array_equal(loaded.run(tiny_images(3)), MODEL.run(tiny_images(3)))


def test_importing_intinfer_is_light() -> None:
    code = "import sys, intinfer; print([m for m in ('PIL', 'torch', 'tqdm', 'argparse') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_images_that_were_given_one_by_one_count_when_an_engine_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    model, image = intinfer.Model(GRAPH), tiny_images(1)
    monkeypatch.setattr(model_module, "FAST_FROM", 3 * model._macs)
    chosen = []
    for _ in range(4):
        chosen.append(model.choose(1))
        model.run(image)
    assert chosen == ["reference", "reference", "fast", "fast"]
