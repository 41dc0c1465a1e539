"""`intinfer cost` and `intinfer zoo`: the report of the library, printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import tiny_graph

import intinfer
from intinfer.cli import main
from intinfer.cost import RULES, graph_cost


def test_of_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.npz"
    intinfer.save(tiny_graph(), path)
    report = graph_cost(tiny_graph())
    assert main(["cost", str(path)]) == 0
    text = capsys.readouterr().out
    assert text == report.to_text() + "\n"
    assert all(rule in text for rule in RULES)
    assert main(["cost", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads(json.dumps(report.to_json()))
    assert {"weights", "params", "weight_bits", "macs", "bops", "layers"} <= set(document)
    assert {"name", "op", "weights", "params", "weight_bits", "macs", "bops"} <= set(document["layers"][0])


def test_of_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    """MOGNET with one stage: conv1 3 -> 8, CFLOG 8 -> 4 -> 4 -> 8 with generated PW2, 1x1 to 10 classes; 4x4 pixels."""
    pytest.importorskip("torch")
    assert main(["cost", "--net", "mognet:n=8,g=2,k=2,layout=1,pool=0,height=4,width=4", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    stored = {"conv1": 8 * 3 * 9, "pw1": 8 * 4, "gconv": 4 * 2 * 9, "final": 8 * 10}
    assert document["weights"] == sum(stored.values())
    assert document["macs"] == 16 * (sum(stored.values()) + 4 * 8)
    assert document["weight_bits"] == 2 * (stored["conv1"] + stored["gconv"]) + stored["pw1"] + stored["final"]


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ("nonet", "unknown network 'nonet'; known: "),
        ("mognet:n=7", "mognet: g=4 does not divide n/2=3.5, "),
    ],
)
def test_of_a_network_that_is_none(net: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert main(["cost", "--net", net]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"intinfer: error: {message}")


def test_zoo(capsys: pytest.CaptureFixture[str]) -> None:
    """The list needs no torch: what it says of each network is what `cost --net` counts."""
    pytest.importorskip("torch")
    assert main(["zoo", "--json"]) == 0
    networks = {net["name"]: net for net in json.loads(capsys.readouterr().out)["networks"]}
    assert networks["mognet"]["arguments"] | {"n": 128, "g": 4, "k": 3} == networks["mognet"]["arguments"]
    for name, network in networks.items():
        assert main(["cost", "--net", name, "--json"]) == 0
        cost = json.loads(capsys.readouterr().out)
        assert (network["weights"], network["macs"]) == (cost["weights"], cost["macs"]), f"{name}: correct nets.NETS"
    cost = networks["mognet"]
    assert main(["zoo"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["network", "weights", "MACs"]
    mognet = next(row.split() for row in rows if row.startswith("mognet "))
    assert mognet[:3] == ["mognet", f"{cost['weights']:,}", f"{cost['macs']:,}"]
    assert mognet[3].startswith("n=128,g=4,k=3,classes=10,height=32,width=32")
