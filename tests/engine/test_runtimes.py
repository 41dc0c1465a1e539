"""One trained network on every runtime: kernels, fusion, skipping, saved and loaded, batches, threads, generic CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import tiny_graph, tiny_images

import intinfer
from intinfer import reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.engine.planner import make_plan
from intinfer.engine.session import Session, SkipCounts
from intinfer.errors import GraphError, RangeError
from intinfer.kernels.cpu import Products, products

DEMO = Path(intinfer.__file__).parent / "demo" / "mognet.npz"


@pytest.fixture(scope="module")
def graph():
    return intinfer.load(DEMO).graph


@pytest.fixture(scope="module")
def images():
    """Noise, extremes and gradients: 12 images of raw pixels."""
    rng = np.random.default_rng(3)
    ramp = np.broadcast_to(np.arange(32) * 8, (3, 32, 32))
    flat = [np.full((3, 32, 32), value) for value in (0, 1, 127, 255)]
    noise = list(rng.integers(0, 256, (4, 3, 32, 32)))
    return np.stack([*flat, *noise, ramp, ramp.transpose(0, 2, 1), 255 - ramp, np.tile([0, 255], (3, 32, 16))])


@pytest.fixture(scope="module")
def logits(graph, images):
    return reference.run(graph, images)["logits"]


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_demo_network(graph, images, logits, skip, fuse, threads):
    session = Session(graph, skip=skip, fuse=fuse)
    np.testing.assert_array_equal(session.run(images, threads=threads, poison=True)["logits"], logits)
    np.testing.assert_array_equal(session.run(images[3:4], threads=threads)["logits"], logits[3:4])


def test_unfused_values_equal_the_reference_at_every_node(graph, images):
    """Every value as an output: nothing is fused, so each kernel is compared on its own."""
    wanted = reference.trace(graph, images[:6])
    got = Session(graph, every_value=True).run(images[:6])
    assert all(step.fused is None for step in make_plan(graph, every_value=True).steps)
    assert got.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_array_equal(got[name], wanted[name], err_msg=name)


def test_after_save_and_load(tmp_path, graph, images, logits):
    intinfer.save(graph, tmp_path / "again.npz")
    model = intinfer.load(tmp_path / "again.npz")
    np.testing.assert_array_equal(model.run(images, engine="fast"), logits)
    np.testing.assert_array_equal(model.run(images, engine="reference"), logits)
    np.testing.assert_array_equal(model.run(images, engine="fast", skip=False, threads=2), logits)


PROCESSORS = {
    "generic": "",
    "haswell": "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+bmi,+bmi2,+cx16,+cmov,+64bit",
}
"""What Numba compiles for: the architecture's base, and vectors of 256 bits."""


@pytest.mark.parametrize("name", [name for name in PROCESSORS if name == "generic" or products() >= Products.AVX2])
def test_on_a_processor_that_lacks_instructions(name, tmp_path, images, logits):
    """Numba told to use fewer instructions than there are gives the same bits."""
    np.save(tmp_path / "images.npy", images)
    program = (
        "import sys, json, numpy, intinfer;"
        "m = intinfer.load(sys.argv[1]);"
        "print(json.dumps(m.run(numpy.load(sys.argv[2]), engine='fast').tolist()))"
    )
    environment = {**os.environ, "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": PROCESSORS[name]}
    done = subprocess.run(
        [sys.executable, "-c", program, str(DEMO), str(tmp_path / "images.npy")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == logits.tolist()


RULES = [
    Accumulator.wrap(9),
    Accumulator.saturate(9, TapOrder.CKK),
    Accumulator.saturate(10, TapOrder.KKC, 4),
    Accumulator.trap(16, TapOrder.CKK, 3),
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_narrow_accumulators(rule):
    graph = tiny_graph(accumulator=rule)
    pixels = tiny_images(8)
    session = Session(graph)
    conv = next(step for step in session.plan.steps if step.node.name == "conv")
    assert conv.kernel.name == "conv2d_portable"
    reason = f"its accumulator may {rule.overflow}"
    assert conv.why == f"not conv2d_dot: {reason}; not conv2d_planes: {reason}; first that takes it"
    np.testing.assert_array_equal(session.run(pixels)["logits"], reference.run(graph, pixels)["logits"])


def test_a_trap_names_node_channel_and_pixel():
    graph = tiny_graph(accumulator=Accumulator.trap(9, TapOrder.CKK))
    bright = np.full((2, 3, 8, 8), 255)
    bright[0] = 0
    with pytest.raises(RangeError) as fast:
        Session(graph).run(bright)
    assert str(fast.value).startswith("node 'conv' (conv2d): accumulator of 9 bits reaches ")
    assert str(fast.value).endswith("pixel (y=0, x=0), image 1")
    with pytest.raises(RangeError, match=r"^node 'conv' \(conv2d\): accumulator of 9 bits holds -256\.\.255 and reach"):
        reference.run(graph, bright)


def test_memory_is_shared_by_values_that_are_not_alive_together(graph):
    shared, apart = make_plan(graph), make_plan(graph, reuse=False)
    assert shared.nbytes < apart.nbytes / 2


def test_skip_counts_say_what_was_computed(graph, images):
    counts, all_counts = SkipCounts(), SkipCounts()
    Session(graph).run(images, counts=counts)
    Session(graph, skip=False).run(images, counts=all_counts)
    assert counts.images == all_counts.images == len(images)
    trace = reference.trace(graph, images)
    for name in ("s1.mrb", "s2.mrb", "s3.mrb"):
        ones = int(trace[f"{name}.tgap"].sum())
        assert counts.selected[f"{name}.mux"] == ones
        width = graph.values[f"{name}.mux"].shape[0]
        # The bitshift is read where S = 0 only; MOGNET skips no convolution, both of its branches hold I1.
        assert counts.channels[f"{name}.shift"] == width * len(images) - ones
    for step in make_plan(graph).steps:
        node = step.node
        assert all_counts.channels[node.name] == node.output.shape[0] * len(images)
        if node.op.kind == "conv2d":
            assert counts.channels[node.name] == all_counts.channels[node.name]


@pytest.mark.slow
def test_a_hundred_million_values(capsys):
    """Random images through the demo network until 10^8 values of all nodes have been compared."""
    graph = intinfer.load(DEMO).graph
    session, fused = Session(graph, every_value=True), Session(graph)
    rng, compared = np.random.default_rng(11), 0
    while compared < 10**8:
        pixels = rng.integers(0, 256, (20, 3, 32, 32)) * rng.integers(0, 2, (20, 3, 1, 1))
        wanted, got = reference.trace(graph, pixels), session.run(pixels)
        for name in wanted:
            np.testing.assert_array_equal(got[name], wanted[name], err_msg=name)
            compared += wanted[name].size
        np.testing.assert_array_equal(fused.run(pixels, threads=2)["logits"], wanted["logits"])
    with capsys.disabled():
        print(f"\n{compared:,} values compared, all equal")


def test_no_images_and_no_threads(graph):
    none = np.zeros((0, 3, 32, 32), dtype=np.uint8)
    assert Session(graph).run(none)["logits"].shape == (0, 10)
    assert reference.run(graph, none)["logits"].shape == (0, 10)
    with pytest.raises(GraphError, match=r"^0 threads: at least 1 is needed$"):
        Session(graph).run(none, threads=0)
