"""The fast engine on converted MDGNets: the reference's bits, and only the channels that the equations need."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.mdgnet_demand import channels_needed, in_plain_order
from oracles.mdgnet_equations import Net

from converters.random_nets import RANDOM, TIES, randomised
from intinfer import reference
from intinfer.engine.session import Session, SkipCounts
from intinfer_converters import convert

CASES = [
    ("mdgnet:f=8,g=1,k=3,height=12,width=9,classes=3,levels=2", RANDOM),
    ("mdgnet:f=8,g=2,k=1,height=11,width=14,classes=3,levels=4", TIES),
    ("mdgnet:f=16,g=4,k=4,height=9,width=10,classes=3,levels=2,pad=torch", RANDOM),
    ("mdgnet:f=32,g=8,k=2,height=8,width=7,classes=3,levels=1,block_groups=4", TIES),
    ("mdgnet:f=16,g=2,k=2,height=10,width=10,classes=3,levels=2,gcm_order=21", RANDOM),
    ("mdgnet:f=16,g=4,k=3,height=10,width=10,classes=3,levels=1,gcm_half=shuffled", RANDOM),
    ("mdgnet:f=32,g=8,k=3,height=6,width=6,classes=3,levels=1,gcm_half=shuffled,gcm_order=21", RANDOM),
]


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize(("text", "style"), CASES, ids=[text.split(":")[1] for text, _ in CASES])
def test_the_engine_computes_what_the_equations_need_and_gives_the_references_bits(
    text: str, style: str, fuse: bool
) -> None:
    module, images = randomised(text, style, seed=sum(map(ord, text)), batch=3)
    arguments = module.arguments
    net = Net(arguments.k, arguments.g, gcm_order=arguments.gcm_order, gcm_half=arguments.gcm_half)
    graph = convert(module)
    traced = reference.trace(graph, images)
    (output,) = graph.outputs
    skipping = Session(graph, fuse=fuse)
    complete = SkipCounts()
    everything = Session(graph, skip=False, fuse=fuse).run(images, counts=complete)
    np.testing.assert_array_equal(everything["logits"], traced[output.value])

    skipped = 0
    for number in range(len(images)):
        counts = SkipCounts()
        got = skipping.run(images[[number]], poison=True, counts=counts)
        np.testing.assert_array_equal(got["logits"], traced[output.value][[number]])
        expected = {name: complete.channels[name] // 3 for name in complete.channels if _is_outside(name)}
        for stage, (_, groups) in enumerate(arguments.stages, start=1):
            for block in (f"s{stage}.n1", f"s{stage}.n2"):
                select = traced[f"{block}.tgap"][number]
                assert counts.selected[f"{block}.mux"] == select.sum()
                expected |= channels_needed(block, in_plain_order(select, groups, net), groups, fuse=fuse)
        assert {name: counts.channels.get(name, 0) for name in expected} == expected
        skipped += sum(complete.channels[name] // 3 - count for name, count in expected.items())
    assert skipped > 0


def _is_outside(name: str) -> bool:
    """Not inside a normal block: always computed whole."""
    return ".n1." not in name and ".n2." not in name


@pytest.mark.parametrize("batch", [1, 5])
def test_batches_threads_and_poison_change_nothing(batch: int) -> None:
    text = "mdgnet:f=8,g=2,k=2,height=13,width=10,classes=4,levels=3"
    module, images = randomised(text, RANDOM, seed=7, batch=batch)
    graph = convert(module)
    expected = reference.run(graph, images)["logits"]
    session = Session(graph)
    for threads in (1, 2):
        for poison in (False, True):
            got = session.run(images, threads=threads, poison=poison)["logits"]
            assert got.dtype == np.int64
            np.testing.assert_array_equal(got, expected)
