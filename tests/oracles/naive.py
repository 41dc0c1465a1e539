"""A second evaluator of integer graphs, for comparison only: plain loops over Python ints and Fractions.

Written from the definitions, op by op, on one image as nested lists. It shares no code with intinfer: of a node it
reads the kind and the attributes, nothing else.
"""

from fractions import Fraction
from math import floor

import numpy as np


class LeftRangeError(Exception):
    """A trap accumulator left its range: (channel, y, x, value, products added, all products)."""


def evaluate(graph, inputs):
    """Every value of `graph` for one image: {name: nested lists}, from {input name: nested lists}."""
    values = dict(inputs)
    for node in graph.nodes:
        values[node.output.name] = OPS[node.op.kind](node.op, *(values[name] for name in node.inputs))
    return values


def apply(op, *arrays):
    """`op` on a batch: arrays (N, ...) of integers -> object array (N, ...) of Python ints."""
    lists = [np.asarray(array).tolist() for array in arrays]
    return np.array([OPS[op.kind](op, *image) for image in zip(*lists, strict=True)], dtype=object)


# ---------------------------------------------------------------------------------------------- elementwise


def _each(function, *trees):
    """`function` on every element of nested lists of one shape."""
    if isinstance(trees[0], list):
        return [_each(function, *branches) for branches in zip(*trees, strict=True)]
    return function(*trees)


def _of_channel(rows, channel):
    return rows[channel] if len(rows) > 1 else rows[0]


def threshold(op, x):
    table, falling = op.thresholds.values.tolist(), op.descending.values.tolist()

    def level(z, channel):
        row = _of_channel(table, channel)
        crossed = [t for t in row if (z <= t if _of_channel(falling, channel) else z >= t)]
        return op.base + op.step * len(crossed)

    return [_each(lambda z, c=c: level(z, c), plane) for c, plane in enumerate(x)]


def round_fraction(value, mode):
    """The integer that `mode` makes of an exact rational."""
    if mode == "floor":
        return floor(value)
    if mode == "half_up":
        return floor(value + Fraction(1, 2))
    if mode == "half_even":
        return round(value)
    assert mode == "half_away"
    return floor(value + Fraction(1, 2)) if value >= 0 else -floor(-value + Fraction(1, 2))


def requant(op, x):
    multipliers, offsets, shifts = (t.values.tolist() for t in (op.multiplier, op.offset, op.shift))

    def code(z, channel):
        exact = z * _of_channel(multipliers, channel) + _of_channel(offsets, channel)
        rounded = round_fraction(Fraction(exact, 2 ** _of_channel(shifts, channel)), str(op.rounding))
        return sorted((op.lo, rounded, op.hi))[1]

    return [_each(lambda z, c=c: code(z, c), plane) for c, plane in enumerate(x)]


def bitshift(op, a, b):
    if op.bits == 1:
        return _each(lambda p, q: 1 if p == 1 or q == 1 else 0, a, b)
    return _each(lambda p, q: (p + q) // 2, a, b)


def add(op, *inputs):
    return _each(lambda *zs: sum(m * z for m, z in zip(op.multipliers, zs, strict=True)), *inputs)


def affine(op, x):
    multipliers, offsets = op.multiplier.values.tolist(), op.offset.values.tolist()
    return [_each(lambda z, m=m, b=b: m * z + b, plane) for plane, m, b in zip(x, multipliers, offsets, strict=True)]


def table(op, x):
    entries = op.entries.values.tolist()
    return [_each(lambda z, c=c: _of_channel(entries, c)[z - op.start], plane) for c, plane in enumerate(x)]


def clamp(op, x):
    return _each(lambda z: min(max(z, op.lo), op.hi), x)


def absolute(_, x):
    return _each(lambda z: z if z >= 0 else -z, x)


# ---------------------------------------------------------------------------------- channels and whole maps


def concat(_, *inputs):
    return [plane for x in inputs for plane in x]


def channel_select(op, x):
    return [x[index] for index in op.indices.values.tolist()]


def gather(op, x):
    flat = _leaves(x)

    def taken(index):
        if isinstance(index, list):
            return [taken(inner) for inner in index]
        return op.fill if index < 0 else flat[index]

    return taken(op.index.values.tolist())


def mux(_, select, if_one, if_zero):
    return [one if bit == 1 else zero for bit, one, zero in zip(select, if_one, if_zero, strict=True)]


def tgap(op, x):
    return [int(2 * sum(map(sum, plane)) > op.top * len(plane) * len(plane[0])) for plane in x]


def _leaves(tree):
    return [leaf for branch in tree for leaf in _leaves(branch)] if isinstance(tree, list) else [tree]


def flatten(_, x):
    return _leaves(x)


def argmax(_, x):
    def winner(*scores):
        best = 0
        for channel, score in enumerate(scores):
            if score > scores[best]:
                best = channel
        return best

    return [_each(winner, *x)]


# ------------------------------------------------------------------------------------------ sliding windows


def output_extent(extent, before, after, kernel, stride, dilation):
    """How many windows start inside the padded line without leaving it at the end; counted, not computed."""
    count = 0
    while count * stride + dilation * (kernel - 1) < extent + before + after:
        count += 1
    return count


def _windows(x, kernel, stride, pads, dilation):
    """{(y, x): [((i, j), (row, column) or None where padded), ...]}: which pixels each output sees."""
    height, width = len(x[0]), len(x[0][0])
    top, left, bottom, right = pads
    rows = output_extent(height, top, bottom, kernel[0], stride[0], dilation[0])
    columns = output_extent(width, left, right, kernel[1], stride[1], dilation[1])
    for oy in range(rows):
        for ox in range(columns):
            taps = []
            for i in range(kernel[0]):
                for j in range(kernel[1]):
                    row, column = oy * stride[0] + i * dilation[0] - top, ox * stride[1] + j * dilation[1] - left
                    inside = 0 <= row < height and 0 <= column < width
                    taps.append(((i, j), (row, column) if inside else None))
            yield oy, ox, rows, columns, taps


def _pool(op, dilation, x, function):
    planes = []
    for plane in x:
        out = []
        for oy, _, _, _, taps in _windows([plane], op.kernel, op.stride, op.pads, dilation):
            if oy == len(out):
                out.append([])
            out[oy].append(function([plane[at[0]][at[1]] for _, at in taps if at is not None]))
        planes.append(out)
    return planes


def max_pool(op, x):
    return _pool(op, op.dilation, x, max)


def sum_pool(op, x):
    return _pool(op, (1, 1), x, sum)


def conv2d(op, x):
    weight = weights_of(op.weight)
    outputs, group_inputs, rows, columns = len(weight), len(weight[0]), len(weight[0][0]), len(weight[0][0][0])
    pad = op.pad_value if len(op.pad_value) > 1 else op.pad_value * len(x)
    result = [[] for _ in range(outputs)]
    for oy, ox, _, _, taps in _windows(x, (rows, columns), op.stride, op.pads, op.dilation):
        for o in range(outputs):
            first = o // (outputs // op.groups) * group_inputs
            products = {}
            for c in range(group_inputs):
                for (i, j), at in taps:
                    level = pad[first + c] if at is None else x[first + c][at[0]][at[1]]
                    products[c, i, j] = weight[o][c][i][j] * level
            if op.accumulator.order is not None and str(op.accumulator.order) == "KKC":
                order = sorted(products, key=lambda tap: (tap[1], tap[2], tap[0]))
            else:
                order = sorted(products)
            if oy == len(result[o]):
                result[o].append([])
            total = accumulate([products[tap] for tap in order], op.accumulator, (o, oy, ox))
            result[o][oy].append(total)
    return result


def dense(op, x):
    rows = op.weight.values.tolist()
    return [
        accumulate([w * z for w, z in zip(row, x, strict=True)], op.accumulator, (o, None, None))
        for o, row in enumerate(rows)
    ]


def accumulate(products, rule, where):
    """What the adder of `rule` holds after `products`, added in the order given."""
    lo, hi = -(2 ** (rule.bits - 1)), 2 ** (rule.bits - 1) - 1
    kind = str(rule.overflow)
    if kind == "prove":
        return sum(products)
    if kind == "wrap":
        total = sum(products) % 2**rule.bits
        return total - 2**rule.bits if total > hi else total
    total = done = 0
    while done < len(products):
        lanes = products[done : done + rule.fold]
        total, done = total + sum(lanes), done + len(lanes)
        if not lo <= total <= hi:
            if kind == "trap":
                raise LeftRangeError(*where, total, done, len(products))
            total = lo if total < lo else hi
    return total


def weights_of(weight):
    """(O, I/groups, KH, KW) as nested lists; generated ones from rule and seed."""
    if not hasattr(weight, "seed"):
        return weight.values.tolist()
    rows, cells = [list(weight.seed)], len(weight.seed)
    while len(rows) < weight.rows:
        old = rows[-1]
        around = [(old[c - 1], old[c], old[(c + 1) % cells]) for c in range(cells)]
        rows.append([weight.rule // 2 ** int(f"{a}{b}{c}", 2) % 2 for a, b, c in around])
    return [[[[1 if row[cell] else -1]] for row in rows] for cell in range(cells)]


OPS = {
    "conv2d": conv2d,
    "dense": dense,
    "threshold": threshold,
    "requant": requant,
    "bitshift": bitshift,
    "add": add,
    "affine": affine,
    "table": table,
    "tgap": tgap,
    "mux": mux,
    "concat": concat,
    "channel_select": channel_select,
    "max_pool": max_pool,
    "sum_pool": sum_pool,
    "clamp": clamp,
    "flatten": flatten,
    "gather": gather,
    "argmax": argmax,
    "abs": absolute,
}
