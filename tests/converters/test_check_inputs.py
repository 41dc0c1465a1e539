"""Images made for `check`: what their maker promises holds; examples are drawn, shrunk and replayed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import unchecked
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.random_nets import RANDOM, randomised
from intinfer import reference
from intinfer.graph import Graph
from intinfer.images.pictures import load_pictures
from intinfer.ops import Tgap
from intinfer.strategies import networks
from intinfer.tensor import IntTensor
from intinfer_converters import convert
from intinfer_converters.check import check
from intinfer_converters.check.checker import Checker
from intinfer_converters.check.examples import check_examples, save_reproducer
from intinfer_converters.check.inputs import (
    MAX_IMAGES,
    extreme_images,
    generated_images,
    images_at_select_boundaries,
    images_at_thresholds,
    special_images,
)

NET = "mognet:n=8,g=2,height=8,width=8,classes=5,layout=1m-2,pool=1,k=2"


@pytest.fixture(scope="module")
def small() -> tuple[Any, Graph]:
    net, _ = randomised(NET, RANDOM, seed=2, batch=4)
    return net, convert(net)


@settings(max_examples=30)
@given(networks())
def test_first_layer_sums_meet_every_threshold_that_can_be_reached(graph: Graph) -> None:
    images = images_at_thresholds(graph)
    assert images.shape[1:] == graph.inputs[0].shape
    assert len(images) <= MAX_IMAGES
    graph.inputs[0].type.check(images, "images")
    op: Any = graph.node("conv1.act").op
    weights = graph.node("conv1").op.weight.values  # type: ignore[attr-defined]
    reached = reference.trace(graph, images)["conv1"] if len(images) else np.zeros((1, len(weights), 1, 1))
    positive, negative = ((weights == sign).sum((1, 2, 3)) * 255 for sign in (1, -1))
    targets = [
        (c, int(limit) - less)
        for c, row in enumerate(op.thresholds.values)
        for limit in row
        for less in (0, 1)
        if -negative[c] <= limit - less <= positive[c]
    ]
    places = (graph.inputs[0].shape[1] // 3) ** 2  # disjoint windows, or a few less
    if len(targets) <= MAX_IMAGES * (places - 2):
        for channel, total in targets:
            assert total in reached[:, channel], (channel, total)


def test_a_requant_of_255_levels_is_aimed_at_too() -> None:
    net, _ = randomised("mognet:n=4,g=1,k=8,layout=1m,pool=1,classes=3,height=8,width=8", RANDOM, seed=3, batch=4)
    graph = convert(net)
    quantiser, sums = graph.node("conv1.act"), graph.node("conv1")
    assert quantiser.op.kind == "requant"
    z = reference.trace(graph, images_at_thresholds(graph))["conv1"]
    levels = quantiser.op.reference(z)
    below = quantiser.op.reference(np.maximum(z - 1, sums.output.type.lo))
    rising = (levels != below)[:, [2, 3]].sum()  # channels with a slope
    assert rising >= 100
    assert check(graph, net, images_at_thresholds(graph)).mismatches == 0


def test_images_at_select_boundaries_come_around_a_flip(small: tuple[Any, Graph]) -> None:
    graph = small[1]
    images = images_at_select_boundaries(graph, extreme_images(graph))
    assert len(images) == 3 * 2  # one tgap node, two channels
    bits = reference.trace(graph, images)["s1.mrb.tgap"]
    for before, after in ((0, 1), (3, 4)):
        assert (images[before] != images[after]).any(axis=0).sum() == 1
        assert (bits[before] != bits[after]).any()


def test_generated_images_depend_on_the_seed_alone_and_begin_with_extremes(small: tuple[Any, Graph]) -> None:
    graph = small[1]
    images = generated_images(graph, 60)
    assert images.shape == (60, 3, 8, 8)
    graph.inputs[0].type.check(images, "images")
    assert (images[0] == 0).all()
    assert (images[1] == 255).all()
    np.testing.assert_array_equal(images, generated_images(graph, 60))
    np.testing.assert_array_equal(images[:5], generated_images(graph, 5))
    assert (images[len(special_images(graph)) :] != generated_images(graph, 60, seed=1)[-20:][0]).any()
    corners = [tuple(np.argwhere(image[0] == 255)[0]) for image in images if (image[0] == 255).sum() == 1]
    assert corners[:4] == [(0, 0), (0, 7), (7, 0), (7, 7)]


# ---------------------------------------------------------------------------------------------- examples


def brightness_bug(graph: Graph) -> Graph:
    """conv1.act never gives its top level in one ascending channel: only images that reach it there show it."""
    node = graph.node("conv1.act")
    op: Any = node.op
    values = op.thresholds.values.copy()
    channel = int(np.flatnonzero(op.descending.values == 0)[-1])
    values[channel, -1] = graph.values["conv1"].type.hi + 1
    changed = dataclasses.replace(node, op=dataclasses.replace(op, thresholds=IntTensor(values)))
    return unchecked(graph, nodes=tuple(changed if n is node else n for n in graph.nodes))


def test_examples_without_a_mismatch(small: tuple[Any, Graph]) -> None:
    net, graph = small
    checker = Checker(graph, net)
    assert check_examples(checker, 20) is None
    assert checker.report.mismatches == 0
    assert checker.report.images >= 20 + len(special_images(graph)) - 5  # Hypothesis may draw an image twice


def test_a_failing_example_is_shrunk_saved_and_replayed(small: tuple[Any, Graph], tmp_path: Path) -> None:
    net, graph = small
    wrong = brightness_bug(graph)
    found = []
    for _ in range(2):
        checker = Checker(wrong, net)
        result = check_examples(checker, 60, seed=7)
        assert result is not None
        found.append(result)
        assert checker.report.mismatches > 0
        assert checker.report.nodes[1].mismatches == checker.report.mismatches
    (image, first), (again, _) = found
    np.testing.assert_array_equal(image, again)
    assert first.node == "conv1.act"
    assert first.got == first.expected - 1 == 2
    assert (image != image[:, -1:, -1:]).any(axis=0).sum() <= 16  # of 64 pixels: shrunk to about one window

    archive, text = save_reproducer(tmp_path / "bug", image, first, ["intinfer", "check", "a b.npz", "c.pt"], NET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bug.json", "bug.npz"]
    document = json.loads(text.read_text())
    assert document["node"] == "conv1.act"
    assert document["command"] == f"intinfer check 'a b.npz' c.pt --data {archive}"
    assert document["mismatch"]["at"] == list(first.at)
    pictures = load_pictures([str(archive)], wrong)
    replayed = check(wrong, net, next(pictures.batches(2)))
    assert len(pictures) == 1
    assert replayed.first is not None
    assert dataclasses.replace(replayed.first, image=0) == dataclasses.replace(first, image=0)
    assert check(graph, net, image[None]).mismatches == 0


def test_the_select_comparison_of_the_model_is_what_boundary_images_look_at(small: tuple[Any, Graph]) -> None:
    """A TGAP of another top level passes on extremes alone only if none is near; boundary images find it."""
    net, graph = small
    node = graph.node("s1.mrb.tgap")
    levels = graph.values[node.inputs[0]].shape
    op = node.op
    assert isinstance(op, Tgap)
    images = images_at_select_boundaries(graph, extreme_images(graph))
    margins = 2 * reference.trace(graph, images)[node.inputs[0]].sum((2, 3)) - op.top * levels[1] * levels[2]
    report = check(graph, net, images)
    assert report.mismatches == 0
    assert (margins > 0).any()
    assert (margins <= 0).any()


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(0, 3))
def test_a_limit_takes_the_first_generated_images(count: int, seed: int) -> None:
    net, _ = randomised("mognet:n=4,g=1,k=1,layout=1m,pool=1,classes=3,height=4,width=4", RANDOM, seed=0, batch=4)
    assert len(generated_images(convert(net), count, seed)) == count
