"""Modules exported by torch, and what a reading of them computes against torch itself."""

import numpy as np
import torch
from torch import nn

from intinfer import reference
from intinfer_converters.check.aten_runner import AtenRunner
from intinfer_converters.lower import lower
from intinfer_converters.preprocess import Preprocess
from intinfer_converters.read_aten import export_program, read_graph
from intinfer_converters.sources import Source, SourceOptions

SIGNED = Preprocess(lo=-20, hi=20)
SHAPE = (4, 6, 6)


class Wrapped(nn.Module):
    """A function as a module."""

    def __init__(self, function, *children):
        super().__init__()
        self.function = function
        self.children_of = nn.ModuleList(children)

    def forward(self, x):
        return self.function(x, *self.children_of)


def given_images(shape=SHAPE, count=5, lo=-20, hi=20):
    return np.random.default_rng(3).integers(lo, hi + 1, (count, *shape))


def read_pt2(path, *, pixels, shapes=None):
    """The reading of an archive's file."""
    return Source(path, SourceOptions(preprocess=pixels, shapes=shapes or {})).reading


def exported(module, shape=SHAPE):
    return export_program(module, torch.zeros(1, *shape))


def real_outputs(reading, images):
    """What the lowered graph gives, as real numbers in float64, by output."""
    graph = lower(reading.net)
    found = reference.run(graph, images)
    for out in graph.outputs:
        z = found[out.name]
        scale, offset = (np.array([float(n) for n in numbers]) for numbers in (out.scale, out.offset))
        column = (1, -1) + (1,) * (z.ndim - 2)
        yield z * scale.reshape(column) + offset.reshape(column)


def check_equal(module, shape=SHAPE, images=None, pixels=SIGNED):
    """The graph's output is torch's, exactly; and so is every tensor that the runner keeps."""
    module = module.eval()
    images = given_images(shape) if images is None else images
    program = exported(module, shape)
    reading = read_graph(program, pixels=pixels)
    with torch.no_grad():
        wanted = np.stack([module(torch.from_numpy(image[None]).float()).numpy()[0] for image in images])
    runner = AtenRunner(program, pixels=pixels)
    kept = runner.run(images)
    assert set(kept) >= set(runner.reading.tensors)
    assert np.array_equal(kept[program.outputs[0]], wanted)
    (found,) = real_outputs(reading, images)
    assert np.array_equal(found.reshape(wanted.shape), wanted.astype(np.float64))
    return reading


def levels(x):
    """A quantiser to -4..4."""
    return torch.clamp(torch.round(x), -4, 4)
