"""Bounds on the papers' networks: a pointwise convolution and the grouped one behind it count as one kernel."""

from __future__ import annotations

import numpy as np
import pytest

from intinfer import reference
from intinfer.bounds import bounds_of

torch = pytest.importorskip("torch")


def composite(graph, pointwise, grouped):
    """Highest and lowest of PW then GC at an inner pixel, the two kernels multiplied out in floats that are exact."""
    pw = torch.tensor(graph.node(pointwise).op.weight.values[:, :, 0, 0], dtype=torch.float64)
    gc = torch.tensor(graph.node(grouped).op.weight.values, dtype=torch.float64)
    groups = graph.node(grouped).op.groups
    per_group = pw.reshape(groups, -1, pw.shape[1])
    kernel = torch.einsum("gomyx,gmi->goiyx", gc.reshape(groups, -1, *gc.shape[1:]), per_group)
    kernel = kernel.reshape(gc.shape[0], -1)
    top = graph.values[graph.node(pointwise).inputs[0]].type.hi
    return (kernel.clamp(max=0).sum(1) * top).tolist(), (kernel.clamp(min=0).sum(1) * top).tolist()


@pytest.mark.parametrize(
    ("net", "pointwise", "grouped"),
    [
        ("mdgnet:f=32,g=1,k=4", "gcm0.pw", "gcm0.gc1"),
        ("mognet:n=32,g=4,k=3", "s1.cflog.pw1", "s1.cflog.gconv"),
    ],
)
def test_composed_chains_on_the_papers_networks(net, pointwise, grouped):
    from intinfer_converters import convert
    from intinfer_converters.nets import build

    torch.manual_seed(3)
    graph = convert(build(net))
    ranges = bounds_of(graph).channels
    lo, hi = ranges[grouped]
    wanted = composite(graph, pointwise, grouped)
    assert ranges[pointwise][0].max() <= 0 <= ranges[pointwise][1].min()
    assert (lo.tolist(), hi.tolist()) == wanted
    type_ = graph.values[grouped].type
    assert 2 * (hi.max() - lo.min()) < type_.hi - type_.lo
    image = np.random.default_rng(0).integers(0, 256, (1, *graph.inputs[0].shape))
    for name, values in reference.trace(graph, image).items():
        channels = values.swapaxes(0, 1).reshape(values.shape[1], -1)
        assert (ranges[name][0] <= channels.min(axis=1)).all(), name
        assert (channels.max(axis=1) <= ranges[name][1]).all(), name
    at = bounds_of(graph).positions(grouped, 0)[0]
    form = bounds_of(graph).form(grouped, at)
    assert form.ancestor == graph.node(pointwise).inputs[0]
    top = graph.values[form.ancestor].type.hi
    assert form.range(0, top) == (lo[0], hi[0])
