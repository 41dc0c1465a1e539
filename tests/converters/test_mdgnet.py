"""MDGNet (GRETSI 2023): its wiring, its padding, its arguments and its training."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from converters.random_nets import DYADIC, randomised
from intinfer import reference
from intinfer.ops import Bitshift
from intinfer_converters import convert, convert_checkpoint
from intinfer_converters.nets import MdgnetArgs, NetArgumentError, build, net_arguments
from intinfer_converters.nets.mdgnet import conv_pads, same_pads
from intinfer_converters.train import TrainConfig, train

SMALL = "mdgnet:f=8,g=2,k=2,height=13,width=10,levels=1,classes=3"


# --- wiring -----------------------------------------------------------------------------------------------------------
def test_the_classifier_s_kernel_is_the_whole_map():
    with torch.device("meta"):
        assert build("mdgnet:height=196,width=160,classes=40").cls.dw.weight.shape == (40, 1, 7, 5)
        assert build("mdgnet:height=32,width=32,levels=3").cls.dw.weight.shape == (10, 1, 2, 2)


def test_node_names_of_the_blocks():
    graph = convert(build(SMALL).eval())
    gcm = ["pw", "gc1", "gc1.act", "shuffle", "first", "gc2", "gc2.act", "cat"]
    normal = [
        "dw", "dw.act", *(f"gcm.{name}" for name in gcm), "shift", "tgap", "mux", "shuffle",
    ]  # fmt: skip
    reduced = [*(f"gcm.{name}" for name in gcm), "dw", "dw.act", "cat", "shuffle"]
    wanted = ["conv1", "conv1.act", *(f"gcm0.{name}" for name in gcm)]
    wanted += [
        f"s1.{block}.{name}" for block, names in (("n1", normal), ("n2", normal), ("r", reduced)) for name in names
    ]
    wanted += ["cls.pw", "cls.dw", "cls.flat"]
    nodes = {node.name: node for node in graph.nodes}
    assert sorted(nodes) == sorted(wanted)
    reads = {name: nodes[name].inputs for name in nodes}
    assert reads["s1.n1.gcm.gc1"] == ("s1.n1.gcm.pw",)  # raw sums
    assert reads["cls.dw"] == ("cls.pw",)
    assert reads["s1.n1.gcm.cat"] == ("s1.n1.gcm.gc1.act", "s1.n1.gcm.gc2.act")
    assert reads["s1.n1.mux"] == ("s1.n1.tgap", "s1.n1.dw.act", "s1.n1.shift")
    assert reads["s1.n1.tgap"] == ("s1.n1.dw.act",)
    assert reads["s1.r.cat"] == ("s1.r.gcm.cat", "s1.r.dw.act")
    assert nodes["s1.n1.dw.act"].source == ("s1.n1.dw_bn", "s1.n1.dw_act")


def test_one_bit_uses_or():
    graph = convert(build(SMALL.replace("k=2", "k=1")).eval())
    shifts = [node.op for node in graph.nodes if isinstance(node.op, Bitshift)]
    assert [op.bits for op in shifts] == [1, 1]


VARIANTS = [
    *(f"k={k}" for k in (1, 3, 4)),
    "pad=torch", "gcm_order=21", "gcm_half=shuffled", "reduced_order=dw-gcm", "block_groups=1", "block_groups=4",
    "classifier_bn=1", "levels=2", "levels=4", "width=1",
]  # fmt: skip


@pytest.mark.parametrize("variant", ["k=2", *VARIANTS])
def test_every_variant_runs_as_its_module(variant):
    """With dyadic batch norms float32 is exact, so torch's own forward pass is an oracle for the wiring."""
    key = variant.split("=")[0]
    module, images = randomised(re.sub(rf",{key}=\w+", "", SMALL) + f",{variant}", DYADIC, seed=7)
    graph = convert(module)
    sums = reference.run(graph, images)["logits"]
    (output,) = graph.outputs
    with torch.no_grad():
        logits = module(torch.tensor(images, dtype=torch.float32)).double().numpy()
    scale, offset = (float(numbers[0]) for numbers in (output.scale, output.offset))
    np.testing.assert_array_equal(sums * scale + offset, logits)
    assert len(np.unique(sums)) > 2


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v[0] not in "klw" and v != "classifier_bn=1"])
def test_every_open_point_changes_the_bits(variant):
    plain, images = randomised(SMALL, DYADIC, seed=7)
    other = build(f"{SMALL},{variant}").eval()
    other.load_state_dict({**plain.state_dict(), "net": other.net})
    for name, module in plain.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            other.get_submodule(name).eps = module.eps
    one, two = (reference.run(convert(net), images)["logits"] for net in (plain, other))
    assert (one != two).any()


# --- padding ----------------------------------------------------------------------------------------------------------
def tensorflow_same(size, kernel, stride):
    """The rule in TensorFlow's documentation of padding 'SAME'."""
    total = max(kernel - stride, 0) if size % stride == 0 else max(kernel - size % stride, 0)
    return total // 2, total - total // 2


def test_same_pads_are_tensorflow_s():
    for size in range(1, 60):
        for kernel in (1, 2, 3, 5, 7):
            for stride in (1, 2, 3):
                assert same_pads(size, kernel, stride) == tensorflow_same(size, kernel, stride)


@pytest.mark.parametrize(
    ("size", "stride", "pads"),
    [
        ((96, 96), 1, (1, 1, 1, 1)),
        ((98, 80), 2, (0, 0, 1, 1)),
        ((49, 40), 2, (1, 0, 1, 1)),  # top, left, bottom, right
        ((25, 20), 2, (1, 0, 1, 1)),
        ((13, 10), 2, (1, 0, 1, 1)),
        ((20, 25), 2, (0, 1, 1, 1)),
        ((1, 1), 2, (1, 1, 1, 1)),
    ],
)
def test_pads_per_axis(size, stride, pads):
    assert conv_pads(size, stride, "same") == pads
    assert conv_pads(size, stride, "torch") == (1, 1, 1, 1)


def test_pads_reach_the_nodes():
    graph = convert(build("mdgnet:f=4,height=49,width=40,levels=1").eval())
    pads = {node.name: node.op.pads for node in graph.nodes if node.op.kind == "conv2d"}
    sizes = {node.name: node.output.shape[1:] for node in graph.nodes}
    assert pads["gcm0.gc1"] == (1, 0, 1, 1)  # 49x40 -> 25x20
    assert pads["s1.r.dw"] == pads["s1.r.gcm.gc1"] == (1, 0, 1, 1)  # 25x20 -> 13x10
    assert pads["s1.n1.dw"] == pads["gcm0.gc2"] == (1, 1, 1, 1)
    assert pads["cls.dw"] == (0, 0, 0, 0)
    assert (sizes["gcm0.gc1"], sizes["s1.r.dw"], sizes["cls.dw"]) == ((25, 20), (13, 10), (1, 1))


# --- arguments --------------------------------------------------------------------------------------------------------
def test_defaults():
    assert net_arguments("mdgnet") == (
        "mdgnet",
        MdgnetArgs(32, 1, 4, 10, 96, 96, 4, 2, "same", "12", "plain", "gcm-dw", 0),
    )
    assert MdgnetArgs(f=64, g=2).stages == ((64, 2), (128, 2), (256, 4), (512, 8))


WRONG = {
    "mdgnet:f=30": "mdgnet: g=1 does not divide f/4=7.5, the input channels of the group convolutions; "
    "f must be a multiple of 4*g=4: try f=32",
    "mdgnet:f=36,g=2": "mdgnet: g=2 does not divide f/4=9, the input channels of the group convolutions; "
    "f must be a multiple of 4*g=8: try f=40",
    "mdgnet:f=0": "mdgnet: g=1 does not divide f/4=0, the input channels of the group convolutions; "
    "f must be a multiple of 4*g=4: try f=4",
    "mdgnet:f=8192": "mdgnet: f=8192 is too large; use 4096 or less",
    "mdgnet:g=0": "mdgnet: g=0 is not a number of groups; use g=1 or more",
    "mdgnet:k=9": "mdgnet: k=9 activation bits are not supported; use k=1 to k=8",
    "mdgnet:classes=1": "mdgnet: classes=1 leaves nothing to classify; use 2 or more",
    "mdgnet:width=0": "mdgnet: width=0 is no image; use width=1 or more",
    "mdgnet:levels=5": "mdgnet: levels=5 is not a number of stages; use levels=1 to levels=4",
    "mdgnet:block_groups=3": "mdgnet: block_groups=3 does not divide f=32, the channels that are shuffled; "
    "use 1 or a divisor of f, as in block_groups=2",
    "mdgnet:pad=valid": "mdgnet: pad=valid is not offered; use pad=same or pad=torch",
    "mdgnet:gcm_order=1": "mdgnet: gcm_order=1 is not offered; use gcm_order=12 or gcm_order=21",
    "mdgnet:gcm_half=x": "mdgnet: gcm_half=x is not offered; use gcm_half=plain or gcm_half=shuffled",
    "mdgnet:reduced_order=x": "mdgnet: reduced_order=x is not offered; use reduced_order=gcm-dw or "
    "reduced_order=dw-gcm",
    "mdgnet:classifier_bn=2": "mdgnet: classifier_bn=2 is not offered; use 0 or 1",
    "mdgnet:f": "mdgnet: 'f' is not an argument; write key=value, as in mdgnet:f=32,k=4",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_arguments(text):
    with pytest.raises(NetArgumentError) as caught:
        net_arguments(text)
    assert str(caught.value) == WRONG[text]


# --- training ---------------------------------------------------------------------------------------------------------
def test_learns_and_converts(tmp_path):
    net = "mdgnet:f=8,k=2,classes=3,height=8,width=8,levels=1"
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 160)
    images = random.integers(0, 128, (160, 8, 8, 3))
    images[np.arange(160), :, :, labels] += 100  # the class is the strongest colour
    images = images.astype(np.uint8)
    config = TrainConfig(
        float_epochs=2, weight_epochs=2, full_epochs=12, batch=16, learning_rate=0.01, warmup_steps=4, crop_padding=0,
        test_every=0, calibration_images=96,
    )  # fmt: skip
    out = tmp_path / "net.pt"
    result = train(net, images[:96], labels[:96], images[96:], labels[96:], config, out, progress=False)
    assert result.test_accuracy > 0.8
    graph = convert_checkpoint(out, net)
    state = torch.load(out, weights_only=True)
    assert float(graph.outputs[0].scale[0]) == float(state["cls.scale.factor"])
    assert float(state["cls.scale.factor"]) == pytest.approx(float(state["cls.pw.step"] * state["cls.dw.step"]) / 3)
    sums = reference.run(graph, images[96:].transpose(0, 3, 1, 2).astype(np.int64))["logits"]
    assert abs((sums.argmax(1) == labels[96:]).mean() - result.test_accuracy) < 0.05
