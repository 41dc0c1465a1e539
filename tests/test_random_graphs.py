"""Random graphs: the reference equals the naive evaluator at every value, and nothing depends on the batch."""

import numpy as np
from hypothesis import given, settings
from oracles import naive

from intinfer import reference
from intinfer.ops import OPS
from intinfer.strategies import MAKERS, graphs_with_images


def test_the_generator_and_the_naive_evaluator_know_every_op():
    assert set(MAKERS) == set(naive.OPS) == set(OPS)


@settings(max_examples=300)
@given(graphs_with_images())
def test_every_value_equals_the_naive_evaluation_and_lies_in_its_type(case):
    graph, inputs = case
    traced = reference.trace(graph, inputs)
    assert list(traced) == list(graph.values)
    for image in range(3):
        expected = naive.evaluate(graph, {name: array[image].tolist() for name, array in inputs.items()})
        for name, value in graph.values.items():
            assert traced[name][image].shape == value.shape
            assert traced[name][image].tolist() == expected[name], name
            flat = traced[name][image].reshape(-1).tolist()
            assert value.type.lo <= min(flat) <= max(flat) <= value.type.hi, name


@settings(max_examples=100)
@given(graphs_with_images())
def test_a_batch_is_its_images_and_a_run_is_the_trace_at_the_outputs(case):
    graph, inputs = case
    together, traced = reference.run(graph, inputs), reference.trace(graph, inputs)
    assert {name: array.tolist() for name, array in together.items()} == {
        output.name: traced[output.value].tolist() for output in graph.outputs
    }
    alone = [reference.run(graph, {name: array[[i]] for name, array in inputs.items()}) for i in range(3)]
    for name, array in together.items():
        assert np.array_equal(array, np.concatenate([one[name] for one in alone]))
