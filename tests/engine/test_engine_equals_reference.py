"""The engine gives the reference's bits: any graph, fused and not, skipping and not, poisoned memory, threads."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer import reference
from intinfer.engine.session import Session
from intinfer.strategies import arrays, graphs


def inputs_of(draw, graph, images):
    return {value.name: draw(arrays(value.type, (images, *value.shape))) for value in graph.inputs}


def assert_same(graph, inputs, got):
    wanted = reference.run(graph, inputs)
    assert wanted.keys() == got.keys()
    for name in wanted:
        np.testing.assert_array_equal(got[name], wanted[name], err_msg=name)


@given(st.data())
@settings(max_examples=150)
def test_random_graphs(data):
    graph = data.draw(graphs())
    inputs = inputs_of(data.draw, graph, data.draw(st.integers(1, 3)))
    for skip in (True, False):
        for fuse in (True, False):
            session = Session(graph, skip=skip, fuse=fuse)
            assert_same(graph, inputs, session.run(inputs, poison=True))


@given(st.data())
@settings(max_examples=20)
def test_threads_and_batches_change_nothing(data):
    graph = data.draw(graphs())
    inputs = inputs_of(data.draw, graph, 5)
    session = Session(graph)
    whole = session.run(inputs)
    assert_same(graph, inputs, whole)
    for threads in (2, 3, 8):
        again = session.run(inputs, threads=threads, poison=True)
        assert all(np.array_equal(again[name], whole[name]) for name in whole)
    for image in range(5):
        single = session.run({name: array[image : image + 1] for name, array in inputs.items()})
        assert all(np.array_equal(single[name][0], whole[name][image]) for name in whole)
