"""MDGNet (GRETSI 2023): its layer table, its sizes and its bit operations."""

import json

import pytest
import torch

from intinfer.cli import main
from intinfer_converters.cost import net_cost
from intinfer_converters.nets import build, net_arguments
from intinfer_converters.nets.layers import TernaryConv2d

# The paper's networks: STL-10 at 96x96 three times, CelebA with 40 attributes
STL32, STL64_2, STL64, CELEBA = "mdgnet:f=32,g=1", "mdgnet:f=64,g=2", "mdgnet:f=64,g=1", "mdgnet:height=196,width=160"
CELEBA += ",classes=40,k=3"
TOTALS = {
    STL32: (287_322, 58_399_578),
    STL64_2: (705_626, 135_673_434),
    STL64: (1_111_130, 211_981_914),
    CELEBA: (303_992, 201_168_760),
}

# layer, input channels, output channels, kernel, stride, groups, input size, output size, weights, MACs
TABLE = """
conv1 3 32 3 1 1 96 96 864 7962624
gcm0.pw 32 8 1 1 1 96 96 256 2359296
gcm0.gc1 8 16 3 2 1 96 48 1152 2654208
gcm0.gc2 8 16 3 1 1 48 48 1152 2654208
s1.n1.dw 32 32 3 1 32 48 48 288 663552
s1.n1.gcm.pw 32 8 1 1 1 48 48 256 589824
s1.n1.gcm.gc1 8 16 3 1 1 48 48 1152 2654208
s1.n1.gcm.gc2 8 16 3 1 1 48 48 1152 2654208
s1.n2.dw 32 32 3 1 32 48 48 288 663552
s1.n2.gcm.pw 32 8 1 1 1 48 48 256 589824
s1.n2.gcm.gc1 8 16 3 1 1 48 48 1152 2654208
s1.n2.gcm.gc2 8 16 3 1 1 48 48 1152 2654208
s1.r.dw 32 32 3 2 32 48 24 288 165888
s1.r.gcm.pw 32 8 1 1 1 48 48 256 589824
s1.r.gcm.gc1 8 16 3 2 1 48 24 1152 663552
s1.r.gcm.gc2 8 16 3 1 1 24 24 1152 663552
s2.n1.dw 64 64 3 1 64 24 24 576 331776
s2.n1.gcm.pw 64 16 1 1 1 24 24 1024 589824
s2.n1.gcm.gc1 16 32 3 1 1 24 24 4608 2654208
s2.n1.gcm.gc2 16 32 3 1 1 24 24 4608 2654208
s2.n2.dw 64 64 3 1 64 24 24 576 331776
s2.n2.gcm.pw 64 16 1 1 1 24 24 1024 589824
s2.n2.gcm.gc1 16 32 3 1 1 24 24 4608 2654208
s2.n2.gcm.gc2 16 32 3 1 1 24 24 4608 2654208
s2.r.dw 64 64 3 2 64 24 12 576 82944
s2.r.gcm.pw 64 16 1 1 1 24 24 1024 589824
s2.r.gcm.gc1 16 32 3 2 1 24 12 4608 663552
s2.r.gcm.gc2 16 32 3 1 1 12 12 4608 663552
s3.n1.dw 128 128 3 1 128 12 12 1152 165888
s3.n1.gcm.pw 128 32 1 1 1 12 12 4096 589824
s3.n1.gcm.gc1 32 64 3 1 2 12 12 9216 1327104
s3.n1.gcm.gc2 32 64 3 1 2 12 12 9216 1327104
s3.n2.dw 128 128 3 1 128 12 12 1152 165888
s3.n2.gcm.pw 128 32 1 1 1 12 12 4096 589824
s3.n2.gcm.gc1 32 64 3 1 2 12 12 9216 1327104
s3.n2.gcm.gc2 32 64 3 1 2 12 12 9216 1327104
s3.r.dw 128 128 3 2 128 12 6 1152 41472
s3.r.gcm.pw 128 32 1 1 1 12 12 4096 589824
s3.r.gcm.gc1 32 64 3 2 2 12 6 9216 331776
s3.r.gcm.gc2 32 64 3 1 2 6 6 9216 331776
s4.n1.dw 256 256 3 1 256 6 6 2304 82944
s4.n1.gcm.pw 256 64 1 1 1 6 6 16384 589824
s4.n1.gcm.gc1 64 128 3 1 4 6 6 18432 663552
s4.n1.gcm.gc2 64 128 3 1 4 6 6 18432 663552
s4.n2.dw 256 256 3 1 256 6 6 2304 82944
s4.n2.gcm.pw 256 64 1 1 1 6 6 16384 589824
s4.n2.gcm.gc1 64 128 3 1 4 6 6 18432 663552
s4.n2.gcm.gc2 64 128 3 1 4 6 6 18432 663552
s4.r.dw 256 256 3 2 256 6 3 2304 20736
s4.r.gcm.pw 256 64 1 1 1 6 6 16384 589824
s4.r.gcm.gc1 64 128 3 2 4 6 3 18432 165888
s4.r.gcm.gc2 64 128 3 1 4 3 3 18432 165888
cls.pw 512 10 1 1 1 3 3 5120 46080
cls.dw 10 10 3 1 10 3 1 90 90
"""


@pytest.mark.parametrize("net", TOTALS)
def test_weights_and_macs(net):
    report = net_cost(net)
    assert (report.weights, report.macs) == TOTALS[net]
    assert report.total("weight_bits") == 2 * report.weights  # all ternary


def test_every_layer_of_32_1():
    with torch.device("meta"):
        modules = dict(build(STL32).named_modules())
    costs = {layer.name: layer for layer in net_cost(STL32).layers if layer.op == "conv2d"}
    found = []
    for name, cost in costs.items():
        conv = modules[name]
        kernel = conv.weight.shape[2]
        assert conv.weight.shape[3] == kernel
        (channels, height, width), (out_channels, out_height, out_width) = cost.inputs[0], cost.output
        assert (height, out_height) == (width, out_width)
        found.append(
            (
                name,
                channels,
                out_channels,
                kernel,
                conv.stride,
                conv.groups,
                height,
                out_height,
                cost.weights,
                cost.macs,
            )
        )
        assert type(conv) is TernaryConv2d
    wanted = [(name, *map(int, numbers)) for name, *numbers in map(str.split, TABLE.split("\n")[1:-1])]
    assert sorted(found) == sorted(wanted)


# --- as the paper counts ----------------------------------------------------------------------------------------------
# MB float32, MB ternary, BOPs float32, W-ter A-32b, W-ter A-kb; the CelebA row has k=3 and maps that are not rounded up
CELLS = {
    STL32: ("1.149", "0.072", "54.700", "3.863", "1.496"),
    STL64_2: ("2.823", "0.176", "128.728", "8.933", "3.143"),
    STL64: ("4.445", "0.278", "206.868", "13.817", "4.669"),
    CELEBA: ("1.216", "0.076", "186.616", "13.174", "4.880"),
}


@pytest.mark.parametrize("net", CELLS)
def test_the_paper_s_cells(net, capsys):
    bits = net_arguments(net)[1].k
    labels = ("MB float32 (1e6)", "MB ternary (1e6)", "BOPs float32 (1e9)")
    labels += ("BOPs W-ter A-32b (1e9)", f"BOPs W-ter A-{bits}b (1e9)")
    assert main(["cost", "--net", net]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("as MDGNet (GRETSI 2023) counts:")
    assert lines[start + 1 : start + 6] == [f"{n}: {cell}" for n, cell in zip(labels, CELLS[net], strict=True)]
    assert lines[start + 10] == "BOPs W-ter A-32b: MACs x 2 x (8 for conv1, else 32) + BN x 32 x 16"


def test_json_has_the_paper_s_totals_exactly(capsys):
    assert main(["cost", "--net", STL32, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    normalised, macs, ak = 0, 0, 0
    for name, _, channels, *_, size, _, layer_macs in map(str.split, TABLE.split("\n")[1:-1]):
        role = name.rpartition(".")[2]
        if role != "pw" and name != "cls.dw":
            normalised += int(channels) * int(size) ** 2
        first = name == "conv1"
        macs += int(layer_macs) * (8 if first else 32)
        ak += int(layer_macs) * 2 * (8 if first else 16 if role == "gc1" or name == "cls.dw" else 4)
    assert document["paper"] == {
        "name": "MDGNet (GRETSI 2023)",
        "float32_weight_bits": 32 * 287_322,
        "ternary_weight_bits": 2 * 287_322,
        "bops_float32": 32 * macs + 1024 * normalised,
        "bops_ternary_a32": 2 * macs + 512 * normalised,
        "bops_ternary_ak": ak + 512 * normalised,
    }
    assert main(["cost", "--net", "mognet:n=8,g=2", "--json"]) == 0
    assert "paper" not in json.loads(capsys.readouterr().out)
