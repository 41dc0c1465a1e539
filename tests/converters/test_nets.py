"""The networks by name, their layers and their layer table."""

import json
import math
import re
import subprocess
import sys
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from intinfer_converters.check.aten_runner import ModuleRunner
from intinfer_converters.nets import MognetArgs, NetArgumentError, build, net_arguments, parse_net
from intinfer_converters.nets import layers as L  # noqa: N812
from intinfer_converters.nets.base import GlobalMean, Layer
from intinfer_converters.read_aten import export_layers

RULE30 = Path(__file__).parents[1] / "data" / "rule30_cellpylib.json"


# --- texts ---------------------------------------------------------------------------------------------------------


def test_text_gives_name_and_typed_arguments():
    assert parse_net("mognet") == ("mognet", {})
    assert parse_net(" mognet:n=32, g=2 ,pool=12") == ("mognet", {"n": 32, "g": 2, "pool": "12"})
    assert net_arguments("mognet:n=32,k=2") == ("mognet", MognetArgs(n=32, k=2))


WRONG = {
    "mobnet:n=3": "unknown network 'mobnet'; known: mdgnet, mognet; write it as in mognet:n=128,g=4,k=3",
    "": "unknown network ''; known: mdgnet, mognet; write it as in mognet:n=128,g=4,k=3",
    "mognet:": "mognet: '' is not an argument; write key=value, as in mognet:n=128,k=3",
    "mognet:n": "mognet: 'n' is not an argument; write key=value, as in mognet:n=128,k=3",
    "mognet:n=32,n=64": "mognet: argument 'n' is given twice (32 and 64); keep one",
    "mognet:bits=3": "mognet: unknown argument 'bits'; known: n, g, k, classes, height, width, layout, pool, "
    "last_bits, seed",
    "mognet:n=3.5": "mognet: n=3.5 is not a whole number; write digits, as in n=4",
    "mognet:n=30": "mognet: g=4 does not divide n/2=15, the channels of the group convolutions; "
    "n must be a multiple of 2*g=8, at least 4: try n=32",
    "mognet:n=0": "mognet: g=4 does not divide n/2=0, the channels of the group convolutions; "
    "n must be a multiple of 2*g=8, at least 4: try n=8",
    "mognet:n=999999999": "mognet: n=999999999 is too large; use 4096 or less",
    "mognet:g=0": "mognet: g=0 is not a number of groups; use g=1 or more",
    "mognet:k=0": "mognet: k=0 activation bits are not supported; use k=1 to k=8",
    "mognet:k=9": "mognet: k=9 activation bits are not supported; use k=1 to k=8",
    "mognet:classes=1": "mognet: classes=1 leaves nothing to classify; use 2 or more",
    "mognet:last_bits=3": "mognet: last_bits=3 is not offered; use 1 (binary) or 2 (ternary)",
    "mognet:seed=-1": "mognet: seed=-1 is negative; use seed=0 or more",
    "mognet:layout=1x": "mognet: layout='1x' is not a list of stages; write each stage as a multiple of n from 1 to "
    "99, with 'm' when an MRB follows, joined by '-', as in layout=1m-2m-4m-4",
    "mognet:layout=1-1-1-1-1-1-1-1-1-1": "mognet: layout='1-1-1-1-1-1-1-1-1-1' has 10 stages; use 9 or fewer",
    "mognet:pool=15": "mognet: pool='15' does not name stages of the 4-stage layout '1m-2m-4m-4'; "
    "use digits 1 to 4 without separators, as in pool=12, or pool=0 for none",
    "mognet:height=36": "mognet: height=36 is not a positive multiple of 8, which the 3 max pools of pool=123 need; "
    "try height=40",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_text_is_one_clear_line(text):
    with pytest.raises(NetArgumentError) as caught:
        net_arguments(text)
    assert str(caught.value) == WRONG[text]


def test_reading_a_text_needs_no_torch():
    code = (
        "import sys, intinfer_converters.nets as n; n.net_arguments('mognet:n=32'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(Path(L.__file__).parents[2])})


# --- layers, exhaustively for small k, against plain Python ---------------------------------------------------------


def round_half_even(value: Fraction) -> int:
    """Plain Python, no floats."""
    floor = math.floor(value)
    rest = value - floor
    return floor + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and floor % 2 == 1))


@pytest.mark.parametrize("bits", range(1, 9))
def test_qrelu_levels_and_mask(bits):
    top = 2**bits - 1
    values = [Fraction(i, 256) for i in range(-64, 385)] + [Fraction(2 * i + 1, 2) for i in range(-3, 4)]
    values += [Fraction(1, 2**60), -Fraction(1, 2**60)]
    x = torch.tensor([float(v) for v in values], requires_grad=True)
    out = L.QReLU(bits)(x)
    clipped = [min(max(v, Fraction(0)), Fraction(1)) for v in values]
    # float32 x * top is exact for these values, so the exact rational decides
    assert out.tolist() == [
        int(v > 0) if bits == 1 else round_half_even(c * top) for v, c in zip(values, clipped, strict=True)
    ]
    out.sum().backward()
    assert x.grad.tolist() == [top if 0 <= v <= 1 else 0 for v in values]


def test_qrelu_rounds_ties_to_even():
    assert L.QReLU(2)(torch.tensor([0.5])).item() == 2  # 1.5 -> 2
    ties = torch.tensor([0.5 / 4, 2.5 / 4, 1.5 / 4])
    layer = L.QReLU(2)
    layer.top = 4
    assert layer(ties).tolist() == [0, 2, 2]


@pytest.mark.parametrize("bits", range(1, 7))
def test_bitshift(bits):
    pairs = list(product(range(2**bits), repeat=2))
    a = torch.tensor([float(p[0]) for p in pairs], requires_grad=True)
    b = torch.tensor([float(p[1]) for p in pairs], requires_grad=True)
    out = L.Bitshift(bits)(a, b)
    assert out.tolist() == [p | q if bits == 1 else (p + q) >> 1 for p, q in pairs]
    out.sum().backward()
    assert set(a.grad.tolist()) == set(b.grad.tolist()) == {0.5}


@pytest.mark.parametrize("bits", [1, 2])
def test_tgap_is_strict(bits):
    top = 2**bits - 1
    maps = list(product(range(top + 1), repeat=4))
    x = torch.tensor(maps, dtype=torch.float32).reshape(1, -1, 2, 2).requires_grad_()
    out = L.TGAP(bits)(x)
    assert out.shape == (1, len(maps))
    assert out[0].tolist() == [int(2 * sum(m) > top * 4) for m in maps]
    assert any(2 * sum(m) == top * 4 for m in maps)
    assert not out.requires_grad


def test_mux():
    one, zero = torch.full((1, 2, 1, 2), 5.0, requires_grad=True), torch.full((1, 2, 1, 2), 3.0, requires_grad=True)
    out = L.Mux()(torch.tensor([[0.0, 1.0]]), one, zero)
    assert out.tolist() == [[[[3, 3]], [[5, 5]]]]
    out.sum().backward()
    assert one.grad.flatten().tolist() == [0, 0, 1, 1]
    assert zero.grad.flatten().tolist() == [1, 1, 0, 0]


def set_weights(layer, values):
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([float(v) for v in values]).reshape(layer.weight.shape))


def test_ternary_weights_and_mask():
    values = [Fraction(i, 16) for i in range(-24, 25)]
    layer = L.TernaryConv2d(len(values), 1)
    set_weights(layer, values)
    for step in (Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(2)):
        layer.step.fill_(float(step))
        wanted = [max(-1, min(1, round_half_even(v / step))) for v in values]
        assert layer.integer_weight().flatten().tolist() == wanted
        layer.weight.grad = None
        out = layer(torch.ones(1, len(values), 1, 1))
        assert out.item() == sum(wanted)
        out.backward()
        assert layer.weight.grad.flatten().tolist() == [int(abs(v) <= 1) for v in values]


def test_step_is_the_sum_of_the_tertiles():
    layer = L.TernaryConv2d(7, 1)
    set_weights(layer, [Fraction(v, 8) for v in (-8, -5, -3, 1, 2, 6, 7)])
    assert layer.update_step() is None
    assert layer.step.item() == 3 / 8 + 2 / 8  # sorted positions 2 and 4 of 0..6
    set_weights(layer, [Fraction(v, 8) for v in (-16, -15, -14, 1, 2, 16, 17)])
    assert layer.update_step() is None
    assert layer.step.item() == 1 + 2 / 8  # proxies beyond the rail count as -1


def test_binary_weights_are_never_zero():
    layer = L.BinaryConv2d(5, 1)
    set_weights(layer, [0.0, -0.0, 1e-30, -1e-30, -2.0])
    assert layer.integer_weight().flatten().tolist() == [1, 1, 1, -1, -1]
    layer(torch.ones(1, 5, 1, 1)).backward()
    assert layer.weight.grad.flatten().tolist() == [1, 1, 1, 1, 0]


def test_float_form():
    layer = L.BinaryConv2d(3, 1)
    set_weights(layer, [0.25, -0.5, 3.0])
    act, shift = L.QReLU(2), L.Bitshift(2)
    for module in (layer, act, shift):
        module.quantised = False
    assert layer(torch.tensor([1.0, 2.0, 4.0]).reshape(1, 3, 1, 1)).item() == 0.25 - 1 + 4
    assert act(torch.tensor([-1.0, 0.25, 2.0])).tolist() == [0, 0.75, 3]
    assert shift(torch.tensor([1.0]), torch.tensor([2.0])).item() == 1.5


def test_dead_layer_guard():
    layer = L.TernaryConv2d(10, 2)
    rails = [1.0] * 16 + [-0.5] * 4
    set_weights(layer, rails)
    layer.step.fill_(2)  # what BTQ alone gives: both tertiles at the rail
    assert not layer.integer_weight().any()
    said = layer.update_step()
    assert said == "BTQ step 2 leaves 100% of the filters all zero; limited to 1.99805, now 0%"
    assert layer.integer_weight().flatten().tolist() == [1] * 16 + [0] * 4


@pytest.mark.parametrize(
    "values", [[0.0] * 8, [0.0] * 6 + [0.5, -0.25], [0.5] * 8, [-1.0] * 8, [1e-20] * 8, [0.25] * 7 + [-1.0]]
)
def test_no_proxies_give_a_useless_step(values):
    layer = L.TernaryConv2d(4, 2)
    set_weights(layer, values)
    layer.update_step()
    assert layer.step.item() > 0
    assert torch.isfinite(layer.integer_weight()).all()
    assert layer.integer_weight().any() == any(values)


def test_rule30_kernel_equals_cellpylib():
    cases = json.loads(RULE30.read_text())["cases"]
    mixed = [case for case in cases if len(set(case["seed"])) == 2]
    assert len(mixed) == 7
    for case in mixed:
        states = case["states"]
        layer = L.Rule30Conv2d(len(states), len(case["seed"]), case["seed"])
        kernel = layer.integer_weight()
        assert kernel.shape == (len(case["seed"]), len(states), 1, 1)
        assert kernel[:, :, 0, 0].T.tolist() == [[2 * bit - 1 for bit in row] for row in states]


def test_rule30_seed_is_the_only_state_and_reload_rebuilds_the_kernel():
    layer, other = L.Rule30Conv2d(6, 5, [0, 0, 1, 0, 0]), L.Rule30Conv2d(6, 5, [1, 1, 0, 1, 0])
    assert list(layer.state_dict()) == ["seed"]
    assert layer.seed.dtype == torch.uint8
    layer.load_state_dict(other.state_dict())
    assert torch.equal(layer.kernel, other.kernel)


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        ([0, 0, 0], "the rule-30 seed is all 0: every later row would be 0; use a mixed one"),
        ([1, 1, 1], "the rule-30 seed is all 1: every later row would be 0; use a mixed one"),
        ([0, 1, 2], "a rule-30 seed holds bits 0 and 1, found [2]"),
        ([0, 1], "the rule-30 seed has 2 bits, the layer 3 output channels"),
    ],
)
def test_bad_rule30_seed(seed, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        L.Rule30Conv2d(4, 3, seed)


def test_bad_rule30_seed_in_a_checkpoint():
    layer = L.Rule30Conv2d(4, 3, [0, 1, 0])
    with pytest.raises(ValueError, match="all 0"):
        layer.load_state_dict({"seed": torch.zeros(3, dtype=torch.uint8)})


# --- MOGNET --------------------------------------------------------------------------------------------------------


def meta(text):
    with torch.device("meta"):
        return build(text)


@pytest.mark.parametrize(
    ("text", "weights", "bits"),
    [
        ("mognet:n=128,g=4", 1_122_688, 1_715_968),
        ("mognet:n=128,g=8", 827_776, 1_126_144),
        ("mognet:n=128,g=4,classes=100", 1_168_768, 1_762_048),
        ("mognet:n=128,g=8,last_bits=2", 827_776, 1_131_264),
        ("mognet:n=128,g=8,classes=100,last_bits=2", 873_856, 1_223_424),
    ],
)
def test_weights_and_bits_of_the_paper_sizes(text, weights, bits):
    convs = [m for m in meta(text).modules() if isinstance(m, L.QuantisedConv2d)]
    assert sum(m.weight.numel() for m in convs) == weights
    assert sum(m.weight.numel() * m.code.bits for m in convs) == bits


def cflog(path, channels_in, channels_out, groups):
    latent = channels_in // 2
    return {
        f"{path}.pw1": ("BinaryConv2d", channels_in, latent, 1, 1, 0, 1, channels_in * latent),
        f"{path}.gconv": ("TernaryConv2d", latent, latent, 3, 1, 1, groups, 9 * latent * latent // groups),
        f"{path}.pw2": ("Rule30Conv2d", latent, channels_out, 1, 1, 0, 1, 0),
    }


def test_layer_names_and_geometry():
    wanted = {"conv1": ("TernaryConv2d", 3, 128, 3, 1, 1, 1, 3456)}
    for stage, before, width in ((1, 128, 128), (2, 128, 256), (3, 256, 512)):
        wanted |= cflog(f"s{stage}.cflog", before, width, 4)
        wanted |= cflog(f"s{stage}.mrb.c1", width, width, 4) | cflog(f"s{stage}.mrb.c2", width, width, 4)
    wanted |= cflog("s4.cflog", 512, 512, 4) | {"final1x1": ("BinaryConv2d", 512, 10, 1, 1, 0, 1, 5120)}
    found = {
        name: (
            type(m).__name__, m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding, m.groups,
            m.weight.numel() if isinstance(m, L.QuantisedConv2d) else 0,
        )
        for name, m in meta("mognet:n=128,g=4").named_modules()
        if hasattr(m, "kernel_size") and not isinstance(m, nn.MaxPool2d)
    }  # fmt: skip
    assert found == wanted
    assert list(found) == list(wanted)


def test_layout_and_pool_are_arguments():
    net = build("mognet:n=8,g=2,k=2,layout=1-2m,pool=2,height=16,width=24,classes=3")
    assert [name for name, m in net.named_modules() if isinstance(m, nn.MaxPool2d)] == ["s2.pool"]
    assert [name for name, m in net.named_modules() if isinstance(m, L.Mux)] == ["s2.mrb.mux"]
    assert net.eval()(torch.zeros(2, 3, 16, 24)).shape == (2, 3)


def test_seed_argument_picks_the_automata():
    one, same, other = (build(f"mognet:n=8,g=2,seed={s}").state_dict()["s1.cflog.pw2.seed"] for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


LEAVES = (Layer, nn.BatchNorm2d, nn.MaxPool2d, nn.Flatten)


@pytest.mark.parametrize(
    "text", ["mognet:n=8,g=2", "mdgnet:f=8,g=2,levels=1,k=1", "mdgnet:f=8,classifier_bn=1,levels=1"]
)
def test_a_graph_of_torch_export_has_one_op_a_layer(text):
    net = build(text).eval()
    program = export_layers(net, net.input_shape)
    layers = {name: m for name, m in net.named_modules() if isinstance(m, LEAVES)}
    assert [node.layer for node in program.nodes] == [node.path for node in program.nodes]
    assert {node.layer for node in program.nodes} == set(layers)
    pools = {node.layer for node in program.nodes if not node.target.startswith("intinfer.")}
    assert pools == {name for name, m in layers.items() if isinstance(m, nn.MaxPool2d)}
    assert not [m for m in net.modules() if "forward" in vars(m)]
    x = torch.randint(0, 256, (2, *net.input_shape))
    assert np.array_equal(ModuleRunner(net, program).run(x.numpy())["logits"], net(x.float()).detach().numpy())


def test_every_activation_is_an_integer_level():
    torch.manual_seed(0)
    net = build("mognet:n=8,g=2,k=3")
    seen = []
    for module in net.modules():
        if isinstance(module, Layer | nn.MaxPool2d) and not isinstance(module, GlobalMean):
            module.register_forward_hook(lambda m, args, out: seen.append((m, out.detach())))
    net(torch.randint(0, 256, (4, 3, 32, 32)).float()).sum().backward()
    assert len(seen) > 40
    for module, out in seen:
        assert torch.equal(out, out.round()), module
        if isinstance(module, L.QReLU | L.Bitshift | L.Mux):
            assert out.min() >= 0
            assert out.max() <= 7


def test_mrb_follows_the_paper():
    torch.manual_seed(0)
    block = build("mognet:n=8,g=2,k=3").eval().s1.mrb
    x = torch.randint(0, 8, (3, 8, 4, 4)).float()
    one = block.c2(block.c1(x))
    for image in range(3):
        for channel in range(8):
            levels = [int(v) for v in x[image, channel].flatten()]
            ones = [int(v) for v in one[image, channel].flatten()]
            selected = 2 * sum(levels) > 7 * 16
            wanted = ones if selected else [(a + b) >> 1 for a, b in zip(levels, ones, strict=True)]
            assert [int(v) for v in block(x)[image, channel].flatten()] == wanted
