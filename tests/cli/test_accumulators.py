"""Accumulators on the command line: the widths they need, other ones in a conversion, a verdict on images."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import tiny_graph, tiny_images

import intinfer
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.bounds import Bounds
from intinfer.bounds.widths import accumulator_widths, to_text
from intinfer.builder import GraphBuilder
from intinfer.cli import main
from intinfer.graph import Graph
from intinfer.narrow import narrow
from intinfer.ops import Conv2d, MaxPool
from intinfer.tensor import IntTensor
from intinfer.types import IntType


def composed(gc: Accumulator) -> Graph:
    """x of 0..7 -> pw: x0 + x1 twice -> gc: their difference, and 3 times the first; by the type rule ±14 and 0..42."""
    builder = GraphBuilder()
    x = builder.input("x", (2, 1, 1), IntType(0, 7))
    for name, weight, rule in (("pw", [[1, 1], [1, 1]], Accumulator.prove(6)), ("gc", [[1, -1], [2, 1]], gc)):
        op = Conv2d(IntTensor(np.array(weight)[:, :, None, None]), (1, 1), (0,) * 4, (0,), (1, 1), 1, rule)
        x = builder.add(op, x, name=name, source=(f"{name}.weight",))
    builder.output("y", x)
    return builder.finish()


def inspected(graph: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    intinfer.save(graph, tmp_path / "m.npz")
    assert main(["inspect", str(tmp_path / "m.npz"), "--accumulators", *options]) == 0
    return capsys.readouterr().out


def test_inspect_shows_declared_ruled_and_proven_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = inspected(composed(Accumulator.prove(9)), tmp_path, capsys).splitlines()
    rows = [line.split() for line in lines[4:6]]
    assert rows[0] == ["pw", "6", "prove", "2", "5", "5", "0..14", "#####.", "2:5"]
    assert rows[1] == ["gc", "9", "prove", "2", "7", "7", "0..42", "#######..", "1:2", "1:7"]
    assert lines[-1] == (
        "registers, one an output channel: declared 30 bits, type rule 24 bits, proven a node 24 bits, "
        "proven a channel 19 bits"
    )


def test_inspect_marks_what_may_overflow_and_counts_partial_sums(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = inspected(composed(Accumulator.saturate(4, TapOrder.CKK)), tmp_path, capsys).splitlines()
    row = "gc 4 saturate CKK fold 1 2 7 7 may overflow 0..42 ####!!! 1:5 1:7"
    assert " ".join(lines[5].split()) == row
    tree = inspected(composed(Accumulator.saturate(7, TapOrder.CKK, 2)), tmp_path, capsys).splitlines()
    assert " ".join(tree[5].split()) == "gc 7 saturate CKK fold 2 2 7 7 0..42 ####### 1:2 1:7"


def test_inspect_json_holds_every_channel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(inspected(composed(Accumulator.trap(6, TapOrder.KKC)), tmp_path, capsys, "--json"))
    assert document["register_bits"] == {"declared": 24, "type_rule": 24, "proven_a_node": 24, "proven_a_channel": 22}
    assert document["accumulators"][1] == {
        "name": "gc",
        "op": "conv2d",
        "source": ["gc.weight"],
        "declared": {"bits": 6, "overflow": "trap", "order": "KKC", "fold": 1},
        "products": 2,
        "type_rule": {"lo": -14, "hi": 42, "bits": 7},
        "proven": {"lo": 0, "hi": 42, "bits": 7},
        "partial_sums": {"lo": 0, "hi": 42, "bits": 7},
        "bits": 7,
        "fits": False,
        "channels": [
            {"lo": 0, "hi": 0, "bits": 2, "partial_sums": {"lo": 0, "hi": 14, "bits": 5}},
            {"lo": 0, "hi": 42, "bits": 7, "partial_sums": {"lo": 0, "hi": 42, "bits": 7}},
        ],
    }
    assert document["accumulators"][0]["partial_sums"] is None


def test_inspect_without_any_accumulator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builder = GraphBuilder()
    x = builder.input("x", (1, 2, 2), IntType(0, 7))
    builder.output("y", builder.add(MaxPool((2, 2), (1, 1), (0,) * 4, (1, 1)), x, name="y"))
    assert inspected(builder.finish(), tmp_path, capsys).endswith("proven a node 0 bits, proven a channel 0 bits\n")


def test_the_demo_model_needs_less_than_its_type_rules_say() -> None:
    graph = intinfer.load(Path(intinfer.__file__).parent / "demo" / "mognet.npz").graph
    widths = {width.name: width for width in accumulator_widths(graph)}
    assert all(width.rule.bits == max(2, width.type_rule.union(IntType(-1, 0)).bits) for width in widths.values())
    saved = [width.rule.bits - width.bits for width in widths.values()]
    assert min(saved) == 0
    assert max(saved) >= 5
    assert all(width.fits for width in widths.values())
    assert "s3.mrb.c2.pw2" in to_text(list(widths.values()))


@pytest.fixture
def model(tmp_path: Path) -> str:
    intinfer.save(tiny_graph(), tmp_path / "m.npz")
    return str(tmp_path / "m.npz")


@pytest.fixture
def data(tmp_path: Path) -> str:
    np.savez(tmp_path / "d.npz", images=tiny_images(5).transpose(0, 2, 3, 1).astype(np.uint8))
    return str(tmp_path / "d.npz")


def test_profile_gives_a_verdict(model: str, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", model, data, "--acc-bits", "16", "--overflow", "trap", "--acc-order", "KKC"]) == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("\nverdict: 2 of 2 accumulators fit on these images\n")
    assert captured.err == ("intinfer: trap depends on the order of additions: KKC, fold 1, where not told otherwise\n")
    assert main(["profile", model, data, "--acc-bits", "11"]) == 1
    captured = capsys.readouterr()
    verdict = captured.out.splitlines()[-1]
    assert re.fullmatch(
        rf"verdict: 1 of 2 accumulators fit; the first overflow is in conv \(11 wrap\): image 1 \({data}\[1\]\), "
        r"channel \d, \(y=\d, x=\d\): -?\d{4}",
        verdict,
    )
    assert captured.err == ""
    assert main(["profile", model, data, "--acc-bits", "11", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["fits"] is False
    assert document["accumulators"][0]["first_overflow"]["file"] == f"{data}[1]"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--overflow", "wrap"], "--overflow describes accumulators of --acc-bits B; give their width as well"),
        (["--acc-fold", "2"], "--acc-fold describes accumulators of --acc-bits B; give their width as well"),
        (["--acc-bits", "1"], "--acc-bits 1: 2..62 are possible"),
        (["--acc-bits", "63"], "--acc-bits 63: 2..62 are possible"),
        (
            ["--acc-bits", "9", "--overflow", "prove", "--acc-order", "CKK"],
            "--acc-order CKK: the order of additions does not matter to prove; leave it out",
        ),
    ],
)
def test_options_that_do_not_go_together(
    options: list[str], message: str, model: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", model, data, *options]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"intinfer: error: {message}\n")


NET = "mognet:n=4,g=1,k=2,layout=1m,pool=1,classes=3,height=8,width=8"


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    torch = pytest.importorskip("torch")
    from intinfer_converters.nets import build

    torch.manual_seed(0)
    torch.save(build(NET).state_dict(), tmp_path / "net.pt")
    return str(tmp_path / "net.pt")


def test_convert_rewrites_accumulators(checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from intinfer_converters import convert_checkpoint

    plain = convert_checkpoint(checkpoint, NET)
    wanted = narrow(plain, Accumulator.saturate(6, TapOrder.KKC, 3), "*.pw*")
    intinfer.save(wanted, tmp_path / "wanted.npz")
    command = ["convert", checkpoint, "--net", NET, "-o", str(tmp_path / "m.npz"), "--acc-bits", "6"]
    saturate = ["--overflow", "saturate", "--acc-order", "KKC", "--acc-fold", "3", "--acc-nodes", "*.pw*"]
    assert main([*command, *saturate]) == 0
    assert (tmp_path / "m.npz").read_bytes() == (tmp_path / "wanted.npz").read_bytes()
    captured = capsys.readouterr()
    assert captured.err == ""
    table, _, rest = captured.out.partition("\n\n")
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in table.splitlines()[1:-1]}
    bounds = Bounds(wanted)
    changed = {n.name for n in wanted.nodes if ".pw" in n.name and n.op.kind == "conv2d"}
    assert changed <= set(rows)
    for name in changed:
        end = "proven never to overflow" if bounds.fits(name) else "may overflow"
        assert rows[name] == f"{getattr(plain.node(name).op, 'accumulator')} 6 saturate KKC fold 3 {end}"  # noqa: B009
    assert {bounds.fits(name) for name in changed} == {True, False}
    assert rest.startswith("node ")
    assert main([*command, *saturate, "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)["accumulators"]
    assert {entry["name"]: entry["fits"] for entry in entries} == {name: bounds.fits(name) for name in rows}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--acc-bits", "9"], "--acc-bits 9: say --overflow prove, wrap, saturate, trap as well"),
        (["--acc-nodes", "a"], "--acc-nodes a: says where accumulators of --acc-bits B go; give B as well"),
        (
            ["--acc-bits", "9", "--overflow", "wrap", "--acc-nodes", "zz"],
            "{}: no conv2d or dense node matches 'zz'; such nodes are: conv1, ",
        ),
        (["--acc-bits", "5", "--overflow", "prove"], "{}: node 'conv1' (conv2d): sums reach "),
    ],
)
def test_convert_refuses(
    options: list[str], message: str, checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "m.npz"
    assert main(["convert", checkpoint, "--net", NET, "-o", str(output), *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"intinfer: error: {message.format(checkpoint)}")
    assert captured.err.count("\n") == 1
    assert not output.exists()
