"""Float nets calibrated, lowered and run on integers: the quantised net is exact, close, and its loss is told."""

import json
from fractions import Fraction

import numpy as np
import pytest

from intinfer import reference
from intinfer.errors import DataError
from intinfer.ops import ArgMax
from intinfer_converters import floatnet as f
from intinfer_converters.calibrate import compare, quantise, run_float
from intinfer_converters.floatnet.base import Reads
from intinfer_converters.lower import lower
from intinfer_converters.primitives import primitive

F32 = np.float32
CLASSES = 4
SHAPE = (2, 8, 8)


def operand(*numbers):
    return np.array(numbers, dtype=F32)


RELU = primitive("clip", operand(0, np.inf))
NORMALISE = tuple(primitive(k, operand(*v)) for k, v in (("div", [255]), ("sub", [0.4, 0.5]), ("div", [0.25, 0.3])))


def patterns(count, seed):
    """Four classes of noisy pictures: stripes along x or y, in the first or the second channel."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    images = rng.integers(0, 120, (count, *SHAPE))
    stripes = np.arange(8) // 2 % 2 * 130
    for image, label in zip(images, labels, strict=True):
        image[label // 2] += stripes if label % 2 else stripes[:, None]
    return images, labels


class Net:
    """A float net under construction with drawn weights."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.builder = f.FloatNetBuilder(F32)
        self.builder.add("image", f.Pixels(SHAPE, 0, 255))

    def add(self, name, op, *inputs):
        return self.builder.add(name, op, *inputs)

    def conv(self, name, x, outputs, kernel=3, stride=1, groups=1):
        inputs = self.builder.shape(x)[0]
        shape = (outputs, inputs // groups, kernel, kernel)
        values = (self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(F32)
        pad = kernel // 2
        return self.add(name, f.Conv(f.RealWeight(values), (stride,) * 2, (pad,) * 4, (1, 1), groups), x)

    def norm(self, name, x, relu=True):
        channels = self.builder.shape(x)[0]
        gain, shift = self.rng.uniform(0.5, 2, channels).astype(F32), self.rng.normal(size=channels).astype(F32)
        gain[0] *= -1
        chain = (primitive("mul", gain), primitive("add", shift / 2), *([RELU] if relu else []))
        return self.add(name, f.Pointwise(chain), x)

    def classifier(self, x):
        """A dense layer fitted by least squares on the features x, and the net."""
        x = self.add("flat", f.FlattenMap(), x) if len(self.builder.shape(x)) == 3 else x
        images, labels = patterns(300, 99)
        features = run_float(self.builder.finish({"features": x}, None), images)[x]
        columns = np.concatenate([features, np.ones((300, 1))], axis=1).astype(np.float64)
        wanted = np.eye(CLASSES)[labels]
        gram = columns.T @ columns
        ridge = gram + 0.01 * np.trace(gram) / len(gram) * np.eye(len(gram))
        fitted = np.linalg.solve(ridge, columns.T @ wanted).T.astype(F32)
        bias = tuple(Fraction(float(b)) for b in fitted[:, -1])
        self.add("classes", f.Dense(f.RealWeight(fitted[:, :-1]), bias), x)
        return self.builder.finish({"logits": "classes"}, None)


def plain(net):
    x = net.norm("bn1", net.conv("conv1", net.add("pre", f.Pointwise(NORMALISE), "image"), 8))
    x = net.add("pool", f.MaximumPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), x)
    return net.norm("bn2", net.conv("conv2", x, 8))


def residual(net):
    """A ResNet block whose shortcut drops every other pixel and adds empty channels; 1/255 before it."""
    x = net.norm("bn0", net.conv("conv0", net.add("pre", f.Pointwise((primitive("div", operand(255)),)), "image"), 4))
    y = net.norm("bn1", net.conv("conv1", x, 8, stride=2))
    y = net.norm("bn2", net.conv("conv2", y, 8), relu=False)
    index = np.full((8, 4, 4), -1)
    index[2:6] = np.arange(4 * 64).reshape(4, 8, 8)[:, ::2, ::2]
    short = net.add("short", f.Gather((8, 4, 4), index.reshape(-1)), x)
    return net.add("relu", f.Pointwise((RELU,)), net.add("sum", f.Sum(), y, short))


def bottleneck(net):
    """An inverted bottleneck: depthwise in the middle, linear at the end, and a second one added to it."""
    x = net.norm("bn0", net.conv("conv0", "image", 4), relu=False)
    y = net.norm("bn1", net.conv("expand", x, 8, kernel=1))
    y = net.norm("bn2", net.conv("depthwise", y, 8, groups=8))
    y = net.norm("bn3", net.conv("project", y, 4, kernel=1), relu=False)
    x = net.add("sum", f.Sum((1, -1)), x, y)
    return net.add("sum2", f.Sum(), x, net.norm("bn4", net.conv("conv4", x, 4), relu=False))


def concatenated(net):
    x = net.norm("bn0", net.conv("conv0", "image", 4))
    y = net.norm("bn1", net.conv("conv1", x, 4))
    both = net.add("both", f.Concatenate(), y, x)
    z = net.norm("bn2", net.conv("conv2", both, 4))
    average = net.add("average", f.AveragePool((3, 3), (1, 1), (1, 1, 1, 1)), both)
    all_ = net.add("all", f.Concatenate(), both, z, net.conv("conv3", average, 3, kernel=1))
    return net.norm("bn3", all_)


def averaged(net):
    return net.add("gap", f.GlobalAverage(), plain(net))


NETS = (plain, residual, bottleneck, concatenated, averaged)


def built(body, seed=0):
    net = Net(seed)
    return net.classifier(body(net))


def integers(net, images):
    """The real logits of the lowered net."""
    graph = lower(net)
    (output,) = graph.outputs
    scale, offset = (np.array([float(n) for n in numbers]) for numbers in (output.scale, output.offset))
    return reference.run(graph, images)[output.name] * scale + offset


@pytest.mark.parametrize("body", NETS)
@pytest.mark.parametrize(
    ("weights", "bits", "options"),
    [
        ("int8", 8, {}),
        ("int4", 4, {"act_range": "mse"}),
        ("ternary", 2, {"act_range": "mse"}),
        ("binary", 1, {}),
    ],
)
def test_calibrated_nets_lower_to_the_integers_of_the_float_executor(body, weights, bits, options):
    images, labels = patterns(40, 1)
    net, report = quantise(built(body), images, weights=weights, act_bits=bits, labels=labels, **options)
    few = images[:6]
    expected = run_float(net, few)["classes"]
    np.testing.assert_allclose(integers(net, few), expected, rtol=1e-4, atol=1e-4 * report.compared.max_logit)


def test_the_step_of_a_layer_may_come_from_its_tertiles():
    net, images = built(plain), patterns(20, 1)[0]
    quantised, _ = quantise(net, images, weights="ternary", act_bits=4, weight_step="tertile")
    ops = [{node.name: node.op for node in each.nodes}["conv2"] for each in (net, quantised)]
    low, high = np.quantile(ops[0].weight.values.astype(np.float64), [1 / 3, 2 / 3])
    expected = np.clip(np.rint(ops[0].weight.values / (abs(low) + abs(high))), -1, 1)
    np.testing.assert_array_equal(ops[1].weight.tensor.values, expected)
    assert lower(quantised)


@pytest.mark.parametrize("body", NETS)
def test_eight_bits_lose_under_a_point(body):
    net = built(body)
    images, labels = patterns(200, 2)
    for options in ({}, {"act_range": "mse"}):
        quantised, report = quantise(net, images[:100], weights="int8", act_bits=8, labels=labels[:100], **options)
        assert report.compared.accuracy_before > 0.9
        told = compare(net, quantised, images, labels)
        logits = [run_float(n, images)["classes"] for n in (net, quantised)]
        accuracies = [(y.argmax(axis=1) == labels).mean() for y in logits]
        assert (told.accuracy_before, told.accuracy_after) == tuple(accuracies)
        assert told.max_logit_difference == np.abs(logits[0] - logits[1]).max()
        assert accuracies[1] >= accuracies[0] - 0.01


def channel_means(net, images, name):
    values = run_float(net, images, taps=[name])[name].astype(np.float64)
    return values.mean(axis=(0, 2, 3)), values.std(axis=(0, 2, 3))


def test_corrections_restore_means_and_variances():
    net = built(residual)
    images, _ = patterns(60, 3)
    wanted = channel_means(net, images, "conv2")
    found = {}
    for bias, norm in ((False, False), (True, False), (True, True)):
        settings = {"weights": "ternary", "act_bits": 4, "correct_bias": bias, "reestimate_bn": norm}
        found[bias, norm] = channel_means(quantise(net, images, **settings)[0], images, "conv2")
    size = wanted[1].max()
    assert np.abs(found[False, False][0] - wanted[0]).max() > 0.02 * size
    for key in ((True, False), (True, True)):
        np.testing.assert_allclose(found[key][0], wanted[0], atol=1e-3 * size)
    assert np.abs(found[True, False][1] / wanted[1] - 1).max() > 0.01
    np.testing.assert_allclose(found[True, True][1], wanted[1], rtol=1e-3)


def test_every_float_op_says_what_it_reads():
    ops = [op for op in vars(f).values() if isinstance(op, type) and issubclass(op, f.FloatOp) and op is not f.FloatOp]
    assert len(ops) > 15
    assert all(isinstance(op.reads, Reads) for op in ops)


def test_quantisers_stand_where_integers_are_read():
    net, _ = quantise(built(bottleneck), patterns(20, 4)[0], weights="int4", act_bits=4)
    nodes = {node.name: node for node in net.nodes}
    levels = {name: (n.op.base, n.op.base + n.op.count) for name, n in nodes.items() if isinstance(n.op, f.Quantise)}
    unsigned = {"bn1.quant", "bn2.quant"}
    signed = {"bn0.quant", "bn3.quant", "sum.quant", "bn4.quant", "sum2.quant"}
    assert levels == {**dict.fromkeys(unsigned, (0, 15)), **dict.fromkeys(signed, (-8, 7))}
    assert nodes["conv0"].inputs == ("image",)  # the pixels are integers already
    assert nodes["sum"].inputs == ("bn0.real", "bn3.real")
    scales = [Fraction(float(nodes[name].op.chain[0].operand[0])) for name in nodes["sum"].inputs]
    ratio = max(scales) / min(scales)
    assert ratio.denominator == 1
    assert ratio.numerator & (ratio.numerator - 1) == 0
    weights = [node.op.weight for node in net.nodes if isinstance(node.op, f.Conv | f.Dense)]
    assert {(w.tensor.encoding.name, len(w.scale) == w.shape[0]) for w in weights} == {("s4", True)}


def test_the_input_quantiser_has_eight_bits_where_zero_is_no_pixel():
    _, report = quantise(built(plain), patterns(20, 5)[0], weights="ternary", act_bits=2)
    assert [(p.name, p.lo, p.hi) for p in report.activations] == [("pre", -128, 127), ("bn1", 0, 3), ("bn2", 0, 3)]
    names = [
        node.name for node in quantise(built(residual), patterns(20, 5)[0], weights="ternary", act_bits=2)[0].nodes
    ]
    assert "pre.quant" not in names  # pixels / 255 keep their 256 levels


def test_an_output_that_is_not_affine_is_quantised():
    net = Net()
    net.norm("bn", net.conv("conv", "image", 3))
    quantised, _ = quantise(net.builder.finish({"map": "bn"}, None), patterns(8, 6)[0], weights="int8", act_bits=8)
    assert quantised.outputs == {"map": "bn.real"}
    assert lower(quantised).outputs[0].name == "map"


def test_constants_that_a_gather_fills_in_become_levels():
    net = Net()
    x = net.norm("bn", net.conv("conv", "image", 2))
    index = np.append(np.arange(127), -1)
    x = net.add("pad", f.Gather((2, 8, 8), index, Fraction(1, 3)), x)
    net.conv("last", x, 2)
    quantised, report = quantise(
        net.builder.finish({"map": "last"}, None), patterns(8, 6)[0], weights="int8", act_bits=8
    )
    nodes = {node.name: node.op for node in quantised.nodes}
    scale = Fraction(report.activations[0].scale)
    assert (nodes["pad"].fill / scale).denominator == 1
    assert abs(nodes["pad"].fill - Fraction(1, 3)) <= scale / 2
    assert lower(quantised)


def test_fewer_images_are_measured_with_when_memory_is_short(monkeypatch):
    net, images = built(averaged), patterns(30, 7)[0]
    monkeypatch.setattr("intinfer_converters.calibrate.calibrator.MEMORY", 200_000)
    _, report = quantise(net, images, weights="int8", act_bits=8)
    assert 1 <= report.images < 30
    assert report.compared.images == 30


def test_the_report_says_what_was_lost():
    images, labels = patterns(50, 8)
    _, report = quantise(built(averaged), images, weights="binary", act_bits=1, labels=labels)
    told = json.loads(json.dumps(report.as_dict()))
    assert told["settings"]["weights"] == "binary"
    assert [layer["name"] for layer in told["layers"]] == ["conv1", "conv2", "classes"]
    assert told["compared"]["accuracy_after"] == report.compared.accuracy_after < report.compared.accuracy_before
    lines = str(report).splitlines()
    points = 100 * (report.compared.accuracy_after - report.compared.accuracy_before)
    assert f"after ({points:+.2f} points)" in lines[1]
    assert any(line.startswith("conv2") and "binary" in line and line.endswith("dB") for line in lines)
    _, unlabelled = quantise(built(averaged), images, weights="binary", act_bits=1)
    assert unlabelled.compared.accuracy_after is None
    assert str(unlabelled.compared).startswith("same class ")


def test_a_net_that_ends_in_its_class_is_compared_by_it():
    net, (images, labels) = built(averaged), patterns(60, 8)
    node = f.FloatNode("class", f.IntegerOp(ArgMax(), (1,)), ("classes",), ("class",), (1,))
    ended = f.FloatNet((*net.nodes, node), {"class": "class"}, F32, None)
    chosen = run_float(net, images)["classes"].argmax(axis=1)
    np.testing.assert_array_equal(run_float(ended, images)["class"], chosen[:, None])
    quantised, report = quantise(ended, images, weights="int3", act_bits=2, labels=labels)
    after = run_float(quantised, images)["class"][:, 0]
    assert report.compared.accuracy_before == (chosen == labels).mean()
    assert report.compared.accuracy_after == (after == labels).mean()
    assert report.compared.same_class == (after == chosen).mean() < 1
    np.testing.assert_array_equal(reference.run(lower(quantised), images)["class"][:, 0], after)


def test_a_single_output_says_yes_above_zero():
    net, images = built(averaged), patterns(60, 8)[0]
    dense = next(node.op for node in net.nodes if node.name == "classes")
    one = f.Dense(f.RealWeight(dense.weight.values[:1] - dense.weight.values[1:2]))
    nodes = [f.FloatNode(n.name, one, n.inputs, n.source, (1,)) if n.name == "classes" else n for n in net.nodes]
    net = f.FloatNet(tuple(nodes), net.outputs, F32, None)
    yes = (run_float(net, images)["classes"][:, 0] > 0).astype(np.int64)
    assert 0 < yes.mean() < 1
    assert quantise(net, images, weights="int8", act_bits=8, labels=yes)[1].compared.accuracy_before == 1


def test_a_noise_ratio_is_that_of_the_energies():
    net, images = built(averaged), patterns(50, 8)[0]
    quantised, report = quantise(net, images, weights="int4", act_bits=4)
    before, after = (run_float(n, images, taps=["conv2"])["conv2"].astype(np.float64) for n in (net, quantised))
    expected = 10 * np.log10((before**2).sum() / ((after - before) ** 2).sum())
    assert report.layers[1].sqnr_db == pytest.approx(expected, abs=0.01)


def test_weights_that_are_quantised_already_stay():
    net, images = built(averaged), patterns(20, 9)[0]
    first, _ = quantise(net, images, weights="ternary", act_bits=4)
    ready = {node.name: node.op for node in first.nodes}["conv1"]
    nodes = tuple(
        f.FloatNode(n.name, ready if n.name == "conv1" else n.op, n.inputs, n.source, n.shape) for n in net.nodes
    )
    mixed, report = quantise(f.FloatNet(nodes, net.outputs, F32, None), images, weights="int8", act_bits=8)
    stayed = {node.name: node.op for node in mixed.nodes}["conv1"].weight
    np.testing.assert_array_equal(stayed.tensor.values, ready.weight.tensor.values)
    assert [layer.encoding for layer in report.layers] == ["ternary", "s8", "s8"]
    with pytest.raises(DataError, match="no layer has floating-point weights: there is nothing to quantise"):
        quantise(first, images, weights="int8", act_bits=8)


def test_arguments_that_do_not_fit_are_refused():
    net, (images, labels) = built(averaged), patterns(10, 10)
    with pytest.raises(DataError, match="activations of 9 bits: 1 to 8 are supported"):
        quantise(net, images, weights="int8", act_bits=9)
    with pytest.raises(DataError, match="weights 'int1' are unknown"):
        quantise(net, images, weights="int1", act_bits=8)
    with pytest.raises(DataError, match=r"do not fit the input: integers \(N, 2, 8, 8\)"):
        quantise(net, images[:0], weights="int8", act_bits=8)
    with pytest.raises(DataError, match=r"labels of shape \(9,\) and dtype int64 do not fit 10 images"):
        quantise(net, images, weights="int8", act_bits=8, labels=labels[:9])
    with pytest.raises(DataError, match=r"labels hold the classes 7..7; the network has 4 outputs"):
        quantise(net, images, weights="int8", act_bits=8, labels=labels * 0 + 7)
