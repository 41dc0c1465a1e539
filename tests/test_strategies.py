"""The public strategies draw what they say, and `falsify` finds, shrinks and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import naive

from intinfer import reference
from intinfer.errors import GraphError
from intinfer.graph import Graph
from intinfer.strategies import falsify, images, networks

SEEN: set[str] = set()


@settings(max_examples=60)
@given(st.data())
def test_networks_are_whole_classifiers_that_the_naive_evaluator_runs(data: st.DataObject) -> None:
    graph = data.draw(networks())
    image = data.draw(images(graph))
    value = graph.inputs[0]
    assert image.shape == value.shape
    assert image.dtype == np.int64
    value.type.check(image, "image")
    expected = naive.evaluate(graph, {"image": image.tolist()})["logits"]
    assert reference.run(graph, image[None])["logits"][0].tolist() == expected
    SEEN.update(node.op.kind for node in graph.nodes)


def test_networks_have_multiplexers() -> None:
    assert {"conv2d", "threshold", "tgap", "bitshift", "mux", "max_pool", "sum_pool", "flatten"} <= SEEN


@pytest.fixture(scope="module")
def graph() -> Graph:
    found: list[Graph] = []

    @settings(max_examples=1, derandomize=True, database=None)
    @given(networks(max_blocks=1))
    def draw(graph: Graph) -> None:
        found.append(graph)

    draw()
    return found[0]


def test_images_reach_the_extremes(graph: Graph) -> None:
    shape = graph.inputs[0].shape
    corner = np.zeros(shape, np.int64)
    corner[0, 0, 0] = 255
    for wanted in (np.zeros(shape, np.int64), np.full(shape, 255), corner):
        found = falsify(lambda image, wanted=wanted: not (image == wanted).all(), images(graph), 12_000)
        assert found is not None


def test_falsify_shrinks_and_repeats_itself(graph: Graph) -> None:
    found = [falsify(lambda image: int(image.max()) < 100, images(graph), 100, seed) for seed in (3, 3, 4)]
    for image in found:
        assert image is not None
        assert image.max() >= 100
        assert len(np.unique(image)) <= 2
    np.testing.assert_array_equal(found[0], found[1])
    assert falsify(lambda image: int(image.max()) < 256, images(graph), 50) is None


def test_falsify_lets_other_errors_through(graph: Graph) -> None:
    def broken(image: np.ndarray) -> bool:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match=r"^mine"):  # Hypothesis may add how to reproduce it
        falsify(broken, images(graph), 5)


def test_images_of_a_vector_are_refused() -> None:
    from intinfer.builder import GraphBuilder
    from intinfer.ops import ArgMax
    from intinfer.types import IntType

    builder = GraphBuilder()
    builder.output("y", builder.add(ArgMax(), builder.input("x", (3,), IntType(0, 1)), name="y"))
    with pytest.raises(GraphError) as error:
        images(builder.finish())
    assert str(error.value) == "images are (C, H, W) maps, input 'x' has shape (3,); use arrays(...)"
