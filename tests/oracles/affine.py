"""Values of a linear network as affine functions of its input, found by differences of the plain-Python evaluator.

    value(x) = value(lo) + sum over elements e of (value(lo with e + 1) - value(lo)) * (x[e] - lo)

holds exactly for a network of linear ops, whatever their geometry. No code is shared with `intinfer.bounds`.
"""

from itertools import product

import numpy as np

from oracles.naive import evaluate


def affine_functions(graph, name):
    """(constant, coefficients) of each element of value `name` of a linear graph of one input, in Python ints.

    constant: object array (*shape); coefficients: object array (*shape, input size), of x as it is.
    """
    source = graph.inputs[0]
    lowest = np.full(source.size, source.type.lo, dtype=object)

    def at(x):
        return np.array(evaluate(graph, {source.name: x.reshape(source.shape).tolist()})[name], dtype=object)

    base = at(lowest)
    columns = [at(lowest + step) - base for step in np.eye(source.size, dtype=int).astype(object)]
    coefficients = np.stack(columns, axis=-1)
    return base - coefficients.sum(axis=-1) * source.type.lo, coefficients


def extremes(graph, name):
    """Lowest and highest of each element of value `name` over all inputs, object arrays (*shape)."""
    constant, coefficients = affine_functions(graph, name)
    type_ = graph.inputs[0].type
    ends = np.stack([coefficients * type_.lo, coefficients * type_.hi])
    return constant + ends.min(axis=0).sum(axis=-1), constant + ends.max(axis=0).sum(axis=-1)


def exhaustive(graph, names):
    """Lowest and highest of each element of the values over every input there is, {name: (lo, hi)}."""
    source = graph.inputs[0]
    seen = {name: [] for name in names}
    for x in product(range(source.type.lo, source.type.hi + 1), repeat=source.size):
        values = evaluate(graph, {source.name: np.array(x).reshape(source.shape).tolist()})
        for name in names:
            seen[name].append(np.array(values[name], dtype=object))
    return {name: (np.min(all_, axis=0), np.max(all_, axis=0)) for name, all_ in seen.items()}
