"""The shipped, trained networks on the shipped photograph: every node against the papers' equations."""

from pathlib import Path

import numpy as np
import pytest

import intinfer
from converters.random_nets import differences, rational_differences
from converters.test_mdgnet_end_to_end import oracle as mdgnet_oracle
from converters.test_mognet_end_to_end import oracle as mognet_oracle
from intinfer.graph import ImageInput
from intinfer.images.image import load_image
from intinfer_converters import convert_checkpoint
from intinfer_converters.checkpoint import load_net

ROOT = Path(__file__).parent.parent.parent
DEMO = ROOT / "intinfer" / "demo"
TRAINED = [
    (DEMO / "mognet.safetensors", "mognet:n=32,g=4,k=3", mognet_oracle),
    (
        ROOT / "benchmarks/models/mdgnet.safetensors",
        "mdgnet:f=16,g=1,k=4,height=32,width=32,levels=3",
        mdgnet_oracle,
    ),
]


@pytest.mark.parametrize(("path", "net", "oracle"), TRAINED, ids=lambda value: getattr(value, "stem", None))
def test_every_node_equals_the_equations(path, net, oracle):
    graph = convert_checkpoint(path, net)
    photograph = load_image(DEMO / "cat.png", graph.inputs[0], ImageInput("RGB"), "resize").astype(np.int64)
    images = np.stack([photograph, 255 - photograph[:, ::-1]])
    expected = oracle(load_net(path, net), images)
    assert differences(graph, images, expected) == {}
    count, distance = rational_differences(expected)
    levels = sum(values.size for values in expected.rational_levels.values())
    assert distance <= 1
    assert count <= levels / 1000, "float32 batch norm meets a boundary rarely on trained weights"


@pytest.mark.parametrize(("path", "net", "oracle"), TRAINED, ids=lambda value: getattr(value, "stem", None))
def test_the_fast_engine_skips_and_agrees(path, net, oracle):
    graph = convert_checkpoint(path, net)
    model = intinfer.Model(graph)
    images = np.random.default_rng(5).integers(0, 256, (6, 3, 32, 32))
    images[:2] //= 4
    wanted = model.run(images, engine="reference")
    for skip in (True, False):
        np.testing.assert_array_equal(model.run(images, engine="fast", skip=skip), wanted)
