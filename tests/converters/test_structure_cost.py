"""`cost --net`: the published sizes, and agreement with the cost of a converted model."""

import pytest
import torch

from intinfer.cost import graph_cost
from intinfer_converters import convert
from intinfer_converters.cost import net_cost
from intinfer_converters.nets import build

# MOGNET (AICAS 2022), model size in Mb = 1e6 bits, printed with two decimals: (g, classes, last layer's bits)
PAPER_MB = {(8, 10, 1): "1.13", (4, 10, 1): "1.72", (8, 100, 2): "1.22", (4, 100, 1): "1.76"}
EXACT = {
    (4, 10, 1): (1_122_688, 1_715_968, 210_976_768),
    (8, 10, 1): (827_776, 1_126_144, 174_407_680),
    (4, 100, 1): (1_168_768, 1_762_048, 211_714_048),
}


def cost_of(g, classes, last_bits):
    return net_cost(f"mognet:n=128,g={g},k=3,classes={classes},last_bits={last_bits}")


@pytest.mark.parametrize("cell", PAPER_MB)
def test_the_paper_s_sizes(cell):
    assert f"{cost_of(*cell).total('weight_bits') / 1e6:.2f}" == PAPER_MB[cell]


@pytest.mark.parametrize("cell", EXACT)
def test_weights_bits_and_macs(cell):
    report = cost_of(*cell)
    assert (report.weights, report.total("weight_bits"), report.macs) == EXACT[cell]
    generated = [layer for layer in report.layers if layer.name.endswith("pw2")]
    assert sum(layer.macs for layer in generated) == 69_206_016
    assert not any(layer.weights or layer.weight_bits for layer in generated)


CONVERTED = [
    "mognet:n=16,g=4,k=3",
    "mognet:n=8,g=2,k=1,pool=13,last_bits=2,height=16,width=8",
    "mdgnet:f=8,g=2,k=3,height=13,width=10,levels=2",
]


@pytest.mark.parametrize("net", CONVERTED)
def test_a_converted_model_costs_what_its_structure_says(net):
    torch.manual_seed(3)
    structure = {layer.name: layer for layer in net_cost(net).layers}
    model = graph_cost(convert(build(net).eval()))
    compared = 0
    for layer in model.layers:
        if layer.op != "conv2d":
            continue
        twin = structure[layer.name]
        counts = (layer.macs, layer.weights, layer.weight_bits, layer.inputs, layer.output)
        assert counts == (twin.macs, twin.weights, twin.weight_bits, twin.inputs, twin.output)
        assert layer.bops <= twin.bops  # proven ranges are never wider than the worst case of the code
        compared += 1
    assert compared == sum(layer.op == "conv2d" for layer in structure.values())
    assert model.total("macs") == net_cost(net).macs


def test_layers_on_levels_have_exact_bops():
    report = {layer.name: layer for layer in net_cost("mognet:n=128,g=4,k=3").layers}
    assert report["conv1"].bops == 3_538_944 * 2 * 8
    assert report["s1.cflog.pw1"].bops == 8_388_608 * 1 * 3
    assert report["s1.cflog.gconv"].bops == 9_437_184 * 2 * 11  # PW1's sum needs 11 signed bits at worst
